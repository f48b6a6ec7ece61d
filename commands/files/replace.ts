import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { isRunning } from "../../components/processes.ts";
import { endingCleanly } from "./ending.ts";

/** Files and folders that are there as a whole, or as they were. */

export function replaceFile(file: string, text: string): void {
  const unfinished = besides(file, "unfinished");
  try {
    writeFileSync(unfinished, text);
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

/**
 * Has a folder filled beside its place, and puts it there when that is done. What was there goes then. A failure, Ctrl-C
 * and SIGTERM leave what was there.
 */
export async function replaceFolder<T>(
  folder: string,
  fill: (unfinished: string) => T | Promise<T>,
): Promise<T> {
  sweep(folder);
  const unfinished = besides(folder, "unfinished");
  const old = besides(folder, "replaced");
  mkdirSync(unfinished, { recursive: true });
  try {
    return await endingCleanly(
      () => {
        remove(unfinished);
        return `${folder} is as it was before`;
      },
      async () => {
        const result = await fill(unfinished);
        if (existsSync(folder)) renameSync(folder, old);
        renameSync(unfinished, folder);
        return result;
      },
    );
  } finally {
    remove(unfinished);
    sweep(folder);
  }
}

/**
 * Mends what a process that was killed left beside a file or folder: what it had not finished goes, and what it had moved
 * away comes back where nothing took its place. What a running process is at stays.
 */
export function sweep(place: string): void {
  const { dir, base } = path.parse(path.resolve(place));
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir).filter((name) => name.startsWith(`.${base}.`))) {
    const [, pid, state] = /^(?:\.(\d+))?\.(unfinished|replaced)$/.exec(name.slice(base.length + 1)) ?? [];
    if (state === undefined || (pid !== undefined && Number(pid) !== process.pid && isRunning(Number(pid))))
      continue;
    const leftover = path.join(dir, name);
    if (state === "replaced" && !existsSync(place)) renameSync(leftover, place);
    else remove(leftover);
  }
}

/** A hidden name on the same file system, so that a rename is all it takes; folders of models skip hidden ones. */
function besides(place: string, state: "unfinished" | "replaced"): string {
  const { dir, base } = path.parse(path.resolve(place));
  return path.join(dir, `.${base}.${String(process.pid)}.${state}`);
}

/** Retried, since a write that is under way may still add a file. */
function remove(place: string): void {
  rmSync(place, { recursive: true, force: true, maxRetries: 3 });
}
