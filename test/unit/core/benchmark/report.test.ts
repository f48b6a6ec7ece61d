import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { main } from "../../../../commands/bench-report.ts";
import { htmlBenchmark } from "../../../../core/benchmark/html.ts";
import { markdownBenchmark } from "../../../../core/benchmark/markdown.ts";
import { plotsOf } from "../../../../core/benchmark/plots.ts";
import { recommend, recommendByModel } from "../../../../core/benchmark/recommendation.ts";
import { benchmarkReport } from "../../../../core/benchmark/report.ts";
import { benchmarkSchema, type Benchmark, type Point } from "../../../../core/benchmark/result.ts";
import { levelsOf } from "../../../../core/benchmark/levels.ts";
import { textBenchmark } from "../../../../core/benchmark/text.ts";
import { clusterFacts, type ClusterReport } from "../../../../core/ephemeral/report.ts";
import { omit } from "../../../../core/objects.ts";
import { benchmarkOf, pointsOf, seriesOf } from "../../../support/benchmarks.ts";
import { runCommand } from "../../../support/command.ts";

const parts = { script: "", style: "" };

function fail(): never {
  throw new Error("there is none");
}

describe("the recommendation", () => {
  it("is the most throughput within the objective, by the upper bound of p99", () => {
    // 16 at a time of 20 ms each; p99 is 30 ms up to 16 callers and doubles with them.
    const own = recommend(benchmarkOf([seriesOf({}, { noise: 0.01 })]), 0) ?? fail();
    expect(own).toMatchObject({ basis: "objective", concurrency: 16, objectiveMs: 45 });
    expect(own.inferencesPerSecond).toBeCloseTo(800, -2);
    expect(own.p99UpperMs).toBeGreaterThan(own.p99Ms);
    expect(own.reason).toMatch(
      /within the objective of 45 ms: .* with 95 % confidence below .* \(3 repeats\)/,
    );
  });

  it("does not take a load whose p99 is only perhaps low enough", () => {
    const limit = 33;
    const sure = recommend(benchmarkOf([seriesOf({ latencyP99LimitMs: limit }, { noise: 0.01 })]), 0);
    const noisy = seriesOf({ latencyP99LimitMs: limit }, { noise: 0.15, seed: 4 });
    const levels = levelsOf(noisy, benchmarkOf([noisy]));
    expect(sure?.basis).toBe("objective");
    expect(levels.some(({ p99Ms }) => (p99Ms?.value ?? 99) <= limit)).toBe(true);
    const own = recommend(benchmarkOf([noisy]), 0);
    expect(own?.basis === "unmet" || (own?.p99UpperMs ?? 99) <= limit).toBe(true);
  });

  it("is the knee where there is no objective, and says so where none can be kept", () => {
    const without = omit(seriesOf({}, { noise: 0.01 }), "latencyP99LimitMs");
    expect(recommend(benchmarkOf([without]), 0)).toMatchObject({ basis: "knee", concurrency: 16 });
    const unmet = recommend(benchmarkOf([seriesOf({ latencyP99LimitMs: 5 }, { noise: 0.01 })]), 0);
    expect(unmet).toMatchObject({ basis: "unmet", concurrency: 16 });
    expect(unmet?.reason).toMatch(
      /^the objective of 5 ms is not kept by any load: p99 is 3\d(\.\d)? ms at the least/,
    );
  });

  it("leaves out what fails, and is none where nothing was answered", () => {
    const series = seriesOf({}, { noise: 0.01 });
    const points = series.points.map((point) =>
      point.concurrency < 16 ? point : { ...point, failures: { UNAVAILABLE: 50 } },
    );
    expect(recommend(benchmarkOf([{ ...series, points }]), 0)?.concurrency).toBe(8);
    const dead = points.map((point) => ({ ...point, requests: 0, failures: { connection: 9 } }));
    expect(recommend(benchmarkOf([{ ...series, points: dead }]), 0)).toBeUndefined();
    expect(recommend(benchmarkOf([{ ...series, points: [] }]), 0)).toBeUndefined();
  });

  it("of a model is its best series on a replica, mixes aside", () => {
    const result = benchmarkOf([
      seriesOf({}, { noise: 0.01 }),
      seriesOf({ protocol: "grpc", instances: 4 }, { noise: 0.01, speed: 1.3 }),
      seriesOf({ protocol: "grpc", instances: 1, replicas: 4 }, { noise: 0.01, speed: 2 }),
      seriesOf({ mix: "evening" }, { noise: 0.01, speed: 4 }),
      seriesOf({ model: "text-classifier" }, { noise: 0.01 }),
    ]);
    expect(recommendByModel(result)).toMatchObject([
      { model: "embedding-model", series: 1, instances: 4 },
      { model: "text-classifier", series: 4 },
    ]);
  });
});

