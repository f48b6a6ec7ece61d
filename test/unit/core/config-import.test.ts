import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Problem } from "../../../core/spec/problem.ts";
import { modelSchema } from "../../../core/spec/model.ts";
import { formatModelYaml } from "../../../core/spec/model-yaml.ts";
import { parseYaml } from "../../../core/spec/parse.ts";
import { renderConfigPbtxt } from "../../../core/triton/config-from-spec.ts";
import { parseConfigPbtxt } from "../../../core/triton/config-text.ts";
import { importConfigPbtxt, modelDocument } from "../../../core/triton/config-to-spec.ts";
import { modelConfigText } from "../../support/model-config-arbitraries.ts";
import { ModelConfigReader } from "../../support/model-config-reader.ts";
import { needing, venvPython } from "../../support/tools.ts";

const file = "m/config.pbtxt";

function problemsOf(text: string): readonly Problem[] {
  const imported = importConfigPbtxt(text, "folder", file);
  return "problems" in imported ? imported.problems : [];
}

function specOf(text: string) {
  const imported = importConfigPbtxt(text, "folder", file);
  if ("problems" in imported) throw new Error(JSON.stringify(imported.problems));
  return imported;
}

describe("the import of a config.pbtxt", () => {
  it("leaves defaults out of the spec's document", () => {
    const text = `
      backend: "onnxruntime"  # comments, lists, separators, both brackets
      max_batch_size: 0x08;
      input [{ name: 'x', data_type: TYPE_FP32, dims: [ 4 ], optional: false }]
      output < name: "y" "es" data_type: 11 dims: 2 dims: 3 >
      instance_group { kind: KIND_GPU count: 0 gpus: [] }
      dynamic_batching { max_queue_delay_microseconds: 5000 default_queue_policy { timeout_action: REJECT } }
      parameters: { key: "a\\x62\\143" value { string_value: "\\u00e9" } }
      ensemble_scheduling_is_none: 1`.replace(/\s+ensemble_scheduling_is_none: 1/, "");
    expect(specOf(text).document).toEqual({
      backend: "onnxruntime",
      maxBatchSize: 8,
      inputs: [{ name: "x", dataType: "FP32", dims: [4] }],
      outputs: [{ name: "yes", dataType: "FP32", dims: [2, 3] }],
      batching: { maxQueueDelay: "5ms", timeoutAction: "reject" },
      instances: [{ kind: "gpu" }],
      parameters: { abc: "é" },
    });
  });

  it("takes the folder's name for a config without one", () => {
    expect(specOf("max_batch_size: 1").spec.name).toBe("folder");
    expect(specOf('name: ""').spec.name).toBe("folder");
    expect(specOf('name: "own"').spec.name).toBe("own");
  });

  it("reads files of other systems: CRLF, and a byte-order mark", () => {
    expect(specOf('\ufeffname: "own" # comment\r\nmax_batch_size: 4\r\n').spec).toMatchObject({
      name: "own",
      maxBatchSize: 4,
    });
  });

  it.each([
    // What is wrong, where, and what is meant.
    ["\ninput {\n  nam: 1 }", `${file}:3`, "", "ModelInput has no field `nam`", "did you mean `name`?"],
    ["input { data_type: FP32 }", `${file}:1`, "", "this is no value of `data_type`", /TYPE_FP32/],
    ['\nname: "a"\nname: "b"', `${file}:3`, "", "`name` is given more than once", "keep one of them"],
    [
      "dynamic_batching {}\nensemble_scheduling {}",
      `${file}:2`,
      "",
      /`scheduling_choice` .* more than once/,
      /keep/,
    ],
    ["backend: ['a']", `${file}:1`, "", "`backend` takes no list", /without brackets/],
    ["\n\nmax_batch_size: 4294967296\n", `${file}:3`, "", /integer value out of range/, /mend this line/],
    [
      'name: "${own}"\nmax_batch_size: ${triton_max_batch_size}\n',
      `${file}:2`,
      "",
      /^this is a template whose \$\{triton_max_batch_size\} is not filled in$/,
      /fill_template\.py/,
    ],
    ["model_transaction_policy { decoupled: ${a} ${b} }", `${file}:1`, "", /\$\{a\}, \$\{b\} is not/, /fill/],
    ["max_batch_size: 1 }", `${file}:1`, "", /illegal field name '}'/, /mend this line/],
    ['name: "\\377"', `${file}:1`, "", /invalid UTF-8/, /mend this line/],
    ["input { data_type: 99 }", file, "input[0].data_type", /99 is no value/, /TYPE_FP32/],
    [
      "ensemble_scheduling { step { model_version: 9007199254740993 } }",
      file,
      "ensemble_scheduling.step[0].model_version",
      /9007199254740993 is beyond 2\^53/,
      /smaller/,
    ],
    [
      "sequence_batching { direct { minimum_slot_utilization: inf } }",
      file,
      "sequence_batching.direct.minimum_slot_utilization",
      /Infinity is no finite/,
      /number/,
    ],
    [
      "sequence_batching { direct { minimum_slot_utilization: -0.0 } }",
      file,
      "sequence_batching.direct.minimum_slot_utilization",
      /-0 is not kept/,
      /0/,
    ],
    ["parameters { key: '__proto__' value {} }", file, "parameters", /__proto__/, /otherwise/],
    [
      "input { name: 'x' data_type: TYPE_FP32 dims: 0 }",
      file,
      "inputs[0].dims[0]",
      /0 is no dimension/,
      /at least 1/,
    ],
    [
      "model_warmup { inputs { key: 'x.Y' value { zero_data: false } } }",
      file,
      "model_warmup[0].inputs.x.Y.zero_data",
      /false has no place/,
      /leave it out/,
    ],
    [
      "ensemble_scheduling { step { model_name: 'a' } }",
      file,
      "platform",
      /missing.* would become "ensemble"/,
      /write it/,
    ],
    [
      "model_metrics { metric_control {} }",
      file,
      "model_metrics.metric_control[0].metric_identifier",
      /missing/,
      /write it/,
    ],
  ])("refuses %j by name", (text, where, place, message, hint) => {
    const [problem, ...others] = problemsOf(text);
    expect(problem).toMatchObject({ file: where, path: place });
    expect(problem?.message).toMatch(message);
    expect(problem?.hint).toMatch(hint);
    expect(others.filter(({ file }) => file !== where)).toEqual([]);
  });

  it("says what is missing of a tensor that a backend would complete", () => {
    expect(problemsOf('input { name: "x" }')).toMatchObject([
      { path: "inputs[0].dataType", message: "missing" },
      { path: "inputs[0].dims", message: "dims must not be empty" },
    ]);
  });

  it("tells a hundred problems and how many more there are", () => {
    const outOfShape = problemsOf("input { name: 'x' data_type: TYPE_FP32 dims: 0 }\n".repeat(250));
    expect(outOfShape).toHaveLength(101);
    const beyondYaml = problemsOf("input { dims: 9007199254740993 }\n".repeat(250));
    expect(beyondYaml).toHaveLength(101);
    expect(beyondYaml.at(-1)?.message).toBe("there are 150 more problems");
  });
});

