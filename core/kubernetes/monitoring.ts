import type {
  IPodMonitor,
  IPrometheusRule,
  IServiceMonitor,
} from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import type { IConfigMap, INamespace, ISecret } from "kubernetes-models/v1";
import { grafanaDashboard } from "../monitoring/dashboards/grafana.ts";
import { dashboardsOf } from "../monitoring/dashboards/index.ts";
import { dcgmCounters } from "../monitoring/dcgm-counters.ts";
import { monitoredPlatform, type MonitoredPlatform } from "../monitoring/platform.ts";
import { ruleFile } from "../monitoring/rules.ts";
import { metricFilters, type MetricFilter } from "../monitoring/scrape.ts";
import { present } from "../objects.ts";
import type { ServerPlan } from "../platform.ts";
import type { KubernetesConfig } from "../spec/kubernetes.ts";
import type { MonitoringConfig, PrometheusStackConfig } from "../spec/monitoring.ts";
import type { Problem } from "../spec/problem.ts";
import { alertmanagerValues, secretsOf } from "./alertmanager.ts";
import { chartRelease, dcgmCountersName, type ChartRelease } from "./charts.ts";
import { allServers, balancerSelector, namespaceObject, objectLabels, partOf } from "./names.ts";

/**
 * What watches the platform on a cluster: what Prometheus scrapes and works out, dashboards and, where there is no
 * Prometheus yet, kube-prometheus-stack. All of it from the same definitions as on any other target.
 */
export interface MonitoringObjects {
  /** Of kube-prometheus-stack; undefined where it is there, or not installed here. */
  readonly namespaceObject?: INamespace;
  readonly chart?: ChartRelease;
  /** Of Grafana's administrator: the component puts the password in. */
  readonly grafanaAdminSecret?: ISecret;
  readonly serviceMonitors: readonly IServiceMonitor[];
  readonly podMonitors: readonly IPodMonitor[];
  readonly prometheusRule?: IPrometheusRule;
  readonly dashboards: readonly IConfigMap[];
}

/** Keys of the Secret with Grafana's administrator, as the chart reads them. */
export const grafanaAdmin = {
  name: "grafana-admin",
  userKey: "admin-user",
  passwordKey: "admin-password",
} as const;

/** As often as rules look at a minute. */
const scrapeInterval = 15;

export function monitoringObjects(
  servers: readonly ServerPlan[],
  monitoring: MonitoringConfig,
  config: KubernetesConfig,
): MonitoringObjects {
  const { prometheus } = monitoring;
  if (prometheus === undefined) return { serviceMonitors: [], podMonitors: [], dashboards: [] };
  const platform = monitoredOnCluster(servers, monitoring, config);
  const labels = prometheus.kind === "existing" ? prometheus.labels : {};
  const dashboards =
    prometheus.kind === "existing"
      ? prometheus.dashboards
      : prometheus.grafana.enabled
        ? { namespace: config.namespace, labels: sidecarLabel }
        : undefined;
  return {
    serviceMonitors: [serverMonitor(config, labels)],
    podMonitors: [balancerMonitor(config, labels), ...dcgmMonitors(config, labels)],
    prometheusRule: {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "PrometheusRule",
      metadata: metadataOf("triton", config, labels),
      spec: {
        groups: ruleFile(platform).groups.map((group) => ({
          ...group,
          rules: group.rules.map((rule) => ({ ...rule })),
        })),
      },
    },
    dashboards:
      dashboards === undefined
        ? []
        : dashboardsOf(platform).map((plan) => ({
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: {
              name: `dashboard-${plan.id}`,
              namespace: dashboards.namespace,
              labels: { ...objectLabels(partOf), ...dashboards.labels },
            },
            data: { [`${plan.id}.json`]: `${JSON.stringify(grafanaDashboard(plan), null, 2)}\n` },
          })),
    ...(prometheus.kind === "kube-prometheus-stack" ? stackObjects(prometheus) : {}),
  };
}

/** The platform as rules and dashboards on a cluster see it. */
export function monitoredOnCluster(
  servers: readonly ServerPlan[],
  monitoring: MonitoringConfig,
  { namespace, gpu }: KubernetesConfig,
): MonitoredPlatform {
  const hasDcgm = gpu.dcgmExporter || gpu.addon === "gpu-operator";
  const hasGpus = servers.some(({ devices }) => devices !== undefined);
  return monitoredPlatform(servers, monitoring, {
    scope: { namespace },
    scrapeInterval,
    gpu: hasDcgm ? "dcgm" : hasGpus ? "triton" : "none",
    kubernetes: true,
  });
}

