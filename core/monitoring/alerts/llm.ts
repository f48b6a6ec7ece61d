import type { Alert } from "./alert.ts";
import type { MonitoredPlatform } from "../platform.ts";
import { day, minute, period, select } from "../promql.ts";

/** The LLM API behind the proxy, and what it costs. */
export function llmAlerts(platform: MonitoredPlatform): Alert[] {
  const { config, models } = platform;
  if (!models.some(({ isProxy }) => isProxy)) return [];
  const of = (metric: string, ...matchers: readonly string[]): string =>
    select(platform, metric, ...matchers);
  return [
    {
      name: "TritonLlmBreakerOpen",
      severity: "critical",
      // While it is open it looks every ten seconds whether the API is back, and is half-open then.
      expr: `max by (server, model, replica) (max_over_time(${of("llm_breaker_state")}[${period(platform, minute)}])) == 2`,
      for: minute,
      summary:
        "The circuit breaker of {{ $labels.model }} on {{ $labels.replica }} is open: its LLM API fails, and calls are refused at once",
    },
    {
      name: "TritonLlmBadKey",
      severity: "critical",
      expr: `sum by (server, model) (increase(${of("llm_requests_total", 'outcome=~"LLM_UNAUTHORIZED|LLM_FORBIDDEN|LLM_NO_KEY"')}[${period(platform, 5 * minute)}])) > 0`,
      summary:
        'The LLM API refused the key of {{ $labels.model }} {{ $value | printf "%.0f" }} times in five minutes (401 or 403)',
    },
    ...(config.dailyBudget === undefined
      ? []
      : [
          {
            name: "TritonLlmSpend",
            severity: "warning",
            expr: `sum by (model) (increase(${of("llm_cost_usd_total")}[${period(platform, day)}])) > ${String(config.dailyBudget)}`,
            summary: `{{ $labels.model }} cost {{ $value | printf "%.2f" }} US dollars in 24 hours, of ${config.dailyBudget.toFixed(2)} that it may`,
          } as const,
        ]),
  ];
}
