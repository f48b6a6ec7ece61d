import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import {
  apiKeysExternalSecret,
  asksForApiKeys,
  holysheepExternalSecret,
  secretStore,
} from "../../../core/kubernetes/external-secrets.ts";
import { apiKeysSecret, holysheepSecret } from "../../../core/kubernetes/names.ts";
import { kubernetesSchema } from "../../../core/spec/kubernetes.ts";
import { formatDuration } from "../../../core/spec/units.ts";

type Fields = NonNullable<z.input<typeof kubernetesSchema>["externalSecrets"]>;

function configOf(externalSecrets: Fields) {
  const config = kubernetesSchema.parse({
    namespace: "models",
    repository: { source: "persistentVolumeClaim", claimName: "models" },
    externalSecrets,
  });
  if (config.externalSecrets === undefined) throw new Error("it was just written");
  return { ...config, externalSecrets: config.externalSecrets };
}

function externalSecret(fields: Partial<Fields> = {}) {
  const { externalSecrets, namespace } = configOf({
    store: { name: "aws" },
    holysheepApiKey: { key: "prod/holysheep", property: "api-key" },
    ...fields,
  });
  const object = holysheepExternalSecret(externalSecrets, namespace);
  if (object === undefined) throw new Error("the store has the key");
  return object;
}

describe("HolySheep's key from a secret store", () => {
  it("comes into the Secret that servers mount", () => {
    expect(externalSecret()).toEqual({
      apiVersion: "external-secrets.io/v1",
      kind: "ExternalSecret",
      metadata: {
        name: "holysheep",
        namespace: "models",
        labels: {
          "app.kubernetes.io/part-of": "triton-platform",
          "app.kubernetes.io/managed-by": "pulumi",
        },
      },
      spec: {
        refreshInterval: "3600s",
        secretStoreRef: { name: "aws", kind: "ClusterSecretStore" },
        target: { name: holysheepSecret.name, creationPolicy: "Owner" },
        data: [
          {
            secretKey: holysheepSecret.key,
            remoteRef: { key: "prod/holysheep", property: "api-key" },
          },
        ],
      },
    });
  });

  it("may be a whole entry of a store in the namespace", () => {
    const { spec } = externalSecret({
      store: { name: "vault", kind: "SecretStore" },
      holysheepApiKey: { key: "holysheep" },
    });
    expect(spec?.secretStoreRef).toEqual({ name: "vault", kind: "SecretStore" });
    expect(spec?.data).toEqual([{ secretKey: holysheepSecret.key, remoteRef: { key: "holysheep" } }]);
  });

  it("is looked for as often as the config says, in a unit that Go knows", () => {
    expect(externalSecret({ refreshInterval: "1d" }).spec?.refreshInterval).toBe("86400s");
    fc.assert(
      fc.property(fc.nat(1e12), (microseconds) => {
        const interval = externalSecret({ refreshInterval: formatDuration(microseconds) }).spec
          ?.refreshInterval;
        expect(interval).toMatch(/^\d+s$/);
        const seconds = Number(interval?.slice(0, -1));
        // Never sooner than asked for; 0, which means never, only where it was written.
        expect(seconds * 1e6 - microseconds).toBeGreaterThanOrEqual(0);
        expect(seconds * 1e6 - microseconds).toBeLessThan(1e6);
      }),
    );
  });
});

describe("a store of the platform's own", () => {
  const roleArn = "arn:aws:iam::111122223333:role/triton-secrets";
  const { externalSecrets, namespace, ...rest } = configOf({
    aws: { region: "eu-central-1", roleArn },
    holysheepApiKey: { key: "triton/holysheep" },
    apiKeys: { key: "triton/api-keys" },
  });

  it("is read by a ServiceAccount that has the role, and by nobody else", () => {
    const objects = secretStore(externalSecrets, namespace);
    expect(objects?.serviceAccount.metadata).toMatchObject({
      name: "triton-secrets",
      namespace: "models",
      annotations: { "eks.amazonaws.com/role-arn": roleArn },
    });
    expect(objects?.store).toMatchObject({
      kind: "SecretStore",
      metadata: { namespace: "models" },
      spec: {
        provider: {
          aws: {
            service: "SecretsManager",
            region: "eu-central-1",
            auth: { jwt: { serviceAccountRef: { name: objects?.serviceAccount.metadata?.name } } },
          },
        },
      },
    });
  });

  it("gives the keys of callers to the Secret that balancers mount", () => {
    const { spec } = apiKeysExternalSecret(externalSecrets, namespace) ?? {};
    expect(spec?.secretStoreRef).toEqual({ name: "triton-secrets", kind: "SecretStore" });
    expect(spec?.target?.name).toBe(apiKeysSecret.name);
    expect(spec?.data).toEqual([{ secretKey: apiKeysSecret.key, remoteRef: { key: "triton/api-keys" } }]);
    expect(asksForApiKeys({ ...rest, externalSecrets })).toBe(true);
  });

  it("is not made where another is named, nor keys asked for that nobody has", () => {
    const other = configOf({ store: { name: "vault" } });
    expect(secretStore(other.externalSecrets, namespace)).toBeUndefined();
    expect(apiKeysExternalSecret(other.externalSecrets, namespace)).toBeUndefined();
    expect(holysheepExternalSecret(other.externalSecrets, namespace)).toBeUndefined();
    expect(asksForApiKeys(other)).toBe(false);
  });

  it("is either here or there", () => {
    for (const externalSecrets of [{}, { store: { name: "vault" }, aws: { region: "us-east-1", roleArn } }])
      expect(() => configOf(externalSecrets)).toThrow("a `store` that is there or one on `aws`");
  });
});
