import { expect } from "vitest";
import { planEks, type EksFacts } from "../../../core/aws/plan-eks.ts";
import type { EksPlan } from "../../../core/aws/plan.ts";
import type { Model } from "../../../core/spec/load.ts";
import type { PlatformConfig } from "../../../core/spec/platform.ts";
import type { Checked, Problem } from "../../../core/spec/problem.ts";
import { modelOf, platformOf, type PlatformFields } from "../../support/models.ts";

/** Stacks on AWS like those of a team; a test writes only the fields it is about. */

type EksFields = NonNullable<PlatformFields["eks"]>;

export interface AwsFields extends Omit<PlatformFields, "eks"> {
  readonly eks?: Partial<EksFields>;
}

export const account = "111122223333";

export const gpuModel = modelOf("on-gpu", {
  backend: "onnxruntime",
  instances: [{ kind: "gpu" }],
  memory: { weights: "1GiB", workspacePerInstance: "1GiB" },
});
export const llmModel = modelOf("on-upstream", { upstream: "holysheep", instances: [{ kind: "cpu" }] });
export const models: readonly Model[] = [gpuModel, llmModel];

const access = {
  deployers: { principalArn: `arn:aws:iam::${account}:role/deployers`, policy: "clusterAdmin" },
} satisfies NonNullable<EksFields["cluster"]>["access"];

const callers = [{ caller: "team-search", sha256: "ab".repeat(32) }];

/** All layers in one stack, two zones, one card cut into slices, an API server that an office reaches. */
export function devConfig({ eks, ...fields }: AwsFields = {}): PlatformConfig {
  return platformOf({
    target: "eks",
    defaultServer: "gpu",
    servers: {
      gpu: { models: [gpuModel.spec.name], accelerator: { gpu: "a100-40gb" }, allowDowntime: true },
      llm: { models: [llmModel.spec.name], allowDowntime: true },
    },
    nodes: {
      a100: { instanceType: "p4d.24xlarge", count: 1 },
      workers: { instanceType: "m7i.2xlarge", count: 2, maxCount: 4 },
    },
    kubernetes: { balancer: { apiKeys: callers } },
    ...fields,
    eks: {
      account,
      region: "us-east-1",
      tags: { owner: "ml-platform", environment: "dev", costCenter: "4711", ttl: "8h" },
      network: { cidr: "10.0.0.0/16", zones: ["us-east-1a", "us-east-1b"], nat: "single" },
      cluster: { access, publicAccessCidrs: ["203.0.113.0/24"] },
      secretRecoveryDays: 0,
      ...eks,
    },
  });
}

const prodTags = { owner: "ml-platform", environment: "prod", costCenter: "4711" };

const prodNodes = {
  a100: { instanceType: "p4de.24xlarge", count: 2, maxCount: 4 },
  workers: { instanceType: "m7i.2xlarge", count: 3, maxCount: 6 },
} satisfies PlatformFields["nodes"];

/** Network and cluster of a platform whose models another stack deploys: three zones, a private API server. */
export function prodBaseConfig({ eks, ...fields }: AwsFields = {}): PlatformConfig {
  return platformOf({
    target: "eks",
    defaultServer: "gpu",
    servers: {},
    nodes: prodNodes,
    ...fields,
    eks: {
      account,
      region: "us-east-1",
      name: "triton-prod",
      tags: prodTags,
      layers: ["network", "cluster"],
      network: { cidr: "10.1.0.0/16", zones: ["us-east-1a", "us-east-1b", "us-east-1c"] },
      cluster: { access },
      nodeGroups: {
        a100: {
          capacity: { kind: "reservation", id: "cr-0123456789abcdef0", zone: "us-east-1a" },
          minCount: 1,
        },
      },
      protect: true,
      ...eks,
    },
  });
}

/** The models on it. */
export function prodConfig({ eks, ...fields }: AwsFields = {}): PlatformConfig {
  return platformOf({
    target: "eks",
    defaultServer: "gpu",
    servers: {
      gpu: { models: [gpuModel.spec.name], accelerator: { gpu: "a100-80gb" }, replicas: 2 },
      llm: { models: [llmModel.spec.name], replicas: 2 },
    },
    nodes: prodNodes,
    kubernetes: {
      balancer: { apiKeys: callers, replicas: 3 },
      networkPolicies: { objectStore: { cidrs: ["10.1.0.0/16"], port: 443 } },
    },
    ...fields,
    eks: {
      account,
      region: "us-east-1",
      name: "triton-prod",
      tags: prodTags,
      layers: ["workload"],
      baseStack: "prod",
      loadBalancer: {
        certificateArn: `arn:aws:acm:us-east-1:${account}:certificate/12345678-1234-1234-1234-123456789012`,
        sourceRanges: ["10.0.0.0/8"],
        dns: { zoneId: "Z0123456789ABCDEFGHIJ", name: "models.example.com" },
      },
      protect: true,
      ...eks,
    },
  });
}

export const file = "Pulumi.test.yaml";

export function planAws(
  config: PlatformConfig,
  facts: Partial<EksFacts> = {},
  served: readonly Model[] = models,
): Checked<EksPlan> {
  return planEks(served, config, { file, stack: "dev", hasApiKey: true, ...facts });
}

/** Throws where there is a problem. */
export function planOf(
  config: PlatformConfig,
  facts?: Partial<EksFacts>,
  served?: readonly Model[],
): EksPlan {
  const { value, problems } = planAws(config, facts, served);
  if (problems.length > 0)
    throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return value;
}

/** Where a problem is below `triton-platform:`, and parts of its message and its hint. */
export type ExpectedProblem = readonly [path: string, message: string, hint: string];

/** That there is this problem and no other. */
export function expectProblem(problems: readonly Problem[], [path, message, hint]: ExpectedProblem): void {
  expect(problems.map((problem) => [problem.file, problem.path])).toEqual([
    [file, `triton-platform:${path}`],
  ]);
  expect(problems[0]?.message).toContain(message);
  expect(problems[0]?.hint).toContain(hint);
}
