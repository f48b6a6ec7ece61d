import fc from "fast-check";
import yaml from "js-yaml";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { compare } from "../../../../core/benchmark/comparison.ts";
import { recommend } from "../../../../core/benchmark/recommendation.ts";
import {
  confirmedTable,
  scoreOf,
  sweepCoverage,
  sweepTable,
  sweepVerdict,
  type Confirmed,
  type Tried,
} from "../../../../core/benchmark/sweep.ts";
import {
  ensembleVariantOf,
  ensemblesAround,
  gridAround,
  placeOf,
  recommendedEnsembleLines,
  recommendedLines,
  settingsAt,
  settingsOf,
  sizesOf,
  variantOf,
  type Settings,
} from "../../../../core/benchmark/variants.ts";
import { parseYaml } from "../../../../core/spec/parse.ts";
import { modelSchema } from "../../../../core/spec/model.ts";
import { benchmarkOf, seriesOf, type Server } from "../../../support/benchmarks.ts";
import { projectRoot } from "../../../support/tools.ts";

const textOf = (model: string): string =>
  readFileSync(path.join(projectRoot, "models", model, "model.yaml"), "utf8");

function specOf(text: string) {
  const parsed = parseYaml(modelSchema, text, "model.yaml");
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
}

const settings = fc.record<Settings>({
  instances: fc.integer({ min: 1, max: 8 }),
  maxBatchSize: fc.integer({ min: 1, max: 128 }),
  maxQueueDelay: fc.integer({ min: 0, max: 100_000 }),
});

describe("variants of a spec", () => {
  it.each(["embedding-model", "text-classifier", "text-labels"])(
    "of %s are valid and have what was asked",
    (model) => {
      const text = textOf(model);
      fc.assert(
        fc.property(settings, (wanted) => {
          const spec = specOf(variantOf(text, wanted));
          expect(settingsOf(spec)).toEqual(wanted);
          expect(Math.max(...spec.warmup.map(({ batchSize }) => batchSize))).toBeLessThanOrEqual(
            wanted.maxBatchSize,
          );
          expect(spec.outputs).toEqual(specOf(text).outputs);
        }),
        { numRuns: 20 },
      );
    },
  );

  it("are today's where today's settings are asked for", () => {
    const text = textOf("embedding-model");
    const now = settingsOf(specOf(text));
    expect(now).toEqual({ instances: 2, maxBatchSize: 64, maxQueueDelay: 5000 });
    expect(specOf(variantOf(text, now))).toEqual(specOf(text));
  });

  it("are told as lines to paste", () => {
    const lines = recommendedLines(textOf("embedding-model"), {
      instances: 4,
      maxBatchSize: 16,
      maxQueueDelay: 500,
    });
    expect(lines.split("\n")).toEqual([
      "maxBatchSize: 16",
      "instances: [{kind: gpu, count: 4}]",
      "batching: {preferredBatchSizes: [8, 16], maxQueueDelay: 500us, maxQueueSize: 512, timeout: 1s}",
      "warmup: [{batchSize: 1}]",
    ]);
    expect(yaml.load(lines)).toBeTruthy();
  });

  it("lower an ensemble's batches with those of a step, and its own lines say so", () => {
    const text = textOf("text-analysis");
    const { maxBatchSize } = specOf(text);
    expect(specOf(ensembleVariantOf(text, 16))).toEqual({ ...specOf(text), maxBatchSize: 16 });
    expect(specOf(ensembleVariantOf(text, maxBatchSize))).toEqual(specOf(text));
    expect(recommendedEnsembleLines(text, 16)).toBe("maxBatchSize: 16");
    expect(recommendedEnsembleLines(text, maxBatchSize)).toBeUndefined();
  });

  it("find the ensembles around a model, through other ensembles too", () => {
    const step = (model: string) => ({
      ensemble: { steps: [{ model, version: -1, inputs: {}, outputs: {} }] },
    });
    const specs = [
      { name: "encoder" },
      { name: "search", ...step("encoder") },
      { name: "answers", ...step("search") },
      { name: "others", ...step("decoder") },
    ];
    expect(ensemblesAround(specs, "encoder")).toEqual(["answers", "search"]);
    expect(ensemblesAround(specs, "answers")).toEqual([]);
    expect(
      ensemblesAround(
        [
          { name: "a", ...step("b") },
          { name: "b", ...step("a") },
        ],
        "a",
      ),
    ).toEqual(["a", "b"]);
  });

  it("have a place on the grid, which has today's settings in it", () => {
    const now = { instances: 2, maxBatchSize: 48, maxQueueDelay: 3000 };
    const grid = gridAround(now, { instances: [1, 4], maxBatchSizes: [64, 1], queueDelays: [0] });
    expect(grid).toEqual({ instances: [1, 2, 4], maxBatchSizes: [1, 48, 64], queueDelays: [0, 3000] });
    expect(settingsAt(grid, placeOf(grid, now))).toEqual(now);
    expect(sizesOf(grid)).toEqual([3, 3, 2]);
  });
});

