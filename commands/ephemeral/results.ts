import { cpSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { messageOf } from "../../core/errors.ts";

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
      kept.push(
        place.startsWith("s3://") ? await upload(from, place, stack) : copy(from, path.join(place, stack)),
      );
    } catch (error) {
      say(`Results are not in ${place}: ${messageOf(error)}`);
    }
  }
  return kept;
}

function copy(from: string, to: string): string {
  mkdirSync(to, { recursive: true });
  cpSync(from, to, { recursive: true });
  return to;
}

async function upload(from: string, place: string, stack: string): Promise<string> {
  // Only who keeps results in S3 loads its client.
  const { PutObjectCommand } = await import("@aws-sdk/client-s3");
  const { s3Client } = await import("../../components/repository/s3-client.ts");
  const [, Bucket = "", prefix = ""] = /^s3:\/\/([^/]+)\/?(.*?)\/?$/.exec(place) ?? [];
  const client = s3Client(
    { region: process.env.AWS_REGION, endpoint: process.env.AWS_ENDPOINT_URL_S3 },
    true,
  );
  const folder = [prefix, stack].filter((part) => part !== "").join("/");
  for (const name of readdirSync(from, { recursive: true, encoding: "utf8" })) {
    const file = path.join(from, name);
    if (!statSync(file).isFile()) continue;
    const Key = `${folder}/${name.split(path.sep).join("/")}`;
    await client.send(new PutObjectCommand({ Bucket, Key, Body: readFileSync(file) }));
  }
  return `s3://${Bucket}/${folder}`;
}
