/**
 * Whether the engine replaces an object of Kubernetes whose path changed. Source: pulumi-kubernetes,
 * provider/pkg/provider/diff.go, `forceNewProperties`, for the kinds that this platform makes; the provider asks the API
 * server for no more. Other kinds are custom resources, and those nobody knows offline.
 */
const forceNew: Readonly<Record<string, readonly string[]>> = {
  ConfigMap: ["data", "binaryData"],
  Deployment: ["spec.selector"],
  HorizontalPodAutoscaler: [],
  Namespace: [],
  NetworkPolicy: [],
  PodDisruptionBudget: [],
  Secret: ["type", "stringData", "data"],
  Service: ["spec.clusterIP"],
  ServiceAccount: [],
};

const always = ["metadata.name", "metadata.namespace"];

export type Replacement = "replaced" | "in place" | "unknown";

export function replacementOf(kind: string, paths: readonly string[]): Replacement {
  const own = Object.hasOwn(forceNew, kind) ? forceNew[kind] : undefined;
  const forcing = [...always, ...(own ?? [])];
  const isForced = paths.some((path) =>
    forcing.some((prefix) => path === prefix || path.startsWith(`${prefix}.`)),
  );
  if (isForced) return "replaced";
  return own === undefined ? "unknown" : "in place";
}
