import type { IScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import type {
  IHorizontalPodAutoscaler,
  IHorizontalPodAutoscalerBehavior,
  IMetricSpec,
} from "kubernetes-models/autoscaling/v2";
import { backendName, conversationsName } from "../haproxy/backends.ts";
import type { ServerPlan } from "../platform.ts";
import type { AutoscalerConfig, AutoscalingConfig, KubernetesConfig } from "../spec/kubernetes.ts";
import type { Problem } from "../spec/problem.ts";
import { formatDuration } from "../spec/units.ts";
import type { ServerTiming } from "../timing/kubernetes.ts";
import { objectLabels, serverObjectName, serverSelector } from "./names.ts";

/**
 * Replicas by load. What is measured comes from Triton's metrics as Prometheus has them, with the labels `namespace`,
 * `service` and `pod` that a ServiceMonitor gives (kube-prometheus), scraped every 30 s or more often:
 *
 * - `queueTime`: how long a request waits in its model's queue, in µs, mean over two minutes and all replicas; of the
 *   group's models the longest. A mean over the models would hide the one that waits behind those that do not. It says
 *   little where calls take minutes: `pendingRequests` is for those;
 * - `pendingRequests`: requests that wait, of all models, for each replica.
 */

/** Source: Kubernetes API, HPAScalingRules and HPAScalingPolicy: the longest window and the longest period, in seconds. */
const longestWindow = 3_600;
const longestPeriod = 1_800;

/** What an autoscaler needs to know of one server group. */
export interface ScaledServer {
  readonly name: string;
  readonly namespace: string;
  readonly autoscaling: AutoscalingConfig;
  readonly timing: ServerTiming;
}

/**
 * KEDA's. Where Prometheus does not answer or has no such series, the group keeps the replicas it has, and one that
 * sleeps wakes up. A group that may sleep is woken by calls that reach the balancer, and sleeps again once there were
 * none for `scaleDownStabilization`. Needs KEDA 2.17 or later (`fallback.behavior`).
 */
export function scaledObject(
  server: ScaledServer,
  { prometheusUrl }: Extract<AutoscalerConfig, { kind: "keda" }>,
): IScaledObject {
  const { autoscaling, name, timing } = server;
  const { minReplicas, maxReplicas } = autoscaling;
  return {
    apiVersion: "keda.sh/v1alpha1",
    kind: "ScaledObject",
    metadata: metadataOf(server),
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: serverObjectName(name) },
      minReplicaCount: minReplicas,
      maxReplicaCount: maxReplicas,
      pollingInterval: 15,
      // One that wakes is not sent to sleep again before it serves.
      cooldownPeriod: Math.max(stabilization(autoscaling), replicaStart(timing)),
      fallback: {
        failureThreshold: 3,
        replicas: Math.max(1, minReplicas),
        behavior: "currentReplicasIfHigher",
      },
      advanced: { horizontalPodAutoscalerConfig: { behavior: behavior(server) } },
      triggers: kedaTriggers(server).map(({ name: trigger, query, threshold }) => ({
        type: "prometheus",
        name: trigger,
        // The only type that KEDA's fallback knows in all versions.
        metricType: "AverageValue",
        metadata: {
          serverAddress: prometheusUrl,
          query,
          threshold: String(threshold),
          // Else a query without an answer counts as no load.
          ignoreNullValues: "false",
        },
      })),
    },
  };
}

/**
 * HPA v2 on metrics of the group's Service, which the Prometheus adapter serves by `prometheusAdapterRules`. Without an
 * answer it leaves the replicas as they are.
 */
export function horizontalPodAutoscaler(server: ScaledServer): IHorizontalPodAutoscaler {
  const { name, autoscaling } = server;
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: metadataOf(server),
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: serverObjectName(name) },
      minReplicas: autoscaling.minReplicas,
      maxReplicas: autoscaling.maxReplicas,
      metrics: [adapterMetric(server)],
      behavior: behavior(server),
    },
  };
}

/** One rule of the Prometheus adapter's configuration. */
export interface AdapterRule {
  readonly seriesQuery: string;
  readonly resources: {
    readonly overrides: Readonly<Record<string, { readonly resource: string }>>;
  };
  readonly name: { readonly as: string };
  readonly metricsQuery: string;
}

/**
 * What the Prometheus adapter needs for `horizontalPodAutoscaler`: the entries of `rules` in its `config.yaml`, or of
 * `rules.custom` in its chart's values. They are the same for all servers and namespaces.
 * Source: prometheus-adapter, docs/config.md.
 */
export const prometheusAdapterRules: readonly AdapterRule[] = [
  {
    seriesQuery: 'nv_inference_request_success{namespace!="",service!=""}',
    name: { as: "triton_queue_time_us" },
    metricsQuery: `max by (<<.GroupBy>>) (${queueTimeByModel("<<.LabelMatchers>>", "model, <<.GroupBy>>")})`,
  },
  {
    seriesQuery: 'nv_inference_pending_request_count{namespace!="",service!=""}',
    name: { as: "triton_pending_requests" },
    metricsQuery: "sum by (<<.GroupBy>>) (nv_inference_pending_request_count{<<.LabelMatchers>>})",
  },
].map((rule) => ({
  ...rule,
  resources: { overrides: { namespace: { resource: "namespace" }, service: { resource: "service" } } },
}));

