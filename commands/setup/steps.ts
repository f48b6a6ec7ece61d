import process from "node:process";
import type { Report } from "./run-program.ts";

export interface Step {
  readonly title: string;
  readonly run: (report: Report) => Promise<unknown>;
}

/** How often a step's progress is shown: at once on a terminal, now and then in a log. */
const terminalIntervalMs = 100;
const logIntervalMs = 10_000;

/** Runs steps one after the other, shown on standard error: standard output belongs to the command. */
export async function runSteps(steps: readonly Step[]): Promise<void> {
  // Loaded late: where everything is ready, there are no steps.
  const { Listr, ListrLogger, ProcessOutput } = await import("listr2");
  const { CI } = process.env;
  // listr2's animated renderer looks at standard output by itself.
  const terminal = process.stderr.isTTY && process.stdout.isTTY && (CI === undefined || CI === "" || CI === "false");
  const logger = new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr), useIcons: true });
  const tasks = steps.map(({ title, run }) => ({
    title,
    task: async (_: unknown, task: { title: string; output: string }): Promise<void> => {
      const started = Date.now();
      const report = throttled(terminal ? terminalIntervalMs : logIntervalMs, (text) => {
        task.output = terminal ? text : `${text} (${seconds(started)})`;
      });
      await run(report);
      task.title = `${title} (${seconds(started)})`;
    },
  }));
  const shared = { concurrent: false, exitOnError: true } as const;
  await (terminal
    ? new Listr(tasks, { ...shared, renderer: "default", rendererOptions: { logger, showErrorMessage: false } })
    : new Listr(tasks, { ...shared, renderer: "simple", rendererOptions: { logger } })
  ).run();
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

/** Passes on the first text and then at most one per interval. */
export function throttled(intervalMs: number, show: Report, now: () => number = Date.now): Report {
  let last = -Infinity;
  return (text) => {
    if (now() - last < intervalMs) return;
    last = now();
    show(text);
  };
}
