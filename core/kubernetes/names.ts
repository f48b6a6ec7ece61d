import type { INamespace } from "kubernetes-models/v1";
import type { BalancerConfig } from "../spec/kubernetes.ts";

/** Names, labels and ports that the platform's objects in a cluster know each other by. */

/** Labels by which a Deployment, a Service or a policy finds its pods; they never change. */
export type Selector = Readonly<Record<string, string>>;

/** On every object of the platform. */
export const partOf: Selector = { "app.kubernetes.io/part-of": "triton-platform" };

/** The pods of one server group. */
export function serverSelector(server: string): Selector {
  return { ...allServers, "app.kubernetes.io/instance": server };
}

/** The pods of every server group. */
export const allServers: Selector = { "app.kubernetes.io/name": "triton-server", ...partOf };

/** The balancer's pods. */
export const balancerSelector: Selector = { "app.kubernetes.io/name": "triton-balancer", ...partOf };

/** On pods of groups whose models call an external API; policies let only these out. */
export const upstreamLabel: Selector = { "triton-platform/upstream": "holysheep" };

/** On a server's Deployment: what its models take of each GPU, as JSON of `GpuMemory`. */
export const gpuMemoryAnnotation = "triton-platform/gpu-memory";

/** Labels of any object: what it is selected by, and who made it. */
export function objectLabels(selector: Selector): Readonly<Record<string, string>> {
  return { ...selector, "app.kubernetes.io/managed-by": "pulumi" };
}

/** Of a group's Deployment, headless Service, ServiceAccount, PodDisruptionBudget and ScaledObject. */
export function serverObjectName(server: string): string {
  return `triton-${server}`;
}

/** Of the balancer's Deployment, Service, ServiceAccount and PodDisruptionBudget. */
export const balancerName = "triton-balancer";

/** Secret with HolySheep's key, and its only key. */
export const holysheepSecret = { name: "holysheep", key: "api-key" } as const;

/** Secret with the sha256 of each API key and its caller: a HAProxy map. */
export const apiKeysSecret = { name: "triton-balancer-api-keys", key: "api-keys.map" } as const;

/** SecretStore of the platform's own, and the ServiceAccount that reads it. */
export const secretReaderName = "triton-secrets";

/** Ports of Triton's pods and of the balancer's. */
export const ports = {
  http: 8000,
  grpc: 8001,
  metrics: 8002,
  /** The balancer's probes: its own process health. */
  health: 8003,
} as const;

/** The balancer's gRPC port that leads to one group alone; undefined where the config gives it none. */
export function groupGrpcPort(
  { grpcPorts }: Pick<BalancerConfig, "grpcPorts">,
  server: string,
): number | undefined {
  // A server may be named like a property that every object has.
  return Object.hasOwn(grpcPorts, server) ? grpcPorts[server] : undefined;
}

/** Pods that ask for more than the level of the pod security standards are refused by the API server. */
export function namespaceObject(name: string, level: "restricted" | "privileged"): INamespace {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name,
      labels: {
        ...objectLabels(partOf),
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/audit": level,
        "pod-security.kubernetes.io/warn": level,
      },
    },
  };
}
