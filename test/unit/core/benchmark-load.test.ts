import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { parseLoad, type LoadSettings, type LoadText } from "../../../core/benchmark/load-options.ts";
import { planLoads, shares, type ServedModel } from "../../../core/benchmark/load-plan.ts";
import type { Point } from "../../../core/benchmark/result.ts";
import { stopReason } from "../../../core/benchmark/stop.ts";
import { specOf, type SpecFields } from "../../support/models.ts";

function settingsOf(text: LoadText = {}): LoadSettings {
  const parsed = parseLoad(text);
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
}

function served(name: string, fields: SpecFields = {}, rest: Partial<ServedModel> = {}): ServedModel {
  return { spec: specOf(name, fields), server: "gpu", version: "1", costs: false, ...rest };
}

const llm = (costs: boolean): ServedModel => served("llm", { upstream: "holysheep" }, { costs });

describe("what is asked for", () => {
  it("has perf_analyzer's range of callers by default: the end is in it where a step leads there", () => {
    expect(settingsOf().concurrency).toEqual([1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45, 49, 53, 57, 61]);
    expect(settingsOf({ concurrency: "4:4" }).concurrency).toEqual([4]);
    expect(settingsOf({ concurrency: "64,1,8,8" }).concurrency).toEqual([1, 8, 64]);
  });

  it("is refused with all of its mistakes at once", () => {
    const parsed = parseLoad({
      ...{ concurrency: "0:3", protocol: "udp", seconds: "", repeats: "1.5", "batch-size": "1,x" },
      ...{
        "latency-limit": "45",
        shape: ["image"],
        mix: "a=0",
        model: ["a"],
        requests: "10",
        "warm-up": "-1",
      },
    });
    const paths = "problems" in parsed ? parsed.problems.map(({ path }) => path) : [];
    expect([...new Set(paths)].sort()).toEqual(
      [
        ...[
          "--batch-size",
          "--concurrency",
          "--latency-limit",
          "--mix",
          "--protocol",
          "--repeats",
          "--requests",
        ],
        ...["--seconds", "--shape", "--warm-up"],
      ].sort(),
    );
  });

  it("never throws, and never gives a setting that cannot be run", () => {
    const option = fc.option(
      fc.oneof(fc.string(), fc.constantFrom("1", "1:9:2", "0", "1e9", "NaN", "5ms", "a=1")),
      {
        nil: undefined,
      },
    );
    const text = fc.record({
      concurrency: option,
      "batch-size": option,
      seconds: option,
      repeats: option,
      mix: option,
    });
    fc.assert(
      fc.property(text, (given) => {
        const parsed = parseLoad(given);
        if ("problems" in parsed) return parsed.problems.length > 0;
        const { concurrency, batchSizes = [1], repeats } = parsed.value;
        return (
          concurrency.length > 0 &&
          concurrency.every((n, i) => Number.isInteger(n) && n >= 1 && n > (concurrency[i - 1] ?? 0)) &&
          batchSizes.every((n) => Number.isInteger(n) && n >= 1) &&
          repeats >= 1
        );
      }),
    );
  });
});

