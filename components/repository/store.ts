import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { S3Object } from "../../core/spec/s3-object.ts";
import type { Bytes } from "../../core/spec/units.ts";
import type { RepositoryFile } from "../../core/triton/repository.ts";

/** Where repositories are kept: keys as core/repository/layout.ts has them, each whole or not there at all. */
export interface Store {
  /** How messages call the store, or one of its keys. */
  name(key?: string): string;
  /** Sizes of what is there, by key. */
  list(prefix: string): Promise<ReadonlyMap<string, Bytes>>;
  /** A small text; undefined where there is none. */
  read(key: string): Promise<string | undefined>;
  write(key: string, text: string): Promise<void>;
  /** What throws while it is read leaves nothing behind. */
  upload(key: string, content: AsyncIterable<Buffer>, bytes: Bytes): Promise<void>;
  /** Without fetching it. */
  copy(from: string, to: string, bytes: Bytes): Promise<void>;
  /**
   * An object that lies in S3, without fetching it; `content` is what it is to be. False where that cannot be: the store is
   * no S3, or another one.
   */
  take(object: S3Object, key: string, content: Pick<RepositoryFile, "bytes" | "sha256">): Promise<boolean>;
  /** What is not there is removed already. */
  remove(key: string): Promise<void>;
}

/** What a user can mend about a store or what is to be put there. */
export class StoreError extends Error {
  constructor(
    readonly problem: string,
    /** What to do about it. */
    readonly hint: string,
    options?: ErrorOptions,
  ) {
    super(`${problem}\n  → ${hint}`, options);
    this.name = "StoreError";
    // The engine's SDK prints stacks of its providers' errors.
    this.stack = this.message;
  }
}

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

/** Whether an error of the file system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
