import { describe, expect, it } from "vitest";
import * as z from "zod";
import { monitoringObjects, monitoringProblems } from "../../../core/kubernetes/monitoring.ts";
import { planKubernetes } from "../../../core/kubernetes/plan.ts";
import { planPlatform } from "../../../core/platform.ts";
import { kubernetesOf } from "../../../core/spec/platform.ts";
import { modelOf, platformOf, type PlatformFields } from "../../support/models.ts";

type Monitoring = NonNullable<PlatformFields["monitoring"]>;
type Kubernetes = Partial<NonNullable<PlatformFields["kubernetes"]>>;

const models = [
  modelOf("embed", { objectives: { latencyP99: "45ms", availability: "99.9%" } }),
  modelOf("chat", { upstream: "holysheep", callTimeout: "125s" }),
];

function configOf(monitoring: Monitoring, kubernetes: Kubernetes = {}) {
  return platformOf({
    target: "kubernetes",
    servers: { gpu: {}, llm: { models: ["chat"] } },
    monitoring,
    kubernetes: { repository: { source: "s3", bucket: "models" }, ...kubernetes },
  });
}

function objectsOf(monitoring: Monitoring, kubernetes: Kubernetes = {}) {
  const config = configOf(monitoring, kubernetes);
  const { value, problems } = planPlatform(models, config, "Pulumi.test.yaml");
  expect(problems).toEqual([]);
  return monitoringObjects(value.servers, config.monitoring, kubernetesOf(config));
}

function problemsOf(monitoring: Monitoring, kubernetes: Kubernetes = {}) {
  const config = configOf(monitoring, kubernetes);
  return monitoringProblems(config.monitoring, kubernetesOf(config), "Pulumi.test.yaml");
}

const stack = { kind: "kube-prometheus-stack" } as const;

describe("monitoring on a cluster", () => {
  it("is nothing that needs the Prometheus operator, unless it is asked for", () => {
    expect(objectsOf({})).toEqual({ serviceMonitors: [], podMonitors: [], dashboards: [] });
  });

  it("of a Prometheus that is there carries the labels it selects by, and dashboards where its Grafana looks", () => {
    const objects = objectsOf({
      prometheus: { kind: "existing", labels: { team: "ml" }, dashboards: { namespace: "grafana" } },
    });
    expect(objects.chart).toBeUndefined();
    for (const { metadata } of [
      ...objects.serviceMonitors,
      ...objects.podMonitors,
      objects.prometheusRule ?? {},
    ])
      expect(metadata).toMatchObject({ namespace: "triton", labels: { team: "ml" } });
    expect(objects.dashboards.map(({ metadata }) => metadata?.name)).toEqual([
      "dashboard-triton-fleet",
      "dashboard-triton-model",
      "dashboard-triton-balancer",
      "dashboard-triton-llm",
    ]);
    for (const { metadata } of objects.dashboards)
      expect(metadata).toMatchObject({ namespace: "grafana", labels: { grafana_dashboard: "1" } });
  });

  it("knows a replica by the labels that the rules ask for", () => {
    const { serviceMonitors, podMonitors } = objectsOf({ prometheus: stack });
    const relabelled = [
      ...serviceMonitors.flatMap(({ spec }) => spec.endpoints),
      ...podMonitors.flatMap(({ spec }) => spec.podMetricsEndpoints ?? []),
    ].map(({ relabelings = [] }) =>
      relabelings.map(({ targetLabel, replacement }) => [targetLabel, replacement]),
    );
    expect(relabelled).toEqual([
      [
        ["job", "triton"],
        ["server", undefined],
        ["replica", undefined],
      ],
      [["job", "haproxy"]],
    ]);
  });

  it.each([
    {
      gpu: { addon: "device-plugin", dcgmExporter: true },
      labels: { "app.kubernetes.io/name": "dcgm-exporter" },
    },
    { gpu: { addon: "gpu-operator" }, labels: { app: "nvidia-dcgm-exporter" } },
  ] satisfies { gpu: Kubernetes["gpu"]; labels: object }[])(
    "finds DCGM's exporter by $labels, with the node of its GPUs",
    ({ gpu, labels }) => {
      const { podMonitors, prometheusRule, dashboards } = objectsOf({ prometheus: stack }, { gpu });
      expect(podMonitors[1]).toMatchObject({
        spec: { namespaceSelector: { matchNames: ["gpu-addons"] }, selector: { matchLabels: labels } },
      });
      expect(JSON.stringify(prometheusRule)).toContain("TritonGpuXid");
      expect(dashboards.map(({ metadata }) => metadata?.name)).toContain("dashboard-triton-gpu");
    },
  );

  it("gives the GPU operator's exporter a counters file with ECC errors and throttling", () => {
    const config = configOf({}, { gpu: { addon: "gpu-operator" } });
    const { value: platform } = planPlatform(models, config, "f");
    const { value } = planKubernetes(platform, config, kubernetesOf(config), { file: "f", hasApiKey: true });
    const [chart] = value.charts;
    expect(chart?.values).toMatchObject({
      dcgmExporter: { config: { name: value.dcgmCounters?.metadata?.name } },
    });
    expect(value.dcgmCounters?.data?.["dcgm-metrics.csv"]).toMatch(/DCGM_FI_DEV_ECC_DBE_VOL_TOTAL, counter/);
  });

  it("installs the chart with what the config says, and every selector open", () => {
    const { chart, namespaceObject, grafanaAdminSecret } = objectsOf({
      prometheus: {
        ...stack,
        retention: "240h",
        volume: { size: "100GiB", storageClassName: "fast" },
        grafana: { volume: { size: "1GiB" } },
        chart: {
          repository: "oci://registry.example.com/charts",
          chart: "kps",
          version: "1.2.3",
          values: { grafana: { replicas: 2 } },
        },
      },
    });
    expect(chart).toMatchObject({
      repository: "oci://registry.example.com/charts",
      version: "1.2.3",
      namespace: "monitoring",
      values: {
        prometheus: {
          prometheusSpec: {
            ruleSelectorNilUsesHelmValues: false,
            serviceMonitorSelectorNilUsesHelmValues: false,
            podMonitorSelectorNilUsesHelmValues: false,
            probeSelectorNilUsesHelmValues: false,
            scrapeConfigSelectorNilUsesHelmValues: false,
            retention: "864000s",
            retentionSize: "87040MiB",
          },
        },
        grafana: { replicas: 2, admin: { existingSecret: "grafana-admin" }, persistence: { size: "1024Mi" } },
        kubeEtcd: { enabled: false },
      },
    });
    expect(namespaceObject?.metadata?.labels).toMatchObject({
      "pod-security.kubernetes.io/enforce": "privileged",
    });
    expect(grafanaAdminSecret).toMatchObject({
      metadata: { name: "grafana-admin", namespace: "monitoring" },
    });
    expect(JSON.stringify(grafanaAdminSecret)).not.toContain("stringData");
  });
});

