import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Bytes } from "../../core/spec/units.ts";
import type { RepositoryFile } from "../../core/triton/repository.ts";
import { StoreError, isMissing } from "./store.ts";

/** The bytes of a file. Of one that is not as planned, not all of them come: it throws where the end should be. */
export async function* contentOf(file: RepositoryFile): AsyncGenerator<Buffer> {
  const { path, bytes, sha256, from } = file;
  const hash = createHash("sha256");
  const changed = (): StoreError =>
    "s3" in from
      ? new StoreError(
          `${path} is to be ${from.s3.uri}, version ${from.s3.versionId}, which has another sha256 than artifacts.lock pins`,
          "pin it anew: npm run model:reference writes size and sha256",
        )
      : new StoreError(`${path} has changed since it was planned`, "run the command again");
  let read = 0;
  try {
    for await (const chunk of piecesOf(file)) {
      hash.update(chunk);
      read += chunk.length;
      if (read > bytes || (read === bytes && hash.copy().digest("hex") !== sha256)) throw changed();
      yield chunk;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new StoreError(
      `${path} is pinned in artifacts.lock, and neither in the store nor on this machine`,
      "bring the file into its version folder (npm run models builds what has a build script)",
      { cause: error },
    );
  }
  if (read < bytes) throw changed();
}

/** Big enough that hashing and sending, not reading, take the time. */
const pieceSize: Bytes = 1024 ** 2;

async function* piecesOf({ from, ...content }: RepositoryFile): AsyncGenerator<Buffer> {
  if ("content" in from) {
    yield Buffer.from(from.content);
    return;
  }
  if ("s3" in from) {
    // Loaded late: a folder is filled from files without AWS' SDK.
    const { contentOfObject, pinnedObject } = await import("./s3-source.ts");
    await pinnedObject(from.s3, content);
    yield* contentOfObject(from.s3);
    return;
  }
  for await (const chunk of createReadStream(from.file, { highWaterMark: pieceSize })) {
    if (Buffer.isBuffer(chunk)) yield chunk;
  }
}
