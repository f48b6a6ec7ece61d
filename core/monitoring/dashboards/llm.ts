import type { MonitoredPlatform } from "../platform.ts";
import { panel, Queries, type DashboardPlan } from "./plan.ts";

/** The LLM proxy: answers, tokens, money, and how the API behind it does. */
export function llmDashboard(platform: MonitoredPlatform): DashboardPlan {
  const q = new Queries(platform);
  const rate = (metric: string, by: string, ...matchers: readonly string[]): string =>
    `sum by (${by}) (${q.rate(metric, ...matchers)})`;
  const spent = (metric: string): string => `sum by (model) (increase(${q.raw(metric)}[1d]))`;
  const quantile = (value: number) => ({
    expr: `histogram_quantile(${String(value)}, ${rate("llm_request_seconds_bucket", "model, le")})`,
    legend: `{{model}} P${String(value * 100)}`,
  });
  const { dailyBudget } = platform.config;
  const limits = dailyBudget === undefined ? {} : { limits: [dailyBudget * 0.8, dailyBudget] as const };
  return {
    id: "triton-llm",
    title: "Triton: LLM proxy",
    description: "Calls to the LLM API: answers, tokens, cost, and its health",
    rows: [
      {
        title: "Now",
        panels: [
          panel(
            "Cost, 24 hours",
            "At the prices in the model's spec",
            "currencyUSD",
            spent("llm_cost_usd_total"),
            "{{model}}",
            { kind: "number", ...limits },
          ),
          panel(
            "The same at the reference price",
            "What these tokens would have cost at the provider compared with",
            "currencyUSD",
            spent("llm_reference_cost_usd_total"),
            "{{model}}",
            { kind: "number" },
          ),
          panel(
            "Saved",
            "Share of the reference price that was not paid",
            "percentunit",
            `1 - ${spent("llm_cost_usd_total")} / (${spent("llm_reference_cost_usd_total")} > 0)`,
            "{{model}}",
            { kind: "number" },
          ),
          panel(
            "Circuit breaker",
            "0 is closed. 2 is open: the API fails, and calls are refused at once. 1 looks whether it is back",
            "none",
            `max by (model) (${q.raw("llm_breaker_state")})`,
            "{{model}}",
            { kind: "number", limits: [1, 2] },
          ),
        ],
      },
      {
        title: "Calls",
        panels: [
          panel(
            "By outcome",
            "`ok`, or the error's code: docs/llm-backend.md says what each means",
            "reqps",
            `${rate("llm_requests_total", "outcome")} > 0`,
            "{{outcome}}",
          ),
          {
            title: "Latency, P50, P95, P99",
            description: "Of answered calls, waiting and retries included",
            kind: "lines",
            unit: "s",
            queries: [quantile(0.5), quantile(0.95), quantile(0.99)],
          },
          {
            title: "Running and waiting",
            description: "Calls to the API, and those that wait for a free slot (`max_concurrency`)",
            kind: "lines",
            unit: "none",
            queries: [
              { expr: `sum by (model) (${q.raw("llm_calls_running")})`, legend: "{{model}} running" },
              { expr: `sum by (model) (${q.raw("llm_calls_waiting")})`, legend: "{{model}} waiting" },
              { expr: `sum by (model) (${q.raw("llm_rows_pending")})`, legend: "{{model}} rows" },
            ],
          },
        ],
      },
      {
        title: "Tokens and money",
        panels: [
          panel(
            "Tokens",
            "A history that grows shows in prompt tokens",
            "cps",
            rate("llm_tokens_total", "kind"),
            "{{kind}}",
          ),
          {
            title: "Cost, per hour",
            description: "At the prices in the model's spec, and at the reference price",
            kind: "lines",
            unit: "currencyUSD",
            queries: [
              { expr: `3600 * ${rate("llm_cost_usd_total", "model")}`, legend: "{{model}}" },
              {
                expr: `3600 * ${rate("llm_reference_cost_usd_total", "model")}`,
                legend: "{{model}} reference",
              },
            ],
          },
          panel(
            "Conversations found",
            "Hit ratio of the memory of conversations. Low with several replicas: clients send no x-conversation-id, or change it",
            "percentunit",
            `${rate("llm_conversation_lookups_total", "model", 'result="hit"')} / (${rate("llm_conversation_lookups_total", "model")} > 0)`,
            "{{model}}",
            { max: 1 },
          ),
          {
            title: "Conversations kept",
            description: "In memory, bounded by number, bytes and age",
            kind: "lines",
            unit: "short",
            queries: [{ expr: `sum by (replica) (${q.raw("llm_conversations")})`, legend: "{{replica}}" }],
          },
        ],
      },
      {
        title: "The API",
        panels: [
          panel(
            "Latency of one attempt, mean",
            "Whatever became of it",
            "s",
            `${rate("llm_upstream_seconds_total", "model")} / (${rate("llm_upstream_attempts_total", "model")} > 0)`,
            "{{model}}",
          ),
          panel(
            "Attempts for each call",
            "More than 1: retries",
            "none",
            `${rate("llm_upstream_attempts_total", "model")} / (${rate("llm_requests_total", "model")} > 0)`,
            "{{model}}",
          ),
          panel(
            "Retries, by reason",
            "LLM_RATE_LIMITED is a 429: the account's limit",
            "reqps",
            rate("llm_retries_total", "reason"),
            "{{reason}}",
          ),
          panel(
            "Circuit breaker, by replica",
            "0 closed, 1 looking, 2 open",
            "none",
            `max by (replica) (${q.raw("llm_breaker_state")})`,
            "{{replica}}",
            { max: 2 },
          ),
        ],
      },
    ],
  };
}
