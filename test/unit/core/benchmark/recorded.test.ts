import { readFileSync } from "node:fs";
import path from "node:path";
import { mean } from "simple-statistics";
import { describe, expect, it } from "vitest";
import { compare, type Verdict } from "../../../../core/benchmark/comparison.ts";
import { pointsByConcurrency } from "../../../../core/benchmark/levels.ts";
import { readBenchmark } from "../../../../core/benchmark/read.ts";
import type { Benchmark, Point } from "../../../../core/benchmark/result.ts";
import { randomFrom } from "../../../support/benchmarks.ts";
import { projectRoot } from "../../../support/tools.ts";

/**
 * Two runs of `npm run bench` on the same model, minutes apart, on two cores that had twenty processes to run besides: noise as
 * bad as it gets. Nothing was changed between them.
 */
const [first, second] = ["busy-1", "busy-2"].map((name): Benchmark => {
  const file = path.join(projectRoot, "test", "recorded", "benchmarks", `${name}.json`);
  const parsed = readBenchmark(readFileSync(file, "utf8"), file);
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
});
if (first === undefined || second === undefined) throw new Error("there are two runs");

/** What each point is of the geometric mean of its level. */
function residuals(of: (point: Point) => number): readonly number[] {
  return [first, second].flatMap((run) =>
    (run?.series ?? []).flatMap((series) =>
      [...pointsByConcurrency(series).values()].flatMap((points) => {
        const logs = points.map((point) => Math.log(of(point)));
        return logs.map((log) => log - mean(logs));
      }),
    ),
  );
}

const rateNoise = residuals(({ requests, durationSeconds }) => requests / durationSeconds);
const tailNoise = residuals(({ latency }) => latency.p99Ms);

/** The first run as it would be at another speed, with noise that was really there, drawn anew. */
function runAt(speed: number, seed: number): Benchmark {
  const random = randomFrom(seed);
  const draw = (noise: readonly number[]): number =>
    Math.exp(noise[Math.floor(random() * noise.length)] ?? 0);
  const [series] = first?.series ?? [];
  if (first === undefined || series === undefined) throw new Error("the first run has a series");
  const points = [...pointsByConcurrency(series).values()].flatMap((level) => {
    const [pattern] = level;
    if (pattern === undefined) return [];
    return level.map(({ repeat }) => ({
      ...{ ...pattern, repeat },
      requests: Math.max(1, Math.round(pattern.requests * speed * draw(rateNoise))),
      latency: { ...pattern.latency, p99Ms: (pattern.latency.p99Ms / speed) * draw(tailNoise) },
    }));
  });
  return { ...first, series: [{ ...series, points }] };
}

function verdicts(speed: number, count: number): readonly Verdict[] {
  return Array.from({ length: count }, (_, i) => {
    const [compared] = compare(runAt(speed, 2 * i + 1), runAt(1, 2 * i + 2), 0).series;
    return compared?.verdict ?? "incomparable";
  });
}

describe("recorded runs", () => {
  it("of the same thing are no regression, however loud", () => {
    expect(compare(second, first, 0.1).series.map(({ verdict }) => verdict)).toEqual(["unclear"]);
    expect(compare(first, second, 0.1).series.map(({ verdict }) => verdict)).not.toContain("regression");
  });

  it("with their own noise drawn anew cry wolf in one comparison of twenty at the most", () => {
    // 5 of 100 are one of twenty; more than 11 have a chance of half a percent there.
    expect(verdicts(1, 100).filter((verdict) => verdict === "regression").length).toBeLessThanOrEqual(11);
  });

  it("show a server that became four times as slow all the same", () => {
    expect(verdicts(0.25, 25).filter((verdict) => verdict === "regression").length).toBeGreaterThan(20);
  });
});
