import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import type { KubernetesPlan } from "../../core/kubernetes/plan.ts";
import { planKubernetes } from "../../core/kubernetes/plan.ts";
import { objectsOf } from "../../core/kubernetes/render.ts";
import { planPlatform } from "../../core/platform.ts";
import { kubernetesOf } from "../../core/spec/platform.ts";
import { modelOf, platformOf, type PlatformFields } from "../support/models.ts";

interface Made {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

const inputsSchema = z.record(z.string(), z.unknown());
const metadataSchema = z.looseObject({ metadata: z.looseObject({ name: z.string() }) });

/** Mocks see what is registered, before an engine does. */
const made: Made[] = [];
/** Inputs whose change is left alone, by resource. */
const ignored = new Map<string, readonly string[]>();
let plan: KubernetesPlan;
let least: KubernetesPlan;

/** Everything that a plan can have, so that nothing of it can be forgotten. */
const fields: PlatformFields = {
  target: "kubernetes",
  servers: {
    gpu: { accelerator: { gpu: "a100-80gb" }, autoscaling: { maxReplicas: 4, headroom: 1 } },
    llm: { models: ["chat"], replicas: 2 },
  },
  monitoring: { prometheus: { kind: "kube-prometheus-stack" } },
  kubernetes: {
    repository: { source: "s3", bucket: "models" },
    autoscaler: { kind: "keda", prometheusUrl: "http://prometheus.monitoring.svc:9090" },
    gpu: { addon: "gpu-operator" },
    balancer: {
      apiKeys: [{ caller: "search", sha256: "ab".repeat(32) }],
    },
  },
};

/** Another namespace's owner, models from a volume, External Secrets, one balancer, an image that is built. */
const leastFields: PlatformFields = {
  target: "kubernetes",
  servers: { gpu: {}, llm: { models: ["chat"] } },
  kubernetes: {
    createNamespace: false,
    repository: { source: "persistentVolumeClaim", claimName: "models" },
    externalSecrets: { store: { name: "vault" }, holysheepApiKey: { key: "triton/holysheep" } },
    networkPolicies: { enabled: false },
    balancer: { replicas: 1 },
    serverImage: { repository: "registry.example.com/triton", requirements: "requirements.txt" },
  },
};
const builtImage = `registry.example.com/triton@sha256:${"cd".repeat(32)}`;

const models = [modelOf("embed"), modelOf("chat", { upstream: "holysheep", callTimeout: "120s" })];

function planOf(fields: PlatformFields): KubernetesPlan {
  const config = platformOf(fields);
  const { value: platform, problems } = planPlatform(models, config, "Pulumi.test.yaml");
  const planned = planKubernetes(platform, config, kubernetesOf(config), {
    file: "Pulumi.test.yaml",
    hasApiKey: true,
    requirements: "six==1.17.0\n",
  });
  expect([...problems, ...planned.problems]).toEqual([]);
  return planned.value;
}

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
  const { repository } = kubernetesOf(platformOf(fields));
  if (repository.source !== "s3") throw new Error("the config says s3");
  plan = planOf(fields);
  new KubernetesPlatform(
    "triton",
    { plan, store: repository, holysheepApiKey: pulumi.secret("sk-planted") },
    {
      transformations: [
        ({ name, opts }) => {
          ignored.set(name, opts.ignoreChanges ?? []);
          return undefined;
        },
      ],
    },
  );
  least = planOf(leastFields);
  new KubernetesPlatform("least", {
    plan: least,
    serverImages: new Map(least.serverImages.map(({ reference }) => [reference, builtImage])),
  });
  await vi.waitFor(() => {
    expect(made.some(({ name }) => name === "triton-llm-pod-disruption-budget")).toBe(true);
    expect(made.some(({ name }) => name === "triton-gpu-headroom")).toBe(true);
    expect(made.some(({ name }) => name === "least-llm-deployment")).toBe(true);
    expect(made.some(({ name }) => name === "triton-monitoring-dashboard-triton-llm")).toBe(true);
  });
});

/** What the platform with everything registered. */
function ofType(type: string): readonly Made[] {
  return made.filter((resource) => resource.type === type && resource.name.startsWith("triton-"));
}

