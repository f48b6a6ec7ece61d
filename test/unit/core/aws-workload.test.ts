import { describe, expect, it } from "vitest";
import { mayConnect, type PodEndpoint } from "../../../core/kubernetes/reachability.ts";
import type { WorkloadPlan } from "../../../core/aws/plan.ts";
import type { Model } from "../../../core/spec/load.ts";
import {
  account,
  devConfig,
  gpuModel,
  models,
  planAws,
  planOf,
  prodConfig,
  type AwsFields,
} from "./aws-support.ts";

function workloadOf(fields: AwsFields = {}, served: readonly Model[] = models): WorkloadPlan {
  const { workload } = planOf(devConfig(fields), {}, served);
  if (workload === undefined) throw new Error("there is no workload");
  return workload;
}

const loader: PodEndpoint = {
  kind: "pod",
  namespace: "triton",
  labels: { "app.kubernetes.io/name": "triton-server", "app.kubernetes.io/part-of": "triton-platform" },
};
const https = { number: 443 } as const;

describe("models", () => {
  it("come from a bucket of the stack's own, read by the servers' accounts alone", () => {
    const { store, bucket, readerRole, kubernetes } = workloadOf({
      eks: { repository: { prefix: "team/triton", retain: 3, delivery: "triton" } },
    });
    expect(store).toMatchObject({
      source: "s3",
      bucket: bucket.name,
      prefix: "team/triton",
      region: "us-east-1",
      delivery: "triton",
      retain: 3,
    });
    expect(readerRole.serviceAccounts).toEqual(["triton:triton-gpu", "triton:triton-llm"]);
    expect(JSON.stringify(readerRole.policy)).toContain(`${bucket.name}/team/triton/*`);
    for (const { objects } of kubernetes.servers) {
      const { metadata } = objects.serviceAccount;
      expect(readerRole.serviceAccounts).toContain(`${metadata?.namespace ?? ""}:${metadata?.name ?? ""}`);
      expect(metadata?.annotations).toEqual({ "eks.amazonaws.com/role-arn": readerRole.roleArn });
    }
  });
});

describe("secrets", () => {
  it("are in Secrets Manager, and come to the pods by a role that reads these and no others", () => {
    const { secrets, kubernetes } = workloadOf();
    expect(secrets).toMatchObject({
      holysheepApiKey: "triton-dev/holysheep",
      apiKeys: { name: "triton-dev/api-keys", map: `${"ab".repeat(32)} team-search\n` },
      recoveryDays: 0,
    });
    expect(secrets?.readerRole.serviceAccounts).toEqual(["triton:triton-secrets"]);
    expect(kubernetes.secretStore?.serviceAccount.metadata?.annotations).toEqual({
      "eks.amazonaws.com/role-arn": secrets?.readerRole.roleArn,
    });
    const remote = (object: typeof kubernetes.holysheepExternalSecret) =>
      object?.spec?.data?.[0]?.remoteRef.key;
    expect(remote(kubernetes.holysheepExternalSecret)).toBe("triton-dev/holysheep");
    expect(remote(kubernetes.apiKeysExternalSecret)).toBe("triton-dev/api-keys");
    expect(kubernetes.holysheepSecret).toBeUndefined();
    expect(kubernetes.apiKeysSecret).toBeUndefined();
  });

  it("are those that are needed", () => {
    const servers = { gpu: { accelerator: { gpu: "a100-40gb" }, allowDowntime: true } } as const;
    const none = workloadOf({ servers, kubernetes: {} }, [gpuModel]);
    expect(none.secrets).toBeUndefined();
    expect(none.kubernetes.secretStore).toBeUndefined();
    const keys = workloadOf({ servers }, [gpuModel]);
    expect(keys.secrets?.holysheepApiKey).toBeUndefined();
    expect(JSON.stringify(keys.secrets?.readerRole.policy)).not.toContain("holysheep");
    expect(workloadOf({ kubernetes: {} }).secrets?.apiKeys).toBeUndefined();
  });

  it("are missed where models call HolySheep", () => {
    const { problems } = planAws(devConfig(), { hasApiKey: false });
    expect(problems.map(({ path }) => path)).toEqual(["holysheep:apiKey"]);
  });
});

describe("the image of servers", () => {
  const serverImage = { requirements: "requirements.txt" };

  it("is built where requirements are named, and lies in ECR", () => {
    const { value, problems } = planAws(devConfig({ eks: { serverImage } }), {
      requirements: "numpy==2.1.0\n",
    });
    expect(problems).toEqual([]);
    const url = `${account}.dkr.ecr.us-east-1.amazonaws.com/triton-dev/triton`;
    expect(value.workload?.imageRepository).toMatchObject({ name: "triton-dev/triton", url });
    const [image] = value.workload?.kubernetes.serverImages ?? [];
    expect(image?.reference.startsWith(`${url}:`)).toBe(true);
  });

  it("is a problem where they cannot be read, and is none else", () => {
    expect(
      planAws(devConfig({ eks: { serverImage } })).problems.map(({ path, message }) => [path, message]),
    ).toEqual([["", "these requirements cannot be read"]]);
    expect(workloadOf().imageRepository).toBeUndefined();
  });
});

