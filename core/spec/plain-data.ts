/**
 * Whether data can be checked at all. YAML's aliases repeat a value without copying it, so a small file may hold more
 * values than there is time for, or a value that holds itself.
 */

/** What is wrong with data, and where. */
export interface Flaw {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly hint: string;
}

/** As deep as js-yaml reads (its option maxDepth); schemas are walked by recursion. */
export const deepest = 100;

/**
 * Most values in one file; a text counts one more for each 64 characters. A lock of 40 000 artifacts fits, and what
 * zod finds wrong with 250 000 values fits into a gigabyte.
 */
export const mostValues = 250_000;

/** The first reason why data cannot be checked, or undefined. Aliases count as often as they are used. */
export function flawOf(data: unknown): Flaw | undefined {
  let values = 0;
  const path: PropertyKey[] = [];
  const open = new Set<object>();

  const visit = (value: unknown): Flaw | undefined => {
    values += 1 + (typeof value === "string" ? Math.floor(value.length / 64) : 0);
    if (values > mostValues) return tooMany;
    if (typeof value !== "object" || value === null) return undefined;
    if (open.has(value)) return { path: [...path], ...holdsItself };
    if (open.size === deepest) return { path: path.slice(0, 3), ...tooDeep };
    if (Object.hasOwn(value, "__proto__")) return { path: [...path], ...noKey };
    if (Object.hasOwn(value, "[object Object]")) return { path: [...path], ...objectAsKey };
    open.add(value);
    for (const [key, inner] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
      path.push(key);
      const flaw = visit(inner);
      if (flaw !== undefined) return flaw;
      path.pop();
    }
    open.delete(value);
    return undefined;
  };
  return visit(data);
}

const tooMany: Flaw = {
  path: [],
  message: `there are more than ${String(mostValues)} values, aliases counted as often as they are used`,
  hint: "put bulk data into files of their own",
};
const holdsItself = {
  message: "an alias (*) stands for a value that it is part of",
  hint: "write the value itself",
};
const tooDeep = {
  message: `the values are nested deeper than ${String(deepest)} levels`,
  hint: "nest them less",
};
// JavaScript sets the prototype by this name, and zod leaves it out without a word.
const noKey = { message: "`__proto__` cannot be a key", hint: "rename it" };
// What js-yaml makes of an object where a key should be, as in `{{ template }}`.
const objectAsKey = {
  message: "an object is written where a key should be",
  hint: "put text that begins with { or ? in quotes",
};
