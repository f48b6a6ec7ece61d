import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Files and folders that are there as a whole, or as they were. */

export function replaceFile(file: string, text: string): void {
  const unfinished = besides(file, "unfinished");
  writeFileSync(unfinished, text);
  renameSync(unfinished, file);
}

/** Has a folder filled beside its place, and puts it there when that is done. What was there goes then. */
export async function replaceFolder<T>(folder: string, fill: (unfinished: string) => Promise<T>): Promise<T> {
  const unfinished = besides(folder, "unfinished");
  const old = besides(folder, "replaced");
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  try {
    const result = await fill(unfinished);
    rmSync(old, { recursive: true, force: true });
    if (existsSync(folder)) renameSync(folder, old);
    renameSync(unfinished, folder);
    rmSync(old, { recursive: true, force: true });
    return result;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** A hidden name on the same file system, so that a rename is all it takes; folders of models skip hidden ones. */
function besides(place: string, suffix: string): string {
  return path.join(path.dirname(place), `.${path.basename(place)}.${suffix}`);
}
