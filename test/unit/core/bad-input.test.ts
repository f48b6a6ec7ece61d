import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import yaml from "js-yaml";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { modelSchema } from "../../../core/spec/model.ts";
import { mostProblems } from "../../../core/spec/issues.ts";
import { parseValue, parseYaml } from "../../../core/spec/parse.ts";
import { mostValues } from "../../../core/spec/plain-data.ts";
import { formatProblems, type Problem } from "../../../core/spec/problem.ts";
import { longestText } from "../../../core/spec/yaml.ts";
import { modelSpec } from "../../support/spec-arbitraries.ts";
import { projectRoot } from "../../support/tools.ts";

const file = "models/a/model.yaml";
const base = "maxBatchSize: 1\n";

/** The problems of a text, each of which must be fit to be shown. */
function problemsOf(text: string): readonly Problem[] {
  const parsed = parseYaml(modelSchema, text, file);
  if (!("problems" in parsed)) return [];
  const lines = text.split(/\r\n?|\n/).length;
  expect(parsed.problems).not.toEqual([]);
  for (const { message, hint, line = 1, path: place } of parsed.problems) {
    expect(message).not.toBe("");
    expect(hint).not.toBe("");
    expect(message.length).toBeLessThan(300);
    expect(place.length).toBeLessThan(1000);
    expect(line).toBeGreaterThanOrEqual(1);
    // A missing end is missed on the line after the last.
    expect(line).toBeLessThanOrEqual(lines + 1);
    expect(`${message} ${hint}`).not.toMatch(/undefined|\[object|NaN|maxDepth|Invalid input/);
  }
  return parsed.problems;
}

describe("text that holds more than it seems", () => {
  it("is refused where aliases multiply", () => {
    const laughs = Array.from(
      { length: 30 },
      (_, i) => `l${String(i + 1)}: &l${String(i + 1)} [*l${String(i)}, *l${String(i)}]`,
    );
    expect(problemsOf(`l0: &l0 x\n${laughs.join("\n")}\n`)).toMatchObject([
      {
        path: "",
        message: `there are more than ${String(mostValues)} values, aliases counted as often as they are used`,
      },
    ]);
  });

  it("is refused where aliases multiply a long text", () => {
    const text = `${base}description: &a ${"x".repeat(100_000)}\ninputs: [${"*a,".repeat(1000)}]\n`;
    expect(problemsOf(text)).toMatchObject([{ path: "" }]);
  });

  it.each([
    { text: "a: &a [*a]", path: "a[0]" },
    { text: "a: &a { b: { c: *a } }", path: "a.b.c" },
    { text: "&a [[*a]]", path: "[0][0]" },
  ])("is refused where a value holds itself: $text", ({ text, path: place }) => {
    expect(problemsOf(text)).toMatchObject([
      { path: place, message: "an alias (*) stands for a value that it is part of" },
    ]);
  });

  it("is refused where aliases nest a thousand deep", () => {
    const chain = Array.from({ length: 1000 }, (_, i) => `- &a${String(i + 1)} [*a${String(i)}]`);
    expect(problemsOf(`- &a0 []\n${chain.join("\n")}\n`)).toMatchObject([
      { message: "the values are nested deeper than 100 levels" },
    ]);
  });

  it("is read where aliases and merge keys only save writing", () => {
    const parsed = parseYaml(
      modelSchema,
      `${base}inputs:\n- &x { name: x, dataType: FP32, dims: &d [4] }\noutputs:\n- { <<: *x, name: y }\n- { name: z, dataType: FP32, dims: *d }`,
      file,
    );
    expect(parsed).toMatchObject({
      value: {
        inputs: [{ name: "x", dims: [4] }],
        outputs: [
          { name: "y", dataType: "FP32", dims: [4] },
          { name: "z", dims: [4] },
        ],
      },
    });
  });
});

describe("text that is deep, long or wide", () => {
  it.each([
    { what: "lists", text: "[".repeat(100_000) },
    { what: "objects", text: "{a: ".repeat(100_000) },
    { what: "entries", text: "- ".repeat(100_000) },
    { what: "keys", text: "? ".repeat(100_000) },
  ])("is refused by name: 100 000 $what in each other", ({ text }) => {
    expect(problemsOf(text)).toMatchObject([
      { line: 1, message: "this is no YAML: the values are nested deeper than 100 levels" },
    ]);
  });

  it("is refused beyond a size", () => {
    expect(problemsOf(" ".repeat(longestText + 1))).toMatchObject([{ path: "" }]);
  });

  it.each([
    { what: "10 MB of one text", text: `${base}description: ${"x".repeat(10_000_000)}`, count: 0 },
    { what: "10 MB of an unknown key", text: `${base}${"x".repeat(10_000_000)}: 1`, count: 1 },
    { what: "10 MB of comments", text: `${base}${"# x\n".repeat(2_500_000)}`, count: 0 },
    { what: "10 MB of quotes that are not closed", text: `a: "${"x".repeat(10_000_000)}`, count: 1 },
    { what: "a list of a million", text: `inputs: [${"1,".repeat(1_000_000)}]`, count: 1 },
    {
      what: "100 000 unknown keys",
      text: Array.from({ length: 100_000 }, (_, i) => `k${String(i)}: 1\n`).join(""),
      count: mostProblems + 1,
    },
    {
      what: "20 000 wrong entries",
      text: `${base}inputs: [${"1,".repeat(20_000)}]`,
      count: mostProblems + 1,
    },
  ])("gives a short list of problems: $what", ({ text, count }) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(count);
    expect(formatProblems(problems).length).toBeLessThan(50_000);
  });
});

