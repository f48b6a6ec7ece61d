import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { readStack } from "../../commands/stack/config.ts";
import { loadModels } from "../../core/spec/load.ts";
import { eksOf, servesModels, type PlatformConfig } from "../../core/spec/platform.ts";
import { awsStandIns, startApiServer, usual, type Answers, type ApiServer } from "../support/aws-mocks.ts";
import { record, type Run, type StandIns } from "../../commands/plan/record.ts";
import { projectRoot } from "../support/tools.ts";

let apiServer: ApiServer;

beforeAll(async () => {
  apiServer = await startApiServer();
});

afterAll(() => apiServer.stop());

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Runs a committed stack, or one like it, on an AWS that answers so. */
function run(
  stack: string,
  standIns: StandIns,
  change: (config: PlatformConfig) => PlatformConfig = (config) => config,
): Promise<Run> {
  const read = readStack(stack);
  const config = change(read.config);
  return record(async () => {
    const { target } = await import("../../components/aws/target.ts");
    const models = servesModels(config) ? loadModels(path.resolve(projectRoot, config.models)).value : [];
    const prepared = target.prepare(models, { config, project: projectRoot, file: read.file, stack });
    if ("problems" in prepared) throw new Error(JSON.stringify(prepared.problems));
    return prepared.value.build();
  }, standIns);
}

function answering(answers: Answers): StandIns {
  return awsStandIns(apiServer.endpoint, { ...usual, ...answers });
}

function refusing(token: string, message: string): Answers {
  return {
    [token]: () => {
      // As gRPC hands an engine's errors to the SDK.
      throw Object.assign(new Error(message), { details: message });
    },
  };
}

const callerIdentity = "aws:index/getCallerIdentity:getCallerIdentity";

describe("before anything is made", () => {
  /** Nothing but the provider that was asked. */
  function expectNothing({ resources }: Run): void {
    expect(resources.map(({ type }) => type)).toEqual(["pulumi:providers:aws"]);
  }

  it("another account's credentials are refused, whoever finds it out", async () => {
    const told = /eks\.account: 111122223333, and these credentials are of the account 999999999999/;
    const byProvider = await run(
      "prod-base",
      answering(refusing(callerIdentity, "configuring: AWS account ID not allowed: 999999999999")),
    );
    expect(byProvider.error?.message).toMatch(told);
    expectNothing(byProvider);
    const byAnswer = await run(
      "prod-base",
      answering({
        [callerIdentity]: () => ({ accountId: "999999999999", arn: "arn:aws:iam::999999999999:root" }),
      }),
    );
    expect(byAnswer.error?.message).toMatch(told);
    expectNothing(byAnswer);
  });

  it("missing credentials are one message", async () => {
    const none = await run(
      "prod-base",
      answering(refusing(callerIdentity, "No valid credential sources found")),
    );
    expect(none.error?.message).toMatch(
      /AWS does not say who you are: .*No valid credential.*\n {2}→ log in/,
    );
    expectNothing(none);
  });

  it("zones, types, quotas, and who deploys are told together", async () => {
    const poor = await run(
      "dev",
      answering({
        [callerIdentity]: () => ({
          accountId: "111122223333",
          arn: "arn:aws:sts::111122223333:assumed-role/somebody/me",
        }),
        "aws:index/getAvailabilityZones:getAvailabilityZones": () => ({
          names: ["us-east-1a", "us-east-1d", "us-east-1e"],
          zoneIds: ["use1-az1", "use1-az2", "use1-az3"],
        }),
        "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": () => ({ locations: ["us-east-1a"] }),
        "aws:servicequotas/getServiceQuota:getServiceQuota": () => ({ value: 0 }),
      }),
    );
    const text = poor.error?.message ?? "";
    expect(text).toMatch(/has no zone `us-east-1b`/);
    expect(text).toMatch(/p4d\.24xlarge is not offered in us-east-1b/);
    expect(text).toMatch(/1 × p4d\.24xlarge need 96 vCPUs/);
    expect(text).toMatch(/principalArn: "arn:aws:iam::111122223333:role\/somebody", policy: clusterAdmin/);
    expectNothing(poor);
  });

  it("a machine without the AWS CLI is told so", async () => {
    vi.stubEnv("PATH", "/nowhere");
    const without = await run("prod-base", answering({}));
    expect(without.error?.message).toMatch(/this machine\n {2}PATH: the AWS CLI is not there/);
    expectNothing(without);
  });

  it("what may not be asked stops nothing", async () => {
    const denied = refusing("aws:servicequotas/getServiceQuota:getServiceQuota", "AccessDeniedException");
    const { error, resources } = await run("prod-base", answering(denied));
    expect(error).toBeUndefined();
    expect(resources.some(({ type }) => type === "aws:eks/cluster:Cluster")).toBe(true);
  });

  it("a base stack that lacks a layer is named", async () => {
    const standIns = answering({});
    const without = {
      ...standIns,
      outputs: (resource: Parameters<StandIns["outputs"]>[0]) =>
        resource.type === "pulumi:pulumi:StackReference" ? { outputs: {} } : standIns.outputs(resource),
    };
    const { error, resources } = await run("prod", without);
    expect(error?.message).toMatch(/stack prod-base, which eks\.baseStack names, has no cluster yet/);
    expect(resources.filter(({ type }) => type.startsWith("aws:"))).toEqual([]);
  });

  it("an API server that is not reached is one message, unless a proxy is in between", async () => {
    const gone = await startApiServer();
    await gone.stop();
    const nobody = awsStandIns(gone.endpoint);
    const { error, resources } = await run("prod", nobody);
    expect(error?.message).toMatch(
      /API server, https:\/\/127.*, cannot be reached from here: .*ECONNREFUSED/,
    );
    expect(error?.message).toMatch(/inside the VPC/);
    expect(resources.filter(({ type }) => type.startsWith("aws:"))).toEqual([]);
    vi.stubEnv("HTTPS_PROXY", "http://proxy.example.com:3128");
    expect((await run("prod", nobody)).error).toBeUndefined();
  });
});

describe("an existing VPC", () => {
  it("is used as it is, each node group in the subnets of its zones", async () => {
    const given = {
      vpcId: "vpc-1",
      privateSubnetIds: ["subnet-0123456789abcdef0", "subnet-1"],
      publicSubnetIds: [],
    };
    const { error, resources, outputs } = await run("prod-base", answering({}), (config) => ({
      ...config,
      eks: { ...eksOf(config), layers: ["cluster"], network: given },
    }));
    expect(error).toBeUndefined();
    expect(resources.some(({ type }) => type === "aws:ec2/vpc:Vpc")).toBe(false);
    const subnetsOf = (name: string): unknown =>
      resources.find((resource) => resource.name === `triton-prod-${name}-nodes`)?.inputs.subnetIds;
    expect(subnetsOf("system")).toEqual(given.privateSubnetIds);
    // Its reservation is in us-east-1b.
    expect(subnetsOf("a100")).toEqual(["subnet-1"]);
    const inner = resources.find(({ name }) => name === "triton-prod-api");
    expect(inner?.inputs.ingress).toMatchObject([{ cidrBlocks: ["10.1.0.0/16", "100.64.0.0/16"] }]);
    expect(outputs).toMatchObject({ network: given });
  });
});
