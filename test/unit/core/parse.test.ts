import { describe, expect, it } from "vitest";
import { modelSchema } from "../../../core/spec/model.ts";
import { parseYaml } from "../../../core/spec/parse.ts";
import { formatProblems, nearest, type Problem } from "../../../core/spec/problem.ts";

const file = "models/a/model.yaml";

/** A valid spec and what a test adds to it. */
function withText(text: string): string {
  return `
backend: onnxruntime
maxBatchSize: 8
inputs: [{ name: x, dataType: FP32, dims: [4] }]
outputs: [{ name: y, dataType: FP32, dims: [4] }]
${text}`;
}

function problemsOf(text: string): readonly Problem[] {
  const parsed = parseYaml(modelSchema, text, file);
  return "problems" in parsed ? parsed.problems : [];
}

describe("a valid spec", () => {
  it("comes with defaults, durations in microseconds and sizes in bytes", () => {
    const parsed = parseYaml(
      modelSchema,
      withText(`
batching: { maxQueueDelay: 5ms, timeout: 1s }
memory: { weights: 420MiB }
objectives: { latencyP99: 45ms, availability: 99.9% }
instances: [{ kind: gpu }]`),
      file,
    );
    expect(parsed).toEqual({
      value: {
        description: "",
        backend: "onnxruntime",
        maxBatchSize: 8,
        inputs: [{ name: "x", dataType: "FP32", dims: [4], optional: false }],
        outputs: [{ name: "y", dataType: "FP32", dims: [4] }],
        instances: [{ kind: "gpu", count: 1 }],
        batching: {
          preferredBatchSizes: [],
          maxQueueDelay: 5000,
          timeout: 1_000_000,
          preserveOrdering: false,
        },
        responseCache: false,
        parameters: {},
        memory: { weights: 420 * 2 ** 20 },
        warmup: [],
        objectives: { latencyP99: 45_000, availability: 0.999 },
        versions: { latest: 1 },
        idempotent: true,
        callTimeout: 60_000_000,
        conversationAffinity: false,
      },
    });
  });
});

describe("unknown keys", () => {
  it.each([
    { text: "batchng: {}", path: "batchng", hint: "did you mean `batching`?" },
    {
      text: "batching: { maxQueueDlay: 5ms }",
      path: "batching.maxQueueDlay",
      hint: "did you mean `maxQueueDelay`?",
    },
    { text: "instances: [{ kind: gpu, cout: 2 }]", path: "instances[0].cout", hint: "did you mean `count`?" },
    {
      text: "ensemble: { steps: [{ model: a, inputs: {}, output: {} , outputs: {} }] }",
      path: "ensemble.steps[0].output",
      hint: "did you mean `outputs`?",
    },
    {
      text: "warmup: [{ batchSize: 1, inputs: { x: { data: zero, dim: [1] } } }]",
      path: "warmup[0].inputs.x.dim",
      hint: "did you mean `dims`?",
    },
    {
      text: "memory: { frobnicate: 1 }",
      path: "memory.frobnicate",
      hint: "use one of: weights, workspacePerInstance",
    },
  ])("are named with the nearest known one: $path", ({ text, path, hint }) => {
    const key = path.split(".").at(-1) ?? "";
    expect(problemsOf(withText(text))).toEqual([{ file, path, message: `unknown key \`${key}\``, hint }]);
  });
});