describe.skipIf(venvPython.program === undefined)(
  needing(venvPython, "the import of any message, held against protobuf's own parser"),
  () => {
    let reader: ModelConfigReader;
    beforeAll(() => {
      reader = new ModelConfigReader(venvPython);
    });
    afterAll(() => {
      reader.close();
    });

    it("loses nothing: the spec's YAML gives the same message, or a problem names what has no place", async () => {
      let [all, equal] = [0, 0];
      await fc.assert(
        fc.asyncProperty(modelConfigText, async (text) => {
          all += 1;
          const message = await reader.read(text);
          const imported = importConfigPbtxt(text, "folder", file);
          if ("problems" in imported) {
            for (const problem of imported.problems) expect(isThere(problem, text), problem.path).toBe(true);
            return;
          }
          const written = parseYaml(modelSchema, formatModelYaml(imported.document), "model.yaml");
          if ("problems" in written) throw new Error(JSON.stringify(written.problems));
          const spec = { ...written.value, name: imported.spec.name };
          const again = await reader.read(renderConfigPbtxt(spec));
          // The first field is the name: its own, or the folder's.
          const named = `0a06${Buffer.from("folder").toString("hex")}${message}`;
          expect([message, named]).toContain(again);
          equal += 1;
        }),
        { numRuns: 400 },
      );
      // Most have a spec: else the property would say little.
      expect(equal).toBeGreaterThan(all / 2);
    });

    it("accepts of damaged texts only what protobuf accepts", async () => {
      await fc.assert(
        fc.asyncProperty(modelConfigText, damage, async (text, change) => {
          const damaged = change(text);
          if ("problems" in parseConfigPbtxt(damaged, file)) return;
          const asked = await reader.ask(damaged);
          if ("error" in asked) expect(asked.error).toMatch(stricterInPython);
        }),
        { numRuns: 2000 },
      );
    });
  },
);

