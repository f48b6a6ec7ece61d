import * as z from "zod";
import { int64, relativePath } from "./values.ts";

/**
 * Tensors of a model: its inputs and outputs, and those the backend derives from a whole batch.
 * Source: model_config.proto, messages ModelInput, ModelOutput, BatchInput, BatchOutput.
 */

/** Triton's data types without the `TYPE_` prefix (model_config.proto, enum DataType). */
export const dataTypes = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
  "BF16",
  "STRING",
] as const;
export type DataType = (typeof dataTypes)[number];

export const dataType = z.enum(dataTypes).describe("Triton's data type, without TYPE_");

export const dimension = int64.min(-1).refine((dim) => dim !== 0, {
  error: (issue) =>
    `${String(issue.input)} is no dimension: write a number of at least 1, or -1 for any size`,
});

export const dims = z
  .array(dimension)
  .min(1, "dims must not be empty: write [1] for a scalar per row")
  .describe("Shape of one row, without the batch dimension; -1 is any size");

const reshape = z
  .array(dimension)
  .optional()
  .describe("Shape the backend sees instead of `dims`, with as many elements; [] for a scalar");

const tensorFields = {
  name: z.string().min(1).describe("The tensor's name in the model"),
  dataType,
  dims,
  reshape,
  isShapeTensor: z.boolean().default(false).describe("A TensorRT shape tensor"),
  isNonLinearFormatIo: z
    .boolean()
    .default(false)
    .describe("A TensorRT tensor in a vectorised, non-linear format"),
};

export const input = z.strictObject({
  ...tensorFields,
  format: z.enum(["NHWC", "NCHW"]).optional().describe("Layout of an image of three dims"),
  optional: z.boolean().default(false).describe("Whether a request may leave this input out"),
  allowRaggedBatch: z
    .boolean()
    .default(false)
    .describe("Whether requests whose shapes differ in this input may share a batch"),
});

export const output = z.strictObject({
  ...tensorFields,
  labelFilename: relativePath
    .optional()
    .describe("File in the model's folder with one label a line, for Triton's classification extension"),
});

/** Without the prefix BATCH_, in lower case. */
export const batchInputKinds = [
  "element_count",
  "accumulated_element_count",
  "accumulated_element_count_with_zero",
  "max_element_count_as_shape",
  "item_shape",
  "item_shape_flatten",
] as const;
export const batchOutputKinds = ["scatter_with_input_shape"] as const;

const tensorNames = z.array(z.string());

export const batchInput = z.strictObject({
  kind: z.enum(batchInputKinds).describe("What is computed from the source input"),
  targetNames: tensorNames.describe("Inputs of the model that the backend makes"),
  dataType,
  sourceInputs: tensorNames.describe("The input that it is computed from"),
});

export const batchOutput = z.strictObject({
  kind: z.enum(batchOutputKinds).describe("How the output is split among the requests of a batch"),
  targetNames: tensorNames.describe("Outputs that are split this way"),
  sourceInputs: tensorNames.describe("The input whose shapes it is split by"),
});
