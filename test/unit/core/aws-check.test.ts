import { describe, expect, it } from "vitest";
import type { PlatformConfig } from "../../../core/spec/platform.ts";
import type { Problem } from "../../../core/spec/problem.ts";
import {
  account,
  devConfig,
  expectProblem,
  gpuModel,
  planAws,
  prodBaseConfig,
  prodConfig,
  type AwsFields,
  type ExpectedProblem,
} from "./aws-support.ts";

type EksFields = NonNullable<AwsFields["eks"]>;
type NodeFields = NonNullable<AwsFields["nodes"]>;

const workers = { instanceType: "m7i.2xlarge", count: 2 } as const;
const a100 = { instanceType: "p4d.24xlarge" } as const;
const deployers = { principalArn: `arn:aws:iam::${account}:role/deployers`, policy: "clusterAdmin" } as const;
const zones = ["us-east-1a", "us-east-1b"];
const given = {
  vpcId: "vpc-0123456789abcdef0",
  privateSubnetIds: ["subnet-0123456789abcde01", "subnet-0123456789abcde02"],
};
const reservation = { kind: "reservation", id: "cr-0123456789abcdef0", zone: "us-east-1a" } as const;
const objectStore = { cidrs: ["10.0.0.0/16"], port: 443 };

function problemsOf(config: PlatformConfig): readonly Problem[] {
  const models = config.eks?.layers.includes("workload") === false ? [] : undefined;
  return planAws(config, {}, models).problems;
}

function expectOnly(config: PlatformConfig, expected: ExpectedProblem): void {
  expectProblem(problemsOf(config), expected);
}

describe("stacks as they should be", () => {
  it.each([
    ["all in one", devConfig()],
    ["network and cluster", prodBaseConfig()],
    ["models", prodConfig()],
    [
      "a network alone",
      devConfig({ servers: {}, nodes: {}, eks: { layers: ["network"], cluster: undefined } }),
    ],
    ["a cluster in a VPC that is there", prodBaseConfig({ eks: { layers: ["cluster"], network: given } })],
    [
      "a cluster in another stack's network",
      prodBaseConfig({ eks: { layers: ["cluster"], network: undefined, baseStack: "network" } }),
    ],
    [
      "everything in a VPC that is there",
      devConfig({ kubernetes: { networkPolicies: { objectStore } }, eks: { network: given } }),
    ],
  ])("have no problem: %s", (_, config) => {
    expect(problemsOf(config)).toEqual([]);
  });
});

describe("the region", () => {
  it.each<[string, EksFields, ExpectedProblem]>([
    [
      "is one with EKS",
      { region: "us-east-3", network: { zones: ["us-east-3a", "us-east-3b"] } },
      ["eks.region", "`us-east-3` is no region", "us-east-1"],
    ],
    [
      "is that of the zones",
      { network: { zones: ["us-east-1a", "us-west-2a"] } },
      ["eks.network.zones", "`us-west-2a` is not in us-east-1", "us-east-1a, us-east-1b"],
    ],
    [
      "is that of the certificate",
      { loadBalancer: { certificateArn: `arn:aws:acm:eu-west-1:${account}:certificate/1` } },
      ["eks.loadBalancer.certificateArn", "in eu-west-1", "request or import"],
    ],
  ])("%s", (_, eks, expected) => {
    expectOnly(devConfig({ eks }), expected);
  });
});

