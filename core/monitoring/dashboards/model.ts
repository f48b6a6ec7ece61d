import type { MonitoredPlatform } from "../platform.ts";
import { panel, Queries, type DashboardPlan } from "./plan.ts";

/** Everything about one model. */
export function modelDashboard(platform: MonitoredPlatform): DashboardPlan {
  const q = new Queries(platform);
  const model = 'model=~"$model"';
  const rate = (metric: string, ...matchers: readonly string[]): string =>
    `sum by (model) (${q.rate(metric, model, ...matchers)})`;
  const perRequest = (metric: string): string =>
    `${rate(metric)} / 1e6 / (${rate("nv_inference_request_success")} > 0)`;
  const quantile = (value: string) => ({
    expr: `max by (model) (${q.raw("nv_inference_request_summary_us", model, `quantile="${value}"`)} >= 0) / 1e6`,
    legend: `{{model}} P${String(Number(value) * 100)}`,
  });
  const burn = (promise: string, window: string) => ({
    expr: q.recorded(`model:${promise}_errors:ratio_${window}`, model),
    legend: `{{model}} ${window}`,
  });
  const hits = rate("nv_cache_num_hits_per_model");
  return {
    id: "triton-model",
    title: "Triton: model",
    description: "One model: how fast, how much, how often it fails, and where its time goes",
    ofOneModel: true,
    rows: [
      {
        title: "Promises",
        panels: [
          {
            title: "Latency, P50, P95, P99",
            description:
              "Of the last minute, of the slowest replica, with the objective. Nothing where the model has a response cache, and half a millisecond where it is an LLM proxy: see that dashboard",
            kind: "lines",
            unit: "s",
            queries: [
              quantile("0.5"),
              quantile("0.95"),
              quantile("0.99"),
              { expr: q.recorded("model:latency_objective:seconds", model), legend: "{{model}} objective" },
            ],
          },
          {
            title: "Failing calls, by window",
            description:
              "What the alerts on availability look at: share of calls that failed or reached no server",
            kind: "lines",
            unit: "percentunit",
            queries: [burn("availability", "5m"), burn("availability", "1h"), burn("availability", "6h")],
          },
          {
            title: "Slow calls, by window",
            description:
              "What the alerts on latency look at: share of answers slower than the objective, at least",
            kind: "lines",
            unit: "percentunit",
            queries: [burn("latency", "5m"), burn("latency", "1h"), burn("latency", "6h")],
          },
        ],
      },
      {
        title: "Load",
        panels: [
          {
            title: "Throughput",
            description: "Requests, and the inferences in them: a request may hold a batch",
            kind: "lines",
            unit: "reqps",
            queries: [
              { expr: rate("nv_inference_request_success"), legend: "{{model}} requests" },
              { expr: rate("nv_inference_count"), legend: "{{model}} inferences" },
            ],
          },
          panel(
            "Batch size",
            "Inferences in each execution. Near 1 under load, dynamic batching does nothing",
            "none",
            `${rate("nv_inference_count")} / (${rate("nv_inference_exec_count")} > 0)`,
            "{{model}}",
          ),
          panel(
            "Waiting requests, by replica",
            "One replica with far more than the others is stuck",
            "none",
            `sum by (replica) (${q.raw("nv_inference_pending_request_count", model)})`,
            "{{replica}}",
          ),
          panel(
            "Failures, by reason",
            "REJECTED: a full queue, or too long in it. BACKEND: the model. CANCELED: its client",
            "reqps",
            `sum by (reason) (${q.rate("nv_inference_request_failure", model)})`,
            "{{reason}}",
          ),
        ],
      },
      {
        title: "Where the time goes",
        panels: [
          {
            title: "Time of a request",
            description: "Means: waiting, taking inputs in, computing, giving outputs out",
            kind: "areas",
            unit: "s",
            queries: [
              { expr: perRequest("nv_inference_queue_duration_us"), legend: "{{model}} queue" },
              { expr: perRequest("nv_inference_compute_input_duration_us"), legend: "{{model}} input" },
              { expr: perRequest("nv_inference_compute_infer_duration_us"), legend: "{{model}} compute" },
              { expr: perRequest("nv_inference_compute_output_duration_us"), legend: "{{model}} output" },
            ],
          },
          {
            title: "Queue time, P50, P99",
            description: "Of the last minute, of the slowest replica",
            kind: "lines",
            unit: "s",
            queries: ["0.5", "0.99"].map((value) => ({
              expr: `max by (model) (${q.raw("nv_inference_queue_summary_us", model, `quantile="${value}"`)} >= 0) / 1e6`,
              legend: `{{model}} P${String(Number(value) * 100)}`,
            })),
          },
          panel(
            "Response cache, hit ratio",
            "Share of requests that were answered without computing; only of models with `responseCache`",
            "percentunit",
            `${hits} / (${hits} + ${rate("nv_cache_num_misses_per_model")} > 0)`,
            "{{model}}",
            { max: 1 },
          ),
          panel(
            "Load time",
            "Of the last start, by replica; Triton tells it in releases newer than 24.10",
            "s",
            `max by (replica) (${q.raw("nv_model_load_duration_secs", model)})`,
            "{{replica}}",
            { needs: "cluster" },
          ),
        ],
      },
    ],
  };
}
