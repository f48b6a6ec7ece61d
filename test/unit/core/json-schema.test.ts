import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Ajv } from "ajv";
import fc from "fast-check";
import yaml from "js-yaml";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { generatedFiles } from "../../../commands/schema.ts";
import { modelJsonSchema } from "../../../core/spec/json-schema.ts";
import { modelSchema } from "../../../core/spec/model.ts";
import { dataTypes } from "../../../core/spec/model/tensors.ts";
import { fieldsIn, fieldsOf, ownFields, tritonNames } from "../../../core/spec/reference.ts";
import { modelConfigType, textName } from "../../../core/triton/model-config-type.ts";
import { modelSpec } from "../../support/spec-arbitraries.ts";
import { projectRoot } from "../../support/tools.ts";

const schema = modelJsonSchema();
// Strict, so that a word of the schema that means nothing is an error.
const validate = new Ajv({ strict: true, strictRequired: false, allErrors: true }).compile(schema);

/** What an editor would underline. */
function complaints(document: unknown): string[] {
  validate(document);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message ?? ""}`);
}

/** Valid specs as teams write them. */
const modelDocument: fc.Arbitrary<unknown> = modelSpec.map((spec) =>
  // The name is not written in the file.
  z.encode(modelSchema.strip(), spec),
);

describe("what `npm run schema` writes", () => {
  it("is up to date", async () => {
    for (const [file, text] of await generatedFiles()) {
      const found = readFileSync(path.join(projectRoot, file), "utf8");
      expect(found === text, `${file} is out of date: run \`npm run schema\``).toBe(true);
    }
  });
});

describe("the JSON Schema", () => {
  it("accepts every spec of this project, each of which names it", () => {
    const models = path.join(projectRoot, "models");
    const files = readdirSync(models).map((name) => path.join(models, name, "model.yaml"));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const text = readFileSync(file, "utf8");
      expect(complaints(yaml.load(text)), file).toEqual([]);
      const [, reference = ""] = /^# yaml-language-server: \$schema=(.*)\n/.exec(text) ?? [];
      expect(path.resolve(path.dirname(file), reference)).toBe(
        path.join(projectRoot, "schemas/model.schema.json"),
      );
    }
  });

  it("accepts the examples of the documentation, as zod does", () => {
    const text = readFileSync(path.join(projectRoot, "docs/model-spec.md"), "utf8");
    const examples = [...text.matchAll(/```yaml\n(# yaml-language-server[^`]*)```/g)].map(([, yaml]) => yaml);
    expect(examples).toHaveLength(2);
    for (const example of examples) {
      const document = yaml.load(example ?? "");
      expect(complaints(document)).toEqual([]);
      expect(modelSchema.safeParse(document).error).toBeUndefined();
    }
  });

  it("accepts whatever zod accepts: no editor warns of a valid spec", () => {
    fc.assert(
      fc.property(modelDocument, (document) => {
        expect(modelSchema.safeParse(document).error).toBeUndefined();
        expect(complaints(document)).toEqual([]);
      }),
    );
  });

  it("agrees with zod after any one change to a valid spec", () => {
    const odd = fc.constantFrom<unknown>(
      ...[null, true, false, "", "x", "5ms", "1 GiB", "99.9%", "gpu", "FP32", "../x", "/x", "1s\n"],
      ...[-2, -1, 0, 1, 1.5, 2 ** 31, 2 ** 32, 2 ** 53, [], [0], [1, 2], {}, { x: 1 }, [{}]],
    );
    const change = fc.constantFrom<Change>("set", "remove", "add");
    fc.assert(
      fc.property(modelDocument, fc.nat(), change, odd, (document, n, how, value) => {
        const places = placesIn(document);
        const path = places[n % places.length] ?? [];
        const other = changed(document, path, how, value);
        const accepted = modelSchema.safeParse(other).success;
        expect({ path, accepted: complaints(other).length === 0 }).toEqual({ path, accepted });
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    { what: "a time of more than 2^53 µs", document: { callTimeout: "999999999d" } },
    { what: "a time that is rounded to nothing", document: { callTimeout: "0.0001us" } },
    { what: "a size of more than 2^53 bytes", document: { memory: { weights: "99999TiB" } } },
    { what: "a percentage of more than 100", document: { objectives: { availability: "100.1%" } } },
  ])("leaves to zod $what", ({ document }) => {
    expect(complaints({ maxBatchSize: 1, ...document })).toEqual([]);
    expect(modelSchema.safeParse({ maxBatchSize: 1, ...document }).success).toBe(false);
  });

  it.each([
    { what: "a dimension of 0", document: { inputs: [{ name: "x", dataType: "FP32", dims: [0] }] } },
    { what: "two strategies", document: { sequenceBatching: { direct: {}, oldest: {} } } },
    {
      what: "data and a file",
      document: { warmup: [{ batchSize: 1, inputs: { x: { data: "zero", inputDataFile: "x" } } }] },
    },
    { what: "a path out of the folder", document: { defaultModelFilename: "a/../../x" } },
    { what: "an unknown key", document: { batching: { maxQueueDlay: "5ms" } } },
    { what: "a number for a duration", document: { callTimeout: 5 } },
    { what: "a pair of three", document: controlWith({ int32FalseTrue: [0, 1, 2] }) },
    { what: "a pair of one", document: controlWith({ int32FalseTrue: [0] }) },
  ])("refuses $what", ({ document }) => {
    expect(complaints({ maxBatchSize: 1, ...document })).not.toEqual([]);
    expect(modelSchema.safeParse({ maxBatchSize: 1, ...document }).success).toBe(false);
  });

  it("gives defaults as teams write them", () => {
    const defaults = fieldsOf(schema).flatMap(({ path, schema: field }) =>
      field.default === undefined ? [] : [[path, field.default]],
    );
    expect(Object.fromEntries(defaults)).toMatchObject({ callTimeout: "1m", idempotent: true, inputs: [] });
    expect(complaints({ maxBatchSize: 1, ...Object.fromEntries(defaults) })).toEqual([]);
  });
});

describe("the reference", () => {
  const fields = fieldsOf(schema).flatMap((field) => [field, ...fieldsIn(field)]);

  it("has a meaning of every field", () => {
    expect(
      fields.filter(({ schema: field }) => (field.description ?? "") === "").map(({ path }) => path),
    ).toEqual([]);
  });

  it("names every field of Triton as model_config.proto does", () => {
    const unknown = fields.filter(({ path }) => {
      const [top = ""] = path.split(/[.[]/);
      return !ownFields.includes(top) && protoField(path) === undefined;
    });
    expect(unknown.map(({ path }) => path)).toEqual([]);
    expect(Object.keys(tritonNames).filter((path) => !fields.some((field) => field.path === path))).toEqual(
      [],
    );
    expect(ownFields.filter((name) => !fields.some(({ path }) => path === name))).toEqual([]);
  });

  it("is preceded by a list of all data types", () => {
    const text = readFileSync(path.join(projectRoot, "docs/model-spec.md"), "utf8");
    for (const name of dataTypes) expect(text).toContain(`\`${name}\``);
  });
});

