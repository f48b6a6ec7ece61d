import { z } from "zod";
import { duration, percentage, size } from "./units.ts";

/**
 * The typed spec of one model, as its team writes it in `models/<name>/model.yaml`.
 * Names follow Triton's model_config.proto in camelCase; durations and sizes carry units.
 * Whole numbers are as wide as the proto's: Triton cannot read a larger one.
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

const dims = z
  .array(
    z.int().refine((dim) => dim === -1 || dim >= 1, {
      error: (issue) =>
        `${String(issue.input)} is no dimension: write a number of at least 1, or -1 for any size`,
    }),
  )
  .min(1, "dims must not be empty: write [1] for a scalar per row");

const tensor = {
  name: z.string().min(1),
  dataType: z.enum(dataTypes),
  /** Shape of one row, without the batch dimension. */
  dims,
};

const input = z.strictObject({
  ...tensor,
  /** Whether a request may leave this input out. */
  optional: z.boolean().default(false),
});

const output = z.strictObject({
  ...tensor,
  /** File in the model's folder with one label a line, for Triton's classification extension. */
  labelFilename: z
    .string()
    .regex(/^[^/]+$/, "this is no file name: name a file in the model's own folder, like labels.txt")
    .optional(),
});

const instanceGroup = z.strictObject({
  kind: z.enum(["gpu", "cpu"]),
  /** Instances on each device (gpu), or in all (cpu). */
  count: z.int32().min(1).default(1),
  /** CUDA device numbers inside the server; every visible one where left out. */
  gpus: z.array(z.int32().min(0)).min(1).optional(),
});

const dynamicBatching = z.strictObject({
  preferredBatchSizes: z.array(z.int32().min(1)).default([]),
  /** How long a request may wait for others to form a preferred batch. Default: not at all. */
  maxQueueDelay: duration.optional(),
  /** Requests that may wait; more are rejected at once. Unbounded where left out. */
  maxQueueSize: z.uint32().min(1).optional(),
  /** How long a request may wait before it is rejected. For ever where left out. */
  timeout: duration.optional(),
  preserveOrdering: z.boolean().default(false),
});

const ensembleStep = z.strictObject({
  model: z.string().min(1),
  /** -1: the newest version that is served. */
  version: z.int().min(-1).default(-1),
  /** Input of the step's model → tensor of the ensemble. */
  inputs: z.record(z.string(), z.string().min(1)),
  /** Output of the step's model → tensor of the ensemble. */
  outputs: z.record(z.string(), z.string().min(1)),
});

const warmupSample = z.strictObject({
  batchSize: z.uint32().min(1),
  /** How often this sample is run. */
  count: z.uint32().min(1).default(1),
  /** Per input, data and concrete dims; an input left out is zeros (empty strings) of the spec's dims. */
  inputs: z
    .record(
      z.string(),
      z.strictObject({ data: z.enum(["zero", "random"]).default("zero"), dims: dims.optional() }),
    )
    .default({}),
});

const versionPolicy = z.union(
  [
    z.strictObject({ latest: z.uint32().min(1) }),
    z.strictObject({ all: z.literal(true) }),
    z.strictObject({ specific: z.array(z.int().min(1)).min(1) }),
  ],
  { error: "this is no version policy: write one of `latest: 1`, `all: true` or `specific: [1, 3]`" },
);

const sizes = z.strictObject({
  /** Bytes of the weights of one instance on its device. Read from the artifact's size where left out. */
  weights: size.optional(),
  /** Activations and workspace of one instance at its largest batch. */
  workspacePerInstance: size.optional(),
});

const objectives = z.strictObject({
  latencyP99: duration.optional(),
  availability: percentage.optional(),
});

/** Backends a model may name; `ensemble` is no backend but a section of its own. */
export const backends = [
  "onnxruntime",
  "pytorch",
  "python",
  "tensorrt",
  "tensorflow",
  "openvino",
  "dali",
  "fil",
  "vllm",
] as const;

/** The shape of a `model.yaml`. Unknown keys are errors. */
export const modelSchema = z.strictObject({
  /** For editors: the JSON Schema this file is completed and checked with. */
  $schema: z.string().optional(),
  description: z.string().default(""),
  /** Every model but an ensemble has one. */
  backend: z.enum(backends).optional(),
  ensemble: z.strictObject({ steps: z.array(ensembleStep).min(1) }).optional(),
  /** Rows a request and a batch may hold; 0 for a model without a batch dimension. */
  maxBatchSize: z.int32().min(0),
  inputs: z.array(input).min(1),
  outputs: z.array(output).min(1),
  instances: z.array(instanceGroup).optional(),
  batching: dynamicBatching.optional(),
  /** Whether answers are cached by their inputs (needs a server with a response cache). */
  responseCache: z.boolean().default(false),
  /** Read by the backend or the model's own code. */
  parameters: z.record(z.string(), z.string()).default({}),
  memory: sizes.optional(),
  warmup: z.array(warmupSample).default([]),
  objectives: objectives.default({}),
  versions: versionPolicy.default({ latest: 1 }),
  /** Whether a call may be sent again to another server after a broken connection. False where a call costs money. */
  idempotent: z.boolean().default(true),
  /** How long one call may take at most, waiting included: the balancer gives up and a drain waits this long. */
  callTimeout: duration.default(60_000_000),
  /** Whether the balancer keeps all calls of one caller and `x-conversation-id` on one server. */
  conversationAffinity: z.boolean().default(false),
  /** The external API this model calls; its servers get the API's settings and secret and hold no GPU models. */
  upstream: z.enum(["holysheep"]).optional(),
});

/** What a team writes, checked, with defaults filled in; durations in µs, sizes in bytes. */
export type ModelSpec = Readonly<z.output<typeof modelSchema>> & { readonly name: string };
export type DataType = (typeof dataTypes)[number];
export type InputSpec = ModelSpec["inputs"][number];
export type OutputSpec = ModelSpec["outputs"][number];
export type EnsembleStep = NonNullable<ModelSpec["ensemble"]>["steps"][number];

/** The artifact's file name Triton looks for by default, per backend (triton core, `kDefault…Filename`). */
export const defaultArtifacts: Readonly<Partial<Record<(typeof backends)[number], string>>> = {
  onnxruntime: "model.onnx",
  pytorch: "model.pt",
  python: "model.py",
  tensorrt: "model.plan",
  openvino: "model.xml",
};
