import { closest, distance } from "fastest-levenshtein";

/** One thing wrong in what a user wrote. Problems are collected and shown all at once. */
export interface Problem {
  /** Where it was written: a file relative to the project, or the name of a config key. */
  readonly file: string;
  /** Path inside the file, as in `inputs[0].dims`; empty where the whole file is meant. */
  readonly path: string;
  /** What is wrong, with the value that is wrong. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
  /** Line of the file, from 1, where it is known. */
  readonly line?: number;
  /** The rule that found it, where a rule did. */
  readonly code?: string;
}

/** Something to think about that does not stop anything; a spec silences it by its code, with a reason. */
export interface Advice extends Problem {
  readonly code: string;
}

/** Either a value, or the reasons why there is none. A value may still come with problems of meaning. */
export interface Checked<T> {
  readonly value: T;
  readonly problems: readonly Problem[];
}

/** Thrown where nothing can go on; its message lists every problem. Shown to users without a stack. */
export class ProblemsError extends Error {
  constructor(readonly problems: readonly Problem[]) {
    super(formatProblems(problems));
    this.name = "ProblemsError";
  }
}

/** Throws a ProblemsError where there is at least one problem. */
export function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new ProblemsError(problems);
}

/** Problems as people read them: grouped by file, a line for what is wrong and one for the mend. */
export function formatProblems(problems: readonly Problem[]): string {
  return formatFindings(`${counted(problems.length, "problem")}:`, problems);
}

/** Advice as people read it; each line ends in the code that silences it. */
export function formatAdvice(advice: readonly Advice[]): string {
  return formatFindings(`${counted(advice.length, "piece")} of advice:`, advice);
}

function formatFindings(title: string, problems: readonly Problem[]): string {
  const byFile = new Map<string, Problem[]>();
  for (const problem of problems) {
    const group = byFile.get(problem.file);
    if (group === undefined) byFile.set(problem.file, [problem]);
    else group.push(problem);
  }
  const lines = [title];
  for (const [file, group] of byFile) {
    lines.push("", file);
    for (const { path, line, message, hint, code } of group) {
      const place = [...(line === undefined ? [] : [`line ${String(line)}`]), ...(path === "" ? [] : [path])];
      const rule = code === undefined ? "" : ` [${code}]`;
      lines.push(`  ${place.length === 0 ? "" : `${place.join(", ")}: `}${message}${rule}`, `    → ${hint}`);
    }
  }
  return lines.join("\n");
}

function counted(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `["inputs", 0, "dims"]` as `inputs[0].dims`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => (typeof key === "number" ? `[${String(key)}]` : `${i === 0 ? "" : "."}${String(key)}`))
    .join("");
}

/** The candidate nearest to a mistyped word, or undefined where none is near enough to be meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const best = closest(word, [...candidates]);
  return distance(word.toLowerCase(), best.toLowerCase()) <= Math.max(2, Math.floor(best.length / 3))
    ? best
    : undefined;
}

/** How many candidates are worth reading. */
const mostListed = 12;

/** "did you mean `latest`?", or the list of what is allowed where nothing is near. */
export function suggest(word: string, candidates: readonly string[]): string {
  const family = candidates.filter((candidate) => isFamily(word, candidate));
  const best = family.length === 0 ? nearest(word, candidates) : family.length === 1 ? family[0] : undefined;
  if (best !== undefined) return `did you mean \`${best}\`?`;
  const listed = [...(family.length === 0 ? candidates : family)].sort();
  if (listed.length === 0) return "there is none to name yet";
  const rest = listed.length - mostListed;
  const names = listed.slice(0, mostListed).join(", ");
  return `use one of: ${names}${rest > 0 ? ` and ${String(rest)} more` : ""}`;
}

/** Whether one of two words goes on where the other ends: `a100` and `a100-80gb`. */
function isFamily(word: string, candidate: string): boolean {
  const [short = "", long = ""] = [word.toLowerCase(), candidate.toLowerCase()].sort(
    (a, b) => a.length - b.length,
  );
  return short.length >= 2 && /^[-_.]/.test(long.slice(short.length)) && long.startsWith(short);
}
