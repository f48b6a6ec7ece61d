import { describe, expect, it } from "vitest";
import { findAccelerator } from "../../../../core/capacity/catalogue.ts";
import { readMeasuredRates } from "../../../../commands/plan/benchmark.ts";
import { measuredRates } from "../../../../core/benchmark/rates.ts";
import { planReport } from "../../../../core/plan/report.ts";
import { noConfig } from "../../../../core/policy/config.ts";
import { reportSchema } from "../../../../core/plan/schema.ts";
import { costLines } from "../../../../core/plan/words.ts";
import { benchmarkOf, seriesOf } from "../../../support/benchmarks.ts";

const place = { file: "Pulumi.prod.yaml", path: "triton-platform:usage.benchmark" };
const accelerator = findAccelerator("a100-80gb");

const group = (...names: readonly string[]) => ({
  name: "gpu",
  replicas: 3,
  models: names.map((name) => ({ spec: { name } })),
  ...(accelerator === undefined ? {} : { devices: { accelerator, devices: 1 } }),
});

const measured = benchmarkOf([
  seriesOf({ replicas: 2 }, { noise: 0 }),
  seriesOf({ model: "text-classifier", latencyP99LimitMs: 1 }),
]);

describe("measured rates", () => {
  it("are of a replica, times those of the stack, with their source", () => {
    const { value, problems } = measuredRates(measured, [group("embedding-model", "text-classifier")], place);
    expect(problems).toEqual([]);
    expect(value.rates[0]?.inferencesPerSecond).toBeCloseTo(1200);
    expect(value.rates).toMatchObject([
      {
        model: "embedding-model",
        assumption:
          "400 a second and replica, measured on 2026-11-28 (20261128T210000Z-abc123, within its latency objective), × 3 replicas of `gpu`, which answer nothing else",
      },
    ]);
    expect(value.left[0]).toMatch(/^text-classifier: the objective of 1 ms is not kept by any load/);
  });

  it("are none of other models or other hardware, and the place is told", () => {
    const [problem] = measuredRates(measured, [group("other")], place).problems;
    expect(problem).toMatchObject(place);
    expect(problem?.message).toContain("embedding-model: this stack does not serve it");
    const { environment } = measured;
    const here = {
      ...environment,
      hardware: { ...environment.hardware, gpus: [], instanceType: "m7i.large" },
    };
    const { problems } = measuredRates({ ...measured, environment: here }, [group("embedding-model")], place);
    expect(problems[0]?.message).toContain("measured on m7i.large, no GPU, and `gpu` runs on a100-80gb");
    expect(measuredRates(benchmarkOf([]), [group("other")], place).problems).toHaveLength(1);
  });

  it("give the cost of a million in a plan", () => {
    const { value } = measuredRates(measured, [group("embedding-model")], place);
    const hour = { unit: "hour", unitPrice: 43.2, assumption: "", kind: "GPU nodes", name: "a100" } as const;
    const report = planReport(
      {
        ...{ stack: "prod", target: "kubernetes", environment: "prod", files: new Map(), resources: [] },
        ...{ picture: [], advice: [], warnings: [] },
        costItems: [{ ...hour, quantity: 1 }],
        usage: { measured: value },
      },
      { environment: "prod", config: noConfig, rules: [], priceNotes: [] },
    );
    // 1200 a second are 4.32 million an hour.
    expect(costLines(report.cost)[1]).toMatch(
      /^\$10\.00 a million inferences of embedding-model at 1200 a second: 400/,
    );
    expect(reportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
  });

  it("say where the file is named that cannot be read", () => {
    expect(() => readMeasuredRates("benchmarks/none.json", { servers: [] }, "Pulumi.prod.yaml")).toThrow(
      /Pulumi\.prod\.yaml\n {2}triton-platform:usage\.benchmark: `benchmarks\/none\.json` cannot be read[^]*relative to it/,
    );
    expect(() => readMeasuredRates("package.json", { servers: [] }, "Pulumi.prod.yaml")).toThrow(
      /package\.json\n {2}(line \d+, )?format/,
    );
  });
});
