import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import type * as z from "zod";

/** What an earlier setup noted in a file; undefined where there is none, or none that this version understands. */
export function readState<T>(file: string, schema: z.ZodType<T>): T | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Written last, and as a whole: a setup that is killed leaves either the old state or the new. */
export function writeState(file: string, state: object): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const written = `${file}.${String(process.pid)}`;
  writeFileSync(written, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(written, file);
}

export function forgetState(file: string): void {
  rmSync(file, { force: true });
}
