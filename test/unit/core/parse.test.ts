import { describe, expect, it } from "vitest";
import { modelSchema } from "../../../core/spec/model.ts";
import { parseYaml } from "../../../core/spec/parse.ts";
import type { Problem } from "../../../core/spec/problem.ts";

const file = "models/a/model.yaml";
const tensor = { dataType: "FP32", dims: [4], isShapeTensor: false, isNonLinearFormatIo: false };

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
        ccModelFilenames: {},
        maxBatchSize: 8,
        inputs: [{ ...tensor, name: "x", optional: false, allowRaggedBatch: false }],
        outputs: [{ ...tensor, name: "y" }],
        batchInputs: [],
        batchOutputs: [],
        instances: [{ kind: "gpu", passive: false }],
        batching: {
          preferredBatchSizes: [],
          maxQueueDelay: 5000,
          timeout: 1_000_000,
          preserveOrdering: false,
          priorityQueuePolicies: {},
        },
        parameters: {},
        memory: { weights: 420 * 2 ** 20 },
        warmup: [],
        files: [],
        metricTags: {},
        objectives: { latencyP99: 45_000, availability: 0.999 },
        idempotent: true,
        callTimeout: 60_000_000,
        conversationAffinity: false,
        silenced: {},
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
      hint: "use one of: hostPerInstance, weights, workspacePerInstance",
    },
  ])("are named with the nearest known one: $path", ({ text, path, hint }) => {
    const key = path.split(".").at(-1) ?? "";
    expect(problemsOf(withText(text))).toEqual([
      { file, path, line: 6, message: `unknown key \`${key}\``, hint },
    ]);
  });
});

describe("Triton's own words", () => {
  it.each([
    ["instance_group: []", "instance_group", "Triton's `instance_group` is `instances` here"],
    ["dynamic_batching: {}", "dynamic_batching", "Triton's `dynamic_batching` is `batching` here"],
    ["input: []", "input", "Triton's `input` is `inputs` here"],
    ["output: []", "output", "Triton's `output` is `outputs` here"],
    ["model_warmup: []", "model_warmup", "Triton's `model_warmup` is `warmup` here"],
    ["version_policy: {}", "version_policy", "Triton's `version_policy` is `versions` here"],
    ["ensemble_scheduling: {}", "ensemble_scheduling", "Triton's `ensemble_scheduling` is `ensemble` here"],
    ["response_cache: {}", "response_cache", "Triton's `response_cache` is `responseCache` here"],
    ["sequence_batching: {}", "sequence_batching", "did you mean `sequenceBatching`?"],
    ["max_batch_size: 8", "max_batch_size", "did you mean `maxBatchSize`?"],
    ["warmup: [{ batchSize: 1, data_type: FP32 }]", "warmup[0].data_type", /use one of/],
    [
      "batchInputs: [{ kind: item_shape, targetNames: [], sourceInputs: [], dataType: FP32, data_type: FP32 }]",
      "batchInputs[0].data_type",
      "did you mean `dataType`?",
    ],
    [
      "batching: { default_queue_policy: {} }",
      "batching.default_queue_policy",
      "Triton's `default_queue_policy` is `maxQueueSize`, `timeout`, `timeoutAction`, `allowTimeoutOverride` here",
    ],
    [
      'batching: { priorityQueuePolicies: { "1": { default_timeout_microseconds: 1 } } }',
      "batching.priorityQueuePolicies.1.default_timeout_microseconds",
      "Triton's `default_timeout_microseconds` is `timeout` here",
    ],
    [
      "warmup: [{ batchSize: 1, inputs: { x.y: { random_data: true } } }]",
      "warmup[0].inputs.x.y.random_data",
      "Triton's `random_data` is `data` here",
    ],
    // Where the word is another field's, it is a mistake like any other.
    ["memory: { instance_group: [] }", "memory.instance_group", /use one of/],
  ])("for fields are told with those of model.yaml: %s", (text, path, hint) => {
    expect(problemsOf(withText(text))).toMatchObject([{ path, line: 6, hint: expectedHint(hint) }]);
  });

  it.each([
    ["instances: [{ kind: KIND_GPU }]", "instances[0].kind", "Triton's KIND_GPU is `gpu` here"],
    ["warmup: [{ batchSize: 1, inputs: { x: { dataType: TYPE_FP32 } } }]", undefined, "TYPE_FP32 is `FP32`"],
    ["warmup: [{ batchSize: 1, inputs: { x: { dataType: TYPE_INT8 } } }]", undefined, "TYPE_INT8 is `INT8`"],
    ["warmup: [{ batchSize: 1, inputs: { x: { dataType: BYTES } } }]", undefined, "BYTES is `STRING`"],
    [
      "batchInputs: [{ kind: BATCH_ACCUMULATED_ELEMENT_COUNT, targetNames: [], sourceInputs: [], dataType: FP32 }]",
      "batchInputs[0].kind",
      "is `accumulated_element_count` here",
    ],
  ])("for values are told with those of model.yaml: %s", (text, path, hint) => {
    expect(problemsOf(withText(text))).toMatchObject([
      { path: path ?? "warmup[0].inputs.x.dataType", hint: expectedHint(new RegExp(hint)) },
    ]);
  });

  function expectedHint(hint: string | RegExp): unknown {
    return typeof hint === "string" ? hint : expect.stringMatching(hint);
  }
});