describe("text that is odd", () => {
  it.each([
    { what: "NUL bytes", text: "a: 1\nb: \0", line: 2, message: "this is no UTF-8 text" },
    {
      what: "Latin-1",
      text: Buffer.from("# caf\xe9\n", "latin1").toString("utf8"),
      line: 1,
      message: "this is no UTF-8 text",
    },
    {
      what: "UTF-16",
      text: Buffer.from("\ufeffmaxBatchSize: 1", "utf16le").toString("utf8"),
      line: 1,
      message: "this is no UTF-8 text",
    },
    {
      what: "a control character",
      text: "a: 1\nb: \x07\n",
      line: 2,
      message: "this is no YAML: the stream contains non-printable characters",
    },
    {
      what: "a tag",
      text: `${base}description: !!binary aGk=`,
      line: 2,
      message: "this is no YAML: unknown tag !<tag:yaml.org,2002:binary>",
    },
    {
      what: "a set",
      text: `${base}inputs: !!set {}`,
      line: 2,
      message: "this is no YAML: unknown tag !<tag:yaml.org,2002:set>",
    },
    {
      what: "an alias of nothing",
      text: `${base}description: *emphasis*`,
      line: 2,
      message: 'this is no YAML: unidentified alias "emphasis*"',
    },
    {
      what: "many merge keys",
      text: `a: &a { ${Array.from({ length: 200 }, (_, i) => `k${String(i)}: 1`).join(", ")} }\nb: [${"{<<: *a},".repeat(100)}]`,
      message: "this is no YAML: too many keys are merged by <<",
    },
  ])("is refused by name: $what", ({ text, line, message }) => {
    expect(problemsOf(text)).toMatchObject([{ message, ...(line === undefined ? {} : { line }) }]);
  });

  it("may begin with a byte order mark, and end its lines as on Windows", () => {
    expect(problemsOf("\ufeffmaxBatchSize: 1\r\ncallTimeout: 1s\r\n")).toEqual([]);
    expect(problemsOf("\ufeffmaxBatchSize: 1\r\ncallTimeout: 1\r\n")).toMatchObject([{ line: 2 }]);
  });

  it("keeps dates, words for yes and no, and numbers with underscores as the texts they are", () => {
    const parameters = { a: "2024-01-01", b: "yes", c: "on", d: "1_000", e: "12:30:45", f: "1e", g: "0x" };
    const written = Object.entries(parameters).map(([key, value]) => `  ${key}: ${value}\n`);
    expect(parseYaml(modelSchema, `${base}parameters:\n${written.join("")}`, file)).toMatchObject({
      value: { parameters },
    });
  });

  it.each([
    { number: "0x10", value: 16 },
    { number: "0o17", value: 15 },
    { number: "0b11", value: 3 },
    { number: "010", value: 10 },
    { number: "+5", value: 5 },
    { number: "1e3", value: 1000 },
    { number: "8.0", value: 8 },
  ])("has whole numbers in many forms: $number", ({ number, value }) => {
    expect(parseYaml(modelSchema, `maxBatchSize: ${number}`, file)).toMatchObject({
      value: { maxBatchSize: value },
    });
  });

  it.each([
    "9007199254740993",
    "0x20000000000001",
    "9007199254740992",
    "1e300",
    ".inf",
    "-.inf",
    ".nan",
    "1.5",
    "1e400",
  ])("is refused where a dimension would be rounded or is no number: %s", (number) => {
    expect(problemsOf(`${base}inputs: [{ name: x, dataType: FP32, dims: [${number}] }]`)).toMatchObject([
      { path: "inputs[0].dims[0]", line: 2 },
    ]);
  });

  it.each([
    { text: "parameters: { __proto__: x }", path: "parameters" },
    { text: "__proto__: { x: 1 }", path: "" },
    { text: "batching: { __proto__: { maxQueueSize: 1 } }", path: "batching" },
  ])("does not lose keys that mean something to JavaScript: $text", ({ text, path: place }) => {
    expect(problemsOf(base + text)).toMatchObject([{ path: place, message: "`__proto__` cannot be a key" }]);
  });

  it("is refused where an object is a key, as in templates that nobody filled in", () => {
    expect(problemsOf(`${base}parameters:\n  size: {{ size }}\n`)).toMatchObject([
      { path: "parameters.size", line: 3, message: "an object is written where a key should be" },
    ]);
  });

  it("may name things like what every JavaScript object has", () => {
    const parameters = { constructor: "a", toString: "b", hasOwnProperty: "c", valueOf: "d" };
    expect(parseYaml(modelSchema, `${base}parameters: ${JSON.stringify(parameters)}`, file)).toMatchObject({
      value: { parameters },
    });
    expect(problemsOf(`${base}constructor: 1\ntoString: 2\n`).map((problem) => problem.path)).toEqual([
      "constructor",
      "toString",
    ]);
  });
});