describe("who gets alerts", () => {
  const receivers = {
    "on-call": { kind: "pagerduty", routingKey: { secretName: "pagerduty", key: "routing-key" } },
    chat: { kind: "slack", url: { secretName: "slack", key: "url" }, channel: "#triton" },
    ticket: { kind: "webhook", url: { secretName: "hooks", key: "tickets" } },
  } as const;
  const { chart } = objectsOf({
    prometheus: { ...stack, alertmanager: { receivers, critical: ["on-call", "chat"], warning: ["ticket"] } },
  });
  const { alertmanager } = z
    .object({
      alertmanager: z.object({
        config: z.looseObject({
          route: z.looseObject({
            receiver: z.string(),
            routes: z.array(
              z.object({ receiver: z.string(), matchers: z.array(z.string()), continue: z.boolean() }),
            ),
          }),
          receivers: z.array(z.looseObject({ name: z.string() })),
        }),
        alertmanagerSpec: z.object({ secrets: z.array(z.string()) }),
      }),
    })
    .parse(chart?.values);

  it("goes by severity, to all who are named; the rest to nobody", () => {
    const { route } = alertmanager.config;
    expect(route.receiver).toBe("nobody");
    expect(route.routes.map(({ receiver, matchers }) => [receiver, ...matchers])).toEqual([
      ["on-call", 'severity="critical"'],
      ["chat", 'severity="critical"'],
      ["ticket", 'severity="warning"'],
    ]);
    expect(route.routes.every((next) => next.continue)).toBe(true);
  });

  it("is reached by what mounted Secrets say", () => {
    expect(alertmanager.alertmanagerSpec.secrets).toEqual(["hooks", "pagerduty", "slack"]);
    expect(alertmanager.config.receivers).toMatchObject([
      { name: "nobody" },
      {
        name: "on-call",
        pagerduty_configs: [{ routing_key_file: "/etc/alertmanager/secrets/pagerduty/routing-key" }],
      },
      {
        name: "chat",
        slack_configs: [{ api_url_file: "/etc/alertmanager/secrets/slack/url", channel: "#triton" }],
      },
      { name: "ticket", webhook_configs: [{ url_file: "/etc/alertmanager/secrets/hooks/tickets" }] },
    ]);
  });
});

describe("what cannot work is refused:", () => {
  const receivers = { hook: { kind: "webhook", url: { secretName: "hook", key: "url" } } } as const;

  it.each([
    {
      what: "Prometheus among the servers, whose pods are restricted",
      monitoring: { prometheus: { ...stack, namespace: "triton" } },
      paths: [
        "triton-platform:monitoring.prometheus.namespace",
        "triton-platform:kubernetes.networkPolicies.prometheus",
      ],
    },
    {
      what: "Prometheus where no policy lets it in",
      monitoring: { prometheus: { ...stack, namespace: "observability" } },
      paths: ["triton-platform:kubernetes.networkPolicies.prometheus"],
    },
    {
      what: "Secrets in a namespace that is only made",
      monitoring: { prometheus: { ...stack, alertmanager: { receivers, critical: ["hook"] } } },
      paths: ["triton-platform:monitoring.prometheus.createNamespace"],
    },
  ] satisfies { what: string; monitoring: Monitoring; paths: string[] }[])(
    "$what",
    ({ monitoring, paths }) => {
      expect(problemsOf(monitoring).map(({ path }) => path)).toEqual(paths);
    },
  );

  it("and nothing where it can", () => {
    const monitoring = {
      prometheus: { ...stack, createNamespace: false, namespace: "obs", alertmanager: { receivers } },
    };
    const networkPolicies = { prometheus: { namespace: { "kubernetes.io/metadata.name": "obs" } } };
    expect(problemsOf(monitoring, { networkPolicies })).toEqual([]);
    expect(problemsOf({ prometheus: stack })).toEqual([]);
  });
});
