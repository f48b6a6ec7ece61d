import { writeSync } from "node:fs";
import { constants } from "node:os";
import process from "node:process";

const signals = ["SIGINT", "SIGTERM"] as const;

/**
 * Runs work that Ctrl-C and SIGTERM ask to stop through its signal, which then holds this reason. The exit code is a shell's
 * then: 130 or 143.
 */
export async function stoppable<T>(
  reason: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stopped = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    process.exitCode = 128 + constants.signals[signal];
    stopped.abort(reason());
  };
  for (const signal of signals) process.on(signal, stop);
  try {
    return await work(stopped.signal);
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}

/**
 * Runs work that Ctrl-C and SIGTERM end at once. `clean` puts things in order before, without waiting for anything, and
 * says how they are now. The exit code is a shell's: 130 or 143.
 */
export async function endingCleanly<T>(clean: () => string, work: () => Promise<T>): Promise<T> {
  const end = (signal: NodeJS.Signals): void => {
    const state = clean();
    // What draws progress may have hidden the cursor, and holds back what others write.
    writeSync(2, `${process.stderr.isTTY ? "\u001b[?25h" : ""}\nStopped: ${state}\n`);
    process.exit(128 + constants.signals[signal]);
  };
  // Before others: listr2 would end the process by itself, with code 127 and without a word.
  for (const signal of signals) process.prependListener(signal, end);
  try {
    return await work();
  } finally {
    for (const signal of signals) process.off(signal, end);
  }
}