describe("whatever is written", () => {
  const specs = readdirSync(path.join(projectRoot, "models")).map((name) =>
    readFileSync(path.join(projectRoot, "models", name, "model.yaml"), "utf8"),
  );

  it("gives a value or problems: any text", () => {
    const snippet = fc.constantFrom(
      ...[
        "&a ",
        "*a",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "- ",
        "? ",
        "\n",
        "\n  ",
        "\n    ",
        "'",
        '"',
        "|\n",
        ">\n",
        "!!str ",
        "!x ",
        "<<: ",
      ],
      ...[
        "inputs:",
        "batching:",
        "maxBatchSize: 1",
        "dims: [0]",
        "\t",
        "%YAML 1.2\n",
        "---\n",
        "...\n",
        "# x",
        ",",
        "\\",
        "~",
        "5ms",
      ],
      ...["\0", "\ufffd", "\ufeff", "\u2028", "\x85", "\r", "é", "🙂", "\ud800"],
    );
    const text = fc.array(fc.oneof({ arbitrary: snippet, weight: 5 }, fc.string({ maxLength: 4 })), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(text, (parts) => {
        problemsOf(parts.join(""));
      }),
      { numRuns: 1500 },
    );
  });

  it("gives a value or problems: specs that were cut, damaged or mixed", () => {
    const spec = fc.constantFrom(...specs);
    const place = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(spec, spec, place, place, fc.string({ maxLength: 3 }), (one, other, from, to, between) => {
        problemsOf(one.slice(0, from * one.length) + between + other.slice(to * other.length));
      }),
      { numRuns: 500 },
    );
  });

  it("gives a value or problems: any data", () => {
    const value = fc.anything({ withNullPrototype: true, maxDepth: 4 });
    const keys = fc.constantFrom(...Object.keys(modelSchema.shape));
    fc.assert(
      fc.property(fc.oneof(value, fc.dictionary(keys, value)), (data) => {
        const parsed = parseValue(modelSchema, data, file);
        if ("problems" in parsed) {
          expect(parsed.problems.length).toBeGreaterThan(0);
          for (const { message, hint } of parsed.problems) expect([message, hint]).not.toContain("");
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is read as it was meant: any valid spec, written as YAML", () => {
    fc.assert(
      fc.property(modelSpec, (spec) => {
        const document = z.encode(modelSchema.strip(), spec);
        const text = yaml.dump(document).replaceAll("\ufffd", "");
        const parsed = parseYaml(modelSchema, text, file);
        expect("value" in parsed ? { ...parsed.value, name: spec.name } : parsed).toEqual(spec);
      }),
    );
  });
});