describe("values", () => {
  it.each([
    {
      text: "batching: { maxQueueDelay: 5 }",
      path: "batching.maxQueueDelay",
      message: "5 is no duration",
      hint: "write it with a unit, like 5ms, 1s, 2m",
    },
    {
      text: 'batching: { timeout: "5: 1 parsecs" }',
      path: "batching.timeout",
      message: '"5: 1 parsecs" is no duration',
      hint: "write it with a unit, like 5ms, 1s, 2m",
    },
    {
      text: "batching: { timeout: 0.0001us }",
      path: "batching.timeout",
      message: '"0.0001us" is no duration',
      hint: "write it with a unit, like 5ms, 1s, 2m",
    },
    {
      text: "memory: { weights: 5 }",
      path: "memory.weights",
      message: "5 is no size",
      hint: "write it with a unit, like 420MiB, 1.5GiB",
    },
    {
      text: "objectives: { availability: 0.999 }",
      path: "objectives.availability",
      message: "0.999 is no percentage",
      hint: "write it with a unit, like 99.9%",
    },
    {
      text: "instances: [{ kind: gpus }]",
      path: "instances[0].kind",
      message: '"gpus" is not allowed',
      hint: "did you mean `gpu`?",
    },
    {
      text: "instances: [{ kind: [gpu] }]",
      path: "instances[0].kind",
      message: '["gpu"] is not allowed',
      hint: "use one of: auto, cpu, gpu, model",
    },
    {
      text: "instances: [{ kind: gpu, count: 0 }]",
      path: "instances[0].count",
      message: "0 is out of range",
      hint: "it must be at least 1",
    },
    {
      text: "instances: [{ kind: gpu, count: 4000000000 }]",
      path: "instances[0].count",
      message: "4000000000 is out of range",
      hint: "it must be at most 2147483647",
    },
    {
      text: "instances: [{ kind: gpu, count: 1.5 }]",
      path: "instances[0].count",
      message: "1.5 is not a whole number",
      hint: "write a whole number",
    },
    {
      text: 'instances: [{ kind: gpu, count: "2" }]',
      path: "instances[0].count",
      message: '"2" is not a number',
      hint: "write it without quotes",
    },
    {
      text: "instances: [{ kind: gpu, gpus: [] }]",
      path: "instances[0].gpus",
      message: "0 entries are too few",
      hint: "write at least 1",
    },
    {
      text: "instances: [{ kind: gpu, gpus: 0 }]",
      path: "instances[0].gpus",
      message: "0 is not a list",
      hint: "put it in brackets: [0]",
    },
    {
      text: "instances: { kind: gpu }",
      path: "instances",
      message: '{"kind":"gpu"} is not a list',
      hint: "write a list",
    },
    {
      text: "responseCache: yes",
      path: "responseCache",
      message: '"yes" is not true or false',
      hint: "write true or false",
    },
    {
      text: "parameters: { a: 1 }",
      path: "parameters.a",
      message: "1 is not text",
      hint: 'put it in quotes: "1"',
    },
    {
      text: "ensemble: { steps: [{ model: '', inputs: {}, outputs: {} }] }",
      path: "ensemble.steps[0].model",
      message: "empty",
      hint: "write at least one character",
    },
    {
      text: "memory:",
      path: "memory",
      message: "nothing is written here",
      hint: "write an object",
    },
    {
      text: "callTimeout:",
      path: "callTimeout",
      message: "nothing is written here",
      hint: "write it with a unit, like 5ms, 1s, 2m",
    },
    {
      text: "defaultModelFilename: ../x",
      path: "defaultModelFilename",
      message: '"../x" is no path inside the model\'s folder',
      hint: "write it without a leading / and without ..",
    },
    {
      text: "silenced: { unbounded-queue: '' }",
      path: "silenced.unbounded-queue",
      message: "empty",
      hint: "write at least one character",
    },
    {
      text: "modelMetrics: [{ family: f, buckets: [.inf, .nan] }]",
      path: "modelMetrics[0].buckets[0]",
      message: ".inf is not a number",
      hint: "write a finite number",
    },
    {
      text: "sequenceBatching: { direct: {}, oldest: {} }",
      path: "sequenceBatching",
      message: "direct and oldest exclude each other",
      hint: "keep one of them",
    },
    {
      text: "sequenceBatching: { controlInputs: [{ name: a, controls: [{ kind: end, int32FalseTrue: [0] }] }] }",
      path: "sequenceBatching.controlInputs[0].controls[0].int32FalseTrue",
      message: "1 entry is too few",
      hint: "write at least 2",
    },
    {
      text: 'batching: { priorityQueuePolicies: { "0": {} } }',
      path: "batching.priorityQueuePolicies.0",
      message: '"0" is no priority level',
      hint: "write a number from 1 to priorityLevels",
    },
  ])("that do not fit are refused with the mend: $text", ({ text, path, message, hint }) => {
    expect(problemsOf(withText(text))[0]).toEqual({ file, path, line: 6, message, hint });
  });

  it.each([
    {
      text: "versions: { newest: 1 }",
      path: "versions",
      message: '{"newest":1} is no version policy',
      hint: "write one of `latest: 1`, `all: true` or `specific: [1, 3]`",
    },
    {
      text: "versions: {}",
      path: "versions",
      message: "{} is no version policy",
      hint: "write one of `latest: 1`, `all: true` or `specific: [1, 3]`",
    },
    {
      text: "versions: { latest: 0 }",
      path: "versions.latest",
      message: "0 is out of range",
      hint: "it must be at least 1",
    },
    {
      text: "versions: { specific: [one] }",
      path: "versions.specific[0]",
      message: '"one" is not a number',
      hint: "write a number",
    },
  ])("of several forms are refused by the form that was meant: $text", ({ text, path, message, hint }) => {
    expect(problemsOf(withText(text))).toEqual([{ file, path, line: 6, message, hint }]);
  });

  it("of several forms name all that would do where none was meant", () => {
    const [problem] = problemsOf("maxBatchSize: 1\nbackend: [python]");
    expect(problem).toMatchObject({ path: "backend", line: 2, message: '["python"] is not allowed' });
    expect(problem?.hint).toMatch(/^use one of: dali, .*, vllm, or write text$/);
  });

  it.each([
    { field: "maxBatchSize", text: withText("").replace("8", "3000000000"), most: 2 ** 31 - 1 },
    { field: "maxBatchSize", text: withText("").replace("8", "9007199254740993"), most: 2 ** 31 - 1 },
    { field: "versions.latest", text: withText("versions: { latest: 9007199254740993 }"), most: 2 ** 32 - 1 },
    {
      field: "versions.specific[0]",
      text: withText("versions: { specific: [9007199254740993] }"),
      most: 2 ** 53 - 1,
    },
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

  it("that are missing are named with what they are, and the line of what lacks them", () => {
    const problems = problemsOf("backend: python\ninputs:\n- name: x\n");
    expect(problems).toMatchObject([
      { path: "maxBatchSize", message: "missing", hint: "add it; it is a number" },
      { path: "inputs[0].dataType", line: 3, message: "missing" },
      { path: "inputs[0].dims", line: 3, message: "missing", hint: "add it; it is a list" },
    ]);
    expect(problems[0]?.line).toBeUndefined();
    expect(problems[1]?.hint).toMatch(/^use one of: BF16, BOOL/);
  });

  it("that are wrong are reported all at once, at any depth", () => {
    const problems = problemsOf(`
backend: ""
maxBatchSize: -1
inputs: []
outputs: [{ name: y, dataType: FP33, dims: [0, 1.5], labels: x }]
batching: { maxQueueDelay: 5 }
surprise: 1
`);
    expect(problems.map(({ path }) => path)).toEqual([
      "backend",
      "maxBatchSize",
      "outputs[0].dataType",
      "outputs[0].dims[0]",
      "outputs[0].dims[1]",
      "outputs[0].labels",
      "batching.maxQueueDelay",
      "surprise",
    ]);
    expect(problems.map(({ line }) => line)).toEqual([2, 3, 5, 5, 5, 5, 6, 7]);
    for (const { message, hint } of problems) {
      expect(message).not.toBe("");
      expect(hint).not.toBe("");
    }
  });
});

describe("text that is no YAML", () => {
  it.each([
    { what: "a syntax error", text: "a: 1\nb: [1\nc: 2\n", line: 3, message: "missed comma", hint: "commas" },
    {
      what: "a key given twice",
      text: "a: 1\nb: 2\na: 3\n",
      line: 3,
      message: "this key is there twice",
      hint: "keep one",
    },
    { what: "a tab as indentation", text: "a:\n\tb: 1\n", line: 2, message: "tab", hint: "spaces" },
    {
      what: "a colon in a text",
      text: "description: a: b\n",
      line: 1,
      message: "bad indentation",
      hint: "put text that holds `: ` in quotes",
    },
    { what: "an open quote", text: 'a: 1\nb: "x\n', line: 3, message: "quoted", hint: "close the quotes" },
    { what: "emphasis", text: "a: *x*\n", line: 1, message: "alias", hint: "in quotes" },
  ])("is refused with the line: $what", ({ text, line, message, hint }) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ file, path: "", line });
    expect(problems[0]?.message).toContain(`this is no YAML: `);
    expect(problems[0]?.message).toContain(message);
    expect(problems[0]?.hint).toContain(hint);
  });

  it("is refused where it is several documents, which have no line", () => {
    expect(problemsOf("a: 1\n---\nb: 2\n")).toMatchObject([{ file, hint: "write one document" }]);
  });

  it("is refused where it is empty or a list", () => {
    for (const text of ["", "# nothing yet\n", "---\n"]) {
      expect(problemsOf(text)).toEqual([
        { file, path: "", message: "nothing is written here", hint: "write an object" },
      ]);
    }
    expect(problemsOf("- 1")).toMatchObject([{ file, path: "", message: "[1] is not an object" }]);
  });
});
