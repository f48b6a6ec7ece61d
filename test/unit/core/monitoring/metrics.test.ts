import { describe, expect, it } from "vitest";
import { dcgmCounters } from "../../../../core/monitoring/dcgm-counters.ts";
import { droppedOfTriton, keptOfHaproxy, metrics, metricsOf } from "../../../../core/monitoring/metrics.ts";
import { proxyBuckets } from "../../../../core/monitoring/objectives.ts";
import { readPage, recordedPage, type RecordedSource } from "../../../support/monitoring.ts";

const recorded: readonly RecordedSource[] = ["triton", "llm-proxy", "haproxy", "prometheus", "dcgm"];

describe.each(recorded)("the metrics of %s", (source) => {
  const page = readPage(recordedPage(source));

  it.each(metricsOf(source).filter((name) => source === "dcgm" || metrics[name]?.documented === undefined))(
    "%s is on the recorded page, with its type and labels",
    (name) => {
      const found = page.get(name);
      expect(found?.type).toBe(metrics[name]?.type);
      // What Prometheus adds to a series of another pod, and what relabelling adds.
      const onPage = (metrics[name]?.labels ?? []).flatMap((label) =>
        label === "node" ? [] : [label.replace(/^exported_/, "")],
      );
      const optional = source === "dcgm" ? new Set(["GPU_I_PROFILE", "GPU_I_ID"]) : new Set<string>();
      expect([...(found?.labels ?? [])].sort()).toEqual(
        expect.arrayContaining(onPage.filter((label) => !optional.has(label))),
      );
      for (const label of found?.labels ?? []) expect(onPage).toContain(label);
    },
  );
});

describe("what is stored", () => {
  it("is of HAProxy's page what is asked for", () => {
    const lines = recordedPage("haproxy")
      .split("\n")
      .filter((line) => !line.startsWith("#") && line !== "");
    const kept = lines.filter((line) => new RegExp(`^(${keptOfHaproxy})[{ ]`).test(line));
    expect(lines.length).toBeGreaterThan(1_000);
    expect(kept.length).toBeLessThan(lines.length / 5);
  });

  it("is of Triton's page all but summaries of single steps", () => {
    const dropped = [...readPage(recordedPage("triton")).keys()].filter((name) =>
      new RegExp(`^(${droppedOfTriton})$`).test(name),
    );
    expect(dropped).toEqual([
      "nv_inference_compute_input_summary_us",
      "nv_inference_compute_infer_summary_us",
      "nv_inference_compute_output_summary_us",
    ]);
  });
});

describe("DCGM's counters file", () => {
  it("has each metric with its type and a help text, and ECC and throttling among them", () => {
    const lines = dcgmCounters().trimEnd().split("\n");
    for (const line of lines) expect(line).toMatch(/^DCGM_FI_[A-Z_]+, (gauge|counter|label), [^,]+$/);
    const names = lines.map((line) => line.split(",")[0]);
    expect(names).toEqual(expect.arrayContaining([...metricsOf("dcgm")]));
    expect(names).toEqual(
      expect.arrayContaining(["DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "DCGM_FI_DEV_THERMAL_VIOLATION"]),
    );
  });
});

it("knows the bounds of the LLM proxy's histogram", () => {
  const bounds = [...recordedPage("llm-proxy").matchAll(/^llm_request_seconds_bucket\{le="([^"]+)"/gm)];
  const finite = bounds.map(([, bound]) => Number(bound)).filter(Number.isFinite);
  expect(finite.sort((a, b) => a - b)).toEqual(proxyBuckets);
});
