/**
 * What the article this platform was made after says of its models ("Benchmark" and "Load testing"): two RTX 3090, Ryzen 9
 * 5950X, for 72 hours. Drawn as reference lines, since they are of other hardware, and not all of them can be true.
 */
export interface Expectation {
  /** Of the benchmark's table. */
  readonly meanMs: number;
  readonly p99Ms: number;
  /** Inferences a second. */
  readonly throughput: number;
  /** Of the load test, with batches of 1. */
  readonly byConcurrency?: readonly {
    readonly concurrency: number;
    readonly throughput: number;
    readonly meanMs: number;
  }[];
  /** What is wrong with them. */
  readonly doubts: readonly string[];
}

const expectations: Readonly<Record<string, Expectation>> = {
  "embedding-model": {
    meanMs: 23,
    p99Ms: 45,
    throughput: 850,
    byConcurrency: [
      { concurrency: 1, throughput: 45.2, meanMs: 22.1 },
      { concurrency: 8, throughput: 320.5, meanMs: 24.9 },
      { concurrency: 16, throughput: 580.3, meanMs: 27.5 },
      { concurrency: 32, throughput: 820.1, meanMs: 39 },
      { concurrency: 64, throughput: 945.2, meanMs: 67.7 },
    ],
    doubts: [
      // Little's law: calls at a time = rate × mean latency.
      "850 a second with a mean of 23 ms are 20 callers at a time, of whom the load test answers some 650 a second, and 850 with a mean above 39 ms: the two are not of one server",
      "`--concurrency-range 1:64:4` measures 1, 5, 9, … 61 callers, and none of 8, 16, 32 and 64",
      "a queue delay of 100 ms, as its configuration has it, leaves no room for a p99 of 45 ms where batches do not fill",
    ],
  },
  "text-classifier": { meanMs: 12, p99Ms: 28, throughput: 1200, doubts: [] },
  "llm-backend": {
    meanMs: 180,
    p99Ms: 450,
    throughput: 45,
    doubts: ["a p99 of 450 ms with 0.6 % of calls failed is what was seen, and no goal"],
  },
};

/** Of a model by its name; undefined where the article has none of it. */
export function expectationOf(model: string): Expectation | undefined {
  return Object.hasOwn(expectations, model) ? expectations[model] : undefined;
}
