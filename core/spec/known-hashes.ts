import type { BigIntStats } from "node:fs";
import type { Bytes } from "./units.ts";

/**
 * sha256s of files that were read before, so that weights are not read at every command. A file is taken for unchanged as
 * git's index takes it (git/Documentation/technical/racy-git.txt): by what the file system says of it, and only where
 * that was settled when it was read.
 */
export interface KnownHashes {
  /** The sha256 of the file at an absolute path when it had this stamp; undefined where that is not known. */
  find(file: string, stamp: string): string | undefined;
  remember(file: string, stamp: string, sha256: string): void;
}

/**
 * Smaller files are read each time. SHA-256 takes some 2 to 4 ms for a MiB where the processor has no instructions for it,
 * about what reading and writing the known hashes takes; only weights cost more.
 */
export const worthKnowing: Bytes = 1024 ** 2;

/**
 * What changes with a file's content: its size, its times to the nanosecond, its inode. Programs set mtime back (tar,
 * rsync, `cp -p`); ctime is the kernel's own, and tells of that. The device is left out: its number may change at a boot.
 */
export function stampOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return [size, mtimeNs, ctimeNs, ino].join(" ");
}

/**
 * Whether a file whose content was read from this moment on has another stamp if it changes after it. Times of file systems
 * are coarse: a tick of the kernel (up to 10 ms), a second, or two seconds on FAT. A file that was changed shortly before
 * may change once more and have the same times.
 */
export function isSettled({ mtimeNs, ctimeNs }: BigIntStats, readFrom: Date): boolean {
  const latest = BigInt(readFrom.getTime() - coarsestTimes) * 1_000_000n;
  return ctimeNs < latest && mtimeNs < latest;
}

/** Milliseconds. */
const coarsestTimes = 2_000;
