import type { Alert } from "./alert.ts";
import type { MonitoredPlatform } from "../platform.ts";
import { minute, oneOf, period, select } from "../promql.ts";
import { withServer } from "../recording.ts";

/** Whether calls can be answered: targets, replicas, failures, queues. */
export function servingAlerts(platform: MonitoredPlatform): Alert[] {
  const { config, models, servers } = platform;
  const { thresholds } = config;
  const of = (metric: string, ...matchers: readonly string[]): string =>
    select(platform, metric, ...matchers);
  const awake = servers.filter(({ sleeps }) => !sleeps).map(({ name }) => `http-${name}`);
  const limit = String(thresholds.pendingRequests);
  return [
    {
      name: "TritonTargetDown",
      severity: "warning",
      expr: `${of("up", 'job=~"triton|haproxy"')} == 0`,
      for: 2 * minute,
      summary:
        "{{ $labels.job }} at {{ $labels.instance }}{{ if $labels.replica }} ({{ $labels.replica }}){{ end }} has given no metrics for two minutes",
    },
    {
      name: "TritonBalancerDown",
      severity: "critical",
      expr: `(count(${of("up", 'job="haproxy"')} == 1) or vector(0)) == 0`,
      for: minute,
      summary: "No balancer gives metrics: calls reach no model",
    },
    ...(awake.length === 0
      ? []
      : [
          {
            name: "TritonNoReadyReplica",
            severity: "critical",
            expr: `max by (server) (${withServer(of("haproxy_backend_active_servers", oneOf("proxy", awake)))}) == 0`,
            for: minute,
            summary: "No replica of {{ $labels.server }} is ready: every call to its models fails",
          } as const,
        ]),
    {
      name: "TritonReplicaFlapping",
      severity: "warning",
      expr: `max by (proxy, replica) (label_replace(increase(${of("haproxy_server_check_up_down_total", 'proxy=~"http-[^.]+"')}[${period(platform, 15 * minute)}]), "replica", "$1", "server", "(.+)")) > 2.5`,
      summary:
        '{{ $labels.replica }} was lost to the balancer {{ $value | printf "%.0f" }} times in 15 minutes: it dies, or stops answering, again and again',
    },
    {
      name: "TritonFailureRatio",
      severity: "warning",
      expr: `${of("model:availability_errors:ratio_5m")} > ${String(thresholds.failureRatio)}`,
      for: 2 * minute,
      summary:
        "{{ $value | humanizePercentage }} of the calls to {{ $labels.model }} on {{ $labels.server }} failed in the last five minutes",
    },
    ...(models.every(({ isProxy }) => isProxy)
      ? []
      : [
          {
            name: "TritonQueueTime",
            severity: "warning",
            expr: `avg_over_time(${of("model:queue_time:mean1m")}[${period(platform, 5 * minute)}]) > on (server, model) ${of("model:queue_limit:seconds")}`,
            for: 5 * minute,
            summary:
              "Requests wait {{ $value | humanizeDuration }} in the queue of {{ $labels.model }} on {{ $labels.server }}, in the mean of five minutes",
          } as const,
        ]),
    {
      name: "TritonPendingRequests",
      severity: "warning",
      expr: [
        `avg by (server, model) (${of("nv_inference_pending_request_count")}) > ${limit}`,
        ...(models.some(({ isProxy }) => isProxy)
          ? [`avg by (server, model) (${of("llm_calls_waiting")}) > ${limit}`]
          : []),
      ].join(" or "),
      for: 2 * minute,
      summary:
        '{{ $value | printf "%.0f" }} requests wait for {{ $labels.model }} on each replica of {{ $labels.server }}',
    },
    {
      name: "TritonModelLoadSlow",
      severity: "warning",
      expr: `max by (server, model) (${of("nv_model_load_duration_secs")}) > on (server) group_left () (0.5 * ${of("server:startup_limit:seconds")})`,
      summary:
        "{{ $labels.model }} took {{ $value | humanizeDuration }} to load on {{ $labels.server }}: more than half of what a start may take before it counts as failed",
    },
  ];
}
