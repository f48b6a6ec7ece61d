import * as z from "zod";

/**
 * What a benchmark found, as it is written to a file: all that is needed to understand it and to run it again, with the raw
 * points. Every load generator gives this; reports, comparisons, recommendations and `plan` read it. Times are milliseconds
 * where a name ends in `Ms`, seconds where it ends in `Seconds`; sizes are bytes; prices are USD.
 */

const text = z.string().max(10_000);
const amount = z.number().min(0);
const count = z.int().min(0);

/** Of all calls of one point. */
const latencySchema = z.object({
  meanMs: amount,
  p50Ms: amount,
  p90Ms: amount,
  p95Ms: amount,
  p99Ms: amount,
  maxMs: amount,
});

/**
 * What Triton's own counters say of a point: means per inference request, from the difference of
 * `nv_inference_*_duration_us` before and after it, of all replicas together.
 */
const serverSideSchema = z.object({
  /** Requests that succeeded, and how often a model was executed for them: their ratio is what batching brought. */
  requests: count,
  executions: count,
  queueMs: amount,
  computeInputMs: amount,
  computeInferMs: amount,
  computeOutputMs: amount,
});

const gpuSchema = z.object({
  /** `nv_gpu_*`'s label, or DCGM's UUID. */
  uuid: text,
  /** 0 to 1, the mean of the point. */
  utilization: z.number().min(0).max(1),
  memoryUsedBytes: amount,
  memoryTotalBytes: amount,
});

/** One measurement: a number of callers, for a while. Repeats are points of their own. */
const pointSchema = z.object({
  /** Callers at a time, each of which waits for its answer. */
  concurrency: z.int().min(1),
  /** From 1 on. */
  repeat: z.int().min(1),
  startedAt: z.iso.datetime(),
  /** Without the warm-up. */
  durationSeconds: amount,
  /** Answered calls; each is of `batchSize` inferences. */
  requests: count,
  /** Failed calls by what they failed with: an HTTP status, a gRPC status' name, `timeout`, `connection`. */
  failures: z.record(text, count),
  latency: latencySchema,
  server: serverSideSchema.exactOptional(),
  gpus: z.array(gpuSchema).exactOptional(),
});

/** Why no more callers were tried: the last of the plan, the latency limit, failed calls, no more throughput, or an end by hand. */
const stopSchema = z.enum(["complete", "latency", "failures", "saturated", "interrupted"]);

const payloadSchema = z.object({
  /** `generated` from the spec's tensors, or the path of the file relative to the model's folder. */
  source: text,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of one request. */
  bytes: count,
});

const generatorSchema = z.object({
  /** autocannon made HTTP load before vegeta did. */
  name: z.enum(["perf_analyzer", "ghz", "vegeta", "autocannon", "aiperf"]),
  version: text,
  /** Where the load came from: `this machine`, or the node of the cluster's pod. */
  from: text,
});

/** One model under one kind of load, by ascending concurrency. */
const seriesSchema = z.object({
  model: text,
  version: text,
  /** Server group. */
  server: text,
  protocol: z.enum(["http", "grpc"]),
  /** Inferences of one request. */
  batchSize: z.int().min(1),
  /** Series of one mix ran at the same time. */
  mix: text.exactOptional(),
  payload: payloadSchema,
  /** Where it is not the environment's: HTTP and gRPC may have one each. */
  generator: generatorSchema.exactOptional(),
  /** sha256 of the model's configuration, and of its group's repository. */
  specHash: text,
  repositoryHash: text,
  replicas: z.int().min(1),
  /** Instances of the model on one replica. */
  instances: z.int().min(1),
  /** Of a sweep, which measures a model with several of them. */
  settings: z.object({ maxBatchSize: count, maxQueueDelayMs: amount }).exactOptional(),
  /** From the spec's objectives. */
  latencyP99LimitMs: amount.exactOptional(),
  /** USD per hour of what the group runs on, all replicas together; absent where nothing has a price (this machine). */
  pricePerHour: amount.exactOptional(),
  points: z.array(pointSchema),
  stopped: stopSchema,
});

const environmentSchema = z.object({
  /** `local`, `docker`, `kubernetes` or `eks`. */
  target: text,
  stack: text,
  /** Of this repository; with `+changes` where files were changed. Absent outside of git. */
  commit: text.exactOptional(),
  triton: z.object({ version: text, image: text.exactOptional() }),
  generator: generatorSchema,
  hardware: z.object({
    processor: text,
    cores: z.int().min(1),
    memoryBytes: amount,
    gpus: z.array(z.object({ product: text, memoryBytes: amount })),
    instanceType: text.exactOptional(),
  }),
});

export const benchmarkSchema = z.object({
  format: z.literal("triton-platform/benchmark/1"),
  /** Sortable and unique: `20261128T210700Z-1a2b3c`. */
  id: z.string().regex(/^\d{8}T\d{6}Z-[0-9a-z]{6}$/),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  environment: environmentSchema,
  /** The stack's configuration and the load that was asked for, as plain data without secrets. */
  configuration: z.object({
    platform: z.record(z.string(), z.unknown()),
    load: z.record(z.string(), z.unknown()),
  }),
  series: z.array(seriesSchema),
});

export type Benchmark = Readonly<z.output<typeof benchmarkSchema>>;
export type Series = Readonly<z.output<typeof seriesSchema>>;
export type Point = Readonly<z.output<typeof pointSchema>>;
