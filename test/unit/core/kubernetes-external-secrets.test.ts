import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { holysheepExternalSecret } from "../../../core/kubernetes/external-secrets.ts";
import { holysheepSecret } from "../../../core/kubernetes/names.ts";
import { kubernetesSchema } from "../../../core/spec/kubernetes.ts";
import { formatDuration } from "../../../core/spec/units.ts";

type Fields = NonNullable<z.input<typeof kubernetesSchema>["externalSecrets"]>;

function externalSecret(fields: Partial<Fields> = {}) {
  const { externalSecrets, namespace } = kubernetesSchema.parse({
    namespace: "models",
    repository: { source: "persistentVolumeClaim", claimName: "models" },
    externalSecrets: {
      store: { name: "aws" },
      holysheepApiKey: { key: "prod/holysheep", property: "api-key" },
      ...fields,
    },
  });
  if (externalSecrets === undefined) throw new Error("it was just written");
  return holysheepExternalSecret(externalSecrets, namespace);
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
