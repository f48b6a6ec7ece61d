import process from "node:process";

/** Whether a process of this number runs on this machine, whoever's it is. */
export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as somebody else's. Source: kill(2).
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
