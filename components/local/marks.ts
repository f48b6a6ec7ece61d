import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { markVariable } from "../../core/local/mark.ts";
import { until } from "./supervised.ts";

/**
 * The beginning of the marks of one program, or of all programs of a platform. By it what a killed supervisor or server
 * leaves behind is found: orphans still hold ports and memory.
 */
export function markOf(directory: string, program?: string): string {
  return program === undefined ? `${directory}//` : `${directory}//${program}//`;
}

export interface MarkedProcess {
  readonly pid: number;
  /** Name of the program. */
  readonly program: string;
}

/** This user's processes whose mark begins so; none on a system without /proc. */
export function markedProcesses(mark: string): MarkedProcess[] {
  return processNumbers().flatMap((pid): MarkedProcess[] => {
    const value = markIn(pid);
    return value?.startsWith(mark) === true ? [{ pid, program: value.split("//")[1] ?? "" }] : [];
  });
}

/**
 * Ends processes whose mark begins so, at once, and returns when they are gone and their ports free. They have been
 * asked before, or have lost who would ask them.
 */
export async function killMarked(mark: string): Promise<void> {
  for (const { pid } of markedProcesses(mark)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself meanwhile.
    }
  }
  await until(killTimeout, () => Promise.resolve(markedProcesses(mark).length === 0 ? true : undefined));
}

/** Seconds a killed process may take to give back what it holds. */
const killTimeout = 10;

function processNumbers(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function markIn(pid: number): string | undefined {
  try {
    const variables = readFileSync(path.join("/proc", String(pid), "environ"), "utf8").split("\0");
    return variables
      .find((variable) => variable.startsWith(`${markVariable}=`))
      ?.slice(markVariable.length + 1);
  } catch {
    // Another user's, or gone.
    return undefined;
  }
}