/** The proto's field of a field of the spec, followed from ModelConfig. */
function protoField(path: string): protobuf.Field | undefined {
  const parts = path.split(".");
  const names = parts.flatMap((part, i) => {
    const own = parts
      .slice(0, i + 1)
      .join(".")
      .replace(/\[\]$/, "");
    return part === "*" ? [] : (tritonNames[own] ?? textName(part.replace("[]", ""))).split(".");
  });
  let field: protobuf.Field | undefined;
  for (const [i, name] of names.entries()) {
    const message = i === 0 ? modelConfigType() : field?.resolvedType;
    const fields = message instanceof protobuf.Type ? message.fieldsArray : [];
    field = fields.find((candidate) => textName(candidate.name) === name);
  }
  return field;
}

function controlWith(values: object): object {
  return { sequenceBatching: { controlInputs: [{ name: "x", controls: [{ kind: "start", ...values }] }] } };
}

type Change = "set" | "remove" | "add";

/** A document with one key or entry set to another value, removed, or with one more beside it. */
function changed(document: unknown, path: readonly PropertyKey[], change: Change, value: unknown): unknown {
  const [key, ...rest] = path;
  if (Array.isArray(document)) {
    const i = Number(key);
    const entry: unknown = document[i];
    if (rest.length > 0) return document.with(i, changed(entry, rest, change, value));
    if (change === "set") return document.with(i, value);
    return change === "add" ? document.toSpliced(i, 0, value) : document.toSpliced(i, 1);
  }
  const entries = Object.entries(document ?? {}).flatMap(([name, inner]: [string, unknown]) => {
    if (name !== key) return [[name, inner]];
    if (rest.length > 0) return [[name, changed(inner, rest, change, value)]];
    if (change === "set") return [[name, value]];
    return change === "add"
      ? [
          [name, inner],
          ["dims", value],
        ]
      : [];
  });
  return Object.fromEntries(entries);
}

function placesIn(value: unknown): PropertyKey[][] {
  if (typeof value !== "object" || value === null) return [];
  const entries: Iterable<[PropertyKey, unknown]> = Array.isArray(value)
    ? value.entries()
    : Object.entries(value);
  return [...entries].flatMap(([key, inner]) => [[key], ...placesIn(inner).map((path) => [key, ...path])]);
}
