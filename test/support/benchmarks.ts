import type { Benchmark, Point, Series } from "../../core/benchmark/result.ts";

/** Results of benchmarks that nobody ran: what a server with known properties would have given, with known noise. */

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal (Box–Muller). */
export function normalFrom(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export interface Server {
  readonly levels?: readonly number[];
  readonly repeats?: number;
  readonly seed?: number;
  /** Standard deviation of the logarithm of each repeat's throughput; that of p99 is twice as much. */
  readonly noise?: number;
  /** Factor of the server's speed. */
  readonly speed?: number;
  /** The same, by the number of callers. */
  readonly speedAt?: (concurrency: number) => number;
  /** Milliseconds of one inference, and inferences at a time. */
  readonly serviceMs?: number;
  readonly parallel?: number;
}

const started = Date.parse("2026-11-28T21:00:00Z");

/** Points of a closed loop: throughput grows until all of the server is in use, then latency does. */
export function pointsOf(server: Server = {}): Point[] {
  const { levels = [1, 2, 4, 8, 16, 32, 64], repeats = 3, seed = 1, noise = 0.04 } = server;
  const { speed = 1, speedAt = () => 1, serviceMs = 20, parallel = 16 } = server;
  const random = randomFrom(seed);
  return levels.flatMap((concurrency, level) =>
    Array.from({ length: repeats }, (_, i): Point => {
      const service = serviceMs / (speed * speedAt(concurrency));
      const waiting = Math.max(1, concurrency / parallel);
      const rate = (concurrency / (service * waiting)) * 1000 * Math.exp(noise * normalFrom(random));
      const meanMs = (concurrency / rate) * 1000;
      const p99Ms = 1.5 * service * waiting * Math.exp(2 * noise * normalFrom(random));
      const computeInferMs = service * 0.7;
      return {
        concurrency,
        repeat: i + 1,
        startedAt: new Date(started + (level * repeats + i) * 10_000).toISOString(),
        durationSeconds: 10,
        requests: Math.round(rate * 10),
        failures: {},
        latency: {
          meanMs,
          p50Ms: meanMs * 0.95,
          p90Ms: meanMs * 1.1,
          p95Ms: meanMs * 1.2,
          p99Ms,
          maxMs: p99Ms * 1.3,
        },
        server: {
          requests: Math.round(rate * 10),
          executions: Math.round((rate * 10) / Math.min(8, Math.max(1, concurrency / 2))),
          queueMs: Math.max(0.1, meanMs - service),
          computeInputMs: service * 0.05,
          computeInferMs,
          computeOutputMs: service * 0.05,
        },
      };
    }),
  );
}

export function seriesOf(fields: Partial<Series> = {}, server: Server = {}): Series {
  return {
    model: "embedding-model",
    version: "1",
    server: "gpu",
    protocol: "http",
    batchSize: 1,
    payload: { source: "generated", sha256: "a".repeat(64), bytes: 120 },
    specHash: "b".repeat(64),
    repositoryHash: "c".repeat(64),
    replicas: 1,
    instances: 2,
    latencyP99LimitMs: 45,
    points: pointsOf(server),
    stopped: "complete",
    ...fields,
  };
}

/** A run on one A100. */
export function benchmarkOf(series: readonly Series[], fields: Partial<Benchmark> = {}): Benchmark {
  return {
    format: "triton-platform/benchmark/1",
    id: "20261128T210000Z-abc123",
    startedAt: "2026-11-28T21:00:00Z",
    finishedAt: "2026-11-28T21:10:00Z",
    environment: {
      target: "kubernetes",
      stack: "bench",
      commit: "0123abc",
      triton: { version: "2.61.0", image: "nvcr.io/nvidia/tritonserver:25.09-py3" },
      generator: { name: "perf_analyzer", version: "2.61.0", from: "ip-10-0-1-2.ec2.internal" },
      hardware: {
        processor: "AMD EPYC 7R32",
        cores: 96,
        memoryBytes: 1.1e12,
        gpus: [{ product: "NVIDIA-A100-SXM4-80GB", memoryBytes: 80 * 2 ** 30 }],
        instanceType: "p4de.24xlarge",
      },
    },
    configuration: { platform: { target: "kubernetes" }, load: { concurrency: "1:64:4" } },
    series: [...series],
    ...fields,
  };
}
