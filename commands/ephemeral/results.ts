import { accessSync, constants, cpSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { inParallel } from "../../components/repository/in-parallel.ts";
import { bucketFolderOf, isInS3, type BucketFolder } from "../../core/ephemeral/results.ts";
import { messageOf } from "../../core/errors.ts";
import type { Problem } from "../../core/spec/problem.ts";
import type { ResultBucket } from "./result-bucket.ts";

/**
 * Copies results to each place that is to keep them: folders, and `s3://bucket/prefix`. One that fails keeps no other from
 * having them, nor the cluster from going: it is said, and the others are returned. What was there of the same run is
 * replaced.
 */
export async function keepResults(
  from: string,
  places: readonly string[],
  stack: string,
  say: (line: string) => void,
): Promise<readonly string[]> {
  const kept: string[] = [];
  for (const place of places) {
    try {
      const bucket = bucketFolderOf(place);
      kept.push(
        bucket === undefined ? copy(from, path.join(place, stack)) : await upload(from, bucket, stack),
      );
    } catch (error) {
      say(`Results are not in ${place}: ${messageOf(error)}`);
    }
  }
  return kept;
}

/** Why a place can keep nothing, as far as this machine alone can tell. Makes nothing. */
export function placeProblem(place: string): Pick<Problem, "message" | "hint"> | undefined {
  if (isInS3(place))
    return bucketFolderOf(place) === undefined
      ? { message: `\`${place}\` names no bucket`, hint: "write it like s3://example-benchmarks/triton" }
      : undefined;
  const hint = "name a folder that this user may write to, or s3://bucket/prefix";
  try {
    const there = nearestThere(path.resolve(place));
    if (!statSync(there).isDirectory()) return { message: `${there} is a file, and no folder`, hint };
    accessSync(there, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return { message: `${place} cannot be written: ${messageOf(error)}`, hint };
  }
}

/** The folder itself, or the nearest above it that is there: what is between is made when it is needed. */
function nearestThere(place: string): string {
  return existsSync(place) ? place : nearestThere(path.dirname(place));
}

/**
 * Asks S3 whether the buckets are there, since results that have no place were paid for in vain. Throws a StoreError.
 * To be denied the question is no answer: who may only put objects there is told no more.
 */
export async function checkBuckets(places: readonly string[]): Promise<void> {
  for (const place of places) {
    const folder = bucketFolderOf(place);
    if (folder !== undefined) await (await bucketOf(folder)).check();
  }
}

function copy(from: string, to: string): string {
  mkdirSync(to, { recursive: true });
  cpSync(from, to, { recursive: true });
  return to;
}

async function upload(from: string, folder: BucketFolder, stack: string): Promise<string> {
  const bucket = await bucketOf(folder);
  const own = [folder.prefix, stack].filter((part) => part !== "").join("/");
  const files = readdirSync(from, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(path.join(from, name)).isFile(),
  );
  await inParallel(files, (name) =>
    bucket.put(path.join(from, name), `${own}/${name.split(path.sep).join("/")}`),
  );
  return `s3://${folder.bucket}/${own}`;
}

/** Only who keeps results in S3 loads its client. */
async function bucketOf({ bucket }: BucketFolder): Promise<ResultBucket> {
  const { ResultBucket } = await import("./result-bucket.ts");
  return new ResultBucket(bucket);
}
