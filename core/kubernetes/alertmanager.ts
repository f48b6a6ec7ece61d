import type { PrometheusStackConfig, ReceiverConfig } from "../spec/monitoring.ts";

type AlertmanagerConfig = PrometheusStackConfig["alertmanager"];
type Values = Readonly<Record<string, unknown>>;

/** Receives what nobody wants. */
const nobody = "nobody";

/**
 * Alertmanager's part of the chart's values: who gets what. Addresses and keys are read from files of mounted Secrets, which
 * are followed when they change, and are in no value. Source: Alertmanager, "Configuration"; `url_file` of webhooks is there
 * since 0.26.
 */
export function alertmanagerValues({ receivers, critical, warning }: AlertmanagerConfig): Values {
  const secrets = secretsOf({ receivers });
  return {
    config: {
      route: {
        receiver: nobody,
        // One message for what is wrong with one model.
        group_by: ["alertname", "namespace", "server", "model"],
        group_wait: "30s",
        group_interval: "5m",
        repeat_interval: "12h",
        routes: [...routes("critical", critical), ...routes("warning", warning)],
      },
      // What is burning fast need not be said a second time.
      inhibit_rules: [
        inhibit(
          "TritonNoReadyReplica",
          "TritonFailureRatio|TritonTargetDown|TritonAvailabilityBurn|TritonAvailabilityBurnSlow",
          ["namespace", "server"],
        ),
        inhibit("TritonAvailabilityBurn", "TritonAvailabilityBurnSlow|TritonFailureRatio", [
          "namespace",
          "server",
          "model",
        ]),
        inhibit("TritonLatencyBurn", "TritonLatencyBurnSlow", ["namespace", "server", "model"]),
      ],
      receivers: [
        { name: nobody },
        ...Object.entries(receivers).map(([name, receiver]) => ({ name, ...integration(receiver) })),
      ],
    },
    ...(secrets.length === 0 ? {} : { alertmanagerSpec: { secrets } }),
  };
}

/** Names of the Secrets that receivers read, each once. */
export function secretsOf({ receivers }: Pick<AlertmanagerConfig, "receivers">): string[] {
  return [...new Set(Object.values(receivers).map((receiver) => secretOf(receiver).secretName))].sort();
}

function secretOf(receiver: ReceiverConfig) {
  return receiver.kind === "pagerduty" ? receiver.routingKey : receiver.url;
}

function routes(severity: string, names: readonly string[]): Values[] {
  return names.map((receiver) => ({ receiver, matchers: [`severity="${severity}"`], continue: true }));
}

function inhibit(source: string, target: string, equal: readonly string[]): Values {
  return { source_matchers: [`alertname="${source}"`], target_matchers: [`alertname=~"${target}"`], equal };
}

const summaries = "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.runbook_url }}\n{{ end }}";
const title = '{{ if eq .Status "resolved" }}Over: {{ end }}{{ .CommonLabels.alertname }}';

function integration(receiver: ReceiverConfig): Values {
  const { secretName, key } = secretOf(receiver);
  const file = `/etc/alertmanager/secrets/${secretName}/${key}`;
  switch (receiver.kind) {
    case "webhook":
      return { webhook_configs: [{ url_file: file, send_resolved: true }] };
    case "slack":
      return {
        slack_configs: [
          { api_url_file: file, channel: receiver.channel, send_resolved: true, title, text: summaries },
        ],
      };
    case "pagerduty":
      return {
        pagerduty_configs: [
          {
            routing_key_file: file,
            send_resolved: true,
            severity: "{{ .CommonLabels.severity }}",
            description: title,
          },
        ],
      };
  }
}
