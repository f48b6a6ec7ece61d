import { monitoringObjects } from "../../core/kubernetes/monitoring.ts";
import { gpuCharts, type ChartRelease } from "../../core/kubernetes/charts.ts";
import { kubernetesOf } from "../../core/spec/platform.ts";
import { account, devConfig, planOf } from "../unit/core/aws-support.ts";
import { platformOf, type PlatformFields } from "./models.ts";

type Receivers = NonNullable<
  Extract<
    NonNullable<NonNullable<PlatformFields["monitoring"]>["prometheus"]>,
    { kind: "kube-prometheus-stack" }
  >["alertmanager"]
>["receivers"];

/** One of each kind. */
export const receivers = {
  pager: { kind: "pagerduty", routingKey: { secretName: "pagerduty", key: "routing-key" } },
  team: { kind: "slack", url: { secretName: "slack", key: "url" }, channel: "#triton" },
  tickets: { kind: "webhook", url: { secretName: "tickets", key: "url" } },
} as const satisfies Receivers;

/** Every chart that a stack can have installed, with every value that this project sets. */
export function everyChart(): readonly ChartRelease[] {
  const deployers = {
    principalArn: `arn:aws:iam::${account}:role/deployers`,
    policy: "clusterAdmin",
  } as const;
  const { cluster } = planOf(
    devConfig({
      kubernetes: { autoscaler: { kind: "keda", prometheusUrl: "http://prometheus:9090" } },
      eks: { cluster: { access: { deployers } } },
    }),
  );
  return [
    prometheusStack(),
    ...gpuCharts(onKubernetes({ gpu: { addon: "device-plugin", dcgmExporter: true } }).gpu),
    ...gpuCharts(onKubernetes({ gpu: { addon: "gpu-operator" } }).gpu),
    ...(cluster?.controllers ?? []).map(({ chart, vpcIdValue }) => ({
      ...chart,
      values: { ...chart.values, ...(vpcIdValue === undefined ? {} : { [vpcIdValue]: "vpc-1" }) },
    })),
  ];
}

/** kube-prometheus-stack with receivers of each kind, and volumes. */
export function prometheusStack(): ChartRelease {
  const volume = { size: "10GiB", storageClassName: "fast" };
  const config = platformOf({
    target: "kubernetes",
    kubernetes: { repository: { source: "s3", bucket: "models" } },
    monitoring: {
      prometheus: {
        kind: "kube-prometheus-stack",
        volume,
        grafana: { volume },
        alertmanager: { receivers, critical: ["pager", "team"], warning: ["tickets"] },
      },
    },
  });
  const { chart } = monitoringObjects([], config.monitoring, kubernetesOf(config));
  if (chart === undefined) throw new Error("the config asks for the chart");
  return chart;
}

function onKubernetes(kubernetes: Partial<NonNullable<PlatformFields["kubernetes"]>>) {
  const repository = { source: "s3", bucket: "models" } as const;
  return kubernetesOf(platformOf({ target: "kubernetes", kubernetes: { repository, ...kubernetes } }));
}