describe("values", () => {
  it.each([
    { text: "batching: { maxQueueDelay: 5 }", path: "batching.maxQueueDelay", hint: "with a unit, like 5ms" },
    { text: "batching: { timeout: 5 parsecs }", path: "batching.timeout", hint: "write it like 5ms" },
    { text: "memory: { weights: 5 }", path: "memory.weights", hint: "with a unit, like 420MiB" },
    { text: "objectives: { availability: 0.999 }", path: "objectives.availability", hint: "like 99.9%" },
    { text: "versions: { newest: 1 }", path: "versions", hint: "write one of `latest: 1`" },
    { text: "instances: [{ kind: gpus }]", path: "instances[0].kind", hint: "did you mean `gpu`?" },
    {
      text: "instances: [{ kind: gpu, count: 0 }]",
      path: "instances[0].count",
      hint: "it must be at least 1",
    },
    {
      text: "instances: [{ kind: gpu, count: 4000000000 }]",
      path: "instances[0].count",
      hint: "it must be at most 2147483647",
    },
    {
      text: "instances: [{ kind: gpu, gpus: [] }]",
      path: "instances[0].gpus",
      hint: "it must be at least 1",
    },
    { text: "responseCache: 1", path: "responseCache", hint: "write a boolean" },
    { text: "parameters: { a: 1 }", path: "parameters.a", hint: "write a string" },
    {
      text: "ensemble: { steps: [{ model: '', inputs: {}, outputs: {} }] }",
      path: "ensemble.steps[0].model",
      hint: "write at least one character",
    },
  ])("that do not fit are refused with the mend: $text", ({ text, path, hint }) => {
    const problems = problemsOf(withText(text));
    expect(problems).toMatchObject([{ file, path }]);
    expect(problems[0]?.hint).toContain(hint);
  });

  it.each([
    { field: "maxBatchSize", text: withText("").replace("8", "3000000000"), most: 2 ** 31 - 1 },
    {
      field: "batching.maxQueueSize",
      text: withText("batching: { maxQueueSize: 5000000000 }"),
      most: 2 ** 32 - 1,
    },
    {
      field: "batching.preferredBatchSizes[0]",
      text: withText("batching: { preferredBatchSizes: [3000000000] }"),
      most: 2 ** 31 - 1,
    },
    {
      field: "warmup[0].count",
      text: withText("warmup: [{ batchSize: 1, count: 5000000000 }]"),
      most: 2 ** 32 - 1,
    },
  ])("that are too wide for Triton's message are refused: $field", ({ field, text, most }) => {
    expect(problemsOf(text)).toMatchObject([{ path: field, hint: `it must be at most ${String(most)}` }]);
  });

  it("that are missing are named with what they are", () => {
    expect(problemsOf("backend: python")).toEqual([
      { file, path: "maxBatchSize", message: "missing", hint: "add it; it is a number" },
      { file, path: "inputs", message: "missing", hint: "add it; it is an array" },
      { file, path: "outputs", message: "missing", hint: "add it; it is an array" },
    ]);
  });

  it("that are wrong are reported all at once, at any depth", () => {
    const problems = problemsOf(`
backend: onnxruntme
maxBatchSize: -1
inputs: []
outputs: [{ name: y, dataType: FP33, dims: [0, 1.5], labels: x }]
batching: { maxQueueDelay: 5 }
surprise: 1
`);
    expect(problems.map(({ path }) => path)).toEqual([
      "backend",
      "maxBatchSize",
      "inputs",
      "outputs[0].dataType",
      "outputs[0].dims[0]",
      "outputs[0].dims[1]",
      "outputs[0].labels",
      "batching.maxQueueDelay",
      "surprise",
    ]);
    for (const { message, hint } of problems) {
      expect(message).not.toBe("");
      expect(hint).not.toBe("");
    }
  });
});

describe("text that is no YAML", () => {
  it.each([
    { what: "a syntax error", text: "a: 1\nb: [1\nc: 2\n", line: 3, message: "missed comma" },
    { what: "a key given twice", text: "a: 1\nb: 2\na: 3\n", line: 3, message: "duplicated mapping key" },
    { what: "a tab as indentation", text: "a:\n\tb: 1\n", line: 2, message: "tab" },
  ])("is refused with the line: $what", ({ text, line, message }) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ file: `${file}:${String(line)}`, path: "" });
    expect(problems[0]?.message).toContain(message);
  });

  it("is refused where it is several documents, which have no line", () => {
    expect(problemsOf("a: 1\n---\nb: 2\n")).toMatchObject([{ file, hint: "write one document" }]);
  });

  it("is refused where it is empty or a list", () => {
    expect(problemsOf("")).toMatchObject([{ file, path: "", message: "missing" }]);
    expect(problemsOf("- 1")).toMatchObject([{ file, path: "", message: "[1] is not an object" }]);
  });
});

describe("problems for people", () => {
  it("are grouped by file, with the mend below each", () => {
    const problems = [
      { file: "a", path: "x", message: "wrong", hint: "mend x" },
      { file: "b", path: "", message: "empty", hint: "fill it" },
      { file: "a", path: "y[0]", message: "missing", hint: "add it" },
    ];
    expect(formatProblems(problems)).toBe(
      "3 problems:\n\na\n  x: wrong\n    → mend x\n  y[0]: missing\n    → add it\n\nb\n  empty\n    → fill it",
    );
  });

  it("suggest a word only where it can be meant", () => {
    expect(nearest("onnx", ["onnxruntime", "python"])).toBeUndefined();
    expect(nearest("PYTHON", ["onnxruntime", "python"])).toBe("python");
    expect(nearest("anything", [])).toBeUndefined();
  });
});
