import type { IExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1";
import { present } from "../objects.ts";
import type { KubernetesConfig } from "../spec/kubernetes.ts";
import type { Microseconds } from "../spec/units.ts";
import { holysheepSecret, objectLabels, partOf } from "./names.ts";

/**
 * Lets the External Secrets operator keep HolySheep's key in the Secret that servers mount: it writes the Secret, looks
 * for a new key each `refreshInterval` (0: never again), and takes the Secret away with this object.
 */
export function holysheepExternalSecret(
  { store, refreshInterval, holysheepApiKey: { key, property } }: ExternalSecretsConfig,
  namespace: string,
): IExternalSecret {
  return {
    apiVersion: "external-secrets.io/v1",
    kind: "ExternalSecret",
    metadata: { name: holysheepSecret.name, namespace, labels: objectLabels(partOf) },
    spec: {
      refreshInterval: wholeSeconds(refreshInterval),
      secretStoreRef: { name: store.name, kind: store.kind },
      target: { name: holysheepSecret.name, creationPolicy: "Owner" },
      data: [{ secretKey: holysheepSecret.key, remoteRef: { key, ...present({ property }) } }],
    },
  };
}

type ExternalSecretsConfig = NonNullable<KubernetesConfig["externalSecrets"]>;

/** As Go writes durations, which know no days. */
function wholeSeconds(microseconds: Microseconds): string {
  return `${String(Math.ceil(microseconds / 1e6))}s`;
}