describe("layers", () => {
  it.each<[string, PlatformConfig, ExpectedProblem]>([
    [
      "need the stack with those below",
      prodConfig({ eks: { baseStack: undefined } }),
      ["eks.baseStack", "missing, and this stack makes no cluster", "pulumi stack ls"],
    ],
    [
      "of a cluster need a network",
      prodBaseConfig({ eks: { layers: ["cluster"], network: undefined } }),
      ["eks.baseStack", "missing, and this stack makes no network", "a VPC that is there"],
    ],
    [
      "that are all here need no other stack",
      devConfig({ eks: { baseStack: "prod" } }),
      ["eks.baseStack", "takes nothing from another one", "remove it"],
    ],
    [
      "with a network say where it is",
      devConfig({ kubernetes: { networkPolicies: { objectStore } }, eks: { network: undefined } }),
      ["eks.network", "missing", "us-east-1a, us-east-1b"],
    ],
    [
      "without a network say nothing of one",
      prodConfig({ eks: { network: { zones } } }),
      ["eks.network", "this stack makes no network", "remove it"],
    ],
    [
      "with a cluster say who may use it",
      devConfig({ eks: { cluster: undefined } }),
      ["eks.cluster", "missing", "clusterAdmin"],
    ],
    [
      "without a cluster say nothing of one",
      prodConfig({ eks: { cluster: { access: { deployers } } } }),
      ["eks.cluster", "this stack makes no cluster", "remove it"],
    ],
    [
      "without a cluster say nothing of its groups",
      prodConfig({ eks: { nodeGroups: { a100: {} } } }),
      ["eks.nodeGroups", "this stack makes no node groups", "the stack that makes the cluster"],
    ],
    [
      "have no gap",
      devConfig({ eks: { layers: ["network", "workload"], cluster: undefined, baseStack: "other" } }),
      ["eks.layers", "without the cluster between them", "add cluster"],
    ],
  ])("%s", (_, config, expected) => {
    expectOnly(config, expected);
  });
});

describe("the network", () => {
  it.each<[string, EksFields["network"], ExpectedProblem]>([
    [
      "is not larger than AWS has",
      { cidr: "10.0.0.0/8", zones },
      ["eks.network.cidr", "/8 is too large", "/16 to /20"],
    ],
    [
      "is not too small",
      { cidr: "10.0.0.0/24", zones },
      ["eks.network.cidr", "/24 is too small", "/16 to /20"],
    ],
    [
      "begins where a network begins",
      { cidr: "10.0.7.0/16", zones },
      ["eks.network.cidr", "no network", "write 10.0.0.0/16"],
    ],
    [
      "has private addresses",
      { cidr: "11.0.0.0/16", zones },
      ["eks.network.cidr", "addresses of the internet", "10.0.0.0/8"],
    ],
    [
      "has each zone once",
      { zones: ["us-east-1a", "us-east-1a"] },
      ["eks.network.zones", "there twice", "each zone once"],
    ],
  ])("%s", (_, network, expected) => {
    expectOnly(devConfig({ eks: { network } }), expected);
  });

  it("that is there has public subnets for a load balancer that the internet reaches", () => {
    const kubernetes = { networkPolicies: { objectStore } };
    const loadBalancer = { scheme: "internet-facing" } as const;
    expectOnly(devConfig({ kubernetes, eks: { network: given, loadBalancer } }), [
      "eks.network.publicSubnetIds",
      "internet-facing",
      "scheme: internal",
    ]);
    const publicSubnetIds = ["subnet-0123456789abcde03"];
    expect(
      problemsOf(devConfig({ kubernetes, eks: { network: { ...given, publicSubnetIds }, loadBalancer } })),
    ).toEqual([]);
  });

  it("that is there has each subnet once", () => {
    const network = { ...given, publicSubnetIds: given.privateSubnetIds };
    expectOnly(devConfig({ kubernetes: { networkPolicies: { objectStore } }, eks: { network } }), [
      "eks.network",
      "named twice",
      "each once",
    ]);
  });
});

describe("the cluster", () => {
  it.each<[string, EksFields["cluster"], ExpectedProblem]>([
    [
      "is not open to the internet",
      { access: { deployers }, publicAccessCidrs: ["203.0.113.0/24", "0.0.0.0/0"] },
      ["eks.cluster.publicAccessCidrs[1]", "the whole internet", "only the VPC"],
    ],
    [
      "has somebody who may deploy",
      { access: { viewers: { ...deployers, policy: "view" } } },
      ["eks.cluster.access", "nobody", "clusterAdmin"],
    ],
    [
      "gives all of itself or namespaces",
      { access: { deployers: { ...deployers, namespaces: ["triton"] } } },
      ["eks.cluster.access.deployers.namespaces", "whole cluster", "policy: admin"],
    ],
    [
      "has one entry of each",
      { access: { deployers, again: { ...deployers, policy: "view" } } },
      ["eks.cluster.access.again.principalArn", "the same as `deployers`", "remove one"],
    ],
  ])("%s", (_, cluster, expected) => {
    expectOnly(devConfig({ eks: { cluster } }), expected);
  });
});

