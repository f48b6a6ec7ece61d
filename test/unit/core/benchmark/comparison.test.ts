import { describe, expect, it } from "vitest";
import { compare, hasRegression, isComparable, type Verdict } from "../../../../core/benchmark/comparison.ts";
import type { Benchmark } from "../../../../core/benchmark/result.ts";
import { benchmarkOf, seriesOf, type Server } from "../../../support/benchmarks.ts";

const run = (server: Server): Benchmark => benchmarkOf([seriesOf({}, server)]);

/** Verdicts of many comparisons of a server with itself at another speed; every one with noise of its own. */
function verdicts(count: number, server: Server, limit: number): Record<Verdict, number> {
  const found = { regression: 0, improvement: 0, same: 0, unclear: 0, incomparable: 0 };
  for (let i = 0; i < count; i++) {
    const before = run({ ...server, speed: 1, speedAt: () => 1, seed: 2 * i + 1 });
    const after = run({ ...server, seed: 2 * i + 2 });
    for (const { verdict } of compare(after, before, limit).series) found[verdict] += 1;
  }
  return found;
}

/** The article's plan: 16 levels. */
const levels = Array.from({ length: 16 }, (_, i) => 1 + 4 * i);

describe("a shift that is there", () => {
  // Noise of 2 to 6 % of the throughput, and twice that of p99: what short runs on a quiet and a busy machine have.
  it.each([0.02, 0.04, 0.06])("of 20 % is found, either way, with noise of %d", (noise) => {
    const slower = verdicts(50, { levels, noise, speed: 0.8 }, 0.1);
    const faster = verdicts(50, { levels, noise, speed: 1.25 }, 0.1);
    expect(slower.regression).toBeGreaterThanOrEqual(noise > 0.05 ? 45 : 49);
    expect(slower.improvement).toBe(0);
    expect(faster.improvement).toBeGreaterThanOrEqual(noise > 0.05 ? 45 : 49);
    expect(faster.regression).toBe(0);
  });

  it("of 5 % is within a limit of 10 %, and beyond one of 0", () => {
    const within = verdicts(100, { levels, noise: 0.03, speed: 0.95 }, 0.1);
    expect(within.regression).toBe(0);
    expect(within.same).toBeGreaterThan(60);
    expect(verdicts(100, { levels, noise: 0.03, speed: 0.95 }, 0).regression).toBeGreaterThan(90);
  });

  it("is found where only the last level of load has it", () => {
    const found = verdicts(50, { levels, noise: 0.02, speedAt: (callers) => (callers > 60 ? 0.5 : 1) }, 0.1);
    expect(found.regression).toBeGreaterThan(45);
    expect(found.improvement).toBe(0);
  });
});

describe("noise", () => {
  // With no limit at all, which is the hardest: 34 tests in each comparison, and none of them may be wrong.
  it.each([0.03, 0.1])("of %d cries wolf in one comparison of twenty at the most", (noise) => {
    const { regression, improvement } = verdicts(200, { levels, noise }, 0);
    // 10 of 200 are one of twenty; more than 18 have a chance of 1 % there.
    expect(regression).toBeLessThanOrEqual(18);
    expect(improvement).toBeLessThanOrEqual(18);
  });

  it("does not so with two repeats either, nor with a limit", () => {
    expect(verdicts(200, { levels, noise: 0.08, repeats: 2 }, 0).regression).toBeLessThanOrEqual(18);
    expect(verdicts(100, { levels, noise: 0.08 }, 0.1).regression).toBe(0);
  });

  it("makes a shift as great as the limit unclear, not a regression", () => {
    expect(verdicts(200, { levels, noise: 0.05, speed: 0.9 }, 0.1).regression).toBeLessThanOrEqual(18);
  });
});