/** Everything wrong with how the groups are to scale. `file` names the stack's config. */
export function autoscalingProblems(
  servers: readonly Pick<ServerPlan, "name" | "config" | "isDefault">[],
  { autoscaler }: Pick<KubernetesConfig, "autoscaler">,
  file: string,
): Problem[] {
  return servers.flatMap(({ name, config: { autoscaling }, isDefault }) => {
    if (autoscaling === undefined) return [];
    const report = (field: string, message: string, hint: string): Problem => ({
      file,
      path: `triton-platform:servers.${name}.autoscaling${field}`,
      message,
      hint,
    });
    const problems: Problem[] = [];
    if (autoscaler === undefined)
      problems.push(
        report(
          "",
          "there is no autoscaler to scale this server",
          "name the cluster's, like `triton-platform:kubernetes.autoscaler: { kind: keda, prometheusUrl: … }`, or write `replicas` instead",
        ),
      );
    const sleeps = autoscaling.minReplicas === 0;
    if (sleeps && autoscaler?.kind === "hpa")
      problems.push(
        report(
          ".minReplicas",
          "0, and HPA v2 never starts the first replica",
          "write 1 or more, or take KEDA (`kubernetes.autoscaler: { kind: keda, … }`)",
        ),
      );
    if (sleeps && isDefault)
      problems.push(
        report(
          ".minReplicas",
          "0, and the balancer says that it is healthy only while a replica of the default server is",
          "write 1 or more, or make another server the default",
        ),
      );
    if (stabilization(autoscaling) > longestWindow)
      problems.push(
        report(
          ".scaleDownStabilization",
          `${formatDuration(autoscaling.scaleDownStabilization)}, and Kubernetes looks back ${String(longestWindow / 60)} minutes at most`,
          "write 1h or less",
        ),
      );
    return problems;
  });
}

interface Trigger {
  readonly name: string;
  /** Gives one value: what all replicas have to bear together. */
  readonly query: string;
  /** What one replica bears. */
  readonly threshold: number;
}

function kedaTriggers(server: ScaledServer): readonly Trigger[] {
  const { autoscaling, namespace, name } = server;
  const load = loadTrigger(server);
  if (autoscaling.minReplicas > 0) return [load];
  // One that sleeps has no series; those of its backends are there while Prometheus is well.
  const matchers = `namespace="${namespace}",proxy=~"${backendPattern(name)}"`;
  const calls = `sum(rate(haproxy_backend_http_requests_total{${matchers}}[2m]))`;
  return [
    { ...load, query: `(${load.query}) or (0 * ${calls})` },
    // How many there are to be is the other trigger's matter.
    { name: "calls", query: `clamp_max(${calls}, 1)`, threshold: 1 },
  ];
}

/** Every backend a group may have, as a regular expression. */
function backendPattern(name: string): string {
  return (["http", "grpc"] as const)
    .flatMap((protocol) => [backendName({ name }, protocol), conversationsName({ name }, protocol)])
    .join("|")
    .replaceAll(".", "[.]");
}

function loadTrigger({ autoscaling, namespace, name }: ScaledServer): Trigger {
  const { metric, targetQueueTime, targetPendingRequests } = autoscaling;
  const matchers = `namespace="${namespace}",service="${serverObjectName(name)}"`;
  if (metric === "pendingRequests") {
    const query = `sum(nv_inference_pending_request_count{${matchers}})`;
    return { name: "pending-requests", query, threshold: targetPendingRequests };
  }
  // A time is no sum over replicas: so many times the target wants so many times the replicas.
  const replicas = `count(count by (pod) (nv_inference_request_success{${matchers}}))`;
  const query = `max(${queueTimeByModel(matchers, "model")}) * ${replicas}`;
  return { name: "queue-time", query, threshold: targetQueueTime };
}

/** Queue time for each request, by model; 0 for a model without requests, whose division would be 0 by 0. */
function queueTimeByModel(matchers: string, by: string): string {
  const rate = (metric: string): string => `sum by (${by}) (rate(${metric}{${matchers}}[2m]))`;
  const requests = rate("nv_inference_request_success");
  return `${rate("nv_inference_queue_duration_us")} / (${requests} > 0) or 0 * ${requests}`;
}

function adapterMetric({ autoscaling, name }: ScaledServer): IMetricSpec {
  const { metric, targetQueueTime, targetPendingRequests } = autoscaling;
  const describedObject = { apiVersion: "v1", kind: "Service", name: serverObjectName(name) };
  return {
    type: "Object",
    object:
      metric === "queueTime"
        ? {
            describedObject,
            metric: { name: "triton_queue_time_us" },
            target: { type: "Value", value: String(targetQueueTime) },
          }
        : {
            describedObject,
            metric: { name: "triton_pending_requests" },
            target: { type: "AverageValue", averageValue: String(targetPendingRequests) },
          },
  };
}

/**
 * Up: at most doubled within the time that a replica takes to come, since only then its effect is seen. Down: one at a
 * time, when load was low for long.
 */
function behavior({ autoscaling, timing }: ScaledServer): IHorizontalPodAutoscalerBehavior {
  const periodSeconds = Math.min(longestPeriod, replicaStart(timing));
  return {
    scaleUp: {
      stabilizationWindowSeconds: 0,
      policies: [{ type: "Percent", value: 100, periodSeconds }],
    },
    scaleDown: {
      stabilizationWindowSeconds: stabilization(autoscaling),
      policies: [{ type: "Pods", value: 1, periodSeconds: 60 }],
    },
  };
}

/** Until a replica on a node that is there gets calls, in seconds. */
function replicaStart({ download, startup, discovery }: ServerTiming): number {
  return download + startup + discovery;
}

/** Whole seconds. */
function stabilization({ scaleDownStabilization }: AutoscalingConfig): number {
  return Math.ceil(scaleDownStabilization / 1e6);
}

function metadataOf({
  name,
  namespace,
}: ScaledServer): Required<Pick<NonNullable<IScaledObject["metadata"]>, "name" | "namespace" | "labels">> {
  return { name: serverObjectName(name), namespace, labels: { ...objectLabels(serverSelector(name)) } };
}