describe("node groups", () => {
  it.each<[string, AwsFields, ExpectedProblem]>([
    [
      "are of pools that are there",
      { eks: { nodeGroups: { a10: {} } } },
      ["eks.nodeGroups.a10", "no pool `a10`", "a100"],
    ],
    [
      "are of EC2 types",
      { nodes: { a100, workers: { allocatable: { cpu: 8, memory: "32GiB", disk: "100GiB" } } } },
      ["nodes.workers.allocatable", "EC2 instances", "instanceType"],
    ],
    [
      "have names that AWS takes",
      { nodes: { a100, "the workers": workers } },
      ["nodes.the workers", "no name for a node group", "at most 32"],
    ],
    [
      "do not stay above their count",
      { eks: { nodeGroups: { a100: { minCount: 2 } } } },
      ["eks.nodeGroups.a100.minCount", "begins with 1", "at most 1"],
    ],
    [
      "may have a node",
      { nodes: { a100, workers, spare: { ...workers, count: 0 } } },
      ["nodes.spare.maxCount", "never have one", "maxCount: 1"],
    ],
    [
      "have room for the system",
      { eks: { nodeGroups: { a100: { volumeSize: "10GiB" } } } },
      ["eks.nodeGroups.a100.volumeSize", "10 GiB", "20GiB to 64TiB"],
    ],
    [
      "have volumes that there are",
      { eks: { nodeGroups: { a100: { volumeSize: "65TiB" } } } },
      ["eks.nodeGroups.a100.volumeSize", "65 TiB", "20GiB to 64TiB"],
    ],
    [
      "have the disk that replicas were placed on",
      { eks: { nodeGroups: { workers: { volumeSize: "50GiB" } } } },
      ["eks.nodeGroups.workers.volumeSize", "100 GiB", "nodes.workers.disk"],
    ],
    [
      "are in the reservation's zone",
      { eks: { nodeGroups: { a100: { capacity: reservation, zones } } } },
      ["eks.nodeGroups.a100.zones", "in us-east-1a", "remove zones"],
    ],
    [
      "are in zones of the network",
      { eks: { nodeGroups: { a100: { capacity: { ...reservation, zone: "us-east-1d" } } } } },
      ["eks.nodeGroups.a100.capacity.zone", "no subnets in us-east-1d", "at the end"],
    ],
    [
      "are in zones of the region",
      { eks: { nodeGroups: { a100: { zones: ["us-west-2a"] } } } },
      ["eks.nodeGroups.a100.zones", "not in us-east-1", "us-east-1a"],
    ],
    [
      "of a reservation have its type",
      { eks: { nodeGroups: { a100: { capacity: reservation, otherInstanceTypes: ["p4de.24xlarge"] } } } },
      ["eks.nodeGroups.a100.otherInstanceTypes", "of one type", "remove"],
    ],
    [
      "know their other types",
      { eks: { nodeGroups: { workers: { otherInstanceTypes: ["m7i.3xlarge"] } } } },
      ["eks.nodeGroups.workers.otherInstanceTypes[0]", "no type that is known", "m7i."],
    ],
    [
      "do not name their own type again",
      { eks: { nodeGroups: { workers: { otherInstanceTypes: ["m7i.2xlarge"] } } } },
      ["eks.nodeGroups.workers.otherInstanceTypes[0]", "own type", "remove"],
    ],
    [
      "have the same GPUs on every type",
      { eks: { nodeGroups: { a100: { otherInstanceTypes: ["p4de.24xlarge"] } } } },
      ["eks.nodeGroups.a100.otherInstanceTypes[0]", "8 × a100-80gb", "p4d.24xlarge"],
    ],
    [
      "have no smaller type",
      { eks: { nodeGroups: { workers: { otherInstanceTypes: ["m7i.xlarge"] } } } },
      ["eks.nodeGroups.workers.otherInstanceTypes[0]", "4 vCPUs, and m7i.2xlarge has 8", "no smaller"],
    ],
  ])("%s", (_, fields, expected) => {
    expectOnly(devConfig(fields), expected);
  });

  it("leave a place for controllers", () => {
    const nodes: NodeFields = { a100: { ...a100, count: 2 } };
    expectOnly(prodBaseConfig({ nodes, eks: { nodeGroups: {} } }), ["nodes", "controllers", "m7i.xlarge"]);
    expectOnly(prodBaseConfig({ nodes: {}, eks: { nodeGroups: {} } }), [
      "nodes",
      "controllers",
      "m7i.xlarge",
    ]);
  });

  it("may be larger than the pool says", () => {
    const nodeGroups = { workers: { otherInstanceTypes: ["m7i.4xlarge"] } };
    expect(problemsOf(devConfig({ eks: { nodeGroups } }))).toEqual([]);
  });

  it("have slices that their GPUs can be cut into, also where no model is planned", () => {
    const nodes: NodeFields = { a100: { ...a100, mig: "1g.10gb" }, workers };
    expect(
      problemsOf(
        prodBaseConfig({ nodes: { a100: { ...a100, mig: "9g.9gb" }, workers }, eks: { nodeGroups: {} } }),
      ).map(({ path }) => path),
    ).toEqual(["triton-platform:nodes.a100.mig"]);
    expect(problemsOf(prodBaseConfig({ nodes, eks: { nodeGroups: {} } }))).toEqual([]);
  });
});

