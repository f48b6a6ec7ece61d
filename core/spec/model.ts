import * as z from "zod";
import { instanceGroup } from "./model/instances.ts";
import { optimization } from "./model/optimization.ts";
import { dynamicBatching, ensemble, sequenceBatching } from "./model/scheduling.ts";
import { batchInput, batchOutput, input, output } from "./model/tensors.ts";
import { int64, relativePath, textMap } from "./model/values.ts";
import { warmupSample } from "./model/warmup.ts";
import { duration, percentage, size } from "./units.ts";

/**
 * The typed spec of one model, as its team writes it in `models/<name>/model.yaml`: a place for every field of
 * Triton's model_config.proto, named like it in camelCase, plus what the platform needs to know beyond Triton.
 * Durations and sizes carry units. Whole numbers are as wide as the proto's, up to 2^53 - 1.
 *
 * A field that protobuf keeps apart from its absence (messages) is optional here without a default; where absent and
 * default are the same to protobuf (scalars, lists, maps), the default is filled in.
 */

const versionPolicy = z.union(
  [
    z.strictObject({ latest: z.uint32().min(1) }),
    z.strictObject({ all: z.literal(true) }),
    z.strictObject({ specific: z.array(int64.min(1)).min(1) }),
  ],
  { error: "this is no version policy: write one of `latest: 1`, `all: true` or `specific: [1, 3]`" },
);

const memory = z.strictObject({
  weights: size
    .optional()
    .describe("Bytes of the weights of one instance on its device. Default: the artifact's size"),
  workspacePerInstance: size
    .optional()
    .describe("Activations and workspace of one instance at its largest batch, on its device"),
  hostPerInstance: size
    .optional()
    .describe("Main memory of one instance, besides the weights of CPU instances"),
});

const objectives = z.strictObject({
  latencyP99: duration.optional().describe("99 of 100 calls are answered within this time, waiting included"),
  availability: percentage.optional().describe("Share of calls that get an answer"),
});

/** Backends in NVIDIA's images, and what an image of one's own adds most often. Others may be named too. */
export const knownBackends = [
  "onnxruntime",
  "pytorch",
  "python",
  "tensorrt",
  "tensorflow",
  "openvino",
  "dali",
  "fil",
  "vllm",
  "tensorrtllm",
] as const;

/** The shape of a `model.yaml`. Unknown keys are errors. */
export const modelSchema = z
  .strictObject({
    description: z.string().default("").describe("For people"),

    backend: z
      .union([z.enum(knownBackends), z.string().min(1)])
      .optional()
      .describe(
        "Runs the model. An ensemble has none; elsewhere Triton can tell it from `platform` or the files",
      ),
    platform: z
      .string()
      .min(1)
      .optional()
      .describe("Older name of backend and format, like tensorrt_plan; `backend` is enough"),
    runtime: z
      .string()
      .min(1)
      .optional()
      .describe("Library or Python file of the backend. Default: its usual one"),
    defaultModelFilename: relativePath
      .optional()
      .describe("The artifact's name in each version folder. Default: the backend's, like model.onnx"),
    ccModelFilenames: z
      .record(
        z.string().regex(/^\d+\.\d+$/, 'this is no compute capability: write it in quotes, like "8.0"'),
        z.string(),
      )
      .default({})
      .describe('Artifact by CUDA compute capability, like `"8.0": model-a100.plan` (TensorRT)'),
    versions: versionPolicy
      .optional()
      .describe("Versions that are served, and kept in the repository. Default: the newest"),

    maxBatchSize: z
      .int32()
      .min(0)
      .describe("Rows a request and a batch may hold; 0 for a model without a batch dimension"),
    inputs: z
      .array(input)
      .default([])
      .describe("Tensors it takes. Default: what the backend tells, if it can"),
    outputs: z
      .array(output)
      .default([])
      .describe("Tensors it gives. Default: what the backend tells, if it can"),
    batchInputs: z.array(batchInput).default([]).describe("Inputs the backend computes from a whole batch"),
    batchOutputs: z
      .array(batchOutput)
      .default([])
      .describe("Outputs that are split among a batch's requests"),

    batching: dynamicBatching.optional().describe("Dynamic batching: independent requests share batches"),
    sequenceBatching: sequenceBatching
      .optional()
      .describe("Requests of one sequence stay on one instance, which keeps their state"),
    ensemble: ensemble.optional().describe("A graph of other models instead of a backend"),

    instances: z
      .array(instanceGroup)
      .optional()
      .describe("Where it runs, and how often. Default: one instance on each GPU, or on the CPU"),
    optimization: optimization.optional().describe("What the backend may do to run faster"),
    parameters: textMap.default({}).describe("Read by the backend or the model's own code"),
    warmup: z.array(warmupSample).default([]).describe("Requests run before the model is ready"),
    operations: z
      .strictObject({
        opLibraryFilenames: z.array(z.string()).default([]).describe("Paths in the server's file system"),
      })
      .optional()
      .describe("Libraries of custom operators"),
    transactionPolicy: z
      .strictObject({
        decoupled: z
          .boolean()
          .default(false)
          .describe("Whether a request may have no, one or many responses (gRPC streams only)"),
      })
      .optional()
      .describe("How requests are answered"),
    repositoryAgents: z
      .array(
        z.strictObject({
          name: z.string().describe("The agent, as the server knows it"),
          parameters: textMap.default({}).describe("For the agent"),
        }),
      )
      .optional()
      .describe("Agents of the server that act when the model is loaded, like checksum"),
    responseCache: z
      .boolean()
      .optional()
      .describe(
        "Whether answers are cached by their inputs; the server needs a response cache. Default: false",
      ),
    files: z
      .array(relativePath)
      .default([])
      .describe("Files and folders beside the version folders that its servers need, like env.tar.gz"),
    metricTags: textMap.default({}).describe("Labels on the model's metrics"),
    modelMetrics: z
      .array(
        z.strictObject({
          family: z
            .string()
            .describe("A histogram of Triton's, like nv_inference_first_response_histogram_ms"),
          buckets: z.array(z.number()).describe("Upper bounds, ascending"),
        }),
      )
      .optional()
      .describe("Buckets of the model's histograms; since 24.11"),

    memory: memory.optional().describe("What the model needs, for the check whether it fits"),
    objectives: objectives.default({}).describe("What its users were promised; alerts are made of it"),
    idempotent: z
      .boolean()
      .default(true)
      .describe(
        "Whether the balancer may send a call again to another server. False where a call costs money",
      ),
    callTimeout: duration
      .default(60_000_000)
      .describe(
        "How long a call may take, waiting included: the balancer gives up then, a drain waits this long",
      ),
    conversationAffinity: z
      .boolean()
      .default(false)
      .describe("Whether calls of one caller with one x-conversation-id stay on one server"),
    upstream: z
      .enum(["holysheep"])
      .optional()
      .describe(
        "The external API this model calls; its servers get the API's settings and key, and no GPU models",
      ),
    silenced: z
      .record(z.string(), z.string().min(1))
      .default({})
      .describe("Advice that is not wanted here: its code, and the reason"),
  })
  .describe("A model on Triton: models/<name>/model.yaml");

/** What a team writes, checked, with defaults filled in; durations in µs, sizes in bytes. */
export type ModelSpec = Readonly<z.output<typeof modelSchema>> & { readonly name: string };
export type InputSpec = ModelSpec["inputs"][number];
export type OutputSpec = ModelSpec["outputs"][number];