const triedWith = (instances: number, server: Server, limit = 45): Tried => {
  const recommendation = recommend(benchmarkOf([seriesOf({ latencyP99LimitMs: limit }, server)]), 0);
  return {
    place: [instances, 0, 0],
    settings: { instances, maxBatchSize: 8, maxQueueDelay: 1000 },
    score: scoreOf(recommendation),
    ...(recommendation === undefined ? {} : { recommendation }),
  };
};

describe("what a sweep says", () => {
  const now = triedWith(1, { noise: 0.01 });
  const faster = triedWith(2, { noise: 0.01, speed: 1.5 });
  const late = triedWith(3, { noise: 0.01 }, 5);
  const none: Tried = {
    ...{ place: [4, 0, 0], settings: { ...now.settings, instances: 4 }, score: Number.NEGATIVE_INFINITY },
    obstacle: "instances: no room",
  };
  const runs = (speed: number, best = faster): Confirmed => ({
    ...{ rounds: 3, now, best },
    comparison: compare(benchmarkOf([seriesOf({}, { speed, seed: 5 })]), benchmarkOf([seriesOf()]), 0.05),
  });

  it("puts what keeps the objective before all that does not", () => {
    expect(late.score).toBeLessThan(0);
    expect(triedWith(3, { noise: 0.01, speed: 0.5 }, 5).score).toBeLessThan(late.score);
    expect(scoreOf(undefined)).toBe(Number.NEGATIVE_INFINITY);
  });

  it("marks the best, and says why others are none", () => {
    const { rows } = sweepTable([now, faster, late, none]);
    expect(rows.map(([best]) => best)).toEqual(["", "best", "", ""]);
    expect(rows.map((row) => row.at(-1))).toEqual(["", "", "beyond the objective", "instances: no room"]);
  });

  it("recommends only what is better when it is measured again", () => {
    expect(sweepVerdict([now, faster], runs(1.5))).toMatchObject({ change: faster.settings });
    expect(sweepVerdict([now, faster], runs(1)).change).toBeUndefined();
    expect(sweepVerdict([now, faster], runs(0.6)).text).toMatch(/^Not better after all/);
    expect(sweepVerdict([faster, now], undefined).text).toMatch(/^Nothing that was tried is better/);
    expect(sweepVerdict([now, faster], undefined).text).toMatch(/^Best, but not measured again/);
    expect(sweepVerdict([none], undefined).text).toBe("No settings could be measured.");
  });

  it("recommends nothing that is beyond the objective when it is measured again, as today's settings are not", () => {
    const { change, text } = sweepVerdict([now, faster], runs(1.5, late));
    expect(change).toBeUndefined();
    expect(text).toMatch(/^Not better after all: .* does not surely keep the latency objective/);
    const both = sweepVerdict([now, faster], { ...runs(1.5, late), now: late });
    expect(both).toMatchObject({ change: faster.settings });
    expect(both.text).toContain("No settings keep the latency objective.");
    expect(confirmedTable(runs(1.5, late)).rows.map((row) => [row[0], row.at(-1)])).toEqual([
      ["today", ""],
      ["best", "beyond the objective"],
    ]);
  });

  it("tells what was not tried", () => {
    expect(sweepCoverage(4, 4, "complete")).toBe("All 4 settings were tried.");
    expect(sweepCoverage(4, 80, "complete")).toMatch(/^4 of 80 settings were tried; no step/);
    expect(sweepCoverage(4, 80, "limit")).toContain("--most");
    expect(sweepCoverage(4, 80, "stopped")).toContain("stopped");
  });
});
