import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { contentOfObject, factsOf, type S3Reference } from "../components/repository/s3-source.ts";
import { present } from "../core/objects.ts";
import { isInside } from "../core/repository/layout.ts";
import {
  formatLock,
  hashFile,
  isVersioned,
  lockFilename,
  readLock,
  type LockedArtifact,
} from "../core/spec/artifacts.ts";
import { parseValue } from "../core/spec/parse.ts";
import { ProblemsError, suggest } from "../core/spec/problem.ts";
import { placeOf, s3ObjectSchema, type S3Object } from "../core/spec/s3-object.ts";
import { formatBytes, type Bytes } from "../core/spec/units.ts";
import { replaceFile } from "./files/replace.ts";
import { spoken } from "./files/spoken.ts";
import { projectModels, userPath } from "./files/user-path.ts";
import { modelFolders } from "./local/build.ts";
import { runSteps } from "./setup/steps.ts";
import { UserError } from "./setup/user-error.ts";

const usage = `npm run model:reference -- <model> <path> <s3 uri> [options]
  <path>               where servers are to have the file, in a version folder: 1/model.plan
  <s3 uri>             s3://bucket/key, in a bucket that keeps versions
  --version-id <id>    the version (default: the newest, which is then pinned)
  --region <region>    of the bucket (default: S3 is asked)
  --endpoint <url>     another S3 than Amazon's
  --models <folder>    the models folder (default: models)`;

/**
 * `npm run model:reference -- <model> <path> <s3 uri>`: pins a file of a model that lies in S3, by its version, size and sha256,
 * in `artifacts.lock`. It need not be on any machine: publishing has S3 copy it. Its content is read once where S3 has no
 * sha256 of it.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      "version-id": { type: "string" },
      region: { type: "string" },
      endpoint: { type: "string" },
      models: { type: "string" },
    },
  });
  const [model, file, uri] = positionals;
  if (model === undefined || file === undefined || uri === undefined || positionals.length > 3)
    throw new UserError("A model, a path and a URI are needed", usage);
  if (!isVersioned({ path: file }) || !isInside(file))
    throw new UserError(`${file} is no path in a version folder`, "write it like 1/model.plan");
  const folder = values.models === undefined ? projectModels() : userPath(values.models);
  const directory = directoryOf(model, folder);
  const locked = readLock(directory, path.join(model, lockFilename));
  if ("problems" in locked) throw new ProblemsError(locked.problems);
  const reference = referenceOf({
    uri,
    ...present({ versionId: values["version-id"], region: values.region, endpoint: values.endpoint }),
  });

  const entry = await spoken(() => pin(file, reference));
  const others = locked.value.filter((other) => other.path !== file);
  replaceFile(path.join(directory, lockFilename), formatLock([...others, entry]));
  console.log(
    `${model}: ${file} is ${uri}, version ${entry.source.versionId}, ${formatBytes(entry.bytes)}, sha256 ${entry.sha256}`,
  );
  if (existsSync(path.join(directory, file)) && hashFile(directory, file).sha256 !== entry.sha256)
    console.log(
      `${model}: ${file} is another one here: remove it, since a cluster is refused while it is there`,
    );
}

function directoryOf(model: string, folder: string): string {
  const folders = modelFolders(folder);
  const found = folders.find((directory) => path.basename(directory) === model);
  if (found !== undefined) return found;
  const known = folders.map((directory) => path.basename(directory));
  throw new UserError(`There is no model \`${model}\` in ${folder}`, suggest(model, known));
}

/** Every mistake in it at once. */
function referenceOf(given: S3Reference): S3Reference {
  const parsed = parseValue(s3ObjectSchema.partial({ versionId: true }), given, "the reference");
  if ("problems" in parsed) throw new ProblemsError(parsed.problems);
  return parsed.value;
}

async function pin(
  file: string,
  reference: S3Reference,
): Promise<LockedArtifact & { readonly source: S3Object }> {
  const { versionId, bytes, sha256 } = await factsOf(reference);
  if (versionId === undefined || versionId === "null") throw unversioned(reference);
  const source = { ...reference, versionId };
  return { path: file, bytes, sha256: sha256 ?? (await hashObject(source, bytes)), source };
}

function unversioned({ uri }: S3Reference): UserError {
  const { bucket } = placeOf({ uri });
  return new UserError(
    `The bucket ${bucket} keeps no versions of ${uri}: what is there tomorrow may be something else`,
    `turn its versioning on and upload the file again: aws s3api put-bucket-versioning --bucket ${bucket} --versioning-configuration Status=Enabled`,
  );
}

async function hashObject(source: S3Object, total: Bytes): Promise<string> {
  const hash = createHash("sha256");
  const run = async (report: (text: string) => void): Promise<void> => {
    let read = 0;
    for await (const chunk of contentOfObject(source)) {
      hash.update(chunk);
      read += chunk.length;
      report(`${formatBytes(read)} of ${formatBytes(total)}`);
    }
  };
  await runSteps([{ title: `Reading ${source.uri} once for its sha256`, run }]);
  return hash.digest("hex");
}
