import { x, type SpecFields } from "../../../support/models.ts";
import type { Case, Setup } from "./setup.ts";

type Sample = NonNullable<SpecFields["warmup"]>[number];

const warmed = (sample: Sample, fields: SpecFields = {}): Setup => ({
  fields: { ...fields, warmup: [sample] },
});
const withInputs = (inputs: Sample["inputs"], fields: SpecFields = {}): Setup =>
  warmed({ batchSize: 1, inputs }, fields);
const variable: SpecFields = { inputs: [{ ...x, dims: [-1] }] };
const withFile = (bytes: number, dataType: "FP32" | "STRING"): Setup => ({
  ...withInputs({ x: { inputDataFile: "row" } }, { inputs: [{ ...x, dataType }] }),
  companions: { "warmup/row": bytes },
});
const sequence: SpecFields = {
  sequenceBatching: {
    controlInputs: [{ name: "START", controls: [{ kind: "start", int32FalseTrue: [0, 1] }] }],
  },
};
const preferred: SpecFields = {
  instances: [{ kind: "gpu" }],
  batching: { maxQueueSize: 64, preferredBatchSizes: [2, 4] },
};

export const warmupCases: readonly Case[] = [
  {
    code: "warmup-batch-too-large",
    what: "warm-up batches fit into the largest",
    keeps: warmed({ batchSize: 8 }),
    breaks: warmed({ batchSize: 9 }),
    at: "warmup[0].batchSize",
  },
  {
    code: "warmup-batch-too-large",
    what: "without a batch dimension a warm-up is one row",
    keeps: warmed({ batchSize: 1 }, { maxBatchSize: 0 }),
    breaks: warmed({ batchSize: 2 }, { maxBatchSize: 0 }),
    at: "warmup[0].batchSize",
  },
  {
    code: "warmup-empty",
    what: "a warm-up sends an input, if only an optional one",
    keeps: withInputs({ x: {} }, { inputs: [{ ...x, optional: true }] }),
    breaks: withInputs({}, { inputs: [{ ...x, optional: true }] }),
    at: "warmup[0].inputs",
  },
  {
    code: "warmup-unknown-input",
    what: "a warm-up gives inputs that are there",
    keeps: withInputs({ x: {} }),
    breaks: withInputs({ z: {} }),
    at: "warmup[0].inputs.z",
  },
  {
    code: "warmup-unknown-input",
    what: "or control tensors of a sequence",
    keeps: withInputs({ START: { dataType: "INT32", dims: [1] } }, sequence),
    breaks: withInputs({ END: { dataType: "INT32", dims: [1] } }, sequence),
    at: "warmup[0].inputs.END",
  },
  {
    code: "warmup-input-incomplete",
    what: "a control tensor says its type and shape",
    keeps: withInputs({ START: { dataType: "INT32", dims: [1] } }, sequence),
    breaks: withInputs({ START: { dims: [1] } }, sequence),
    at: "warmup[0].inputs.START",
  },
  {
    code: "warmup-type",
    what: "a warm-up is of the input's type",
    keeps: withInputs({ x: { dataType: "FP32" } }),
    breaks: withInputs({ x: { dataType: "FP64" } }),
    at: "warmup[0].inputs.x.dataType",
  },
  {
    code: "warmup-variable-dims",
    what: "a warm-up's dims are concrete",
    keeps: withInputs({ x: { dims: [4] } }, variable),
    breaks: withInputs({}, variable),
    at: "warmup[0].inputs.x",
  },
  {
    code: "warmup-variable-dims",
    what: "also those of the sample",
    keeps: withInputs({}, { inputs: [x, { ...x, name: "o", dims: [-1], optional: true }] }),
    breaks: withInputs({ x: { dims: [-1] } }),
    at: "warmup[0].inputs.x",
  },
  {
    code: "warmup-dims",
    what: "a warm-up has the input's fixed dims",
    keeps: withInputs({ x: { dims: [4] } }),
    breaks: withInputs({ x: { dims: [5] } }),
    at: "warmup[0].inputs.x.dims",
  },
  {
    code: "warmup-dims",
    what: "a warm-up has as many dims as the input, none of them the batch",
    keeps: withInputs({ x: { dims: [9] } }, variable),
    breaks: withInputs({ x: { dims: [1, 9] } }, variable),
    at: "warmup[0].inputs.x.dims",
  },
  {
    code: "warmup-file-size",
    what: "a file holds a row",
    keeps: withFile(16, "FP32"),
    breaks: withFile(15, "FP32"),
    at: "warmup[0].inputs.x.inputDataFile",
  },
  {
    code: "warmup-file-size",
    what: "a file of strings holds at least their lengths",
    keeps: withFile(20, "STRING"),
    breaks: withFile(15, "STRING"),
    at: "warmup[0].inputs.x.inputDataFile",
  },
  {
    code: "warmup-skipped",
    what: "a sample without rows is skipped, and all it says",
    keeps: warmed({ batchSize: 1 }),
    breaks: warmed({ batchSize: 0, inputs: { z: {} } }),
    at: "warmup[0].batchSize",
  },
  {
    code: "warmup-misses-preferred",
    what: "the largest preferred batch is run before users come",
    keeps: warmed({ batchSize: 4 }, preferred),
    breaks: warmed({ batchSize: 3 }, preferred),
    at: "warmup",
  },
];
