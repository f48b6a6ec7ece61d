import type { PodDeployment } from "../../core/kubernetes/pod.ts";
import { planServers, type PlannedServer, type ServerObjects } from "../../core/kubernetes/server.ts";
import { planPlatform } from "../../core/platform.ts";
import type { Model } from "../../core/spec/load.ts";
import type { KubernetesConfig } from "../../core/spec/kubernetes.ts";
import { kubernetesOf } from "../../core/spec/platform.ts";
import type { Problem } from "../../core/spec/problem.ts";
import { modelOf, platformOf, type PlatformFields } from "./models.ts";

/** Server groups on a Kubernetes cluster; a test writes only the fields it is about. */

type KubernetesFields = NonNullable<PlatformFields["kubernetes"]>;

export interface ClusterFields extends Omit<PlatformFields, "kubernetes"> {
  readonly kubernetes?: Partial<KubernetesFields>;
}

export interface PlannedServers {
  readonly servers: readonly PlannedServer[];
  /** Those of the platform come first. */
  readonly problems: readonly Problem[];
  readonly kubernetes: KubernetesConfig;
}

export const onGpu = modelOf("on-gpu", {
  backend: "onnxruntime",
  instances: [{ kind: "gpu" }],
  memory: { weights: "1GiB", workspacePerInstance: "1GiB" },
});
export const onCpu = modelOf("on-cpu", { instances: [{ kind: "cpu", count: 2 }] });
export const onUpstream = modelOf("on-upstream", { upstream: "holysheep", instances: [{ kind: "cpu" }] });

export const a100 = { gpu: "a100-80gb" } as const;
export const slice = { gpu: "a100-80gb", mig: "1g.10gb" } as const;
export const keda = { kind: "keda", prometheusUrl: "http://prometheus.monitoring.svc:9090" } as const;

/** A machine with this many A100 80 GB cards, and how often. */
export function onPremises(gpus: number, more: { mig?: string; count?: number; maxCount?: number } = {}) {
  return { allocatable: { cpu: 64, memory: "512GiB", disk: "1TiB", gpu: a100.gpu, gpus }, ...more };
}

export function planCluster(
  models: readonly Model[],
  { kubernetes: fields, ...rest }: ClusterFields,
): PlannedServers {
  const config = platformOf({
    target: "kubernetes",
    ...rest,
    kubernetes: { repository: { source: "s3", bucket: "models" }, ...fields },
  });
  const kubernetes = kubernetesOf(config);
  const file = "Pulumi.test.yaml";
  const platform = planPlatform(models, config, file);
  const { value: servers, problems } = planServers(platform.value.servers, config, kubernetes, file);
  return { servers, problems: [...platform.problems, ...problems], kubernetes };
}

/** The objects of the platform's only server, or of the named one; throws where there is a problem. */
export function objectsOf(models: readonly Model[], fields: ClusterFields, name?: string): ServerObjects {
  const { servers, problems } = planCluster(models, fields);
  if (problems.length > 0)
    throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  const found = servers.find(({ plan }) => name === undefined || plan.name === name);
  if (found === undefined) throw new Error(`there is no server ${name ?? ""}`);
  return found.objects;
}

/** Triton's container. */
export function tritonOf({ spec }: PodDeployment) {
  const container = spec.template.spec.containers.find(({ name }) => name === "triton");
  if (container === undefined) throw new Error("there is no Triton");
  return container;
}
