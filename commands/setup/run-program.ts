import type { Options } from "execa";
import { UserError } from "./user-error.ts";

/** Shows what a step is doing at the moment. Cheap to call often. */
export type Report = (text: string) => void;

export interface Run {
  readonly command: string;
  readonly args: readonly string[];
  /** What failed where it fails, as in "The Python packages could not be installed". */
  readonly failure: string;
  /** What to do about it. */
  readonly hint: string;
  readonly cwd?: string;
  /** Added to this process's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called for every line of output, standard and error. */
  readonly onLine?: (line: string) => void;
  /** Ends a program that has written nothing for so long. */
  readonly silenceMs?: number;
}

/** Runs a program to its end and returns its standard output. A failure is a UserError with the last lines that say why. */
export async function runProgram(run: Run): Promise<string> {
  const { command, args, failure, hint, cwd, env, onLine, silenceMs } = run;
  const options = {
    stdin: "ignore",
    reject: false,
    all: true,
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env: { ...env } }),
  } satisfies Options;
  // Loaded late: where everything is ready, no program is run.
  const { execa } = await import("execa");
  const child = execa(command, args, options);
  let silent = false;
  const timer = setTimeout(() => {
    silent = true;
    child.kill("SIGKILL");
  }, silenceMs ?? 0);
  if (silenceMs === undefined) clearTimeout(timer);
  for await (const line of child.iterable({ from: "all" })) {
    if (silenceMs !== undefined) timer.refresh();
    onLine?.(line);
  }
  const result = await child;
  clearTimeout(timer);
  if (!result.failed) return result.stdout;
  const why = silent ? `nothing was heard for ${String((silenceMs ?? 0) / 1000)} s` : lastWords(result.all);
  throw new UserError(`${failure}:\n${why === "" ? result.shortMessage : why}`, hint, { cause: result });
}

/** What a program answers within a few seconds; undefined where it cannot be run, fails or is silent too long. */
export async function askProgram(
  command: string,
  args: readonly string[],
  { env, timeoutMs = 10_000, cwd = "/" }: { env?: Readonly<Record<string, string | undefined>>; timeoutMs?: number; cwd?: string } = {},
): Promise<string | undefined> {
  const { execa } = await import("execa");
  const result = await execa(command, args, { cwd, stdin: "ignore", reject: false, timeout: timeoutMs, env: { ...env } });
  return result.failed ? undefined : result.stdout.trim();
}

const telling = /error|fail|denied|refused|cannot|could not|not found|unable|no space|timed? ?out|unreachable|^E:|fatal/i;
const noise = /^(warning|hint|\[?notice)|^npm (warn|notice)|complete log of this run/i;

/** The last lines of a failed program's output that tell why it failed. */
export function lastWords(output: string, count = 5): string {
  const lines = output
    .split(/[\r\n]+/)
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "" && !noise.test(line.trim()));
  const reasons = lines.filter((line) => telling.test(line));
  return (reasons.length > 0 ? reasons : lines).slice(-count).join("\n");
}
