import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { parseRecord } from "../../commands/bench/load/aiperf.ts";
import { parseGhz } from "../../commands/bench/load/ghz.ts";
import { parseExport } from "../../commands/bench/load/perf-analyzer.ts";
import { callOf, parseResult } from "../../commands/bench/load/vegeta.ts";
import { newId } from "../../commands/bench/load/result-file.ts";
import { measured, windowOf, type Call } from "../../core/benchmark/calls.ts";
import { gpuUse, parseMetrics, serverSide, type MetricsPage } from "../../core/benchmark/counters.ts";
import { groupPrice } from "../../core/benchmark/price.ts";
import { benchmarkSchema } from "../../core/benchmark/result.ts";
import { findAccelerator } from "../../core/capacity/catalogue.ts";

const recorded = (name: string): string =>
  readFileSync(path.join(import.meta.dirname, "..", "recorded", "benchmark", name), "utf8");

describe("load generators", () => {
  it("perf_analyzer: the times of every call, whatever its inputs and outputs say", () => {
    const text = recorded("perf_analyzer-2.51.txt");
    const calls = parseExport(text);
    expect(calls).toHaveLength(4);
    expect(calls[0]?.latencyMs).toBeCloseTo(2.847649, 6);
    for (const { endedAt, latencyMs } of calls) {
      expect(new Date(endedAt).toISOString()).toMatch(/^2026-11-28T22:0/);
      expect(latencyMs).toBeLessThan(100);
    }
  });

  it("ghz: the end and the status of every call", () => {
    const calls = parseGhz(recorded("ghz-0.121.json"));
    expect(calls).toHaveLength(6);
    expect(calls[0]).toEqual({
      endedAt: Date.parse("2026-11-28T22:02:20Z") + 462.573234,
      latencyMs: 4.315789,
    });
    expect(calls.flatMap(({ failure }) => failure ?? [])).toEqual(["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"]);
  });

  it("vegeta: the end and the status of every call, and no call where none was left to make", () => {
    const lines = recorded("vegeta-12.13.jsonl").trim().split("\n");
    const calls = lines.flatMap((line) => callOf(parseResult(line)) ?? []);
    expect(lines).toHaveLength(5);
    expect(calls[0]).toEqual({
      endedAt: Date.parse("2026-11-29T02:42:43Z") + 393.439671 + 6.578612,
      latencyMs: 6.578612,
    });
    expect(calls.map(({ failure }) => failure)).toEqual([undefined, "503", "connection", "timeout"]);
  });

  it("aiperf: the end and the status of every call", () => {
    const calls = recorded("aiperf-0.13.jsonl").trim().split("\n").map(parseRecord);
    expect(calls[0]?.latencyMs).toBe(27.628472);
    expect(calls[0]?.endedAt).toBeCloseTo(1795921437692.206, 2);
    // Without a text in its answer a call has failed for AIPerf.
    expect(calls.map(({ failure }) => failure)).toEqual([
      undefined,
      "503",
      "connection",
      "timeout",
      "error",
      undefined,
    ]);
    expect(calls[3]?.latencyMs).toBeGreaterThan(2000);
  });

  it("ghz: nothing where no call ended", () => {
    expect(parseGhz('{"details":null}')).toEqual([]);
  });
});

describe("what calls say of a point", () => {
  const call = (endedAt: number, latencyMs: number, failure?: string): Call => ({
    ...{ endedAt, latencyMs },
    ...(failure === undefined ? {} : { failure }),
  });

  it("counts what ended in the window, failures apart", () => {
    const calls = [call(1000, 5), call(1500, 10), call(2000, 20, "500"), call(3000, 30), call(3001, 40)];
    expect(measured(calls, { from: 1000, to: 3000 })).toEqual({
      durationSeconds: 2,
      requests: 2,
      failures: { "500": 1 },
      latency: { meanMs: 20, p50Ms: 20, p90Ms: 28, p95Ms: 29, p99Ms: 29.8, maxMs: 30 },
    });
  });

  test("every call is in the window of all, and percentiles are in order", () => {
    const arbitrary = fc.array(
      fc.record({
        endedAt: fc.integer({ min: 1e12, max: 1e12 + 1e6 }),
        latencyMs: fc.integer({ min: 0, max: 1e5 }),
      }),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(arbitrary, (calls) => {
        const { requests, latency } = measured(calls, windowOf(calls));
        expect(requests).toBe(calls.length);
        const { p50Ms, p90Ms, p95Ms, p99Ms, maxMs } = latency;
        expect([p50Ms, p90Ms, p95Ms, p99Ms, maxMs]).toEqual(
          [p50Ms, p90Ms, p95Ms, p99Ms, maxMs].sort((a, b) => a - b),
        );
      }),
    );
  });
});

