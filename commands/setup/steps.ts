import process from "node:process";
import type { ListrDefaultRendererLogLevels, ListrLogLevels } from "listr2";
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
  const output = { processOutput: new ProcessOutput(process.stderr, process.stderr), useIcons: true };
  // listr2's animated renderer looks at standard output by itself, and needs one with a size.
  const animated = isAttended() && process.stdout.isTTY && process.stdout.columns * process.stdout.rows > 0;
  const failures: unknown[] = [];
  const tasks = steps.map(({ title, run }) => ({
    title,
    task: async (_: unknown, task: { title: string; output: string }): Promise<void> => {
      const started = Date.now();
      const report = throttled(animated ? terminalIntervalMs : logIntervalMs, (text) => {
        task.output = animated ? text : `${text} (${seconds(started)})`;
      });
      try {
        await run(report);
      } catch (error) {
        // Told once and in full by whoever started the command.
        failures.push(error);
        throw new Error("see below", { cause: error });
      }
      task.title = `${title} (${seconds(started)})`;
    },
  }));
  const list = animated
    ? new Listr(tasks, {
        // Its own listeners end the program with 127 and no word.
        registerSignalListeners: false,
        renderer: "default",
        rendererOptions: {
          logger: new ListrLogger<ListrDefaultRendererLogLevels>(output),
          showErrorMessage: false,
        },
      })
    : new Listr(tasks, {
        registerSignalListeners: false,
        renderer: "simple",
        rendererOptions: { logger: new ListrLogger<ListrLogLevels>(output) },
      });
  try {
    await list.run();
  } catch (error) {
    throw failures[0] ?? error;
  }
}

/** Whether somebody watches standard error. */
export function isAttended(): boolean {
  const { CI } = process.env;
  return process.stderr.isTTY && (CI === undefined || CI === "" || CI === "false");
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
