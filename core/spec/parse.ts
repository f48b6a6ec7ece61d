import type * as z from "zod";
import { flawsOf, mostProblems, shorten } from "./issues.ts";
import { flawOf, type Flaw } from "./plain-data.ts";
import { withLines } from "./positions.ts";
import { formatPath, type Problem } from "./problem.ts";
import { readYaml } from "./yaml.ts";

/** Either the parsed value, or all that is wrong with it. */
export type Parsed<T> = { readonly value: T } | { readonly problems: readonly Problem[] };

/** Reads YAML text and checks it against a schema. `file` names the text in problems, which come with lines. */
export function parseYaml<S extends z.ZodType>(schema: S, text: string, file: string): Parsed<z.output<S>> {
  const read = readYaml(text);
  if ("flaw" in read) return { problems: [{ file, path: "", ...read.flaw }] };
  const parsed = parseValue(schema, read.value, file);
  return "problems" in parsed ? { problems: withLines(parsed.problems, () => text) } : parsed;
}

/** Checks plain data against a schema; every issue becomes a problem with a path and a hint. */
export function parseValue<S extends z.ZodType>(
  schema: S,
  value: unknown,
  file: string,
): Parsed<z.output<S>> {
  const flaw = flawOf(value);
  if (flaw !== undefined) return { problems: problemsOf([flaw], file) };
  const result = schema.safeParse(value, {
    reportInput: true,
    // zod's own words are no help to a user: without them an issue has words only where its schema has some.
    error: () => "",
    // Compiling the schemas takes longer than it saves, with 500 models too (docs/benchmarks.md).
    jitless: true,
  });
  if (result.success) return { value: result.data };
  const flaws = result.error.issues.slice(0, mostProblems + 1).flatMap((issue) => flawsOf(issue, schema));
  return { problems: problemsOf(flaws, file) };
}

function problemsOf(flaws: readonly Flaw[], file: string): Problem[] {
  const problems = flaws
    .slice(0, mostProblems)
    .map(({ path, message, hint }) => ({ file, path: formatPath(path.map(shortKey)), message, hint }));
  if (flaws.length <= mostProblems) return problems;
  const message = `there are more than ${String(mostProblems)} problems`;
  return [...problems, { file, path: "", message, hint: "mend these first; the others are shown then" }];
}

function shortKey(key: PropertyKey): PropertyKey {
  return typeof key === "string" ? shorten(key) : key;
}
