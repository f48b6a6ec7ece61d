import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { link, mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as z from "zod";
import { layout } from "../supervised.ts";
import type { Handler } from "../../provider/handler.ts";
import { oneAtATime } from "../../provider/one-at-a-time.ts";

export const modelRepositorySchema = z.object({
  /** Absolute folder of the repository; its name is the content's hash. */
  directory: z.string(),
  /** Absolute folder of the running platform. */
  platform: z.string(),
  files: z.array(
    z.object({
      path: z.string(),
      bytes: z.number(),
      sha256: z.string(),
      from: z.union([z.object({ content: z.string() }), z.object({ file: z.string() })]),
    }),
  ),
});

type ModelRepositoryInputs = z.output<typeof modelRepositorySchema>;
type RepositoryFile = ModelRepositoryInputs["files"][number];

/** One at a time: the sweep of one must not take what another is about to link. */
const inTurn = oneAtATime();

/** A model repository on disk: immutable, named by its content, sharing equal files with others. */
export const modelRepositoryHandler: Handler<ModelRepositoryInputs> = {
  schema: modelRepositorySchema,
  // The folder is named by the content, so equal folders have equal files, wherever those come from.
  replaceOn: ["directory", "platform"],
  id: (inputs) => inputs.directory,
  create: (inputs) => inTurn(() => create(inputs)),
  exists: isWhole,
  update: () => Promise.resolve(),
  delete: (inputs) => inTurn(() => remove(inputs)),
};

async function isWhole({ directory, files }: ModelRepositoryInputs): Promise<boolean> {
  const sizes = await Promise.all(
    files.map((file) =>
      stat(path.join(directory, file.path)).then(
        ({ size }) => size === file.bytes,
        () => false,
      ),
    ),
  );
  return sizes.every(Boolean);
}

/** The content-addressed files that repositories share by hard links. */
function blobsOf(platform: string): string {
  return path.join(platform, "blobs");
}

/** Laid out beside its place and renamed into it: a repository that is there is whole, and may be in use. */
async function create(inputs: ModelRepositoryInputs): Promise<void> {
  const { directory, platform, files } = inputs;
  await removeUnfinished(path.dirname(directory));
  if (await isWhole(inputs)) return;
  const fresh = `${directory}${unfinished}`;
  await rm(directory, { recursive: true, force: true });
  await mkdir(blobsOf(platform), { recursive: true });
  for (const file of files) {
    const target = path.join(fresh, file.path);
    await mkdir(path.dirname(target), { recursive: true });
    await link(await blob(blobsOf(platform), file), target);
  }
  await rename(fresh, directory);
}

const unfinished = ".new";

/** What a killed run left. */
async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (name.endsWith(unfinished)) await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

/**
 * Removes a repository that no program reads. One may: after a failed change the engine still has the removal of the
 * old repository to do, and by then that may be the current one again, since equal content is the same folder.
 */
async function remove({ directory, platform }: ModelRepositoryInputs): Promise<void> {
  const { programs } = layout(platform);
  const names = await readdir(programs).catch(() => []);
  const texts = await Promise.all(names.map((name) => readFile(path.join(programs, name), "utf8")));
  if (texts.some((text) => text.includes(directory))) return;
  await rm(directory, { recursive: true, force: true });
  await sweep(blobsOf(platform));
  // The last one leaves no empty folders behind.
  for (const folder of [blobsOf(platform), path.dirname(directory), path.dirname(path.dirname(directory))]) {
    await rmdir(folder).catch(() => undefined);
  }
}

async function blob(blobs: string, file: RepositoryFile): Promise<string> {
  const place = path.join(blobs, file.sha256);
  if (existsSync(place)) return place;
  const fresh = `${place}${unfinished}`;
  if ("content" in file.from) await writeFile(fresh, file.from.content);
  else await copyVerified(file.from.file, fresh, file.sha256);
  await rename(fresh, place);
  return place;
}

async function copyVerified(source: string, target: string, sha256: string): Promise<void> {
  const hash = createHash("sha256");
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(createReadStream(source), hashing, createWriteStream(target));
  if (hash.digest("hex") !== sha256) {
    await rm(target, { force: true });
    throw new Error(`${source} has changed since it was planned; run the command again`);
  }
}

/** Removes the files that no repository links any more. */
async function sweep(blobs: string): Promise<void> {
  const names = await readdir(blobs).catch(() => []);
  for (const name of names) {
    const place = path.join(blobs, name);
    if ((await stat(place)).nlink === 1) await rm(place);
  }
}