describe("Triton's own metrics", () => {
  const page = (replica: string, requests: number, queue: number, extra = ""): MetricsPage => ({
    replica,
    samples: parseMetrics(
      [
        "# HELP nv_inference_request_success Number of successful inference requests",
        `nv_inference_request_success{model="a",version="1"} ${String(requests)}`,
        `nv_inference_exec_count{model="a",version="1"} ${String(requests / 2)}`,
        `nv_inference_queue_duration_us{model="a",version="1"} ${String(queue)}`,
        `nv_inference_compute_infer_duration_us{model="a",version="1"} ${String(requests * 1000)}`,
        `nv_inference_request_success{model="other",version="1"} 5`,
        extra,
      ].join("\n"),
    ),
  });

  it("are the differences of all replicas, a mean for each request", () => {
    const before = [page("0", 10, 0), page("1", 0, 0)];
    const after = [page("0", 20, 30_000), page("1", 10, 10_000)];
    expect(serverSide("a", before, after)).toEqual({
      ...{
        requests: 20,
        executions: 10,
        queueMs: 2,
        computeInputMs: 0,
        computeInferMs: 1,
        computeOutputMs: 0,
      },
    });
  });

  it("are nothing where a replica went, came, began anew, did not answer or did nothing", () => {
    const two = [page("0", 10, 0), page("1", 10, 0)];
    expect(serverSide("a", two, [page("0", 20, 0)])).toBeUndefined();
    expect(serverSide("a", [page("0", 10, 0)], two)).toBeUndefined();
    expect(serverSide("a", two, [page("0", 20, 0), page("1", 2, 0)])).toBeUndefined();
    expect(serverSide("a", two, two)).toBeUndefined();
    expect(serverSide("a", [], [])).toBeUndefined();
    const silent: MetricsPage = { replica: "1" };
    expect(serverSide("a", [page("0", 10, 0), silent], [page("0", 20, 0), silent])).toBeUndefined();
  });

  it("have GPUs as the mean of all readings", () => {
    const gpu = (use: number): string =>
      [
        `nv_gpu_utilization{gpu_uuid="GPU-1"} ${String(use)}`,
        'nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 4e9',
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 8e9',
      ].join("\n");
    expect(gpuUse([[page("0", 1, 1, gpu(0.2))], [page("0", 2, 1, gpu(0.6))]])).toEqual([
      { uuid: "GPU-1", utilization: 0.4, memoryUsedBytes: 4e9, memoryTotalBytes: 8e9 },
    ]);
    expect(gpuUse([[page("0", 1, 1)], [{ replica: "0" }]])).toEqual([]);
  });

  it("have a GPU once that several replicas share", () => {
    const shared = (replica: string, uuid: string): MetricsPage =>
      page(replica, 1, 1, `nv_gpu_utilization{gpu_uuid="${uuid}"} 0.5`);
    const pages = [shared("0", "GPU-1"), shared("1", "GPU-1"), shared("2", "GPU-2")];
    expect(gpuUse([pages, pages]).map(({ uuid, utilization }) => [uuid, utilization])).toEqual([
      ["GPU-1", 0.5],
      ["GPU-2", 0.5],
    ]);
  });
});

test("a group costs the share of the nodes' GPUs that its replicas hold", () => {
  const accelerator = findAccelerator("a100-80gb");
  const slice = findAccelerator("a100-80gb", "1g.10gb");
  if (accelerator === undefined || slice === undefined) throw new Error("the catalogue has no A100");
  const prices = { instances: { "p4de.24xlarge": 40, "m7i.large": 1 } };
  const types = ["p4de.24xlarge", "m7i.large"];
  expect(groupPrice({ replicas: 3, devices: { accelerator, devices: 2 } }, types, prices)).toBe(30);
  expect(groupPrice({ replicas: 7, devices: { accelerator: slice, devices: 1 } }, types, prices)).toBeCloseTo(
    5,
  );
  expect(groupPrice({ replicas: 3 }, types, prices)).toBeUndefined();
  expect(
    groupPrice({ replicas: 1, devices: { accelerator, devices: 1 } }, ["m7i.large"], prices),
  ).toBeUndefined();
});

test("ids are sortable, unique and what the format wants", () => {
  const now = new Date("2026-11-28T21:07:00.123Z");
  const ids = [newId(now), newId(now)];
  expect(new Set(ids).size).toBe(2);
  for (const id of ids) {
    expect(id).toMatch(/^20261128T210700Z-/);
    expect(benchmarkSchema.shape.id.safeParse(id).success).toBe(true);
  }
});