describe("what cannot be told", () => {
  it("is said where nothing was repeated", () => {
    const comparison = compare(run({ repeats: 1, speed: 0.5 }), run({ repeats: 1 }), 0.1);
    expect(comparison.series[0]?.verdict).toBe("unclear");
    expect(comparison.series[0]?.reasons[0]).toMatch(/^cannot be told/);
    expect(hasRegression(comparison)).toBe(false);
  });

  it("is said where the runs are of other machines, targets or generators", () => {
    const other = run({});
    const { environment } = other;
    const here = { ...environment, target: "local", hardware: { ...environment.hardware, gpus: [] } };
    const comparison = compare(run({}), { ...other, environment: here }, 0.1);
    expect(comparison.obstacles).toEqual([
      "target: local → kubernetes",
      "hardware: p4de.24xlarge, no GPU → p4de.24xlarge, 1 × NVIDIA-A100-SXM4-80GB",
    ]);
    expect(isComparable(comparison)).toBe(false);
  });

  it("is said of series with other payloads or batches, and does not touch the others", () => {
    const grpc = seriesOf({ protocol: "grpc" });
    const before = benchmarkOf([seriesOf(), grpc, seriesOf({ batchSize: 8 })]);
    const payload = { source: "texts.json", sha256: "d".repeat(64), bytes: 99 };
    const after = benchmarkOf([seriesOf({ payload }), grpc, seriesOf({ batchSize: 4 })]);
    const comparison = compare(after, before, 0.1);
    expect(comparison.series.map(({ verdict }) => verdict)).toEqual(["incomparable", "same"]);
    expect(comparison.onlyBefore).toEqual(["embedding-model, HTTP, batch 8"]);
    expect(comparison.onlyAfter).toEqual(["embedding-model, HTTP, batch 4"]);
    expect(isComparable(comparison)).toBe(true);
  });

  it("is said of series that another generator loaded, whatever the run's first one was", () => {
    const ghz = { name: "ghz", version: "0.120.0", from: "this machine" } as const;
    const { environment } = run({});
    const own = { ...environment, generator: ghz };
    const before = benchmarkOf([seriesOf({ generator: environment.generator })], { environment: own });
    expect(compare(run({}), before, 0.1).series[0]?.verdict).toBe("same");
    const [series] = compare(run({}), benchmarkOf([seriesOf()], { environment: own }), 0.1).series;
    expect(series).toMatchObject({
      verdict: "incomparable",
      reasons: ["load generator: ghz → perf_analyzer"],
    });
  });

  it("is said of settings that could be compared with several others", () => {
    const swept = (...delays: readonly number[]): Benchmark =>
      benchmarkOf(delays.map((delay) => seriesOf({ settings: { maxBatchSize: 8, maxQueueDelayMs: delay } })));
    expect(compare(swept(0, 5), swept(0, 1, 2), 0.1).series).toHaveLength(1);
    expect(compare(swept(0, 5), swept(0, 1), 0.1).series).toHaveLength(2);
    expect(compare(swept(0, 5), swept(0, 1, 2), 0.1).onlyAfter).toEqual([
      "embedding-model, HTTP, 2 instances on 1 replica, batches to 8, delay 5 ms",
    ]);
  });

  it("does not hide what was changed on purpose", () => {
    const before = benchmarkOf([seriesOf({ instances: 1, specHash: "e".repeat(64) })]);
    expect(compare(run({}), before, 0.1).changes).toEqual([
      "embedding-model, HTTP: instances: 1 → 2, another configuration",
    ]);
  });
});

describe("failed calls", () => {
  const failing = (share: number): Benchmark => {
    const series = seriesOf();
    const points = series.points.map((point) => ({
      ...point,
      failures: { 503: Math.round(point.requests * share) },
    }));
    return benchmarkOf([{ ...series, points }]);
  };

  it("are a regression where each repeat has more of them", () => {
    const comparison = compare(failing(0.05), failing(0), 0.1);
    expect(comparison.series[0]?.verdict).toBe("regression");
    expect(comparison.series[0]?.reasons[0]).toMatch(
      /^calls fail: 4\.76 % at the least, 0 % at the most before/,
    );
    expect(hasRegression(compare(failing(0.05), failing(0.05), 0.1))).toBe(false);
    expect(hasRegression(compare(failing(0.001), failing(0), 0.1))).toBe(false);
  });
});

describe("runs that ended early", () => {
  it("are compared as far as they go", () => {
    const short = benchmarkOf([
      seriesOf({ stopped: "latency" }, { levels: [1, 2, 4], speed: 0.7, noise: 0.02 }),
    ]);
    const [series] = compare(short, run({ noise: 0.02 }), 0.1).series;
    expect(series?.verdict).toBe("regression");
    expect(series?.levels).toHaveLength(3);
    expect(series?.reasons.at(-1)).toBe(
      "not measured this time: 8, 16, 32, 64 callers (the run ended as latency)",
    );
  });

  it("may have nothing in common", () => {
    const none = benchmarkOf([seriesOf({ points: [], stopped: "interrupted" })]);
    const [series] = compare(none, run({}), 0.1).series;
    expect(series?.verdict).toBe("unclear");
    expect(series?.reasons).toEqual(["the two runs have no number of callers in common"]);
    expect(compare(benchmarkOf([]), benchmarkOf([]), 0.1).series).toEqual([]);
  });
});
