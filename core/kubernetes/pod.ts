import type { IDeployment, IDeploymentSpec } from "kubernetes-models/apps/v1";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1";
import type {
  IPodSecurityContext,
  IPodSpec,
  IPodTemplateSpec,
  IResourceRequirements,
  ISecurityContext,
  ITopologySpreadConstraint,
} from "kubernetes-models/v1";
import type { Resources } from "../capacity/resources.ts";
import { omit, present } from "../objects.ts";
import type { KubernetesConfig } from "../spec/kubernetes.ts";
import { formatSize, type Bytes } from "../spec/units.ts";
import type { Selector } from "./names.ts";

/** Pieces that all pods of the platform share. */

/** A Deployment with its pods' spec, which the API's own type may be without. */
export type PodDeployment = IDeployment & {
  readonly spec: IDeploymentSpec & { readonly template: IPodTemplateSpec & { readonly spec: IPodSpec } };
};

/** The user of NVIDIA's image, `triton-server`; any image of the platform runs as it. */
const user = 1000;

/**
 * What the restricted pod standard wants of a pod, and a group that may read its volumes.
 * Source: Kubernetes, "Pod Security Standards", Restricted.
 */
export const restrictedPod: IPodSecurityContext = {
  runAsNonRoot: true,
  runAsUser: user,
  runAsGroup: user,
  fsGroup: user,
  // Else every file of a volume is visited at each start.
  fsGroupChangePolicy: "OnRootMismatch",
  seccompProfile: { type: "RuntimeDefault" },
};

/** What the restricted pod standard wants of every container, init containers too, and a root that nobody writes to. */
export const restrictedContainer: ISecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
};

/** Pods of one version spread over zones and nodes as far as that goes: a spread that is a must would leave pods pending. */
export function topologySpread(selector: Selector): ITopologySpreadConstraint[] {
  return ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: { ...selector } },
    // A rollout's new pods are spread for themselves, not around those that go.
    matchLabelKeys: ["pod-template-hash"],
  }));
}

/**
 * A container's requests, and as limits all of them but cpu: a limit of cpu takes time away that nobody else wants,
 * while the rest cannot be taken back from a container that has it.
 */
export function containerResources(
  requests: Resources,
): Required<Pick<IResourceRequirements, "requests" | "limits">> {
  // A pod takes its place on a node by being there; nobody asks for it.
  const asked = Object.fromEntries(
    Object.entries(requests).flatMap(([resource, amount]) =>
      resource === "pods" ? [] : [[resource, quantity(resource, amount)]],
    ),
  );
  return { requests: asked, limits: omit(asked, "cpu") };
}

/** Bytes as the API server writes them: 440401920 → `420Mi`. */
export function byteQuantity(bytes: Bytes): string {
  return formatSize(bytes).replace(/B$/, "");
}

/** Thousandths of a core as the API server writes them: 1500 → `1500m`, 2000 → `2`. */
export function cpuQuantity(thousandths: number): string {
  return thousandths % 1_000 === 0 ? String(thousandths / 1_000) : `${String(thousandths)}m`;
}

/** One replica at a time may be taken away on purpose, and a node's drain is never kept waiting for a broken one. */
export function podDisruptionBudget(
  metadata: IPodDisruptionBudget["metadata"],
  selector: Selector,
): IPodDisruptionBudget {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    ...present({ metadata }),
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: { ...selector } },
      unhealthyPodEvictionPolicy: "AlwaysAllow",
    },
  };
}

/** Names of Secrets as a pod refers to them. */
export function pullSecrets({ imagePullSecrets }: Pick<KubernetesConfig, "imagePullSecrets">): {
  imagePullSecrets?: { name: string }[];
} {
  return imagePullSecrets.length === 0
    ? {}
    : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) };
}

function quantity(resource: string, amount: number): string {
  if (resource === "cpu") return cpuQuantity(amount);
  return resource === "memory" || resource === "ephemeral-storage" ? byteQuantity(amount) : String(amount);
}
