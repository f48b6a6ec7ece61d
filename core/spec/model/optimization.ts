import * as z from "zod";
import { int64, textMap } from "./values.ts";

/** What a backend may do to run a model faster. Source: model_config.proto, message ModelOptimizationPolicy. */

const shapes = z
  .record(z.string(), z.array(int64))
  .default({})
  .describe("Shapes of the inputs, without the batch dimension");
const graphBatchSize = z
  .int32()
  .default(0)
  .describe("1 to maxBatchSize; 0 for a model without a batch dimension");

const cuda = z.strictObject({
  graphs: z.boolean().default(false).describe("Whether CUDA graphs are captured (TensorRT)"),
  busyWaitEvents: z
    .boolean()
    .default(false)
    .describe("Whether to poll for CUDA events: lower latency, a CPU core busy (TensorRT)"),
  graphSpecs: z
    .array(
      z.strictObject({
        batchSize: graphBatchSize,
        inputs: shapes,
        graphLowerBound: z
          .strictObject({ batchSize: graphBatchSize, inputs: shapes })
          .optional()
          .describe("Smallest batch and shapes that the graph is used for"),
      }),
    )
    .default([])
    .describe("Graphs to capture. Default: chosen from the model's settings"),
  outputCopyStream: z
    .boolean()
    .default(false)
    .describe("Whether outputs are copied on a stream of their own, at twice the I/O memory (TensorRT)"),
});

const accelerators = z
  .array(
    z.strictObject({
      name: z.string().describe("tensorrt, openvino, …: what the backend knows"),
      parameters: textMap.default({}).describe("For the accelerator, as text"),
    }),
  )
  .default([]);

export const optimization = z.strictObject({
  graph: z
    .strictObject({
      level: z.int32().default(0).describe("-1: less, 0: the framework's default, 1 and more: harder"),
    })
    .optional()
    .describe("Graph optimisation of the framework"),
  priority: z
    .enum(["default", "max", "min"])
    .optional()
    .describe("Of the model's CUDA streams against other models' (TensorRT)"),
  cuda: cuda.optional().describe("CUDA graphs and streams"),
  executionAccelerators: z
    .strictObject({
      gpu: accelerators.describe("For instances on a GPU, best first"),
      cpu: accelerators.describe("For instances on the CPU, best first"),
    })
    .optional()
    .describe("Execution providers, such as TensorRT under onnxruntime"),
  inputPinnedMemory: z
    .boolean()
    .optional()
    .describe("Whether inputs go through pinned memory. Default: true"),
  outputPinnedMemory: z
    .boolean()
    .optional()
    .describe("Whether outputs go through pinned memory. Default: true"),
  gatherKernelBufferThreshold: z
    .uint32()
    .default(0)
    .describe("Buffers from which on a kernel gathers them; 0: never (TensorRT)"),
  eagerBatching: z
    .boolean()
    .default(false)
    .describe("Whether the next batch is prepared while one runs (TensorRT)"),
});
