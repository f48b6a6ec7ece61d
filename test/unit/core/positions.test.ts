import fc from "fast-check";
import yaml from "js-yaml";
import { describe, expect, it } from "vitest";
import { linesIn, withLines } from "../../../core/spec/positions.ts";
import { formatPath } from "../../../core/spec/problem.ts";

const text = `# a comment
backend: python
inputs:
  - name: x
    dims: [4,
      5]
  - { name: y,
      dims: [1] }
batching:
  priorityQueuePolicies:
    1:
      timeout:
        5
parameters:
  "a.b": "1"
  a: { b: "2", "c[0]": "3" }
`;

describe("the line of a path", () => {
  const lineOf = linesIn(text);

  it.each([
    { path: "backend", line: 2 },
    { path: "inputs", line: 3 },
    { path: "inputs[0]", line: 4 },
    { path: "inputs[0].dims", line: 5 },
    { path: "inputs[0].dims[1]", line: 6 },
    { path: "inputs[1].name", line: 7 },
    { path: "inputs[1].dims[0]", line: 8 },
    { path: "batching.priorityQueuePolicies.1.timeout", line: 12 },
  ])("is that of its key or entry: $path", ({ path, line }) => {
    expect(lineOf(path)).toBe(line);
  });

  it.each([
    { path: "parameters.a.b", line: 15 },
    { path: "parameters.a.c[0]", line: 16 },
    { path: "parameters.a", line: 16 },
  ])("is found where keys hold dots and brackets: $path", ({ path, line }) => {
    expect(lineOf(path)).toBe(line);
  });

  it.each([
    { path: "inputs[0].dataType", line: 4 },
    { path: "inputs[7].dims", line: 3 },
    { path: "inputs.name", line: 3 },
    { path: "batching.maxQueueDelay", line: 9 },
    { path: "backend.deeper[0].still", line: 2 },
  ])("is that of the last part that is there: $path", ({ path, line }) => {
    expect(lineOf(path)).toBe(line);
  });

  it.each(["", "maxBatchSize", "input", "inputs2", "[0]"])("is none where nothing is there: %j", (path) => {
    expect(lineOf(path)).toBeUndefined();
  });

  it("follows aliases, and counts lines by any line break and after a byte order mark", () => {
    const lines = linesIn("\ufeffone: &a\r\n  x: 1\r\ntwo: *a\r\nthree: *b\r\n");
    expect([lines("one"), lines("two.x"), lines("two"), lines("three.y")]).toEqual([1, 2, 3, 4]);
  });

  it("is not looked for in texts that are too large", () => {
    expect(linesIn(`a: 1\n#${" ".repeat(2 ** 20)}`)("a")).toBeUndefined();
  });

  it("is the line of every value of any document", () => {
    const key = fc.stringMatching(/^[a-z][a-z ]{0,4}$/);
    const document = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constant("leaf"),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(key, tie("tree"), { maxKeys: 3, noNullPrototype: true }),
      ),
    })).tree;
    fc.assert(
      fc.property(fc.dictionary(key, document, { noNullPrototype: true }), (value) => {
        const text = yaml.dump(value);
        const lineOf = linesIn(text);
        // In this form every leaf has a line of its own, in the order of the document.
        const leaves = text.split("\n").flatMap((line, i) => (line.endsWith(" leaf") ? [i + 1] : []));
        expect(leafPaths(value).map((path) => lineOf(formatPath(path)))).toEqual(leaves);
      }),
    );
  });
});

describe("problems", () => {
  it("get lines where they have none", () => {
    const problem = { file: "f", message: "m", hint: "h" };
    expect(
      withLines(
        [
          { ...problem, path: "inputs" },
          { ...problem, path: "inputs", line: 7 },
          { ...problem, path: "" },
        ],
        () => text,
      ),
    ).toEqual([
      { ...problem, path: "inputs", line: 3 },
      { ...problem, path: "inputs", line: 7 },
      { ...problem, path: "" },
    ]);
  });
});

function leafPaths(value: unknown): PropertyKey[][] {
  if (typeof value !== "object" || value === null) return [[]];
  const entries: Iterable<[PropertyKey, unknown]> = Array.isArray(value)
    ? value.entries()
    : Object.entries(value);
  return [...entries].flatMap(([key, inner]) => leafPaths(inner).map((path) => [key, ...path]));
}