describe("GPU add-ons", () => {
  const chartsOf = (fields: AwsFields) => workloadOf(fields).kubernetes.charts;
  const cut = {
    nodes: {
      a100: { instanceType: "p4d.24xlarge", mig: "3g.20gb" },
      workers: { instanceType: "m7i.2xlarge", count: 2 },
    },
    servers: {
      gpu: {
        models: ["on-gpu"],
        accelerator: { gpu: "a100-40gb", mig: "3g.20gb" },
        allowDowntime: true,
      },
      llm: { models: ["on-upstream"], allowDowntime: true },
    },
  } as const satisfies AwsFields;

  it("are the device plugin by themselves: EKS' images have none", () => {
    expect(chartsOf({}).map(({ name }) => name)).toEqual(["nvidia-device-plugin"]);
  });

  it("are the GPU operator where GPUs are cut, without the driver and the toolkit that nodes have", () => {
    const [chart, ...rest] = chartsOf(cut);
    expect(rest).toEqual([]);
    expect(chart).toMatchObject({
      name: "gpu-operator",
      values: {
        driver: { enabled: false },
        toolkit: { enabled: false },
        migManager: { env: [{ name: "WITH_REBOOT", value: "true" }] },
        mig: { strategy: "mixed" },
      },
    });
  });

  it("take what the config says over that", () => {
    const gpuOperator = { values: { toolkit: { enabled: true } } };
    const [chart] = chartsOf({
      kubernetes: { gpu: { addon: "gpu-operator", gpuOperator: { ...operatorChart, ...gpuOperator } } },
    });
    expect(chart?.values).toMatchObject({ driver: { enabled: false }, toolkit: { enabled: true } });
  });

  it("are none where there are no GPUs", () => {
    const { kubernetes } = workloadOf(
      {
        nodes: { workers: { instanceType: "m7i.2xlarge", count: 2 } },
        servers: { llm: { allowDowntime: true } },
        defaultServer: "llm",
      },
      models.filter(({ spec }) => spec.upstream !== undefined),
    );
    expect(kubernetes.charts).toEqual([]);
  });

  it("are there for a stack of models alone, by what its servers run on", () => {
    const { workload } = planOf(prodConfig({ nodes: {} }));
    expect(workload?.kubernetes.charts.map(({ name }) => name)).toEqual(["nvidia-device-plugin"]);
  });

  const operatorChart = { repository: "r", chart: "gpu-operator", version: "v1" };
});

describe("network policies", () => {
  const reaches = (fields: AwsFields, address: string): boolean =>
    mayConnect(workloadOf(fields).kubernetes.networkPolicies, loader, { kind: "address", address }, https);

  it("let the loader reach S3, and STS at its interface endpoint in the private subnets", () => {
    expect(reaches({}, "52.216.1.1")).toBe(true);
    expect(reaches({}, "10.0.5.5")).toBe(true);
    expect(reaches({}, "10.0.64.9")).toBe(true);
  });

  it("keep the rest of private addresses and the nodes' metadata shut", () => {
    for (const address of ["10.0.192.7", "10.5.0.1", "192.168.1.1", "169.254.169.254"])
      expect(reaches({}, address)).toBe(false);
  });

  it("open nothing inside without such an endpoint", () => {
    const zones = ["us-east-1a", "us-east-1b"];
    expect(reaches({ eks: { network: { zones, interfaceEndpoints: ["ecr.api"] } } }, "10.0.5.5")).toBe(false);
  });

  it("are what the config says where it says something", () => {
    const objectStore = { cidrs: ["10.9.0.0/16"], port: 443 };
    const kubernetes = { networkPolicies: { objectStore } };
    expect(reaches({ kubernetes }, "10.9.1.1")).toBe(true);
    expect(reaches({ kubernetes }, "10.0.5.5")).toBe(false);
  });

  it("let the load balancer's health checks in where clients are named", () => {
    const balancer: PodEndpoint = {
      kind: "pod",
      namespace: "triton",
      labels: { "app.kubernetes.io/name": "triton-balancer", "app.kubernetes.io/part-of": "triton-platform" },
    };
    const lets = (scheme: "internal" | "internet-facing", address: string): boolean =>
      mayConnect(
        workloadOf({
          kubernetes: { networkPolicies: { clients: ["10.20.0.0/16"] } },
          eks: { loadBalancer: { scheme } },
        }).kubernetes.networkPolicies,
        { kind: "address", address },
        balancer,
        { number: 8000 },
      );
    expect(lets("internal", "10.20.1.1")).toBe(true);
    expect(lets("internal", "10.0.0.9")).toBe(true);
    expect(lets("internal", "10.0.192.9")).toBe(false);
    expect(lets("internet-facing", "10.0.192.9")).toBe(true);
  });
});

it("a name in Route 53 is the plan's", () => {
  expect(planOf(prodConfig()).workload?.dns).toEqual({
    zoneId: "Z0123456789ABCDEFGHIJ",
    name: "models.example.com",
  });
});