describe("the plan", () => {
  it("has every model by both protocols, with one row and the batches that its spec prefers", () => {
    const { value, problems } = planLoads(
      [served("a", { batching: { preferredBatchSizes: [8, 4] } }), served("b", { maxBatchSize: 0 })],
      settingsOf({ concurrency: "1,2", seconds: "3", "warm-up": "1", repeats: "2" }),
    );
    expect(problems).toEqual([]);
    expect(
      value.loads.map(({ series: [first] }) => [first?.model.spec.name, first?.protocol, first?.batchSize]),
    ).toEqual([
      ...[1, 4, 8].flatMap((size) => [
        ["a", "http", size],
        ["a", "grpc", size],
      ]),
      ["b", "http", 1],
      ["b", "grpc", 1],
    ]);
    // Eight series of two levels, twice, four seconds each.
    expect(value.mostSeconds).toBe(8 * 2 * 2 * 4);
  });

  it("takes the p99 limit from the model's objective, and from the user before that", () => {
    const model = served("a", { objectives: { latencyP99: "45ms" } });
    const limitOf = (text: LoadText): unknown =>
      planLoads([model], settingsOf(text)).value.loads[0]?.series[0]?.latencyP99LimitMs;
    expect(limitOf({})).toBe(45);
    expect(limitOf({ "latency-limit": "1s" })).toBe(1000);
  });

  it("never spends money unasked: not by default, not in a mix of all, not without consent", () => {
    const names = (model: ServedModel, text: LoadText): (string | undefined)[] =>
      planLoads([served("a"), model], settingsOf(text)).value.loads.flatMap(({ series }) =>
        series.map((each) => each.model.spec.name),
      );
    for (const costs of [true, false])
      for (const text of [{}, { mix: "all" }, { "allow-cost": true }])
        expect(names(llm(costs), text)).not.toContain("llm");
    expect(names(llm(true), { model: ["llm"] })).toEqual([]);
    expect(planLoads([llm(true)], settingsOf({ model: ["llm"] })).problems[0]?.message).toContain(
      "costs money",
    );
    expect(names(llm(true), { model: ["llm"], "allow-cost": true })).toEqual(["llm", "llm"]);
    expect(names(llm(false), { model: ["llm"] })).toEqual(["llm", "llm"]);
  });

  it("leaves out what no generator can call, and refuses it by name", () => {
    const decoupled = served("d", { transactionPolicy: { decoupled: true } });
    const { value } = planLoads([decoupled, served("a")], settingsOf({ protocol: "http" }));
    expect(value.loads).toHaveLength(1);
    expect(value.notes.join()).toContain("d is left out: it is decoupled");
    expect(planLoads([decoupled], settingsOf({ model: ["d"] })).problems).toHaveLength(1);
  });

  it("reports unknown models, batches that are too large and shapes that do not fit together", () => {
    const { problems } = planLoads(
      [served("image", { inputs: [{ name: "pixels", dataType: "FP32", dims: [3, -1] }] })],
      settingsOf({ model: ["imag", "image"], "batch-size": "1,9", shape: ["pixels:4,8", "pixel:3"] }),
    );
    expect(problems.map(({ path, hint }) => `${path} ${hint}`)).toEqual([
      "--model did you mean `image`?",
      "--batch-size leave it out",
      "--shape write one row's shape, without the batch dimension; only -1 is free",
      "--shape did you mean `pixels`?",
    ]);
  });

  it("measures a mix at the same time, callers shared out by weight", () => {
    const { value } = planLoads(
      [served("a"), served("b"), served("c")],
      settingsOf({ mix: "a=1,b=3", concurrency: "4,8", protocol: "grpc" }),
    );
    expect(value.loads.map(({ mix, levels }) => ({ mix, levels }))).toEqual([
      {
        mix: "a=1,b=3",
        levels: [
          [1, 3],
          [2, 6],
        ],
      },
    ]);
  });

  test("shares add up to the callers, and nobody goes without", () => {
    const weights = fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 256 }), weights, (callers, given) => {
        const shared = shares(callers, given);
        const sum = shared.reduce((total, n) => total + n, 0);
        expect(shared.every((n) => Number.isInteger(n) && n >= 1)).toBe(true);
        expect(sum).toBeGreaterThanOrEqual(Math.min(callers, sum));
        // One each may be more than there are callers by weight.
        expect(sum).toBeGreaterThanOrEqual(callers);
        expect(sum).toBeLessThanOrEqual(callers + given.length);
      }),
    );
  });
});

describe("when it stops", () => {
  const point = (concurrency: number, requests: number, p99Ms = 1, failed = 0): Point => ({
    ...{ concurrency, requests, repeat: 1, startedAt: "2026-11-28T00:00:00Z", durationSeconds: 1 },
    failures: failed === 0 ? {} : { "500": failed },
    latency: { meanMs: 1, p50Ms: 1, p90Ms: 1, p95Ms: 1, p99Ms, maxMs: p99Ms },
  });
  const rules = { latencyP99LimitMs: 45, beyondSaturation: false };

  it("goes on while throughput grows", () => {
    const points = Array.from({ length: 16 }, (_, i) => point(1 + 4 * i, 100 * (i + 1)));
    for (const [i] of points.entries()) expect(stopReason(points.slice(0, i + 1), rules)).toBeUndefined();
  });

  it("stops at the limit with the second level beyond, and not with one outlier", () => {
    expect(stopReason([point(1, 100), point(5, 300, 90)], rules)).toBeUndefined();
    expect(stopReason([point(1, 100, 90), point(5, 300)], rules)).toBeUndefined();
    expect(stopReason([point(1, 100), point(5, 300, 46), point(9, 400, 60)], rules)).toBe("latency");
  });

  it("takes the median of repeats for a level's", () => {
    const repeats = [1, 2, 3].map((n) => point(5, 300, n === 2 ? 500 : 10));
    expect(stopReason([point(1, 100, 90), ...repeats], rules)).toBeUndefined();
  });

  it("stops three levels after the best, unless it is to go on", () => {
    const points = [point(1, 100), point(5, 400), point(9, 402), point(13, 399), point(17, 403)];
    expect(stopReason(points.slice(0, 4), rules)).toBeUndefined();
    expect(stopReason(points, rules)).toBe("saturated");
    expect(stopReason(points, { beyondSaturation: true })).toBeUndefined();
  });

  it("stops where more than one call of a hundred fails, or none was answered", () => {
    expect(stopReason([point(1, 990, 1, 10)], rules)).toBeUndefined();
    expect(stopReason([point(1, 900, 1, 100)], rules)).toBe("failures");
    expect(stopReason([point(1, 0)], rules)).toBe("failures");
  });
});
