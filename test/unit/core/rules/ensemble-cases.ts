import type { Model } from "../../../../core/spec/load.ts";
import { modelOf, x, y, type SpecFields } from "../../../support/models.ts";
import { ensemble, step, type Case, type Setup } from "./setup.ts";

type Step = NonNullable<SpecFields["ensemble"]>["steps"][number];

const first: Step = { model: "first", inputs: { x: "x" }, outputs: { y: "between" } };
const second: Step = { model: "second", inputs: { x: "between" }, outputs: { y: "y" } };

/** Two steps in a row, each taking x and giving y. */
function chain(
  steps: readonly Step[] = [first, second],
  fields: SpecFields = {},
  others: readonly Model[] = [],
): Setup {
  const names = new Set(others.map(({ spec }) => spec.name));
  const standard = [modelOf("first"), modelOf("second")].filter(({ spec }) => !names.has(spec.name));
  return { fields: { ...fields, ensemble: { steps: [...steps] } }, others: [...standard, ...others] };
}

const alone = (fields: SpecFields): Setup => ({ fields: { ...ensemble, ...fields } });
const decoupled = { transactionPolicy: { decoupled: true } };

export const ensembleCases: readonly Case[] = [
  ...(
    [
      ["backend", { backend: "python" }],
      ["instances", { instances: [{ kind: "cpu" }] }],
      ["optimization", { optimization: {} }],
      ["warmup", { warmup: [{ batchSize: 1 }] }],
    ] as const satisfies [string, SpecFields][]
  ).map(([field, breaks]) => ({
    code: "ensemble-field",
    what: `an ensemble has no ${field}`,
    keeps: alone({}),
    breaks: alone({ ...breaks }),
    at: field,
  })),
  {
    code: "ensemble-platform-field",
    what: "an ensemble calls no API itself",
    keeps: alone({}),
    breaks: alone({ upstream: "holysheep" }),
    at: "upstream",
  },
  {
    code: "ensemble-platform-field",
    what: "an ensemble has no memory of its own",
    keeps: alone({}),
    breaks: alone({ memory: { weights: "1MiB" } }),
    at: "memory",
  },
  {
    code: "ensemble-platform",
    what: "an ensemble's platform is ensemble",
    keeps: alone({ platform: "ensemble" }),
    breaks: alone({ platform: "onnxruntime_onnx" }),
    at: "platform",
  },
  {
    code: "ensemble-platform",
    what: "the platform ensemble has steps",
    keeps: alone({ platform: "ensemble" }),
    breaks: { fields: { platform: "ensemble" } },
    at: "platform",
  },
  {
    code: "ensemble-recursion",
    what: "an ensemble is no step of itself",
    keeps: chain(),
    breaks: chain([first, { ...second, model: "m" }]),
    at: "ensemble.steps[1].model",
  },
  {
    code: "ensemble-recursion",
    what: "an ensemble does not use itself through another",
    keeps: chain(undefined, {}, [modelOf("second", { ensemble: { steps: [{ ...step, model: "first" }] } })]),
    breaks: chain(undefined, {}, [modelOf("second", { ensemble: { steps: [{ ...step, model: "m" }] } })]),
    at: "ensemble.steps",
  },
  {
    code: "step-model-missing",
    what: "the model of a step is there",
    keeps: chain(),
    breaks: chain([first, { ...second, model: "secnd" }]),
    at: "ensemble.steps[1].model",
  },
  {
    code: "step-version",
    what: "a step's version is served",
    keeps: chain([{ ...first, version: 1 }, second]),
    breaks: chain([{ ...first, version: 2 }, second]),
    at: "ensemble.steps[0].version",
  },
  {
    code: "step-version",
    what: "a version that is there and not the newest is not served",
    keeps: chain([{ ...first, version: 2 }, second], {}, [
      modelOf("first", {}, ["1/model.py", "2/model.py"]),
    ]),
    breaks: chain([{ ...first, version: 1 }, second], {}, [
      modelOf("first", {}, ["1/model.py", "2/model.py"]),
    ]),
    at: "ensemble.steps[0].version",
  },
  {
    code: "step-batch-size",
    what: "a step takes the ensemble's batches",
    keeps: chain(undefined, { maxBatchSize: 8 }),
    breaks: chain(undefined, { maxBatchSize: 9 }, [modelOf("second", { maxBatchSize: 9 })]),
    at: "maxBatchSize",
  },
  {
    code: "step-without-tensors",
    what: "a step takes something",
    keeps: chain(),
    breaks: chain(
      [
        { ...first, inputs: {} },
        { ...second, inputs: { x: "between", z: "x" } },
      ],
      {},
      [
        modelOf("first", { inputs: [{ ...x, optional: true }] }),
        modelOf("second", { inputs: [x, { ...x, name: "z" }] }),
      ],
    ),
    at: "ensemble.steps[0].inputs",
  },
  {
    code: "step-without-tensors",
    what: "a step makes something",
    keeps: chain(),
    breaks: chain([
      { ...first, outputs: {} },
      { ...second, inputs: { x: "x" } },
    ]),
    at: "ensemble.steps[0].outputs",
  },
  {
    code: "step-tensor-unknown",
    what: "a step's input is one of its model",
    keeps: chain(),
    breaks: chain([first, { ...second, inputs: { x: "between", z: "x" } }]),
    at: "ensemble.steps[1].inputs.z",
  },
  {
    code: "step-tensor-unknown",
    what: "a step's output is one of its model",
    keeps: chain(),
    breaks: chain([first, { ...second, outputs: { y: "y", z: "z" } }]),
    at: "ensemble.steps[1].outputs.z",
    also: ["tensor-unused"],
  },
  {
    code: "step-output-twice",
    what: "a mapped output is listed once by its model",
    keeps: chain(undefined, {}, [
      modelOf("first", { outputs: [y, { ...y, name: "more" }, { ...y, name: "more" }] }),
    ]),
    breaks: chain(undefined, {}, [modelOf("first", { outputs: [y, y] })]),
    at: "ensemble.steps[0].outputs.y",
  },
  {
    code: "step-input-unmapped",
    what: "every input of a step is mapped",
    keeps: chain(undefined, {}, [
      modelOf("second", { inputs: [x, { ...x, name: "constructor", optional: true }] }),
    ]),
    breaks: chain(undefined, {}, [modelOf("second", { inputs: [x, { ...x, name: "constructor" }] })]),
    at: "ensemble.steps[1].inputs",
  },
  {
    code: "tensor-written-twice",
    what: "two steps do not make one tensor",
    keeps: chain(),
    breaks: chain([first, second, { ...first, outputs: { y: "y" } }]),
    at: "ensemble.steps[2].outputs.y",
  },
  {
    code: "tensor-written-twice",
    what: "a step does not write over the ensemble's input",
    keeps: chain(),
    breaks: chain([first, second, { ...first, outputs: { y: "x" } }]),
    at: "ensemble.steps[2].outputs.y",
  },
  {
    code: "tensor-without-source",
    what: "what a step takes is made",
    keeps: chain(),
    breaks: chain([first, { ...second, inputs: { x: "betwen" } }]),
    at: "ensemble.steps[1].inputs.x",
    also: ["tensor-unused"],
  },
  {
    code: "tensor-without-source",
    what: "what the ensemble gives is made",
    keeps: chain(),
    breaks: chain(undefined, { outputs: [y, { ...y, name: "label" }] }),
    at: "outputs[1]",
  },
  {
    code: "tensor-unused",
    what: "the ensemble's inputs are used",
    keeps: chain(),
    breaks: chain(undefined, { inputs: [x, { ...x, name: "more" }] }),
    at: "inputs[1]",
  },
  {
    code: "tensor-unused",
    what: "an input is not only handed through",
    keeps: chain(undefined, { outputs: [y, x] }),
    breaks: chain(undefined, { inputs: [x, { ...x, name: "more" }], outputs: [y, { ...x, name: "more" }] }),
    at: "inputs[1]",
  },
  {
    code: "tensor-unused",
    what: "a mapped output is used",
    keeps: chain(undefined, { outputs: [y, { ...y, name: "between" }] }),
    breaks: chain([first, { ...second, inputs: { x: "x" } }]),
    at: "ensemble.steps[0].outputs.y",
  },
  {
    code: "tensor-type",
    what: "types agree",
    keeps: chain(),
    breaks: chain(undefined, {}, [modelOf("first", { outputs: [{ ...y, dataType: "INT64" }] })]),
    at: "ensemble.steps[1].inputs.x",
  },
  {
    code: "tensor-shape",
    what: "shapes agree",
    keeps: chain(undefined, { outputs: [{ ...y, dims: [-1] }] }),
    breaks: chain(undefined, { outputs: [{ ...y, dims: [4, 1] }] }),
    at: "outputs[0]",
  },
  {
    code: "tensor-shape",
    what: "a step without a batch dimension has it in its dims",
    keeps: chain(undefined, {}, [
      modelOf("first", {
        maxBatchSize: 0,
        inputs: [{ ...x, dims: [-1, 4] }],
        outputs: [{ ...y, dims: [-1, 4] }],
      }),
    ]),
    breaks: chain(undefined, {}, [
      modelOf("first", {
        maxBatchSize: 0,
        inputs: [{ ...x, dims: [-1, 4] }],
        outputs: [{ ...y, dims: [2, 2, 4] }],
      }),
    ]),
    at: "ensemble.steps[1].inputs.x",
  },
  {
    code: "tensor-shape",
    what: "the ensemble's own tensors go by their reshape",
    keeps: chain(undefined, { inputs: [{ ...x, dims: [2, 2], reshape: [4] }] }),
    breaks: chain(undefined, { inputs: [{ ...x, dims: [4], reshape: [2, 2] }] }),
    at: "ensemble.steps[0].inputs.x",
  },
  {
    code: "tensor-shape",
    what: "shapes agree with the one that Triton sees first, here the ensemble's output, though -1 makes them both",
    keeps: chain(
      [
        { ...first, outputs: { y: "y" } },
        { ...second, inputs: { x: "y" }, outputs: { y: "end" } },
      ],
      { outputs: [y, { ...y, name: "end" }] },
      [modelOf("first", { outputs: [{ ...y, dims: [-1] }] })],
    ),
    breaks: chain(
      [
        { ...first, outputs: { y: "y" } },
        { ...second, inputs: { x: "y" }, outputs: { y: "end" } },
      ],
      { outputs: [y, { ...y, name: "end" }] },
      [
        modelOf("first", { outputs: [{ ...y, dims: [-1] }] }),
        modelOf("second", { inputs: [{ ...x, dims: [5] }], outputs: [y] }),
      ],
    ),
    at: "ensemble.steps[1].inputs.x",
  },
  {
    code: "step-cycle",
    what: "steps do not wait for each other",
    keeps: chain([second, first]),
    breaks: chain([
      { ...first, inputs: { x: "behind" } },
      { ...second, outputs: { y: "behind" } },
      { ...first, outputs: { y: "y" } },
    ]),
    at: "ensemble.steps",
  },
  {
    code: "decoupled-origins",
    what: "a step does not mix what a decoupled step made with the request's own",
    keeps: chain(undefined, {}, [modelOf("first", decoupled)]),
    breaks: chain([first, { ...second, inputs: { x: "between", z: "x" } }], {}, [
      modelOf("first", decoupled),
      modelOf("second", { inputs: [x, { ...x, name: "z" }] }),
    ]),
    at: "ensemble.steps[1].inputs",
  },
  {
    code: "decoupled-origins",
    what: "nor does the ensemble's answer",
    keeps: chain([first, second], { outputs: [y, { ...y, name: "between" }] }, [modelOf("first", decoupled)]),
    breaks: chain([first, second], { outputs: [y, { ...y, name: "between" }] }, [
      modelOf("second", decoupled),
    ]),
    at: "outputs",
  },
  {
    code: "unmapped-output",
    what: "an output that nobody wants is worth a thought",
    keeps: chain(),
    breaks: chain(undefined, {}, [
      modelOf("first", { outputs: [y, { ...y, name: "score" }, { ...y, name: "label" }] }),
    ]),
    at: "ensemble.steps[0].outputs",
  },
  {
    code: "namespace-unused",
    what: "Triton finds the models of steps itself",
    keeps: chain(),
    breaks: chain([{ ...first, namespace: "space" }, second]),
    at: "ensemble.steps[0].namespace",
  },
  {
    code: "ensemble-artifact",
    what: "an ensemble names no backend's artifact",
    keeps: alone({ defaultModelFilename: "model.savedmodel" }),
    breaks: alone({ defaultModelFilename: "model.onnx" }),
    at: "defaultModelFilename",
  },
  {
    code: "ensemble-field-unused",
    what: "an ensemble has no artifact",
    keeps: alone({}),
    breaks: alone({ defaultModelFilename: "graph" }),
    at: "defaultModelFilename",
  },
  {
    code: "decoupled-overwritten",
    what: "an ensemble is decoupled where a step is",
    keeps: chain(undefined, decoupled, [modelOf("first", decoupled)]),
    breaks: chain(undefined, decoupled),
    at: "transactionPolicy.decoupled",
  },
];
