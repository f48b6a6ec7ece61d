import type * as z from "zod";
import { boundsAt, knownKeys } from "./known-keys.ts";
import type { Flaw } from "./plain-data.ts";
import { suggest } from "./problem.ts";
import { ownKeysFor, ownValueFor } from "./triton-words.ts";

/**
 * What zod finds wrong, in words for those who write specs.
 *
 * A schema may word its issues itself: what is wrong, a colon, and the mend. Where the words begin with "this is", the
 * value is put for "this". Issues of other schemas must come without words (`error: () => ""`), and get some here.
 */

type Issue = z.core.$ZodIssue;
type Words = Omit<Flaw, "path">;

/** Problems of one file that are shown: a file of nonsense has as many as it has values, and nobody reads them. */
export const mostProblems = 100;

/** An issue of this schema as one or more flaws; more than are shown only so far that it can be said. */
export function flawsOf(issue: Issue, schema: z.ZodType): Flaw[] {
  switch (issue.code) {
    case "unrecognized_keys":
      return unknownKeys(issue, schema);
    case "invalid_union":
      return unionFlaws(issue, schema);
    case "invalid_key":
      return issue.issues.flatMap((inner) => flawsOf({ ...inner, path: issue.path }, schema));
    case "invalid_type":
    case "invalid_value":
    case "invalid_format":
    case "invalid_element":
    case "too_small":
    case "too_big":
    case "not_multiple_of":
    case "custom":
      return [{ path: issue.path, ...(issue.message === "" ? describe(issue, schema) : inOwnWords(issue)) }];
  }
}

function unknownKeys({ path, keys }: z.core.$ZodIssueUnrecognizedKeys, schema: z.ZodType): Flaw[] {
  const known = knownKeys(schema, path);
  return keys.slice(0, mostProblems + 1).map((key) => ({
    path: [...path, key],
    message: `unknown key \`${shorten(key)}\``,
    hint: ownKeyHint(key, path, known) ?? suggest(shorten(key), known),
  }));
}

function ownKeyHint(key: string, path: readonly PropertyKey[], known: readonly string[]): string | undefined {
  const names = ownKeysFor(key, path).filter((name) => known.includes(name));
  if (names.length === 0) return undefined;
  return `Triton's \`${key}\` is ${names.map((name) => `\`${name}\``).join(", ")} here`;
}

function unionFlaws(issue: z.core.$ZodIssueInvalidUnion, schema: z.ZodType): Flaw[] {
  const { path, input } = issue;
  // The alternative that was meant: the only one that has all the keys.
  const [meant, ...others] = issue.errors.filter((branch) => branch.every((inner) => inner.path.length > 0));
  if (meant !== undefined && others.length === 0) {
    return meant.flatMap((inner) => flawsOf({ ...inner, path: [...path, ...inner.path] }, schema));
  }
  if (issue.message !== "") return [{ path, ...inOwnWords(issue) }];
  const hints = issue.errors.flatMap((branch) => branch.flatMap((inner) => flawsOf(inner, schema)));
  return [
    {
      path,
      message: input === undefined ? "missing" : `${show(input)} is not allowed`,
      hint: [...new Set(hints.map(({ hint }) => hint))].join(", or "),
    },
  ];
}

function inOwnWords({ message, input }: Issue): Words {
  const [what = "", ...mend] = message.split(": ");
  const hint = mend.join(": ");
  if (input === undefined) return { message: "missing", hint };
  if (input === null) return { message: "nothing is written here", hint };
  return { message: what.replace(/^this(?= is )/, () => show(input)), hint };
}

/** Words for issues whose schemas have none. */
function describe(issue: Issue, schema: z.ZodType): Words {
  const { input } = issue;
  // Of a whole number that JavaScript does not keep, zod tells that bound only.
  const ownBound = (told: number | bigint, which: "minimum" | "maximum"): number | bigint =>
    Math.abs(Number(told)) === Number.MAX_SAFE_INTEGER ? (boundsAt(schema, issue.path)[which] ?? told) : told;
  switch (issue.code) {
    case "invalid_type":
      return wrongType(input, issue.expected);
    case "invalid_value": {
      return {
        message: input === undefined ? "missing" : `${show(input)} is not allowed`,
        hint: valueHint(input, issue.values.map(String)),
      };
    }
    case "too_small":
      return outOfRange(input, "few", `at least ${String(ownBound(issue.minimum, "minimum"))}`);
    case "too_big":
      return outOfRange(input, "many", `at most ${String(ownBound(issue.maximum, "maximum"))}`);
    case "invalid_format":
      return {
        message: `${show(input)} does not have the form it must have`,
        hint: `it must match ${issue.pattern ?? issue.format}`,
      };
    default:
      return { message: `${show(input)} is not allowed`, hint: "write a value that the field is for" };
  }
}

function valueHint(input: unknown, values: readonly string[]): string {
  if (typeof input !== "string") return `use one of: ${[...values].sort().join(", ")}`;
  const own = ownValueFor(input, values);
  return own === undefined
    ? suggest(shorten(input), values)
    : `Triton's ${shorten(input)} is \`${own}\` here`;
}

/** zod's names of types, as people say them. */
const kinds: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "an object",
  record: "an object",
};

function wrongType(input: unknown, expected: string): Words {
  const wanted = kinds[expected] ?? expected;
  if (input === undefined) return { message: "missing", hint: `add it; it is ${wanted}` };
  if (input === null) return { message: "nothing is written here", hint: `write ${wanted}` };
  return { message: `${show(input)} is not ${wanted}`, hint: rewritten(input, wanted) };
}

/** What to write instead of a value of the wrong type: often it only lacks its quotes or brackets. */
function rewritten(input: unknown, wanted: string): string {
  const isScalar = typeof input !== "object";
  if (isScalar && wanted === "text") return `put it in quotes: "${show(input)}"`;
  if (isScalar && wanted === "a list") return `put it in brackets: [${show(input)}]`;
  if (typeof input === "number" && wanted === "a number") return "write a finite number";
  const isQuoted = typeof input === "string" && input.trim() !== "" && Number.isFinite(Number(input));
  return isQuoted && wanted.endsWith("number") ? "write it without quotes" : `write ${wanted}`;
}

function outOfRange(input: unknown, how: "few" | "many", bound: string): Words {
  if (input === "") return { message: "empty", hint: "write at least one character" };
  if (typeof input === "string")
    return { message: `too ${how} characters: ${show(input)}`, hint: `write ${bound}` };
  if (!Array.isArray(input))
    return { message: `${show(input)} is out of range`, hint: `it must be ${bound}` };
  const entries = input.length === 1 ? "1 entry is" : `${String(input.length)} entries are`;
  return { message: `${entries} too ${how}`, hint: `write ${bound}` };
}

/** A value as JSON, or as YAML where JSON has no word for it, short enough for a line. */
function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number" && !Number.isFinite(value))
    return Number.isNaN(value) ? ".nan" : value > 0 ? ".inf" : "-.inf";
  if (isObject(value)) {
    const inner = Object.values(value);
    if (inner.length > 4 || inner.some(isObject)) return Array.isArray(value) ? "this list" : "this object";
  }
  return shorten(JSON.stringify(value));
}

/** At most 80 characters of a text. */
export function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
