import { describe, expect, it } from "vitest";
import { loadModels } from "../../../core/spec/load.ts";
import { checkEnsemble } from "../../../core/triton/ensemble.ts";
import { checkModel } from "../../../core/triton/rules.ts";
import { modelOf, x, y, type SpecFields } from "../../support/models.ts";
import { projectRoot } from "../../support/tools.ts";
import path from "node:path";

const step = { model: "step", inputs: { x: "x" }, outputs: { y: "y" } };
const ensemble = { ensemble: { steps: [step] } };

/** Each rule of Triton's: a spec that keeps it, the smallest change that breaks it, and the place that is named. */
const rules: readonly {
  readonly rule: string;
  readonly keeps: SpecFields;
  readonly breaks: SpecFields;
  readonly at: string;
}[] = [
  {
    rule: "a model has a backend, or is an ensemble",
    keeps: { backend: "python" },
    breaks: { backend: undefined },
    at: "backend",
  },
  {
    rule: "an ensemble has no backend",
    keeps: ensemble,
    breaks: { ...ensemble, backend: "python" },
    at: "backend",
  },
  {
    rule: "an ensemble has no instances",
    keeps: ensemble,
    breaks: { ...ensemble, instances: [{ kind: "cpu" }] },
    at: "instances",
  },
  {
    rule: "an ensemble has no batching",
    keeps: ensemble,
    breaks: { ...ensemble, batching: {} },
    at: "batching",
  },
  {
    rule: "an ensemble has no warm-up",
    keeps: ensemble,
    breaks: { ...ensemble, warmup: [{ batchSize: 1 }] },
    at: "warmup",
  },
  {
    rule: "an ensemble calls no API itself",
    keeps: ensemble,
    breaks: { ...ensemble, upstream: "holysheep" },
    at: "upstream",
  },
  {
    rule: "an ensemble has no memory of its own",
    keeps: ensemble,
    breaks: { ...ensemble, memory: { weights: "1MiB" } },
    at: "memory",
  },
  {
    rule: "an ensemble's answers are not cached",
    keeps: { responseCache: true },
    breaks: { ...ensemble, responseCache: true },
    at: "responseCache",
  },
  {
    rule: "inputs have names of their own",
    keeps: { inputs: [x, y] },
    breaks: { inputs: [x, y, x] },
    at: "inputs[2].name",
  },
  {
    rule: "outputs have names of their own",
    keeps: { inputs: [x], outputs: [x] },
    breaks: { outputs: [y, y] },
    at: "outputs[1].name",
  },
  {
    rule: "dynamic batching needs a batch dimension",
    keeps: { maxBatchSize: 1, batching: {} },
    breaks: { maxBatchSize: 0, batching: {} },
    at: "batching",
  },
  {
    rule: "preferred batches fit into the largest",
    keeps: { maxBatchSize: 8, batching: { preferredBatchSizes: [1, 8] } },
    breaks: { maxBatchSize: 8, batching: { preferredBatchSizes: [8, 9] } },
    at: "batching.preferredBatchSizes[1]",
  },
  {
    rule: "instances on the CPU name no GPUs",
    keeps: { instances: [{ kind: "cpu" }, { kind: "gpu", gpus: [0] }] },
    breaks: { instances: [{ kind: "gpu" }, { kind: "cpu", gpus: [0] }] },
    at: "instances[1].gpus",
  },
  {
    rule: "a model that calls an API needs no GPU",
    keeps: { upstream: "holysheep", instances: [{ kind: "cpu" }] },
    breaks: { upstream: "holysheep", instances: [{ kind: "gpu" }] },
    at: "instances[0].kind",
  },
  {
    rule: "warm-up batches fit into the largest",
    keeps: { maxBatchSize: 8, warmup: [{ batchSize: 8 }] },
    breaks: { maxBatchSize: 8, warmup: [{ batchSize: 9 }] },
    at: "warmup[0].batchSize",
  },
  {
    rule: "without a batch dimension a warm-up is one row",
    keeps: { maxBatchSize: 0, warmup: [{ batchSize: 1 }] },
    breaks: { maxBatchSize: 0, warmup: [{ batchSize: 2 }] },
    at: "warmup[0].batchSize",
  },
  {
    rule: "a warm-up gives inputs that are there",
    keeps: { warmup: [{ batchSize: 1, inputs: { x: {} } }] },
    breaks: { warmup: [{ batchSize: 1, inputs: { z: {} } }] },
    at: "warmup[0].inputs.z",
  },
  {
    rule: "a warm-up's dims are concrete",
    keeps: { inputs: [{ ...x, dims: [-1] }], warmup: [{ batchSize: 1, inputs: { x: { dims: [4] } } }] },
    breaks: { inputs: [{ ...x, dims: [-1] }], warmup: [{ batchSize: 1 }] },
    at: "warmup[0].inputs.x",
  },
  {
    rule: "versions that are asked for are there",
    keeps: { versions: { specific: [1] } },
    breaks: { versions: { specific: [1, 2] } },
    at: "versions.specific",
  },
];

