import { describe, expect, it } from "vitest";
import { planNetwork } from "../../../core/aws/network.ts";
import { awsNames } from "../../../core/aws/names.ts";
import type { NetworkPlan } from "../../../core/aws/plan.ts";
import { eksSchema } from "../../../core/spec/eks.ts";
import { account, type AwsFields } from "./aws-support.ts";

type NetworkFields = NonNullable<NonNullable<AwsFields["eks"]>["network"]>;

function networkOf(fields: NetworkFields, region = "us-east-1") {
  const tags = { owner: "o", environment: "e", costCenter: "c" };
  const { network } = eksSchema.parse({ account, region, tags, network: fields });
  if (network === undefined) throw new Error("there is no network");
  return planNetwork(network, awsNames({ account, region }, "dev"));
}

function made(fields: NetworkFields, region?: string): NetworkPlan {
  const plan = networkOf(fields, region);
  if (!("zones" in plan)) throw new Error("this network is given");
  return plan;
}

const two = ["us-east-1a", "us-east-1b"];

describe("a network that is made", () => {
  it("keeps its subnets when a zone comes after them", () => {
    const { zones } = made({ zones: two });
    expect(made({ zones: [...two, "us-east-1d"] }).zones.slice(0, 2)).toEqual(zones);
  });

  it("goes out by each zone's own NAT gateway, or by the first one's", () => {
    const natZones = (nat: "perZone" | "single") =>
      made({ zones: two, nat }).zones.map(({ natZone }) => natZone);
    expect(natZones("perZone")).toEqual(two);
    expect(natZones("single")).toEqual(["us-east-1a", "us-east-1a"]);
  });

  it("has endpoints of the services that are named, each once, and S3's always", () => {
    const plan = made({ zones: two, interfaceEndpoints: ["sts", "ecr.api", "sts"] });
    expect(plan.interfaceEndpoints).toEqual([
      "com.amazonaws.us-east-1.ecr.api",
      "com.amazonaws.us-east-1.sts",
    ]);
    expect(made({ zones: two, interfaceEndpoints: [] }).s3Endpoint).toBe("com.amazonaws.us-east-1.s3");
  });

  it("has them by China's names there", () => {
    const zones = ["cn-north-1a", "cn-north-1b"];
    expect(made({ zones, interfaceEndpoints: ["sts", "logs"] }, "cn-north-1").interfaceEndpoints).toEqual([
      "com.amazonaws.cn-north-1.logs",
      "cn.com.amazonaws.cn-north-1.sts",
    ]);
  });

  it("is found by the Load Balancer Controller, public and private apart", () => {
    const { publicSubnetTags, privateSubnetTags } = made({ zones: two });
    expect(publicSubnetTags).toEqual({ "kubernetes.io/role/elb": "1" });
    expect(privateSubnetTags).toEqual({ "kubernetes.io/role/internal-elb": "1" });
  });

  it("writes its flow logs by a role for their group alone", () => {
    const { flowLogGroup, flowLogRole } = made({ zones: two });
    const [writing] = flowLogRole.policy?.Statement ?? [];
    const group = `arn:aws:logs:us-east-1:${account}:log-group:${flowLogGroup}`;
    expect(writing?.Resource).toEqual([group, `${group}:*`]);
  });
});

it("a network that is there is taken as it is", () => {
  const given = {
    vpcId: "vpc-0123456789abcdef0",
    privateSubnetIds: ["subnet-0123456789abcde01", "subnet-0123456789abcde02"],
  };
  expect(networkOf(given)).toEqual({ ...given, publicSubnetIds: [] });
});
