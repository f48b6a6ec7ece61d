import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { autoscalingSchema, kubernetesSchema } from "../../../core/spec/kubernetes.ts";

type Fields = Partial<z.input<typeof kubernetesSchema>>;

const amazon = { source: "s3", bucket: "models" } as const;
const pinned = `sha256:${"0".repeat(64)}`;

/** Paths of what is wrong with a config of these fields. */
function flawsOf(fields: Fields): string[] {
  const { error } = kubernetesSchema.safeParse({ repository: amazon, ...fields });
  return (error?.issues ?? []).map(({ path }) => path.join("."));
}

describe("a cluster's config is refused for", () => {
  it.each<{ what: string; fields: Fields; path: string }>([
    {
      what: "a download that takes for ever",
      fields: { repository: { ...amazon, downloadRate: "0B" } },
      path: "repository.downloadRate",
    },
    {
      what: "a bucket with a folder",
      fields: { repository: { ...amazon, bucket: "models/prod" } },
      path: "repository.bucket",
    },
    {
      what: "a bucket with a blank",
      fields: { repository: { ...amazon, bucket: "my models" } },
      path: "repository.bucket",
    },
    ...["a b", "..", "a/../b", "./a", "/a", "a/", "a//b"].map((prefix) => ({
      what: `the prefix ${JSON.stringify(prefix)}`,
      fields: { repository: { ...amazon, prefix } },
      path: "repository.prefix",
    })),
    {
      what: "a folder outside of the volume",
      fields: { repository: { source: "persistentVolumeClaim", claimName: "models", path: "../other" } },
      path: "repository.path",
    },
    {
      what: "credentials in an endpoint",
      fields: { repository: { ...amazon, endpoint: "https://user:word@minio.example.com" } },
      path: "repository.endpoint",
    },
    {
      what: "an endpoint that is no URL",
      fields: { repository: { ...amazon, endpoint: "minio" } },
      path: "repository.endpoint",
    },
    {
      what: "another way to an endpoint that is not there",
      fields: { repository: { ...amazon, deployEndpoint: "https://minio.example.com" } },
      path: "repository.deployEndpoint",
    },
    ...[
      " triton:1",
      "my triton:1",
      "https://registry.example/triton:1",
      "Registry/Triton:1",
      "triton",
      "triton:latest",
      "registry.example:5000/triton",
    ].map((triton) => ({
      what: `the image ${JSON.stringify(triton)}`,
      fields: { images: { triton } },
      path: "images.triton",
    })),
    {
      what: "a repository of images with a tag",
      fields: { serverImage: { repository: "registry.example/triton:1", requirements: "r.txt" } },
      path: "serverImage.repository",
    },
    {
      what: "a toleration of every value that names one",
      fields: { tolerations: [{ key: "gpu", value: "a100" }] },
      path: "tolerations.0.value",
    },
    {
      what: "a balancer that nobody may call, which would be everybody",
      fields: { networkPolicies: { clients: [] } },
      path: "networkPolicies.clients",
    },
    {
      what: "an opening to nowhere",
      fields: { networkPolicies: { objectStore: { port: 9000 } } },
      path: "networkPolicies.objectStore",
    },
    {
      what: "an opening to all pods of all namespaces",
      fields: { networkPolicies: { upstream: { namespace: {}, port: 80 } } },
      path: "networkPolicies.upstream.namespace",
    },
  ])("$what", ({ fields, path }) => {
    expect(flawsOf(fields)).toEqual([path]);
  });

  it("a queue that is never short enough", () => {
    const { error } = autoscalingSchema.safeParse({ maxReplicas: 2, targetQueueTime: "0s" });
    expect(error?.issues.map(({ path }) => path.join("."))).toEqual(["targetQueueTime"]);
  });
});

describe("a cluster's config may have", () => {
  it.each<{ what: string; fields: Fields }>([
    {
      what: "names with dots for what is there already",
      fields: {
        repository: { ...amazon, credentialsSecret: "store.prod.example" },
        imagePullSecrets: ["registry.example.com", "a".repeat(253)],
        externalSecrets: { store: { name: "vault.prod" }, holysheepApiKey: { key: "k" } },
      },
    },
    {
      what: "a claim with dots",
      fields: { repository: { source: "persistentVolumeClaim", claimName: "models.v2", path: "a/b" } },
    },
    {
      what: "images by tag and digest, from registries with a port",
      fields: {
        images: {
          triton: `registry.example.com:5000/team/triton:26.07-py3@${pinned}`,
          loader: "rclone:1.71.2",
          pause: `localhost/pause@${pinned}`,
        },
        serverImage: { repository: "localhost:5000/triton__server", requirements: "r.txt" },
      },
    },
    {
      what: "a store of one's own that is reached in two ways",
      fields: {
        repository: {
          ...amazon,
          bucket: "Team_models.v1",
          prefix: "triton/prod-1.2",
          endpoint: "http://minio.storage.svc:9000",
          deployEndpoint: "https://minio.example.com",
        },
      },
    },
    {
      what: "a toleration of one value",
      fields: { tolerations: [{ key: "gpu", operator: "Equal", value: "a100" }] },
    },
  ])("$what", ({ fields }) => {
    expect(flawsOf(fields)).toEqual([]);
  });
});
