import { describe, expect, it } from "vitest";
import type { PlatformDescription } from "../../../core/description.ts";
import { planKubernetes, publishedAt, type KubernetesDescription } from "../../../core/kubernetes/plan.ts";
import { planPlatform } from "../../../core/platform.ts";
import { kubernetesOf } from "../../../core/spec/platform.ts";
import { outputsSchema } from "../../../commands/stack/outputs.ts";
import { hostOf } from "../../support/docker-plan.ts";
import { localPlanOf } from "../../support/local.ts";
import { modelOf, platformOf, type PlatformFields } from "../../support/models.ts";

const models = [modelOf("embed"), modelOf("chat", { upstream: "holysheep" })];
const servers: PlatformFields["servers"] = { gpu: { replicas: 2 }, llm: { models: ["chat"] } };
const balancer = { grpcPorts: { gpu: 8010 } };

function ofCluster(tls: boolean): KubernetesDescription {
  const config = platformOf({
    target: "kubernetes",
    servers,
    kubernetes: {
      repository: { source: "s3", bucket: "models" },
      balancer: { ...balancer, ...(tls ? { tls: { secretName: "tls" } } : {}) },
    },
  });
  const platform = planPlatform(models, config, "Pulumi.test.yaml").value;
  const facts = { file: "Pulumi.test.yaml", hasApiKey: true };
  return planKubernetes(platform, config, kubernetesOf(config), facts).value.description;
}

describe("what a stack says of itself", () => {
  const local = localPlanOf({ models, config: platformOf({ target: "local", servers }) }).description;
  const docker = hostOf(models, { servers, docker: { balancer } }).description;
  const cluster = ofCluster(false);

  it("has the same names for the same things, whatever its target", () => {
    const all: readonly PlatformDescription[] = [local, docker, cluster];
    for (const description of all) {
      const read = outputsSchema.parse(description);
      expect(read.endpoints).toEqual(description.endpoints);
      expect(read.servers).toEqual(description.servers);
    }
    const served = (description: PlatformDescription): unknown =>
      description.servers.map((server) => [server.name, server.models]);
    expect(served(docker)).toEqual([
      ["gpu", [{ name: "embed", versions: [1] }]],
      ["llm", [{ name: "chat", versions: [1] }]],
    ]);
    for (const other of [local, cluster]) expect(served(other)).toEqual(served(docker));
    for (const {
      servers: [gpu, llm],
    } of [local, docker])
      expect([gpu, llm].map((server) => server?.replicas?.map(({ name }) => name))).toEqual([
        ["gpu-0", "gpu-1"],
        ["llm-0"],
      ]);
  });

  it("names where its clients call", () => {
    expect(docker).toMatchObject({
      endpoints: {
        http: "http://127.0.0.1:8000",
        grpc: "127.0.0.1:8001",
        metrics: "http://127.0.0.1:8002/metrics",
        prometheus: "http://127.0.0.1:9090",
        grafana: "http://127.0.0.1:3000",
      },
      servers: [{ grpc: "127.0.0.1:8010" }, {}],
    });
    const inside = "triton-balancer.triton.svc";
    expect(cluster).toMatchObject({
      endpoints: { http: `http://${inside}:8000`, grpc: `${inside}:8001` },
      servers: [{ grpc: `${inside}:8010` }, {}],
    });
    expect(ofCluster(true).endpoints.http).toBe(`https://${inside}:8000`);
  });

  it("names the load balancer before a cluster where there is one", () => {
    const published = publishedAt(cluster, "models.example.com", true);
    expect(published).toMatchObject({
      namespace: "triton",
      endpoints: { http: "https://models.example.com:8000", grpc: "models.example.com:8001" },
      servers: [{ name: "gpu", grpc: "models.example.com:8010" }, { name: "llm" }],
    });
    expect(published.servers[1]).not.toHaveProperty("grpc");
    expect(publishedAt(cluster, "192.0.2.7", false).endpoints.http).toBe("http://192.0.2.7:8000");
  });
});
