import type {
  IExternalSecret,
  ISecretStore,
} from "@kubernetes-models/external-secrets/external-secrets.io/v1";
import type { IServiceAccount } from "kubernetes-models/v1";
import { present } from "../objects.ts";
import type { KubernetesConfig } from "../spec/kubernetes.ts";
import type { Microseconds } from "../spec/units.ts";
import { apiKeysSecret, holysheepSecret, objectLabels, partOf, secretReaderName } from "./names.ts";

/** What the External Secrets operator makes Secrets of, as objects of the Kubernetes API. */

/** A store of this platform's own, and the ServiceAccount by whose token the operator reads it. */
export interface SecretStoreObjects {
  readonly serviceAccount: IServiceAccount;
  readonly store: ISecretStore;
}

/** Undefined where the config names a store that is there. */
export function secretStore(
  { aws }: ExternalSecretsConfig,
  namespace: string,
): SecretStoreObjects | undefined {
  if (aws === undefined) return undefined;
  const metadata = { name: secretReaderName, namespace, labels: objectLabels(partOf) };
  return {
    serviceAccount: {
      apiVersion: "v1",
      kind: "ServiceAccount",
      // Of EKS' webhook and of the operator alike.
      metadata: { ...metadata, annotations: { "eks.amazonaws.com/role-arn": aws.roleArn } },
      automountServiceAccountToken: false,
    },
    store: {
      apiVersion: "external-secrets.io/v1",
      kind: "SecretStore",
      metadata,
      spec: {
        provider: {
          aws: {
            service: "SecretsManager",
            region: aws.region,
            auth: { jwt: { serviceAccountRef: { name: secretReaderName } } },
          },
        },
      },
    },
  };
}

/** HolySheep's key in the Secret that servers mount. Undefined where the store has none. */
export function holysheepExternalSecret(
  config: ExternalSecretsConfig,
  namespace: string,
): IExternalSecret | undefined {
  return externalSecret(holysheepSecret, config.holysheepApiKey, config, namespace);
}

/** The callers' API keys in the Secret that balancers mount. Undefined where the store has none. */
export function apiKeysExternalSecret(
  config: ExternalSecretsConfig,
  namespace: string,
): IExternalSecret | undefined {
  return externalSecret(apiKeysSecret, config.apiKeys, config, namespace);
}

/** Whether callers need a key, wherever the keys are kept. */
export function asksForApiKeys({
  balancer,
  externalSecrets,
}: Pick<KubernetesConfig, "balancer" | "externalSecrets">): boolean {
  return balancer.apiKeys !== undefined || externalSecrets?.apiKeys !== undefined;
}

type ExternalSecretsConfig = NonNullable<KubernetesConfig["externalSecrets"]>;

/**
 * Lets the operator keep a value of the store in a Secret that pods mount: it writes the Secret, looks for another value
 * each `refreshInterval` (0: never again), and takes the Secret away with this object.
 */
function externalSecret(
  secret: { readonly name: string; readonly key: string },
  stored: ExternalSecretsConfig["holysheepApiKey"],
  { store, refreshInterval }: ExternalSecretsConfig,
  namespace: string,
): IExternalSecret | undefined {
  if (stored === undefined) return undefined;
  const { key, property } = stored;
  return {
    apiVersion: "external-secrets.io/v1",
    kind: "ExternalSecret",
    metadata: { name: secret.name, namespace, labels: objectLabels(partOf) },
    spec: {
      refreshInterval: wholeSeconds(refreshInterval),
      secretStoreRef: store ?? { name: secretReaderName, kind: "SecretStore" },
      target: { name: secret.name, creationPolicy: "Owner" },
      data: [{ secretKey: secret.key, remoteRef: { key, ...present({ property }) } }],
    },
  };
}

/** As Go writes durations, which know no days. */
function wholeSeconds(microseconds: Microseconds): string {
  return `${String(Math.ceil(microseconds / 1e6))}s`;
}