/** As a test names an object of the API. */
function known(inputs: unknown): string {
  const { metadata, ...rest } = metadataSchema.parse(inputs);
  return `${String(rest.kind)} ${metadata.name}`;
}

function registeredBy(platform: string): readonly Made[] {
  return made.filter(
    ({ type, name }) =>
      name.startsWith(`${platform}-`) &&
      type.startsWith("kubernetes:") &&
      !type.startsWith("kubernetes:helm"),
  );
}

describe("KubernetesPlatform", () => {
  it("registers every object of the plan, as it was planned, and no other", () => {
    const registered = registeredBy("triton");
    expect(registered.map(({ inputs }) => known(inputs)).sort()).toEqual(objectsOf(plan).map(known).sort());
    for (const object of objectsOf(plan)) {
      const found = registered.find(({ inputs }) => known(inputs) === known(object));
      expect(found?.inputs).toMatchObject(JSON.parse(JSON.stringify(object)));
    }
  });

  it("leaves the number of replicas to the autoscaler, where there is one", () => {
    expect(ignored.get("triton-gpu-deployment")).toEqual(["spec.replicas"]);
    for (const name of ["triton-llm-deployment", "triton-gpu-headroom", "triton-gpu-scaled-object"])
      expect(ignored.get(name)).toEqual([]);
  });

  it("leaves out what the config leaves out, and runs the image that was built", () => {
    const registered = registeredBy("least");
    expect(registered.map(({ inputs }) => known(inputs)).sort()).toEqual(objectsOf(least).map(known).sort());
    const kinds = new Set(registered.map(({ inputs }) => inputs.kind));
    for (const kind of ["Namespace", "Secret", "NetworkPolicy", "PodDisruptionBudget", "PriorityClass"])
      expect(kinds).not.toContain(kind);
    expect(kinds).toContain("ExternalSecret");
    const [gpu] = registered.filter(({ name }) => name === "least-gpu-deployment");
    expect(JSON.stringify(gpu?.inputs)).toContain(builtImage);
    expect(made.filter(({ type }) => type.startsWith("modelstore:")).map(({ name }) => name)).toEqual([
      "triton-gpu-repository",
      "triton-llm-repository",
    ]);
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
    const planned = plan.charts.map(({ chart, version }) => [chart, version]);
    const stack = ["oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack", "91.5.1"];
    expect(charts.sort()).toEqual([...planned, stack].sort());
  });

  it.each([
    [
      "https://charts.example.com",
      { chart: "thing", repositoryOpts: { repo: "https://charts.example.com" } },
    ],
    ["oci://registry.example.com/charts", { chart: "oci://registry.example.com/charts/thing" }],
    ["./charts", { chart: "./charts/thing" }],
    ["/srv/charts", { chart: "/srv/charts/thing" }],
  ])("finds a chart in %s", async (repository, expected) => {
    const { HelmRelease } = await import("../../components/kubernetes/HelmRelease.ts");
    const release = {
      name: repository,
      namespace: "a",
      repository,
      chart: "thing",
      version: "1.0.0",
      values: {},
    };
    new HelmRelease(repository, release, {});
    await vi.waitFor(() => {
      const found = made.find(({ name }) => name === repository);
      expect(found?.inputs).toMatchObject({ ...expected, version: "1.0.0" });
      expect(found?.inputs.repositoryOpts === undefined).toBe(!("repositoryOpts" in expected));
    });
  });

  it("gives the keys to their Secrets alone, as secrets", () => {
    const secrets = ofType("kubernetes:core/v1:Secret");
    expect(secrets.map(({ name }) => name).sort()).toEqual([
      "triton-balancer-api-keys",
      "triton-holysheep",
      "triton-monitoring-grafana-admin",
    ]);
    for (const { inputs } of secrets)
      expect(JSON.stringify(inputs.stringData)).toContain(pulumi.runtime.specialSecretSig);
    const others = made.filter((resource) => !secrets.includes(resource));
    expect(JSON.stringify(others)).not.toContain("sk-planted");
    expect(JSON.stringify(others)).not.toContain("ab".repeat(32));
  });
});
