import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { link, mkdir, readdir, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import type { Handler } from "./handler.ts";

export const modelRepositorySchema = z.object({
  /** Absolute folder of the repository; its name is the content's hash. */
  directory: z.string(),
  /** Absolute folder of the content-addressed files that repositories share by hard links. */
  blobs: z.string(),
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
let queue: Promise<unknown> = Promise.resolve();
function oneAtATime<T>(work: () => Promise<T>): Promise<T> {
  const next = queue.then(work, work);
  queue = next.catch(() => undefined);
  return next;
}

/** A model repository on disk: immutable, named by its content, sharing equal files with others. */
export const modelRepositoryHandler: Handler<ModelRepositoryInputs> = {
  schema: modelRepositorySchema,
  // The folder is named by the content, so equal folders have equal files, wherever those come from.
  replaceOn: ["directory", "blobs"],
  id: (inputs) => inputs.directory,
  create: (inputs) => oneAtATime(() => create(inputs)),
  exists: async ({ directory, files }) => {
    const sizes = await Promise.all(
      files.map((file) =>
        stat(path.join(directory, file.path)).then(
          ({ size }) => size === file.bytes,
          () => false,
        ),
      ),
    );
    return sizes.every(Boolean);
  },
  update: () => Promise.resolve(),
  delete: ({ directory, blobs }) =>
    oneAtATime(async () => {
      await rm(directory, { recursive: true, force: true });
      await sweep(blobs);
      // The last one leaves no empty folders behind.
      for (const folder of [blobs, path.dirname(directory), path.dirname(path.dirname(directory))]) {
        await rmdir(folder).catch(() => undefined);
      }
    }),
};

/** Laid out beside its place and renamed into it: a repository that is there is whole. */
async function create({ directory, blobs, files }: ModelRepositoryInputs): Promise<void> {
  const fresh = `${directory}.new`;
  await rm(fresh, { recursive: true, force: true });
  await rm(directory, { recursive: true, force: true });
  await mkdir(blobs, { recursive: true });
  for (const file of files) {
    const target = path.join(fresh, file.path);
    await mkdir(path.dirname(target), { recursive: true });
    await link(await blob(blobs, file), target);
  }
  await rename(fresh, directory);
}

async function blob(blobs: string, file: RepositoryFile): Promise<string> {
  const place = path.join(blobs, file.sha256);
  if (existsSync(place)) return place;
  const fresh = `${place}.new`;
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