describe("bad input", () => {
  const valid = readFileSync(path.join(import.meta.dirname, "golden", "config-sequences.txt"), "utf8");

  function answersPlainly(text: string): void {
    const imported = importConfigPbtxt(text, "folder", file);
    if (!("problems" in imported)) return;
    expect(imported.problems.length).toBeGreaterThan(0);
    for (const { message, hint } of imported.problems) {
      expect(message).not.toBe("");
      expect(hint).not.toBe("");
      expect(message).not.toMatch(/\p{Cc}/u);
      expect(message.length).toBeLessThan(300);
    }
  }

  it("cut off anywhere", () => {
    for (let end = 0; end < valid.length; end += 1) answersPlainly(valid.slice(0, end));
  });

  it("with bits flipped, or made of nothing but noise", () => {
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(7), (at, bit) => {
        const bytes = Buffer.from(valid);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        answersPlainly(bytes.toString("utf8"));
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.string({ unit: "binary" }), answersPlainly), { numRuns: 500 });
    fc.assert(
      fc.property(modelConfigText, damage, (text, change) => {
        answersPlainly(change(text));
      }),
      { numRuns: 500 },
    );
  });

  const many = 10_000;
  const large = 10 * 1024 ** 2;
  it.each([
    ["deep", "input {".repeat(many)],
    ["deep and closed", `${"input {".repeat(many)}${"}".repeat(many)}`],
    ["deep brackets", "[".repeat(many)],
    ["deep in what is known", "sequence_batching { state [{ initial_state ".repeat(many)],
    ["a huge number", `max_batch_size: ${"9".repeat(many)}`],
    ["a huge exponent", "sequence_batching { direct { minimum_slot_utilization: 1e999999999 } }"],
    ["NUL bytes", "\0".repeat(many)],
    ["a text that does not end", `name: "${"x".repeat(many)}`],
    ["many of the same field", "dims: 1 ".repeat(many)],
    ["many empty inputs", "input {}".repeat(many)],
    ["many keys that are the same", 'parameters { key: "k" value { string_value: "v" } }'.repeat(many)],
    ["ten megabytes of spaces", " ".repeat(large)],
    ["ten megabytes of brackets", "{".repeat(large)],
    ["ten megabytes of a valid config", `max_batch_size: 8 input { ${"dims: 1 ".repeat(large / 8)}}`],
    ["lone surrogates", 'name: "\ud800"'],
  ])("%s", (_, text) => {
    answersPlainly(text);
  });
});

/** Where C++, which Triton uses, is laxer than Python: octal escapes beyond \377, a backslash as \u005c, 01 for true. */
const stricterInPython = /codec can't|Expected "true" or "false"/;

/** Changes of a text at a place between 0 and 1 of its length. */
const damage: fc.Arbitrary<(text: string) => string> = fc
  .tuple(
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.nat(6),
    fc.constantFrom(
      ...[
        "",
        "{",
        "}",
        "<",
        ">",
        "[",
        "]",
        ":",
        ",",
        ";",
        "-",
        '"',
        "'",
        "\\",
        "#",
        "\n",
        "\0",
        "0",
        "08",
        "1.5",
      ],
      ...["99999999999999999999", "inf", "TRUE", "name", "[a.b]: 1", "\u00e9", "\v", "/* */"],
    ),
  )
  .map(([place, length, text]) => (valid) => {
    const at = Math.floor(place * valid.length);
    return valid.slice(0, at) + text + valid.slice(at + length);
  });

/** Whether a problem's path leads to something, in the message or in the spec's document. */
function isThere({ path, file: where }: Problem, text: string): boolean {
  if (where !== file) return false;
  const parsed = parseConfigPbtxt(text, file);
  const [top = ""] = path.split(/[.[]/);
  // A field that is missing is named by what it would be.
  if (top === "platform" || new RegExp(`\\b${top}\\b`).test(text)) return true;
  return !("problems" in parsed) && Object.hasOwn(modelDocument(parsed.config), top);
}
