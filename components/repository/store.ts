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

/** Whether an error of the file system says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
