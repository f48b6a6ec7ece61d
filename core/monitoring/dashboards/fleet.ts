import type { MonitoredPlatform } from "../platform.ts";
import { noneOf } from "../promql.ts";
import { panel, Queries, type DashboardPlan } from "./plan.ts";

/** What to look at first: which model is slow, failing or queued, and whether its servers are there. */
export function fleetDashboard(platform: MonitoredPlatform): DashboardPlan {
  const q = new Queries(platform);
  const { failureRatio, pendingRequests } = platform.config.thresholds;
  const success = q.rate("nv_inference_request_success");
  const proxies = platform.models.filter(({ isProxy }) => isProxy).map(({ name }) => name);
  // Triton is done with a proxy's calls when they begin.
  const timedByTriton = proxies.length === 0 ? [] : [noneOf("model", proxies)];
  const summary = q.raw("nv_inference_request_summary_us", 'quantile="0.99"', ...timedByTriton);
  const latencies = [
    // NaN of a minute without calls.
    { expr: `max by (model) (${summary} >= 0) / 1e6`, legend: "{{model}}" },
    ...(proxies.length === 0
      ? []
      : [
          {
            expr: `histogram_quantile(0.99, sum by (model, le) (${q.rate("llm_request_seconds_bucket")}))`,
            legend: "{{model}}",
          },
        ]),
  ];
  return {
    id: "triton-fleet",
    title: "Triton: fleet",
    description: "Every model and server group at a glance",
    rows: [
      {
        title: "Now",
        panels: [
          panel(
            "Firing alerts",
            "Each has a runbook, linked in its annotation",
            "none",
            `count(${q.recorded("ALERTS", 'alertstate="firing"', 'alertname=~"Triton.+"')}) or vector(0)`,
            "alerts",
            { kind: "number", limits: [1, 5] },
          ),
          panel(
            "Requests",
            "Calls to all models",
            "reqps",
            `sum(${q.recorded("model:requests:rate1m")})`,
            "all models",
            {
              kind: "number",
            },
          ),
          panel(
            "Failing",
            "Share of all calls that fail or reach no server, over five minutes",
            "percentunit",
            `sum(sum_over_time(${q.recorded("model:failures:rate1m")}[5m])) / (sum(sum_over_time(${q.recorded("model:requests:rate1m")}[5m])) > 0) or vector(0)`,
            "all models",
            { kind: "number", limits: [0.001, failureRatio] },
          ),
          panel(
            "Replicas",
            "Tritons that give metrics",
            "none",
            `count(${q.raw("up", 'server=~".+"')} == 1)`,
            "replicas",
            { kind: "number" },
          ),
        ],
      },
      {
        title: "Models",
        panels: [
          panel(
            "Throughput",
            "Requests that were answered, by model. An ensemble's steps count as well",
            "reqps",
            `sum by (model) (${success})`,
            "{{model}}",
          ),
          panel(
            "Failing calls",
            "Share of a model's calls that failed or reached no server, over five minutes. What clients cancelled or got wrong does not count",
            "percentunit",
            q.recorded("model:availability_errors:ratio_5m"),
            "{{model}}",
            { limits: [0.001, failureRatio] },
          ),
          {
            title: "Latency, P99",
            description:
              "Of the last minute, of the slowest replica: quantiles cannot be averaged. Of an LLM proxy over all replicas, by its own histogram",
            kind: "lines",
            unit: "s",
            queries: latencies,
          },
          panel(
            "Queue time",
            "Mean time that a request waits for an instance",
            "s",
            `sum by (model) (${q.rate("nv_inference_queue_duration_us", ...timedByTriton)}) / 1e6 / (sum by (model) (${success}) > 0)`,
            "{{model}}",
          ),
          panel(
            "Waiting requests",
            "By model, on all replicas together",
            "none",
            `sum by (model) (${q.raw("nv_inference_pending_request_count")})`,
            "{{model}}",
            { limits: [pendingRequests / 2, pendingRequests] },
          ),
          panel(
            "Error budget, burn rate",
            "How many times faster than allowed the availability's budget of 30 days burns, over an hour: 1 is as allowed, 14.4 wakes somebody",
            "none",
            `${q.recorded("model:availability_errors:ratio_1h")} / on (server, model) ${q.recorded("model:availability_budget:ratio")}`,
            "{{model}}",
            { limits: [1, 14.4] },
          ),
        ],
      },
      {
        title: "Servers",
        panels: [
          panel(
            "Ready replicas",
            "As the balancer sees them, by server group",
            "none",
            `max by (proxy) (${q.raw("haproxy_backend_active_servers", 'proxy=~"http-[^.]+"')})`,
            "{{proxy}}",
          ),
          panel(
            "CPU",
            "Of the machine or the pod, as Triton sees it",
            "percentunit",
            `max by (replica) (${q.raw("nv_cpu_utilization")}) / 100`,
            "{{replica}}",
            { max: 1 },
          ),
          panel(
            "Main memory",
            "Used share, as Triton sees it",
            "percentunit",
            `max by (replica) (${q.raw("nv_cpu_memory_used_bytes")} / ${q.raw("nv_cpu_memory_total_bytes")})`,
            "{{replica}}",
            { max: 1, limits: [0.85, 0.95] },
          ),
        ],
      },
    ],
  };
}