describe("cards", () => {
  it("that no pool has are refused: 80 GB on p4d", () => {
    const servers = {
      gpu: { models: [gpuModel.spec.name], accelerator: { gpu: "a100-80gb" }, allowDowntime: true },
      llm: { models: ["on-upstream"], allowDowntime: true },
    } satisfies AwsFields["servers"];
    expectOnly(devConfig({ servers }), [
      "servers.gpu.accelerator.gpu",
      "no pool of `nodes` has `a100-80gb`: `a100` has `a100-40gb`",
      "instanceType: p4de.24xlarge",
    ]);
  });
});

describe("the section of the target kubernetes", () => {
  const service = "balancer.service";

  it.each<[string, AwsFields["kubernetes"], ExpectedProblem]>([
    ["context", { context: "prod" }, ["kubernetes.context", "made by the stack", "remove"]],
    ["kubeconfig", { kubeconfig: "file" }, ["kubernetes.kubeconfig", "made by the stack", "remove"]],
    [
      "repository",
      { repository: { source: "s3", bucket: "mine" } },
      ["kubernetes.repository", "made by the stack", "eks.repository"],
    ],
    [
      "externalSecrets",
      { externalSecrets: { store: { name: "mine" } } },
      ["kubernetes.externalSecrets", "made by the stack", "Secrets Manager"],
    ],
    [
      "serverImage",
      { serverImage: { repository: "registry.example.com/triton", requirements: "r.txt" } },
      ["kubernetes.serverImage", "made by the stack", "eks.serverImage"],
    ],
    [
      "annotations",
      { balancer: { service: { annotations: { a: "b" } } } },
      [`kubernetes.${service}.annotations`, "made by the stack", "eks.loadBalancer"],
    ],
    [
      "type",
      { balancer: { service: { type: "NodePort" } } },
      [`kubernetes.${service}.type`, "made by the stack", "eks.loadBalancer"],
    ],
    [
      "externalTrafficPolicy",
      { balancer: { service: { externalTrafficPolicy: "Local" } } },
      [`kubernetes.${service}.externalTrafficPolicy`, "made by the stack", "eks.loadBalancer"],
    ],
    [
      "loadBalancerClass",
      { balancer: { service: { loadBalancerClass: "x" } } },
      [`kubernetes.${service}.loadBalancerClass`, "made by the stack", "eks.loadBalancer"],
    ],
    [
      "loadBalancerSourceRanges",
      { balancer: { service: { loadBalancerSourceRanges: ["10.0.0.0/8"] } } },
      [
        `kubernetes.${service}.loadBalancerSourceRanges`,
        "made by the stack",
        "eks.loadBalancer.sourceRanges",
      ],
    ],
    [
      "clusterDomain",
      { clusterDomain: "k8s.local" },
      ["kubernetes.clusterDomain", "cluster.local", "remove"],
    ],
    [
      "tolerations without the GPU nodes' taint",
      { tolerations: [{ key: "other" }] },
      ["kubernetes.tolerations", "`gpu` would not tolerate", "nvidia.com/gpu"],
    ],
  ])("leaves to the stack what it makes: %s", (_, kubernetes, expected) => {
    expectOnly(devConfig({ kubernetes }), expected);
  });

  it("opens the way to STS where the VPC's addresses are not known here", () => {
    expectOnly(prodConfig({ kubernetes: {} }), [
      "kubernetes.networkPolicies.objectStore",
      "STS",
      "10.0.0.0/16",
    ]);
    expect(problemsOf(prodConfig({ kubernetes: { networkPolicies: { enabled: false } } }))).toEqual([]);
  });

  it("cuts GPUs by the GPU operator", () => {
    expectOnly(
      devConfig({
        nodes: { a100: { ...a100, mig: "3g.20gb" }, workers },
        servers: {
          gpu: {
            models: [gpuModel.spec.name],
            accelerator: { gpu: "a100-40gb", mig: "3g.20gb" },
            allowDowntime: true,
          },
          llm: { models: ["on-upstream"], allowDowntime: true },
        },
        kubernetes: { gpu: { addon: "device-plugin" } },
      }),
      ["kubernetes.gpu.addon", "`device-plugin` cuts no GPUs", "gpu-operator"],
    );
  });
});