/** What is wrong with the place of the monitoring, and who cannot reach whom. `file` names the stack's config. */
export function monitoringProblems(
  { prometheus }: Pick<MonitoringConfig, "prometheus">,
  { namespace, networkPolicies }: Pick<KubernetesConfig, "namespace" | "networkPolicies">,
  file: string,
): Problem[] {
  if (prometheus?.kind !== "kube-prometheus-stack") return [];
  const report = (path: string, message: string, hint: string): Problem => ({
    file,
    path: `triton-platform:${path}`,
    message,
    hint,
  });
  const { grafana, alertmanager, createNamespace } = prometheus;
  const wanted = [
    ...secretsOf(alertmanager),
    ...(grafana.adminSecretName === undefined ? [] : [grafana.adminSecretName]),
  ];
  const letIn = networkPolicies.prometheus.namespace["kubernetes.io/metadata.name"];
  return [
    ...(prometheus.namespace === namespace
      ? [
          report(
            "monitoring.prometheus.namespace",
            `\`${namespace}\` is the servers' namespace, which has the restricted pod standard, and the node exporter needs the privileged one`,
            "name another one, or leave it out: monitoring",
          ),
        ]
      : []),
    ...(networkPolicies.enabled && letIn !== undefined && letIn !== prometheus.namespace
      ? [
          report(
            "kubernetes.networkPolicies.prometheus",
            `lets \`${letIn}\` read metrics, and Prometheus is in \`${prometheus.namespace}\``,
            `write \`prometheus: { namespace: { kubernetes.io/metadata.name: ${prometheus.namespace} } }\``,
          ),
        ]
      : []),
    ...(createNamespace && wanted.length > 0
      ? [
          report(
            "monitoring.prometheus.createNamespace",
            `true, and pods want the existing Secrets ${wanted.map((name) => `\`${name}\``).join(", ")} in it`,
            `write false, and make the namespace ${prometheus.namespace} with them before (docs/monitoring.md)`,
          ),
        ]
      : []),
  ];
}

/** By which the chart's sidecar finds dashboards, wherever they are. */
const sidecarLabel = { grafana_dashboard: "1" } as const;

type Labels = Readonly<Record<string, string>>;

function metadataOf(name: string, { namespace }: KubernetesConfig, labels: Labels) {
  return { name, namespace, labels: { ...objectLabels(partOf), ...labels } };
}

/**
 * Tritons by their Service: autoscaling asks for its label `service`. What the rules know a replica by comes from labels of
 * the Service and the pod.
 */
function serverMonitor(config: KubernetesConfig, labels: Labels): IServiceMonitor {
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "ServiceMonitor",
    metadata: metadataOf("triton-servers", config, labels),
    spec: {
      selector: { matchLabels: { ...allServers } },
      endpoints: [
        {
          ...endpoint("triton"),
          relabelings: [
            jobIs("triton"),
            {
              sourceLabels: ["__meta_kubernetes_service_label_app_kubernetes_io_instance"],
              targetLabel: "server",
            },
            { sourceLabels: ["__meta_kubernetes_pod_name"], targetLabel: "replica" },
          ],
        },
      ],
    },
  };
}

/** Balancers by their pods: the Service of clients has no port for metrics. */
function balancerMonitor(config: KubernetesConfig, labels: Labels): IPodMonitor {
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PodMonitor",
    metadata: metadataOf("triton-balancer", config, labels),
    spec: {
      selector: { matchLabels: { ...balancerSelector } },
      podMetricsEndpoints: [{ ...endpoint("haproxy"), relabelings: [jobIs("haproxy")] }],
    },
  };
}

/** The exporter's pods, of its own chart or the GPU operator's, with the node whose GPUs they are. */
function dcgmMonitors(config: KubernetesConfig, labels: Labels): IPodMonitor[] {
  const { gpu } = config;
  const selectors = [
    ...(gpu.dcgmExporter ? [{ "app.kubernetes.io/name": "dcgm-exporter" }] : []),
    ...(gpu.addon === "gpu-operator" ? [{ app: "nvidia-dcgm-exporter" }] : []),
  ];
  return selectors.map((matchLabels) => ({
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PodMonitor",
    metadata: metadataOf("triton-dcgm", config, labels),
    spec: {
      namespaceSelector: { matchNames: [gpu.namespace] },
      selector: { matchLabels },
      podMetricsEndpoints: [
        {
          port: "metrics",
          interval: `${String(scrapeInterval)}s`,
          relabelings: [
            jobIs("dcgm"),
            { sourceLabels: ["__meta_kubernetes_pod_node_name"], targetLabel: "node" },
          ],
        },
      ],
    },
  }));
}

function endpoint(job: "triton" | "haproxy") {
  const filter: MetricFilter | undefined = metricFilters[job];
  return {
    port: "metrics",
    interval: `${String(scrapeInterval)}s`,
    ...present({
      metricRelabelings:
        filter === undefined
          ? undefined
          : [{ sourceLabels: [filter.sourceLabel], regex: filter.regex, action: filter.action }],
    }),
  };
}

function jobIs(job: string) {
  return { targetLabel: "job", replacement: job };
}

/** DCGM's counters file, where the GPU operator's exporter looks for it. */
export function dcgmCountersConfigMap({ gpu }: KubernetesConfig): IConfigMap | undefined {
  return gpu.addon === "gpu-operator"
    ? {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: dcgmCountersName, namespace: gpu.namespace, labels: { ...objectLabels(partOf) } },
        data: { "dcgm-metrics.csv": dcgmCounters() },
      }
    : undefined;
}

function stackObjects(stack: PrometheusStackConfig): Partial<MonitoringObjects> {
  const { namespace, createNamespace, grafana } = stack;
  const ownSecret = grafana.enabled && grafana.adminSecretName === undefined;
  return {
    chart: chartRelease("kube-prometheus-stack", namespace, stack.chart, stackValues(stack)),
    ...(createNamespace ? { namespaceObject: namespaceObject(namespace, "privileged") } : {}),
    ...(ownSecret
      ? {
          grafanaAdminSecret: {
            apiVersion: "v1",
            kind: "Secret",
            metadata: { name: grafanaAdmin.name, namespace, labels: { ...objectLabels(partOf) } },
            type: "Opaque",
          },
        }
      : {}),
  };
}

/**
 * Every monitor, rule and dashboard of the cluster is taken in, whoever made it. What runs the control plane is not to be
 * scraped on managed clusters (EKS, GKE, AKS); on one's own it is switched on by `chart.values`.
 * Keys: charts/kube-prometheus-stack/values.yaml of prometheus-community/helm-charts, 88.5.3 and 91.5.1.
 */
function stackValues(stack: PrometheusStackConfig): Readonly<Record<string, unknown>> {
  const { grafana, retention, volume, replicas } = stack;
  const selectors = ["rule", "serviceMonitor", "podMonitor", "probe", "scrapeConfig"];
  const absent = { enabled: false };
  return {
    kubeControllerManager: absent,
    kubeEtcd: absent,
    kubeProxy: absent,
    kubeScheduler: absent,
    prometheus: {
      prometheusSpec: {
        ...Object.fromEntries(selectors.map((name) => [`${name}SelectorNilUsesHelmValues`, false])),
        replicas,
        retention: `${String(Math.floor(retention / 1e6))}s`,
        // Before the volume is full, since Prometheus does not come back from that by itself.
        retentionSize: `${String(Math.floor((volume.size * 0.85) / 1024 ** 2))}MiB`,
        storageSpec: { volumeClaimTemplate: { spec: claim(volume) } },
      },
    },
    alertmanager: alertmanagerValues(stack.alertmanager),
    grafana: grafana.enabled
      ? {
          enabled: true,
          admin: {
            existingSecret: grafana.adminSecretName ?? grafanaAdmin.name,
            userKey: grafanaAdmin.userKey,
            passwordKey: grafanaAdmin.passwordKey,
          },
          sidecar: {
            dashboards: {
              enabled: true,
              label: "grafana_dashboard",
              labelValue: "1",
              searchNamespace: "ALL",
            },
          },
          ...(grafana.volume === undefined
            ? {}
            : {
                persistence: {
                  enabled: true,
                  size: inMebibytes(grafana.volume.size),
                  ...present({ storageClassName: grafana.volume.storageClassName }),
                },
              }),
        }
      : absent,
  };
}

function claim({ size, storageClassName }: PrometheusStackConfig["volume"]) {
  return {
    accessModes: ["ReadWriteOnce"],
    resources: { requests: { storage: inMebibytes(size) } },
    ...present({ storageClassName }),
  };
}

function inMebibytes(bytes: number): string {
  return `${String(Math.ceil(bytes / 1024 ** 2))}Mi`;
}
