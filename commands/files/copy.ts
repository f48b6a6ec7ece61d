import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Artifact } from "../../core/spec/artifacts.ts";
import type { Bytes } from "../../core/spec/units.ts";

/**
 * Files that may be larger than memory, read in pieces: between two of them Ctrl-C is heard and progress is drawn. `onBytes`
 * is told the size of each.
 */

type Content = Pick<Artifact, "bytes" | "sha256">;
type OnBytes = (bytes: Bytes) => void;

/** Copies a file with its mode, hashes it on the way, and makes the folders that it needs. */
export function copyFile(from: string, to: string, onBytes?: OnBytes): Promise<Content> {
  mkdirSync(path.dirname(to), { recursive: true });
  return read(from, createWriteStream(to, { mode: statSync(from).mode }), onBytes);
}

export function hashFile(file: string, onBytes?: OnBytes): Promise<Content> {
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  return read(file, nowhere, onBytes);
}

async function read(from: string, sink: Writable, onBytes: OnBytes = () => undefined): Promise<Content> {
  const hash = createHash("sha256");
  let bytes = 0;
  const tap = new Transform({
    transform: (chunk: Buffer, _, done) => {
      hash.update(chunk);
      bytes += chunk.length;
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
  await pipeline(createReadStream(from, { highWaterMark: 1024 ** 2 }), tap, sink);
  return { bytes, sha256: hash.digest("hex") };
}