describe("tags and protection", () => {
  const tags = { owner: "o", environment: "e", costCenter: "c" };

  it.each<[string, EksFields, ExpectedProblem]>([
    [
      "are not a stack's own",
      { tags: { ...tags, others: { owner: "me" } } },
      ["eks.tags.others.owner", "of its own", "another key"],
    ],
    [
      "have keys for every service",
      { tags: { ...tags, others: { "a=b": "c" } } },
      ["eks.tags.others.a=b", "no key of a tag", "letters, digits"],
    ],
    [
      "have room",
      {
        tags: {
          ...tags,
          others: Object.fromEntries(Array.from({ length: 31 }, (_, i) => [`t${String(i)}`, "x"])),
        },
      },
      ["eks.tags.others", "31 tags", "leave some out"],
    ],
    [
      "of secrets: nothing is gone at once from a protected stack",
      { protect: true, secretRecoveryDays: 0 },
      ["eks.secretRecoveryDays", "gone at once", "7 to 30"],
    ],
  ])("%s", (_, eks, expected) => {
    expectOnly(devConfig({ eks }), expected);
  });
});

it("all problems are told at once", () => {
  const paths = problemsOf(
    devConfig({
      kubernetes: { context: "prod" },
      eks: {
        network: { cidr: "10.0.0.0/8", zones: ["us-west-2a", "us-east-1b"] },
        cluster: { access: {}, publicAccessCidrs: ["0.0.0.0/0"] },
        nodeGroups: { none: {} },
        protect: true,
      },
    }),
  ).map(({ path }) => path.replace("triton-platform:", ""));
  expect(paths).toEqual([
    "eks.network.cidr",
    "eks.network.zones",
    "eks.cluster.publicAccessCidrs[0]",
    "eks.cluster.access",
    "eks.nodeGroups.none",
    "kubernetes.context",
    "eks.secretRecoveryDays",
  ]);
});