describe("Triton's rules for one model", () => {
  it.each(rules)("$rule", ({ keeps, breaks, at }) => {
    expect(checkModel(modelOf("m", keeps, ["1/model.py"]))).toEqual([]);
    const problems = checkModel(modelOf("m", breaks, ["1/model.py"]));
    expect(problems).toMatchObject([{ file: "models/m/model.yaml", path: at }]);
    expect(problems[0]?.message).not.toBe("");
    expect(problems[0]?.hint).not.toBe("");
  });

  it.each([
    { what: "no version folder", paths: [], message: "there is no version folder with files in it" },
    { what: "another file", paths: ["1/net.onnx"], message: "version 1 has no model.onnx" },
    { what: "only a file beside it", paths: ["1/model.onnx.data"], message: "version 1 has no model.onnx" },
    {
      what: "one of two versions",
      paths: ["1/model.onnx", "2/readme"],
      message: "version 2 has no model.onnx",
    },
  ])("the file that the backend reads is there: $what", ({ paths, message }) => {
    expect(checkModel(modelOf("m", { backend: "onnxruntime" }, paths))).toMatchObject([
      { path: "", message },
    ]);
    expect(checkModel(modelOf("m", { backend: "onnxruntime" }, ["1/model.onnx"]))).toEqual([]);
    expect(checkModel(modelOf("m", { backend: "onnxruntime" }, ["1/model.onnx/a"]))).toEqual([]);
  });

  it("what the lock pins is on disk", () => {
    const model = modelOf("m", { backend: "python" });
    const missing = { ...model, artifacts: { ...model.artifacts, missing: ["1/a", "1/b"] } };
    expect(checkModel(missing)).toMatchObject([
      {
        message: "1/a, 1/b are pinned in artifacts.lock and not in the folder",
        hint: "build it: npm run models -- m",
      },
    ]);
  });

  it("an ensemble needs no files", () => {
    expect(checkModel(modelOf("m", ensemble, []))).toEqual([]);
  });

  it("all that is wrong is reported at once", () => {
    const model = modelOf(
      "m",
      {
        backend: undefined,
        maxBatchSize: 0,
        inputs: [x, x],
        batching: {},
        instances: [{ kind: "cpu", gpus: [0] }],
        warmup: [{ batchSize: 2, inputs: { z: {} } }],
        versions: { specific: [3] },
      },
      [],
    );
    expect(checkModel(model).map((problem) => problem.path)).toEqual([
      "backend",
      "inputs[1].name",
      "batching",
      "instances[0].gpus",
      "warmup[0].batchSize",
      "warmup[0].inputs.z",
      "",
      "versions.specific",
    ]);
  });
});

describe("the models of this repository", () => {
  it("keep every rule that does not ask for built files", () => {
    const { value, problems } = loadModels(path.join(projectRoot, "models"));
    expect(problems).toEqual([]);
    const byName = new Map(value.map((model) => [model.spec.name, model]));
    for (const model of value) {
      // Weights are built, not kept in the repository.
      expect(checkModel(model).filter((problem) => problem.path !== "")).toEqual([]);
      expect(checkEnsemble(model, byName)).toEqual([]);
    }
  });
});
