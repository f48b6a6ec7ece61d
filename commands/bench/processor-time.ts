import { readdirSync, readFileSync } from "node:fs";

/** Processor time of processes, as Linux counts it (proc_pid_stat(5)): in steps of 10 ms, user and system together. */

/** USER_HZ: 100 on every architecture that Node.js has Linux builds for. */
const ticksPerSecond = 100;

export interface ProcessTimes {
  readonly parent: number;
  /** Seconds. */
  readonly own: number;
  /** Seconds, of children that have ended and were waited for, and of theirs. */
  readonly ended: number;
}

/** The text of a /proc/<pid>/stat. */
export function parseStat(text: string): ProcessTimes {
  // The program's name, in parentheses, may hold blanks and parentheses of its own; the state comes after it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [parent = 0, utime = 0, stime = 0, cutime = 0, cstime = 0] = [1, 11, 12, 13, 14].map((i) =>
    Number(fields[i]),
  );
  return { parent, own: (utime + stime) / ticksPerSecond, ended: (cutime + cstime) / ticksPerSecond };
}

/** Of all children of this process that have ended, and of theirs. */
export function endedChildrenSeconds(): number {
  return parseStat(readFileSync("/proc/self/stat", "utf8")).ended;
}

/** Of a process and all that it has started, as far as they still run or were waited for. */
export function treeSeconds(root: number): number {
  const processes = readdirSync("/proc").flatMap((name) => {
    const times = /^\d+$/.test(name) ? timesOf(name) : undefined;
    return times === undefined ? [] : [{ pid: Number(name), ...times }];
  });
  const below = (pid: number): number =>
    processes
      .filter((each) => each.pid === pid || (each.parent === pid && each.pid !== root))
      .reduce((sum, each) => sum + (each.pid === pid ? each.own + each.ended : below(each.pid)), 0);
  return below(root);
}

/** Undefined where the process has gone. */
function timesOf(pid: string): ProcessTimes | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined;
  }
}
