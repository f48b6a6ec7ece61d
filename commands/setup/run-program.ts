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
  const silence = new AbortController();
  const options = {
    cancelSignal: silence.signal,
    stdin: "ignore",
    reject: false,
    all: true,
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env: { ...env } }),
  } satisfies Options;
  // Loaded late: where everything is ready, no program is run.
  const { execa } = await import("execa");
  const child = execa(command, args, options);
  const giveUp = (): void => {
    silence.abort();
  };
  const timer = silenceMs === undefined ? undefined : setTimeout(giveUp, silenceMs);
  for await (const line of child.iterable({ from: "all" })) {
    timer?.refresh();
    onLine?.(line);
  }
  const result = await child;
  clearTimeout(timer);
  if (!result.failed) return result.stdout;
  const said = result.isCanceled
    ? `nothing was heard for ${String((silenceMs ?? 0) / 1000)} s`
    : lastWords(result.all);
  const why = said === "" ? (result.originalMessage ?? `${command} failed`) : said;
  throw new UserError(`${failure}:\n${why}`, hint, { cause: result });
}

/** What a program answers within a few seconds; undefined where it cannot be run, fails or is silent too long. */
export async function askProgram(
  command: string,
  args: readonly string[],
  { env, timeoutMs = 10_000 }: { readonly env?: Run["env"]; readonly timeoutMs?: number } = {},
): Promise<string | undefined> {
  const { execa } = await import("execa");
  const result = await execa(command, args, {
    // Python and Go look for settings where they are started.
    cwd: "/",
    stdin: "ignore",
    reject: false,
    timeout: timeoutMs,
    env: { ...env },
  });
  return result.failed ? undefined : result.stdout.trim();
}

const telling =
  /error|fail|denied|refused|cannot|could not|not found|unable|no space|timed? ?out|unreachable|^E:|fatal/i;
/** Warnings are noise, but for those by which pip tells that it cannot reach its index. */
const noise = /^warning(?!.*(connect|certificate|proxy|timed out))|^(hint|\[?notice)|^npm (warn|notice)/i;

/** The last lines of a failed program's output that tell why it failed. */
export function lastWords(output: string, count = 5): string {
  const lines = output
    .split(/[\r\n]+/)
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "" && !noise.test(line.trim()));
  const reasons = lines.filter((line) => telling.test(line));
  return [...new Set(reasons.length > 0 ? reasons : lines)].slice(-count).join("\n");
}