describe("cost", () => {
  it("is the price of an hour over what is answered in it", () => {
    const series = seriesOf({ pricePerHour: 36 }, { levels: [16], noise: 0, repeats: 1 });
    const [level] = levelsOf(series, benchmarkOf([series]));
    // 800 a second are 2.88 million an hour.
    expect(level?.perMillion).toBeCloseTo(12.5, 1);
  });

  it("of a mix is shared by all that its servers answered at the time", () => {
    const of = (model: string, server = "gpu") =>
      seriesOf({ model, server, mix: "day", pricePerHour: 36 }, { levels: [16], noise: 0, repeats: 1 });
    const mix = benchmarkOf([of("a"), of("b"), of("c", "other")]);
    const [first, , other] = mix.series;
    expect(levelsOf(first ?? fail(), mix)[0]?.perMillion).toBeCloseTo(6.25, 1);
    expect(levelsOf(other ?? fail(), mix)[0]?.perMillion).toBeCloseTo(12.5, 1);
  });
});

const failing: readonly Point[] = pointsOf({ levels: [1, 2] }).map((point) => ({
  ...point,
  requests: 0,
  failures: { 503: 12, timeout: 1 },
  latency: { meanMs: 0, p50Ms: 0, p90Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 },
}));

const gpus = [{ uuid: "GPU-1", utilization: 0.4, memoryUsedBytes: 2 ** 33, memoryTotalBytes: 2 ** 36 }];

const results: Readonly<Record<string, Benchmark>> = {
  nothing: benchmarkOf([]),
  "no point": benchmarkOf([seriesOf({ points: [], stopped: "interrupted" })]),
  "one point": benchmarkOf([seriesOf({ points: pointsOf({ levels: [1], repeats: 1 }) })]),
  failures: benchmarkOf([seriesOf({ points: [...failing], stopped: "failures" })]),
  "protocols, batches, models and a mix": benchmarkOf([
    seriesOf({ pricePerHour: 40 }),
    seriesOf({
      protocol: "grpc",
      batchSize: 8,
      points: pointsOf().map((point) => ({ ...point, gpus })),
    }),
    seriesOf({ model: "text-classifier", latencyP99LimitMs: 28 }),
    seriesOf({ model: "text-classifier", mix: "<day & night>" }, { levels: [3, 4] }),
  ]),
};

