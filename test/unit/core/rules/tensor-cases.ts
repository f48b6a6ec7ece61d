import { x, y, type SpecFields } from "../../../support/models.ts";
import { ensemble, onnx, tensorrt, vllm, type Case } from "./setup.ts";

type BatchInput = NonNullable<SpecFields["batchInputs"]>[number];
type BatchOutput = NonNullable<SpecFields["batchOutputs"]>[number];

const fil: SpecFields = {
  backend: "fil",
  inputs: [{ ...x, name: "input__0" }],
  outputs: [{ ...y, name: "output__0" }],
};
const image = { ...x, dims: [3, 8, 8] };
const batchInput: BatchInput = {
  kind: "element_count",
  targetNames: ["n"],
  dataType: "FP32",
  sourceInputs: ["x"],
};
const batchOutput: BatchOutput = {
  kind: "scatter_with_input_shape",
  targetNames: ["y"],
  sourceInputs: ["x"],
};
const withBatchInput = (change: Partial<BatchInput> = {}): SpecFields => ({
  batchInputs: [{ ...batchInput, ...change }],
});
const withBatchOutput = (change: Partial<BatchOutput> = {}): SpecFields => ({
  batchOutputs: [{ ...batchOutput, ...change }],
});

export const tensorCases: readonly Case[] = [
  {
    code: "tensors-left-out",
    what: "onnxruntime is told its inputs",
    keeps: { fields: onnx },
    breaks: { fields: { ...onnx, inputs: [] } },
    at: "inputs",
  },
  {
    code: "tensors-left-out",
    what: "onnxruntime is told its outputs",
    keeps: { fields: { backend: "python", outputs: [] } },
    breaks: { fields: { ...onnx, outputs: [] } },
    at: "outputs",
  },
  {
    code: "tensors-left-out",
    what: "vLLM is told its inputs",
    keeps: { fields: vllm },
    breaks: { fields: { ...vllm, inputs: [] } },
    at: "inputs",
  },
  {
    code: "tensors-left-out",
    what: "vLLM is told of text_output",
    keeps: { fields: vllm },
    breaks: { fields: { ...vllm, outputs: [y] } },
    at: "outputs",
  },
  {
    code: "tensors-left-out",
    what: "DALI is told its outputs; a pipeline may have no inputs",
    keeps: { fields: { backend: "dali", inputs: [] } },
    breaks: { fields: { backend: "dali", outputs: [] } },
    at: "outputs",
  },
  {
    code: "tensors-left-out",
    what: "FIL's tensors have names of their own",
    keeps: { fields: fil },
    breaks: { fields: { ...fil, inputs: [x] } },
    at: "inputs",
  },
  {
    code: "no-tensors",
    what: "a model has inputs",
    keeps: {},
    breaks: { fields: { inputs: [] } },
    at: "inputs",
  },
  {
    code: "duplicate-tensor",
    what: "inputs have names of their own",
    keeps: { fields: { inputs: [x, y] } },
    breaks: { fields: { inputs: [x, y, x] } },
    at: "inputs[2].name",
  },
  {
    code: "duplicate-tensor",
    what: "outputs may have the names of inputs",
    keeps: { fields: { inputs: [x], outputs: [x] } },
    breaks: { fields: { inputs: [x, x], outputs: [x] } },
    at: "inputs[1].name",
  },
  {
    code: "duplicate-output-labels",
    what: "an output that is listed twice names one label file",
    keeps: { fields: { outputs: [{ ...y, labelFilename: "a.txt" }, y] } },
    breaks: { fields: { outputs: [{ ...y, labelFilename: "a.txt" }, x, { ...y, labelFilename: "a.txt" }] } },
    at: "outputs[2].labelFilename",
  },
  {
    code: "duplicate-output",
    what: "an output is listed once, and Triton does without the second",
    keeps: { fields: { outputs: [x, y] } },
    breaks: { fields: { outputs: [y, x, y] } },
    at: "outputs[2].name",
  },
  {
    code: "duplicate-output",
    what: "an ensemble lists an output once",
    keeps: { fields: ensemble },
    breaks: { fields: { ...ensemble, outputs: [y, y] } },
    at: "outputs[1].name",
  },
  {
    code: "tensor-too-large",
    what: "the product of the dims fits into 64 bits",
    keeps: { fields: { inputs: [{ ...x, dims: [2 ** 40, 2 ** 22] }] } },
    breaks: { fields: { inputs: [{ ...x, dims: [2 ** 40, 2 ** 23] }] } },
    at: "inputs[0].dims",
  },
  {
    code: "format-dims",
    what: "an image has three dims",
    keeps: { fields: { inputs: [{ ...image, format: "NCHW" }] } },
    breaks: { fields: { inputs: [{ ...x, format: "NHWC" }] } },
    at: "inputs[0].format",
  },
  {
    code: "shape-tensor-backend",
    what: "only TensorRT has shape tensors",
    keeps: { fields: { ...tensorrt, inputs: [{ ...x, isShapeTensor: true }] } },
    breaks: { fields: { ...onnx, outputs: [{ ...y, isShapeTensor: true }] } },
    at: "outputs[0].isShapeTensor",
  },
  {
    code: "non-linear-format-backend",
    what: "only TensorRT has non-linear formats",
    keeps: { fields: { ...tensorrt, inputs: [{ ...image, isNonLinearFormatIo: true }] } },
    breaks: { fields: { ...onnx, inputs: [{ ...image, isNonLinearFormatIo: true }] } },
    at: "inputs[0].isNonLinearFormatIo",
  },
  {
    code: "non-linear-format-dims",
    what: "a non-linear format has three dims",
    keeps: { fields: { ...tensorrt, inputs: [{ ...image, isNonLinearFormatIo: true }] } },
    breaks: { fields: { ...tensorrt, inputs: [{ ...x, isNonLinearFormatIo: true }] } },
    at: "inputs[0].dims",
  },
  {
    code: "empty-reshape",
    what: "a scalar needs a batch dimension",
    keeps: { fields: { maxBatchSize: 1, inputs: [{ ...x, dims: [1], reshape: [] }] } },
    breaks: { fields: { maxBatchSize: 0, inputs: [{ ...x, dims: [1], reshape: [] }] } },
    at: "inputs[0].reshape",
  },
  {
    code: "reshape-size",
    what: "a reshape keeps the number of elements",
    keeps: { fields: { inputs: [{ ...x, dims: [4, 2], reshape: [8] }] } },
    breaks: { fields: { inputs: [{ ...x, dims: [4, 2], reshape: [4] }] } },
    at: "inputs[0].reshape",
  },
  {
    code: "reshape-size",
    what: "a reshape keeps the elements between variable dims",
    keeps: { fields: { outputs: [{ ...y, dims: [2, 4, -1, 6], reshape: [8, -1, 1, 6] }] } },
    breaks: { fields: { outputs: [{ ...y, dims: [2, 4, -1, 6], reshape: [4, -1, 2, 6] }] } },
    at: "outputs[0].reshape",
  },
  {
    code: "batch-tensor-source-count",
    what: "a batch input has one source",
    keeps: { fields: withBatchInput() },
    breaks: { fields: withBatchInput({ sourceInputs: [] }) },
    at: "batchInputs[0].sourceInputs",
  },
  {
    code: "batch-tensor-source-count",
    what: "a batch output has one source",
    keeps: { fields: withBatchOutput() },
    breaks: { fields: withBatchOutput({ sourceInputs: ["x", "x"] }) },
    at: "batchOutputs[0].sourceInputs",
  },
  {
    code: "batch-tensor-source",
    what: "the source is an input",
    keeps: { fields: withBatchOutput() },
    breaks: { fields: withBatchOutput({ sourceInputs: ["y"] }) },
    at: "batchOutputs[0].sourceInputs[0]",
  },
  {
    code: "batch-input-type",
    what: "a batch input is INT32 or FP32",
    keeps: { fields: withBatchInput({ dataType: "INT32" }) },
    breaks: { fields: withBatchInput({ dataType: "INT64" }) },
    at: "batchInputs[0].dataType",
  },
  {
    code: "batch-output-target",
    what: "a batch output is an output",
    keeps: { fields: withBatchOutput() },
    breaks: { fields: withBatchOutput({ targetNames: ["x"] }) },
    at: "batchOutputs[0].targetNames[0]",
  },
  {
    code: "batch-output-target",
    what: "a batch output has a target",
    keeps: { fields: withBatchOutput() },
    breaks: { fields: withBatchOutput({ targetNames: [] }) },
    at: "batchOutputs[0].targetNames",
  },
  {
    code: "batch-output-target",
    what: "a batch output is named once",
    keeps: { fields: withBatchOutput() },
    breaks: { fields: withBatchOutput({ targetNames: ["y", "y"] }) },
    at: "batchOutputs[0].targetNames[1]",
  },
];
