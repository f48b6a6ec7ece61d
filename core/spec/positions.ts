import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import type { Problem } from "./problem.ts";

/**
 * Where in a YAML text the paths of problems are. The text is read once more, by a parser that keeps positions: it
 * takes six to ten times as long as js-yaml (0.3 ms for a spec of 1.5 kB, js-yaml 0.04 ms), so it is loaded and reads
 * a text only when something is wrong with it.
 */

const require: (name: "yaml") => typeof Yaml = createRequire(import.meta.url);

/** Characters up to which a text is searched: one of this size takes up to a second. */
const longestSearched = 2 ** 18;

/**
 * The same problems with the lines of their paths; those that have a line keep it. `textOf` gives a file's text, or
 * undefined for what is no YAML text; it is asked once for each file that needs it.
 */
export function withLines<T extends Problem>(
  problems: readonly T[],
  textOf: (file: string) => string | undefined,
): T[] {
  const found = new Map<string, (path: string) => number | undefined>();
  return problems.map((problem) => {
    if (problem.line !== undefined) return problem;
    const lineOf = found.get(problem.file) ?? linesIn(textOf(problem.file) ?? "");
    found.set(problem.file, lineOf);
    const line = lineOf(problem.path);
    return line === undefined ? problem : { ...problem, line };
  });
}

/**
 * Finds the line, from 1, of paths like `inputs[0].dims` in a YAML text that js-yaml can read. A path that is not there
 * in full has the line of its last part that is; undefined where nothing of it is there, or the path is empty. Keys
 * may hold dots and brackets: a path is compared with the keys that are there.
 */
export function linesIn(text: string): (path: string) => number | undefined {
  if (text.length > longestSearched) return () => undefined;
  const { LineCounter, parseDocument } = require("yaml");
  const lines = new LineCounter();
  // js-yaml has refused duplicate keys; looking for them here takes time by the square of their number.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false });
  return (path) => {
    const offset = offsetOf(document, document.contents, path);
    return offset === undefined ? undefined : lines.linePos(offset).line;
  };
}

/** Where the last part of a path that is there begins. */
function offsetOf(document: Yaml.Document.Parsed, node: unknown, path: string): number | undefined {
  const part = path === "" ? undefined : firstPart(document, node, path);
  return part && (offsetOf(document, part.value, part.rest) ?? part.offset);
}

/** The first key or index of a path, as it is in a node. */
interface Part {
  readonly offset: number | undefined;
  readonly value: unknown;
  /** The path inside the value. */
  readonly rest: string;
}

function firstPart(document: Yaml.Document.Parsed, node: unknown, path: string): Part | undefined {
  const { isAlias, isMap, isSeq } = require("yaml");
  const target = isAlias(node) ? node.resolve(document) : node;
  if (isSeq(target)) {
    const [whole, index] = /^\[(\d+)\]/.exec(path) ?? [];
    const value = target.items[Number(index)];
    return whole === undefined || value === undefined
      ? undefined
      : { offset: startOf(value), value, rest: afterDot(path.slice(whole.length)) };
  }
  if (!isMap(target)) return undefined;
  const [longest] = target.items
    .map(({ key, value }) => ({ key, value, name: nameOf(key) }))
    .filter(({ name }) => leads(name, path))
    .sort((a, b) => b.name.length - a.name.length);
  return (
    longest && {
      offset: startOf(longest.key),
      value: longest.value,
      rest: afterDot(path.slice(longest.name.length)),
    }
  );
}

/** Whether a path begins with this key and not only with its letters. */
function leads(key: string, path: string): boolean {
  return path.startsWith(key) && [undefined, ".", "["].includes(path[key.length]);
}

function afterDot(path: string): string {
  return path.startsWith(".") ? path.slice(1) : path;
}

function nameOf(key: unknown): string {
  return require("yaml").isScalar(key) ? String(key.value) : "";
}

function startOf(node: unknown): number | undefined {
  return require("yaml").isNode(node) ? node.range?.[0] : undefined;
}
