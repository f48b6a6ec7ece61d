import * as z from "zod";
import { duration } from "../units.ts";
import { dataType, dims } from "./tensors.ts";
import { int64, relativePath, textMap } from "./values.ts";

/**
 * How requests become batches: one by one, dynamically, by sequence, or along the graph of an ensemble.
 * Source: model_config.proto, messages ModelDynamicBatching, ModelQueuePolicy, ModelSequenceBatching, ModelEnsembling.
 */

const queuePolicy = {
  maxQueueSize: z
    .uint32()
    .min(1)
    .optional()
    .describe("Requests that may wait; more are rejected at once. Default: unbounded"),
  timeout: duration.optional().describe("How long a request may wait. Default: for ever"),
  timeoutAction: z
    .enum(["reject", "delay"])
    .optional()
    .describe(
      "What happens to a request that waited too long: rejected, or served after all others. Default: reject",
    ),
  allowTimeoutOverride: z
    .boolean()
    .optional()
    .describe("Whether a request may ask for a shorter timeout of its own. Default: false"),
};

const preferredBatchSizes = z
  .array(z.int32().min(1))
  .default([])
  .describe("Sizes that are run at once when they can be formed. Default: maxBatchSize");
const maxQueueDelay = duration
  .optional()
  .describe("How long a request may wait for others to form a preferred batch. Default: not at all");
const preserveOrdering = z
  .boolean()
  .default(false)
  .describe("Whether responses keep the order of the requests");

export const dynamicBatching = z.strictObject({
  preferredBatchSizes,
  maxQueueDelay,
  preserveOrdering,
  ...queuePolicy,
  priorityLevels: int64
    .min(1)
    .optional()
    .describe("How many priorities requests may have; 1 is served first"),
  defaultPriorityLevel: int64
    .min(1)
    .optional()
    .describe("The priority of a request that names none, from 1 to priorityLevels"),
  priorityQueuePolicies: z
    .record(
      z.string().regex(/^[1-9]\d*$/, "this is no priority level: write a number from 1 to priorityLevels"),
      z.strictObject(queuePolicy),
    )
    .default({})
    .describe("Queue policies by priority level; the others share the one beside this key"),
});

const falseTrue = <T extends z.ZodType>(value: T) =>
  z.tuple([value, value]).optional().describe("Values for false and for true");

/** Without the prefix CONTROL_SEQUENCE_, in lower case. */
export const controlKinds = ["start", "ready", "end", "corrid"] as const;

const control = z.strictObject({
  kind: z.enum(controlKinds).describe("What the tensor tells the model; corrid is the correlation id"),
  int32FalseTrue: falseTrue(z.int32()),
  fp32FalseTrue: falseTrue(z.number()),
  boolFalseTrue: falseTrue(z.boolean()),
  dataType: dataType.optional().describe("Type of the correlation id; of no other kind"),
});

const initialState = z.strictObject({
  name: z.string().default("").describe("A name for people"),
  dataType,
  dims,
  zeroData: z.literal(true).optional().describe("Starts as zeros"),
  dataFile: relativePath.optional().describe("Raw bytes of the first state, a file in initial_state/"),
});

const state = z.strictObject({
  inputName: z.string().describe("Input that takes the state of the sequence's request before"),
  outputName: z.string().describe("Output that gives the state for the next request"),
  dataType,
  dims,
  initialStates: z
    .array(initialState)
    .default([])
    .describe("The state of a sequence's first request; without one it is not initialised"),
  useSameBufferForInputOutput: z
    .boolean()
    .default(false)
    .describe("Whether the model updates the state in place"),
  useGrowableMemory: z
    .boolean()
    .default(false)
    .describe("Whether the state's buffer may grow without a copy (GPU; needs one buffer for both)"),
});

const direct = z.strictObject({
  maxQueueDelay,
  minimumSlotUtilization: z
    .number()
    .default(0)
    .describe("Fraction of the batch's slots (0 to 1) that need not wait for maxQueueDelay"),
});

const oldest = z.strictObject({
  maxCandidateSequences: z.int32().default(0).describe("Sequences that an instance handles at one time"),
  preferredBatchSizes,
  maxQueueDelay,
  preserveOrdering,
});

export const sequenceBatching = z
  .strictObject({
    direct: direct.optional().describe("Each sequence keeps a slot of one instance's batch (default)"),
    oldest: oldest.optional().describe("Batches are formed of the oldest requests of many sequences"),
    maxSequenceIdle: duration
      .optional()
      .describe("How long a sequence may pause before its slot is freed. Default: 1s"),
    controlInputs: z
      .array(
        z.strictObject({
          name: z.string().min(1).describe("The model's input"),
          controls: z.array(control).describe("What it tells: most often one signal"),
        }),
      )
      .default([])
      .describe("Inputs by which the model learns of starts, ends and ids"),
    states: z
      .array(state)
      .default([])
      .describe("Tensors that Triton keeps between the requests of a sequence"),
    iterativeSequence: z
      .boolean()
      .default(false)
      .describe(
        "Whether a request is run again and again until the model says that it is done (generative models)",
      ),
  })
  .refine(({ direct, oldest }) => direct === undefined || oldest === undefined, {
    error: "direct and oldest exclude each other: keep one of them",
  });

const ensembleStep = z.strictObject({
  model: z.string().min(1).describe("The model that runs in this step"),
  version: int64.min(-1).default(-1).describe("-1: the newest version that is served"),
  namespace: z.string().optional().describe("Repository of the step's model, where model namespacing is on"),
  inputs: textMap.describe("Input of the step's model → tensor of the ensemble"),
  outputs: textMap.describe("Output of the step's model → tensor of the ensemble"),
});
export type EnsembleStep = z.output<typeof ensembleStep>;

export const ensemble = z.strictObject({
  steps: z.array(ensembleStep).min(1).describe("Run as soon as their inputs are there, in whatever order"),
  maxInflightRequests: z
    .uint32()
    .min(1)
    .optional()
    .describe("Requests that may be under way at each step; since 25.11. Default: unlimited"),
});
