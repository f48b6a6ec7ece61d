import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import type { KubernetesPlan } from "../../core/kubernetes/plan.ts";
import { planKubernetes } from "../../core/kubernetes/plan.ts";
import { objectsOf } from "../../core/kubernetes/render.ts";
import { planPlatform } from "../../core/platform.ts";
import { kubernetesOf } from "../../core/spec/platform.ts";
import { modelOf, platformOf } from "../support/models.ts";

interface Made {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

const inputsSchema = z.record(z.string(), z.unknown());
const metadataSchema = z.looseObject({ metadata: z.looseObject({ name: z.string() }) });

/** Mocks see what is registered, before an engine does. */
const made: Made[] = [];
let plan: KubernetesPlan;

/** Everything that a plan can have, so that nothing of it can be forgotten. */
const config = platformOf({
  target: "kubernetes",
  servers: {
    gpu: { accelerator: { gpu: "a100-80gb" }, autoscaling: { maxReplicas: 4, headroom: 1 } },
    llm: { models: ["chat"], replicas: 2 },
  },
  kubernetes: {
    repository: { source: "s3", bucket: "models", credentialsSecret: "store" },
    autoscaler: { kind: "keda", prometheusUrl: "http://prometheus.monitoring.svc:9090" },
    gpu: { addon: "device-plugin", dcgmExporter: true },
    balancer: {
      tls: { secretName: "tls" },
      apiKeys: [{ caller: "search", sha256: "ab".repeat(32) }],
    },
  },
});
const models = [modelOf("embed"), modelOf("chat", { upstream: "holysheep", callTimeout: "120s" })];

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: (resource: pulumi.runtime.MockResourceArgs) => {
        const inputs = inputsSchema.parse(resource.inputs);
        made.push({ type: resource.type, name: resource.name, inputs });
        return { id: resource.name, state: inputs };
      },
      call: () => ({}),
    },
    "triton-platform",
    "test",
    false,
  );
  // Loaded after the mocks are set, as the SDK wants it.
  const { KubernetesPlatform } = await import("../../components/kubernetes/KubernetesPlatform.ts");
  const kubernetes = kubernetesOf(config);
  const { value: platform, problems } = planPlatform(models, config, "Pulumi.test.yaml");
  const planned = planKubernetes(platform, config, kubernetes, { file: "Pulumi.test.yaml", hasApiKey: true });
  expect([...problems, ...planned.problems]).toEqual([]);
  plan = planned.value;
  if (kubernetes.repository.source !== "s3") throw new Error("the config says s3");
  new KubernetesPlatform("triton", {
    plan,
    store: kubernetes.repository,
    holysheepApiKey: pulumi.secret("sk-planted"),
  });
  await vi.waitFor(() => {
    expect(made.some(({ name }) => name === "triton-llm-pod-disruption-budget")).toBe(true);
    expect(made.some(({ name }) => name === "triton-gpu-headroom")).toBe(true);
  });
});

function ofType(type: string): readonly Made[] {
  return made.filter((resource) => resource.type === type);
}

describe("KubernetesPlatform", () => {
  it("registers every object of the plan, as it was planned, and no other", () => {
    const registered = made.filter(
      ({ type }) => type.startsWith("kubernetes:") && !type.startsWith("kubernetes:helm"),
    );
    const known = (inputs: unknown): string => {
      const { metadata, ...rest } = metadataSchema.parse(inputs);
      return `${String(rest.kind)} ${metadata.name}`;
    };
    expect(registered.map(({ inputs }) => known(inputs)).sort()).toEqual(objectsOf(plan).map(known).sort());
    for (const object of objectsOf(plan)) {
      const found = registered.find(({ inputs }) => known(inputs) === known(object));
      expect(found?.inputs).toMatchObject(JSON.parse(JSON.stringify(object)));
    }
  });

  it("has the SDK's types, by which policies know them", () => {
    const types = new Set(made.map(({ type }) => type));
    for (const type of ["core/v1:Service", "apps/v1:Deployment", "networking.k8s.io/v1:NetworkPolicy"])
      expect(types).toContain(`kubernetes:${type}`);
  });

  it("brings each server's models to the store before its pods", () => {
    expect(ofType("modelstore:index:ModelRepository").map(({ inputs }) => inputs)).toMatchObject([
      { bucket: "models", server: "gpu", hash: plan.servers[0]?.plan.repository.hash },
      { bucket: "models", server: "llm", hash: plan.servers[1]?.plan.repository.hash },
    ]);
  });

  it("installs the charts, pinned", () => {
    const charts = ofType("kubernetes:helm.sh/v3:Release").map(({ inputs }) => [
      inputs.chart,
      inputs.version,
    ]);
    expect(charts.sort()).toEqual(plan.charts.map(({ chart, version }) => [chart, version]).sort());
  });

  it("gives the keys to their Secrets alone, as secrets", () => {
    const secrets = ofType("kubernetes:core/v1:Secret");
    expect(secrets.map(({ name }) => name).sort()).toEqual(["triton-balancer-api-keys", "triton-holysheep"]);
    for (const { inputs } of secrets)
      expect(JSON.stringify(inputs.stringData)).toContain(pulumi.runtime.specialSecretSig);
    const others = made.filter((resource) => !secrets.includes(resource));
    expect(JSON.stringify(others)).not.toContain("sk-planted");
    expect(JSON.stringify(others)).not.toContain("ab".repeat(32));
  });
});
