import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { ByteSource } from "../../core/onnx/wire.ts";

const windowBytes = 64 * 1024;

/** Reads a file where it is asked to, some KiB at once: most of a large file is never read. */
export function withFileBytes<T>(file: string, use: (bytes: ByteSource) => T): T {
  const handle = openSync(file, "r");
  try {
    let window = { start: 0, bytes: new Uint8Array() };
    return use({
      size: fstatSync(handle).size,
      read: (start, length) => {
        if (start < window.start || start + length > window.start + window.bytes.length) {
          const buffer = new Uint8Array(Math.max(length, windowBytes));
          window = { start, bytes: buffer.subarray(0, readSync(handle, buffer, 0, buffer.length, start)) };
        }
        return window.bytes.subarray(start - window.start, start - window.start + length);
      },
    });
  } finally {
    closeSync(handle);
  }
}
