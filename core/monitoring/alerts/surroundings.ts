import type { Alert } from "./alert.ts";
import type { MonitoredPlatform } from "../platform.ts";
import { minute, period, select, series } from "../promql.ts";

/** What the platform stands on: pods, the model store, certificates, Prometheus, and the time the stack has. */
export function surroundingAlerts(platform: MonitoredPlatform): Alert[] {
  return [
    ...(platform.target.kubernetes ? podAlerts(platform) : []),
    ...expiryAlerts(platform),
    ...prometheusAlerts(platform),
  ];
}

function podAlerts(platform: MonitoredPlatform): Alert[] {
  const ofPods = (metric: string, ...matchers: readonly string[]): string =>
    select(platform, metric, 'pod=~"triton-.+"', ...matchers);
  const restarts = (metric: string, seconds: number, ...matchers: readonly string[]): string =>
    `sum by (pod, container) (increase(${ofPods(metric, ...matchers)}[${period(platform, seconds)}]))`;
  const { thresholds } = platform.config;
  const left = thresholds.certificateExpiry / 1e6;
  return [
    {
      name: "TritonRestartLoop",
      severity: "warning",
      expr: `${restarts("kube_pod_container_status_restarts_total", 15 * minute)} > 2.5`,
      summary:
        'The container {{ $labels.container }} of {{ $labels.pod }} was started again {{ $value | printf "%.0f" }} times in 15 minutes',
    },
    {
      name: "TritonModelStoreDenied",
      severity: "critical",
      // The loader ends only when it cannot get the models: retries are inside it.
      expr: `${restarts("kube_pod_init_container_status_restarts_total", 15 * minute, 'container="loader"')} > 0.5`,
      summary:
        'The loader of {{ $labels.pod }} gave up {{ $value | printf "%.0f" }} times in 15 minutes: the model store denies access, or lacks what it must have',
    },
    {
      name: "TritonStartFails",
      severity: "critical",
      // A start may take most of an hour. One that was ready lately had its models, and ends for another reason.
      expr: [
        `${restarts("kube_pod_container_status_restarts_total", 60 * minute, 'container="triton"')} > 0.5`,
        `and on (pod) ${ofPods("kube_pod_container_status_last_terminated_reason", 'container="triton"', 'reason="Error"')} == 1`,
        `unless on (pod) max_over_time(${ofPods("kube_pod_status_ready", 'condition="true"')}[${period(platform, 15 * minute)}]) == 1`,
      ].join(" "),
      summary:
        'Triton of {{ $labels.pod }} ended {{ $value | printf "%.0f" }} times in an hour before it was ready: a model does not load, or the store that Triton itself reads (delivery: triton) denies access',
    },
    {
      name: "TritonCertificateExpiry",
      severity: "warning",
      expr: [
        `${select(platform, "certmanager_certificate_expiration_timestamp_seconds")} - time() < ${String(left)}`,
        `${series("probe_ssl_earliest_cert_expiry")} - time() < ${String(left)}`,
      ].join(" or "),
      for: 60 * minute,
      summary:
        "The certificate {{ if $labels.name }}{{ $labels.name }}{{ else }}at {{ $labels.instance }}{{ end }} ends in {{ $value | humanizeDuration }}",
    },
  ];
}

function expiryAlerts({ config }: MonitoredPlatform): Alert[] {
  return config.stackExpiry === undefined
    ? []
    : [
        {
          name: "TritonStackExpired",
          severity: "warning",
          expr: `vector(time()) - ${String(Date.parse(config.stackExpiry) / 1000)} > 0`,
          summary:
            "This stack should have been destroyed {{ $value | humanizeDuration }} ago, and still costs money",
        },
      ];
}

/** That rules are evaluated at all is seen from outside only: by a dead man's switch, as kube-prometheus-stack has it. */
function prometheusAlerts(platform: MonitoredPlatform): Alert[] {
  const over = (metric: string, ...matchers: readonly string[]): string =>
    `${series(metric, ...matchers)}[${period(platform, 5 * minute)}]`;
  return [
    {
      name: "TritonPrometheusRuleFailures",
      severity: "warning",
      expr: `sum by (instance, rule_group) (increase(${over("prometheus_rule_evaluation_failures_total", 'rule_group=~".*triton-.*"')})) > 0`,
      summary:
        'Prometheus at {{ $labels.instance }} failed {{ $value | printf "%.0f" }} evaluations of {{ $labels.rule_group }} in five minutes: alerts are missing',
    },
    {
      name: "TritonPrometheusReloadFailed",
      severity: "warning",
      expr: `${series("prometheus_config_last_reload_successful")} == 0`,
      for: 5 * minute,
      summary:
        "Prometheus at {{ $labels.instance }} refuses its configuration, and goes on with the last one",
    },
    {
      name: "TritonPrometheusNotIngesting",
      severity: "critical",
      expr: `sum by (instance) (rate(${over("prometheus_tsdb_head_samples_appended_total")})) == 0`,
      for: 5 * minute,
      summary: "Prometheus at {{ $labels.instance }} takes in no samples: nothing is watched",
    },
  ];
}