describe.each(Object.entries(results))("a report of %s", (_, result) => {
  const report = benchmarkReport(result);

  it("is of a valid result, and has no number that is none", () => {
    expect(benchmarkSchema.parse(JSON.parse(JSON.stringify(result)))).toEqual(result);
    for (const text of [
      textBenchmark(report),
      markdownBenchmark(report),
      htmlBenchmark(report, parts),
      JSON.stringify(report),
    ])
      expect(text).not.toMatch(/NaN|undefined|Infinity|\bnull\b/);
  });

  it("says of every series what there is", () => {
    const html = htmlBenchmark(report, parts);
    for (const { name } of report.series) {
      expect(textBenchmark(report)).toContain(name);
      expect(html).toContain(name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"));
    }
  });
});

describe("what a reader is told", () => {
  it("is what is not known or went wrong", () => {
    const notes = (name: string) => benchmarkReport(results[name] ?? fail()).notes;
    expect(notes("nothing")).toEqual(["nothing was measured"]);
    expect(notes("no point")).toEqual([
      "embedding-model, HTTP: no point was measured (interrupted)",
      "embedding-model, HTTP: interrupted; the last levels of load are missing",
    ]);
    expect(notes("one point")).toEqual([
      "everything was measured once: how much of it is noise is not known",
    ]);
    expect(notes("failures")[1]).toBe(
      "embedding-model, HTTP: 78 calls failed (72 × 503, 6 × timeout); with 1, 2 callers more than 0.1 %, which are left out of what is recommended",
    );
  });

  it("is where p99 is of too few calls to be one", () => {
    const points = pointsOf({ levels: [2], repeats: 2, noise: 0 }).map((point) => ({
      ...point,
      requests: 60,
    }));
    expect(benchmarkReport(benchmarkOf([seriesOf({ points })])).notes).toEqual([
      "embedding-model, HTTP: fewer than 100 calls a point with callers 2: p99 is the slowest of them (measure for longer)",
    ]);
  });

  it("is where queueing begins, and what it means where the GPU is idle", () => {
    const report = benchmarkReport(results["protocols, batches, models and a mix"] ?? fail());
    expect(report.series[0]?.queueFrom).toBe(32);
    const free = omit(seriesOf({}, { levels: [64] }), "latencyP99LimitMs");
    const points = free.points.map((point) => ({ ...point, gpus }));
    const [series] = benchmarkReport(benchmarkOf([{ ...free, points }])).series;
    expect(series?.hints[0]).toBe(
      "requests wait longer than they are computed while the GPUs are used to 40 %: try more than 2 instances",
    );
  });
});

describe("plots", () => {
  const report = benchmarkReport(results["protocols, batches, models and a mix"] ?? fail());

  it("are those that there are figures for", () => {
    const titles = (model: string) => plotsOf(report, model).map(({ title }) => title);
    expect(titles("embedding-model")).toEqual([
      "Throughput against latency",
      "Throughput by callers",
      "Latency by callers",
      "Where the time goes",
      "Latency by callers",
      "Where the time goes",
      "GPU utilisation",
      "GPU memory",
      "Cost of a million inferences",
    ]);
    expect(titles("text-classifier")).not.toContain("GPU memory");
    expect(plotsOf(benchmarkReport(results.failures ?? fail()), "embedding-model")).toEqual([]);
  });

  it("name series by what tells them apart, and draw each of a few by itself", () => {
    const sweep = (count: number): Benchmark =>
      benchmarkOf(
        Array.from({ length: count }, (_, i) =>
          seriesOf({ settings: { maxBatchSize: 8, maxQueueDelayMs: i } }, { noise: 0, speed: 1 + i / 10 }),
        ),
      );
    const few = plotsOf(benchmarkReport(sweep(2)), "embedding-model");
    expect(few[0]?.series.map(({ name }) => name)).toEqual(["delay 0 ms", "delay 1 ms"]);
    const many = plotsOf(benchmarkReport(sweep(9)), "embedding-model");
    expect(many.map(({ title }) => title)).toEqual([
      "Throughput against latency",
      "Throughput by callers",
      "Latency by callers",
      "Where the time goes",
    ]);
    expect(many[2]?.description).toContain("delay 8 ms");
  });

  it("have the objective in them, and what the article says where it says something", () => {
    const [against, byCallers] = plotsOf(report, "embedding-model");
    expect(against?.marks).toEqual([
      { axis: "x", value: 0.045, name: "objective", tone: "objective" },
      { axis: "x", value: 0.045, name: "the article's p99", tone: "reference" },
      { axis: "y", value: 850, name: "the article's throughput", tone: "reference" },
    ]);
    expect(byCallers?.series.at(-1)).toMatchObject({ isReference: true });
    expect(byCallers?.series.at(-1)?.points.map(({ x }) => x)).toEqual([1, 8, 16, 32, 64]);
    expect(byCallers?.x.isLog).toBe(true);
  });
});

describe("npm run bench:report", () => {
  let folder: string;
  const file = (name: string): string => path.join(folder, name);

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-report-"));
    const write = (name: string, result: Benchmark): void => {
      writeFileSync(file(name), JSON.stringify(result));
    };
    write("before.json", benchmarkOf([seriesOf({}, { noise: 0.02 })]));
    write("same.json", benchmarkOf([seriesOf({}, { noise: 0.02, seed: 2 })]));
    write("slow.json", benchmarkOf([seriesOf({}, { noise: 0.02, seed: 3, speed: 0.8 })]));
    const { environment } = benchmarkOf([]);
    write("local.json", benchmarkOf([seriesOf()], { environment: { ...environment, target: "local" } }));
    writeFileSync(file("broken.json"), '{"format": "triton-platform/benchmark/1", "id": "x", "series": 3}');
    writeFileSync(file("no.json"), "{");
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("has exit code 1 for a regression beyond the limit, and 0 without one", async () => {
    const against = ["--against", file("before.json")];
    const slow = await runCommand(main, file("slow.json"), ...against);
    expect(slow.code).toBe(1);
    expect(slow.stdout).toMatch(/Compared with 20261128T210000Z-abc123, limit 10 %: 1 regression/);
    expect((await runCommand(main, file("same.json"), ...against)).code).toBe(0);
    expect((await runCommand(main, file("slow.json"), ...against, "--limit", "40%")).code).toBe(0);
    expect((await runCommand(main, file("slow.json"))).code).toBe(0);
  });

  it("has exit code 2 for what it cannot read or compare, and says all that is wrong", async () => {
    const broken = await runCommand(main, file("broken.json"));
    expect(broken.code).toBe(2);
    expect(broken.stderr).toMatch(/\d+ problems:[^]*id: [^]*series: /);
    expect((await runCommand(main, file("no.json"))).code).toBe(2);
    expect((await runCommand(main, file("missing.json"))).stderr).toMatch(/cannot be read/);
    expect((await runCommand(main)).code).toBe(2);
    expect((await runCommand(main, file("same.json"), "--limit", "10")).stderr).toMatch(/is no percentage/);
    expect((await runCommand(main, file("same.json"), "--format", "pdf")).stderr).toMatch(/use one of: text/);
    const other = await runCommand(main, file("local.json"), "--against", file("before.json"));
    expect(other.code).toBe(2);
    expect(other.stdout).toMatch(/Not comparable with .*: target: kubernetes → local/);
  });

  it("writes every form into a folder", async () => {
    const { stderr, code } = await runCommand(
      ...([main, file("slow.json"), "--format", "json", "--out", file("out")] as const),
    );
    expect({ stderr, code }).toEqual({
      stderr: `report.md, report.html, report.json are in ${file("out")}\n`,
      code: 0,
    });
    expect(readFileSync(file("out/report.md"), "utf8")).toMatch(/^# Benchmark 2026/);
    expect(readFileSync(file("out/report.html"), "utf8")).toMatch(/<script>.*uplot/s);
    expect(readFileSync(file("out/report.json"), "utf8")).toMatch(/"recommendations"/);
  });
});

describe("a report of a run on a cluster that was made for it", () => {
  let folder: string;
  const file = (name: string): string => path.join(folder, name);
  const cluster: ClusterReport = {
    format: "triton-platform/benchmark-cluster/1",
    benchmark: {
      ...{ id: "abcdefg1", stack: "bench-abcdefg1", owner: "ml-platform", name: "triton-bench-abcdefg1" },
      ...{ account: "111122223333", region: "us-east-1", pricePerHour: 24.5 },
      ...{ createdAt: "2026-11-28T20:30:00.000Z", expiresAt: "2026-11-28T22:30:00.000Z" },
    },
    outcome: "complete",
    seconds: { up: 1234.56, load: 600, tearDown: 900 },
    cost: { perHour: 24.5, expected: 49, actual: 18.62 },
    destroyedAt: "2026-11-28T21:15:36.000Z",
    tearDown: "gone",
    remaining: [],
  };
  const write = (name: string, content: unknown): void => {
    writeFileSync(file(name), typeof content === "string" ? content : JSON.stringify(content));
  };

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-cluster-report-"));
    write("20261128T210000Z-abc123.json", benchmarkOf([seriesOf()]));
    write("cluster.json", cluster);
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("shows what the cluster took and cost, in every form, for the folder as for its result", async () => {
    const facts = ["bench-abcdefg1, complete", "up 1234.6 s, benchmark 600.0 s, teardown 900.0 s"];
    const cost = "$18.62 of $49.00 expected ($24.50 an hour at most)";
    for (const place of [folder, file("20261128T210000Z-abc123.json")])
      for (const format of ["text", "markdown", "html"]) {
        const { code, stdout } = await runCommand(main, place, "--format", format);
        expect(code).toBe(0);
        for (const fact of [...facts, cost, "gone at 2026-11-28T21:15:36.000Z"])
          expect(stdout, format).toContain(fact);
      }
    const { stdout } = await runCommand(main, folder, "--format", "json");
    expect(JSON.parse(stdout)).toMatchObject({ cluster });
  });

  it("says what is still there, and what is not known of one that was killed", () => {
    const [killed, left] = [
      omit({ ...cluster, cost: { perHour: 24.5, expected: 49 } }, "destroyedAt", "tearDown"),
      { ...cluster, tearDown: "left" as const, remaining: ["volume vol-1"] },
    ];
    expect(clusterFacts({ ...killed, seconds: {}, outcome: "failed", reason: "no\n  quota" })).toEqual([
      ["Cluster", "bench-abcdefg1, failed: no quota"],
      ["Times", "it did not come up"],
      ["Cost", "not known, $49.00 expected ($24.50 an hour at most)"],
      ["End", "not known to be gone"],
    ]);
    expect(clusterFacts(left).at(-1)).toEqual(["End", "not known to be gone: volume vol-1"]);
  });

  it("shows nothing where no cluster was made", async () => {
    rmSync(file("cluster.json"));
    for (const format of ["text", "markdown", "html"])
      expect((await runCommand(main, folder, "--format", format)).stdout).not.toContain("an hour at most");
    expect(JSON.parse((await runCommand(main, folder, "--format", "json")).stdout)).not.toHaveProperty(
      "cluster",
    );
  });

  it("is refused with all that is wrong where what is written of the cluster is nothing", async () => {
    write("cluster.json", { ...cluster, outcome: "fine", cost: { perHour: "24", expected: 49 } });
    const { code, stdout, stderr } = await runCommand(main, folder);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/2 problems:[^]*cluster\.json[^]*outcome: [^]*→ [^]*cost\.perHour: /);
    write("cluster.json", '{ "format": ');
    expect(await runCommand(main, folder)).toMatchObject({ code: 2 });
  });

  it("wants one result of a folder, and says how the cluster came out where there is none", async () => {
    write("another.json", benchmarkOf([seriesOf()]));
    expect((await runCommand(main, folder)).stderr).toMatch(/more than one result\nname one of them: /);
    rmSync(file("another.json"));
    rmSync(file("20261128T210000Z-abc123.json"));
    const { code, stderr } = await runCommand(main, folder);
    expect(code).toBe(2);
    expect(stderr).toMatch(/has no result\n {2}Cluster: bench-abcdefg1, complete\n[^]*Cost: \$18\.62/);
  });
});
