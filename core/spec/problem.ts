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
  const byFile = new Map<string, Problem[]>();
  for (const problem of problems) {
    const group = byFile.get(problem.file);
    if (group === undefined) byFile.set(problem.file, [problem]);
    else group.push(problem);
  }
  const lines = [`${String(problems.length)} problem${problems.length === 1 ? "" : "s"}:`];
  for (const [file, group] of byFile) {
    lines.push("", file);
    for (const { path, message, hint } of group) {
      lines.push(`  ${path === "" ? "" : `${path}: `}${message}`, `    → ${hint}`);
    }
  }
  return lines.join("\n");
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

/** "use `latest`", or the list of what is allowed where nothing is near. */
export function suggest(word: string, candidates: readonly string[]): string {
  const best = nearest(word, candidates);
  return best === undefined
    ? `use one of: ${[...candidates].sort().join(", ")}`
    : `did you mean \`${best}\`?`;
}
