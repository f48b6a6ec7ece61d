import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { omit } from "../../core/objects.ts";
import { awsForceNew, awsReplacementOf } from "../../core/plan/aws-replacement.ts";
import { transact } from "../support/aws/account.ts";
import { isBefore } from "../support/aws/journal.ts";
import { HalfMade, SimulatedProvider } from "../support/aws/provider.ts";
import { SimulatedAccount } from "../support/aws/simulated-account.ts";
import { shapeOf } from "../support/aws/shapes.ts";
import { resourceTypes } from "../support/aws/types.ts";
import { unknownValue, type Properties } from "../support/aws/values.ts";

/** The simulated AWS that the engine's tests run on: its rules fire, and what it does not know it refuses. */

const vpcType = "aws:ec2/vpc:Vpc";
const subnetType = "aws:ec2/subnet:Subnet";
const roleType = "aws:iam/role:Role";
const attachmentType = "aws:iam/rolePolicyAttachment:RolePolicyAttachment";
const clusterType = "aws:eks/cluster:Cluster";
const groupType = "aws:eks/nodeGroup:NodeGroup";
const bucketType = "aws:s3/bucket:Bucket";
const secretType = "aws:secretsmanager/secret:Secret";

let account: SimulatedAccount;
let aws: SimulatedProvider;

beforeEach(() => {
  account = new SimulatedAccount({ patience: 0, delays: {} });
  aws = new SimulatedProvider(account.file);
  aws.configure({ region: "us-east-1" });
});

afterEach(() => {
  account.remove();
});

/** Checks and creates, as the engine does. */
async function make(
  type: string,
  name: string,
  given: Properties,
): Promise<{ id: string; outputs: Properties }> {
  const { inputs, failures } = aws.check(type, name, {}, given, name);
  expect(failures).toEqual([]);
  return aws.create(type, name, inputs);
}

/** What the check says of inputs: `property: reason` each. */
function reasons(type: string, given: Properties): string {
  const { failures } = aws.check(type, "it", {}, given, "seed");
  return failures.map(({ property, reason }) => `${property}: ${reason}`).join("\n");
}

const trust = (service: string): string =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }],
  });

async function makeNetwork(): Promise<{ vpcId: string; subnetIds: string[] }> {
  const { id: vpcId } = await make(vpcType, "main", { cidrBlock: "10.0.0.0/16" });
  const subnetIds: string[] = [];
  for (const [index, availabilityZone] of ["us-east-1a", "us-east-1b"].entries()) {
    const cidrBlock = `10.0.${String(index)}.0/24`;
    subnetIds.push((await make(subnetType, availabilityZone, { vpcId, availabilityZone, cidrBlock })).id);
  }
  return { vpcId, subnetIds };
}

async function makeRole(name: string, service: string, ...policies: string[]): Promise<string> {
  const { outputs } = await make(roleType, name, { name, assumeRolePolicy: trust(service) });
  for (const policy of policies)
    await make(attachmentType, `${name}-${policy}`, {
      role: name,
      policyArn: `arn:aws:iam::aws:policy/${policy}`,
    });
  return String(outputs.arn);
}

const nodePolicies = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"];

async function makeCluster(more: Properties = {}): Promise<{ subnetIds: string[]; nodeRoleArn: string }> {
  const { subnetIds } = await makeNetwork();
  const roleArn = await makeRole("of-cluster", "eks.amazonaws.com", "AmazonEKSClusterPolicy");
  const nodeRoleArn = await makeRole("of-nodes", "ec2.amazonaws.com", ...nodePolicies);
  await make(clusterType, "main", {
    name: "main",
    version: "1.33",
    roleArn,
    vpcConfig: { subnetIds },
    ...more,
  });
  return { subnetIds, nodeRoleArn };
}

const nodes = (more: Properties): Properties => ({
  ...{ clusterName: "main", nodeGroupName: "cpu", instanceTypes: ["m7i.large"] },
  scalingConfig: { minSize: 1, desiredSize: 1, maxSize: 2 },
  ...more,
});

describe("what it does not know", () => {
  it("is a type of resource that it refuses by name", () => {
    expect(() => aws.check("aws:sqs/queue:Queue", "it", {}, {}, "")).toThrow(
      "does not know resources of type aws:sqs/queue:Queue",
    );
  });

  it("is a function that it refuses by name", () => {
    expect(() => aws.invoke("aws:index/getArn:getArn", {})).toThrow(
      "does not know the function aws:index/getArn:getArn",
    );
  });

  it("is a property that @pulumi/aws does not have, at any depth", () => {
    expect(reasons(vpcType, { cidrBlok: "10.0.0.0/16", cidrBlock: "10.0.0.0/16" })).toBe(
      "cidrBlok: @pulumi/aws has no such property. did you mean `cidrBlock`?",
    );
    const vpcConfig = { subnetIds: ["subnet-1"], endpointPublic: false };
    expect(reasons(clusterType, { roleArn: "arn:aws:iam::1:role/x", vpcConfig })).toContain(
      "vpcConfig.endpointPublic: ",
    );
  });

  it("is a value of another kind than the property's, and a required one that is not there", () => {
    expect(reasons(vpcType, { cidrBlock: 10 })).toContain("cidrBlock: it must be a string, and is 10");
    expect(reasons(subnetType, { cidrBlock: "10.0.0.0/24" })).toBe("vpcId: it is required");
  });

  it("is an argument of a function", () => {
    expect(() =>
      aws.invoke("aws:servicequotas/getServiceQuota:getServiceQuota", { serviceCod: "ec2" }),
    ).toThrow("serviceCod");
  });

  it.each(Object.keys(resourceTypes).filter((type) => type.startsWith("aws:")))(
    "is nothing in its own rules of %s: they name properties that there are",
    (type) => {
      const { forceNew, sets, kept, defaults, exclusive, oneOf } = resourceTypes[type] ?? { forceNew: [] };
      const { inputs } = shapeOf(type);
      const named = [...forceNew, ...(sets ?? []), ...(kept ?? []), ...Object.keys(defaults ?? {})];
      for (const path of [...named, ...(exclusive ?? []).flat(), ...(oneOf ?? []).flat()])
        expect([...inputs.keys()]).toContain(path.split(".")[0]);
    },
  );

  it.each(Object.entries(awsForceNew).filter(([type]) => type.startsWith("aws:")))(
    "is nothing in the table of what replaces %s",
    (type, { properties, sometimes = [] }) => {
      const { inputs } = shapeOf(type);
      for (const path of [...properties, ...sometimes])
        expect([...inputs.keys()]).toContain(path.split(".")[0]);
      // The simulation has of its own what the table does not decide, and nothing twice.
      const own = resourceTypes[type]?.forceNew ?? [];
      expect(own.filter((path) => awsReplacementOf(type, [path]) === "in place")).toEqual([]);
    },
  );
});

describe("the provider", () => {
  it("refuses another account and a region that there is not, as the real one does", () => {
    expect(() => {
      aws.configure({ region: "us-east-1", allowedAccountIds: ["999999999999"] });
    }).toThrow("AWS account ID not allowed: 111122223333");
    expect(() => {
      aws.configure({ region: "us-east-9" });
    }).toThrow("invalid AWS Region: us-east-9");
  });

  it("puts its tags on everything that has tags, and sees when they change", async () => {
    aws.configure({ region: "us-east-1", defaultTags: { tags: { owner: "a", environment: "dev" } } });
    const given = { cidrBlock: "10.0.0.0/16", tags: { owner: "b" } };
    const { outputs } = await make(vpcType, "main", given);
    expect(outputs.tagsAll).toEqual({ owner: "b", environment: "dev" });
    expect(aws.diff(vpcType, outputs, given, given).changed).toEqual([]);
    aws.configure({ region: "us-east-1", defaultTags: { tags: { environment: "prod" } } });
    expect(aws.diff(vpcType, outputs, given, given)).toMatchObject({ changed: ["tagsAll"], replaces: [] });
  });

  it("knows in a preview what is given, and not what AWS will say", () => {
    const planned = aws.planCreate(vpcType, { cidrBlock: "10.0.0.0/16" });
    expect(planned).toMatchObject({ cidrBlock: "10.0.0.0/16", region: "us-east-1", arn: unknownValue });
    expect(planned).not.toHaveProperty("ipv4IpamPoolId");
    const vpcConfig = { subnetIds: [unknownValue] };
    expect(aws.planCreate(clusterType, { roleArn: unknownValue, vpcConfig }).vpcConfig).toEqual({
      ...{ subnetIds: [unknownValue], vpcId: unknownValue, clusterSecurityGroupId: unknownValue },
    });
  });

  it("makes a name of the resource's own, and keeps it", () => {
    const { inputs } = aws.check(secretType, "Key", {}, {}, "seed");
    expect(inputs.name).toMatch(/^key-[0-9a-f]{7}$/);
    expect(aws.check(secretType, "Key", inputs, {}, "other").inputs.name).toBe(inputs.name);
  });
});

describe("a change", () => {
  const old = {
    clusterName: "a",
    nodeRoleArn: "r",
    subnetIds: ["s1", "s2"],
    instanceTypes: ["a.b"],
    scalingConfig: { minSize: 1, desiredSize: 1, maxSize: 2 },
  };
  it.each([
    ["of another instance type", { instanceTypes: ["c.d"] }, ["instanceTypes"]],
    ["of a size", { scalingConfig: { minSize: 1, desiredSize: 2, maxSize: 2 } }, []],
    ["of a subnet that a preview does not know", { subnetIds: ["s1", unknownValue] }, ["subnetIds"]],
    ["of a launch template's version", { launchTemplate: { id: "lt", version: "2" } }, []],
    ["of a launch template", { launchTemplate: { id: "other", version: "1" } }, ["launchTemplate"]],
  ])("%s", (_what, more, replaces) => {
    const before = { ...old, launchTemplate: { id: "lt", version: "1" } };
    const difference = aws.diff(groupType, before, before, { ...before, ...more });
    expect(difference.replaces).toEqual(replaces);
    expect(difference.changed).not.toEqual([]);
  });

  it("deletes the old one first where both would have the name that the program gives", () => {
    const change = (name: Properties): boolean => {
      const before = aws.check(groupType, "g", {}, { ...old, ...name }, "a").inputs;
      const after = aws.check(
        groupType,
        "g",
        before,
        { ...old, ...name, instanceTypes: ["c.d"] },
        "b",
      ).inputs;
      return aws.diff(groupType, before, before, after).deleteBeforeReplace;
    };
    expect(change({ nodeGroupName: "mine" })).toBe(true);
    expect(change({})).toBe(false);
  });

  it("is none where a set has another order, or a value of AWS' choice is no longer given", () => {
    expect(aws.diff(groupType, old, old, { ...old, subnetIds: ["s2", "s1"] })).toMatchObject({
      changed: [],
      replaces: [],
    });
    const rest = omit(old, "instanceTypes");
    expect(aws.diff(groupType, old, old, rest)).toMatchObject({ changed: [], replaces: [] });
  });
});

describe("rules of a network", () => {
  it.each([
    ["10.0.0.1/16", "network address"],
    ["10.0.0.0/8", "/16 to /28"],
    ["10.0.0.0/29", "/16 to /28"],
  ])("no block %s", (cidrBlock, said) => {
    expect(reasons(vpcType, { cidrBlock })).toContain(said);
  });

  it("subnets lie in their VPC, overlap no other, and are in zones that there are", async () => {
    const { vpcId } = await makeNetwork();
    const inVpc = (cidrBlock: string, availabilityZone: string) =>
      make(subnetType, "x", { vpcId, cidrBlock, availabilityZone });
    await expect(inVpc("10.1.0.0/24", "us-east-1a")).rejects.toThrow("InvalidSubnet.Range");
    await expect(inVpc("10.0.0.128/25", "us-east-1a")).rejects.toThrow("InvalidSubnet.Conflict");
    await expect(inVpc("10.0.9.0/24", "us-east-1z")).rejects.toThrow(
      "availability zones: us-east-1a, us-east-1b",
    );
    await expect(make(subnetType, "x", { vpcId: "vpc-none", cidrBlock: "10.0.0.0/24" })).rejects.toThrow(
      "InvalidVpcID.NotFound",
    );
  });

  it("what is in use does not go", async () => {
    const { vpcId, subnetIds } = await makeNetwork();
    await expect(aws.delete(vpcType, "main", vpcId)).rejects.toThrow("DependencyViolation");
    const gateway = await make("aws:ec2/internetGateway:InternetGateway", "main", { vpcId });
    const address = await make("aws:ec2/eip:Eip", "nat", { domain: "vpc" });
    const nat = await make("aws:ec2/natGateway:NatGateway", "nat", {
      subnetId: subnetIds[0],
      allocationId: address.id,
    });
    await expect(aws.delete(subnetType, "us-east-1a", subnetIds[0] ?? "")).rejects.toThrow(
      "DependencyViolation",
    );
    await expect(aws.delete("aws:ec2/eip:Eip", "nat", address.id)).rejects.toThrow("InvalidIPAddress.InUse");
    await expect(aws.delete("aws:ec2/internetGateway:InternetGateway", "main", gateway.id)).rejects.toThrow(
      "mapped public address",
    );
    await aws.delete("aws:ec2/natGateway:NatGateway", "nat", nat.id);
    await aws.delete(subnetType, "us-east-1a", subnetIds[0] ?? "");
  });

  it("a public NAT gateway needs an internet gateway before", async () => {
    const { subnetIds } = await makeNetwork();
    const address = await make("aws:ec2/eip:Eip", "nat", { domain: "vpc" });
    const nat = make("aws:ec2/natGateway:NatGateway", "nat", {
      subnetId: subnetIds[0],
      allocationId: address.id,
    });
    await expect(nat).rejects.toThrow("Gateway.NotAttached");
  });

  it("private names of an endpoint need the VPC's names", async () => {
    const { vpcId, subnetIds } = await makeNetwork();
    const given = { vpcId, subnetIds, vpcEndpointType: "Interface", privateDnsEnabled: true };
    const endpoint = (serviceName: string) =>
      make("aws:ec2/vpcEndpoint:VpcEndpoint", "sts", { ...given, serviceName });
    await expect(endpoint("com.amazonaws.us-east-1.sts")).rejects.toThrow("enableDnsHostnames");
    await expect(endpoint("com.amazonaws.eu-central-1.sts")).rejects.toThrow("InvalidServiceName");
    expect(reasons("aws:ec2/vpcEndpoint:VpcEndpoint", { vpcId, serviceName: "s3", subnetIds })).toContain(
      "Gateway endpoint",
    );
  });

  it("a launch template's user data is base64, and the market type of a block names it", () => {
    const template = "aws:ec2/launchTemplate:LaunchTemplate";
    expect(reasons(template, { userData: "#!/bin/sh" })).toContain("InvalidUserData.Malformed");
    expect(reasons(template, { instanceMarketOptions: { marketType: "capacity-block" } })).toContain(
      "needs a block's id",
    );
    expect(reasons(template, { userData: Buffer.from("x".repeat(16_385)).toString("base64") })).toContain(
      "16 KB",
    );
  });
});

describe("rules of IAM", () => {
  it.each([
    ["{", "no JSON object"],
    [JSON.stringify({ Statement: [] }), "Version must be"],
    [
      JSON.stringify({
        Version: "2012-10-17",
        Statement: { Effect: "allow", Principal: "*", Action: "sts:X" },
      }),
      "Effect must be",
    ],
    [
      JSON.stringify({ Version: "2012-10-17", Statement: { Effect: "Allow", Action: "sts:X" } }),
      "Missing required field Principal",
    ],
    [
      JSON.stringify({
        Version: "2012-10-17",
        Statement: { Effect: "Allow", Principal: "*", Action: "sts:X", Resource: "*" },
      }),
      "prohibited field Resource",
    ],
    [
      JSON.stringify({
        Version: "2012-10-17",
        Statement: { Effect: "Allow", Principal: "*", Actions: "sts:X" },
      }),
      "has no Actions",
    ],
    ["x".repeat(3_000), "3000 characters, of 2048"],
  ])("no trust policy: %#", (assumeRolePolicy, said) => {
    expect(reasons(roleType, { assumeRolePolicy })).toContain(said);
  });

  it("names have 64 characters", () => {
    expect(
      reasons(roleType, { name: "r".repeat(65), assumeRolePolicy: trust("ec2.amazonaws.com") }),
    ).toContain("1 to 64");
  });

  it("an identity's policy has ARNs and no principal", () => {
    const of = (statement: object): string =>
      reasons("aws:iam/policy:Policy", {
        policy: JSON.stringify({ Version: "2012-10-17", Statement: statement }),
      });
    expect(of({ Effect: "Allow", Action: "s3:GetObject", Resource: "my-bucket/*" })).toContain(
      "must be in ARN format",
    );
    expect(of({ Effect: "Allow", Action: "s3:GetObject", Resource: "*", Principal: "*" })).toContain(
      "should not specify a principal",
    );
    expect(of({ Effect: "Allow", Action: "GetObject", Resource: "*" })).toContain("is no action");
  });

  it("a role goes after its policies, and takes only those that exist", async () => {
    await makeRole("r", "ec2.amazonaws.com", "AmazonEKSWorkerNodePolicy");
    await expect(aws.delete(roleType, "r", "r")).rejects.toThrow("DeleteConflict");
    const unknown = make(attachmentType, "x", {
      role: "r",
      policyArn: "arn:aws:iam::aws:policy/AmazonEksNodes",
    });
    await expect(unknown).rejects.toThrow("does not exist or is not attachable");
  });
});

describe("rules of a cluster", () => {
  it("its subnets are in two zones, its role trusts EKS and has its policy", async () => {
    const { subnetIds } = await makeNetwork();
    const bare = await makeRole("bare", "eks.amazonaws.com");
    const wrong = await makeRole("wrong", "ec2.amazonaws.com", "AmazonEKSClusterPolicy");
    const right = await makeRole("right", "eks.amazonaws.com", "AmazonEKSClusterPolicy");
    const of = (roleArn: string, ids: string[]) =>
      make(clusterType, "c", { roleArn, vpcConfig: { subnetIds: ids } });
    await expect(of(bare, subnetIds)).rejects.toThrow("doesn't have the Amazon EKS Managed Policies");
    await expect(of(wrong, subnetIds)).rejects.toThrow("trusted entity is not correct");
    await expect(of(`${right}s`, subnetIds)).rejects.toThrow("does not exist");
    await expect(of(right, subnetIds.slice(0, 1))).rejects.toThrow("at least two different AZs");
    await of(right, subnetIds);
  });

  it("it goes up one minor version at a time, and never down", async () => {
    const { subnetIds } = await makeCluster();
    const roleArn = account.the(roleType, "of-cluster").properties.arn;
    const olds = { name: "main", roleArn, vpcConfig: { subnetIds }, version: "1.33" };
    const to = (version: string) => aws.update(clusterType, "main", "main", olds, { ...olds, version });
    await expect(to("1.35")).rejects.toThrow("Unsupported Kubernetes minor version update from 1.33 to 1.35");
    const { vpcConfig } = await to("1.34");
    expect(vpcConfig).toHaveProperty("clusterSecurityGroupId");
    await expect(to("1.32")).rejects.toThrow("from 1.34 to 1.32");
  });

  it("it does not go with deletion protection, nor with node groups in it", async () => {
    const { subnetIds, nodeRoleArn } = await makeCluster({ deletionProtection: true });
    await expect(aws.delete(clusterType, "main", "main")).rejects.toThrow("deletion protection");
    await aws.update(
      clusterType,
      "main",
      "main",
      { deletionProtection: true },
      { deletionProtection: false },
    );
    await make(groupType, "cpu", nodes({ subnetIds, nodeRoleArn }));
    await expect(aws.delete(clusterType, "main", "main")).rejects.toThrow("nodegroups attached");
  });

  it("it leaves its interfaces behind where its role went before it", async () => {
    await makeCluster();
    await aws.delete(
      attachmentType,
      "of-cluster-AmazonEKSClusterPolicy",
      "of-cluster/arn:aws:iam::aws:policy/AmazonEKSClusterPolicy",
    );
    await aws.delete(clusterType, "main", "main");
    expect(account.resources("ec2:NetworkInterface")).toHaveLength(2);
  });

  it("its endpoint is reached from somewhere, and cannot be open and closed", () => {
    const of = (vpcConfig: Properties): string =>
      reasons(clusterType, { roleArn: "r", vpcConfig: { subnetIds: ["s"], ...vpcConfig } });
    expect(of({ endpointPublicAccess: false })).toContain("cannot both be false");
    expect(
      of({ endpointPublicAccess: false, endpointPrivateAccess: true, publicAccessCidrs: ["0.0.0.0/0"] }),
    ).toContain("there is no public endpoint");
  });

  it("it makes its log group itself where there is none, and again at its end", async () => {
    await makeCluster({ enabledClusterLogTypes: ["api"] });
    const group = "aws:cloudwatch/logGroup:LogGroup";
    await expect(make(group, "logs", { name: "/aws/eks/main/cluster" })).rejects.toThrow("exists already");
    await aws.delete(group, "logs", "/aws/eks/main/cluster");
    await aws.delete(clusterType, "main", "main");
    expect(account.resources(group)).toHaveLength(1);
  });

  it("access needs an entry before a policy, and the mode for it", async () => {
    await makeCluster();
    const principalArn = "arn:aws:iam::111122223333:role/deployers";
    const entry = make("aws:eks/accessEntry:AccessEntry", "a", { clusterName: "main", principalArn });
    await expect(entry).rejects.toThrow(
      "authentication mode must be set to one of [API, API_AND_CONFIG_MAP]",
    );
    const policyArn = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
    const policy = make("aws:eks/accessPolicyAssociation:AccessPolicyAssociation", "a", {
      ...{ clusterName: "main", principalArn, policyArn, accessScope: { type: "cluster" } },
    });
    await expect(policy).rejects.toThrow("principalArn could not be found");
  });
});

describe("rules of a node group", () => {
  it("its size is whose it was where the program does not change it", async () => {
    const { subnetIds, nodeRoleArn } = await makeCluster();
    const given = nodes({ subnetIds, nodeRoleArn });
    const { id, outputs } = await make(groupType, "cpu", given);
    transact(account.file, (state) => {
      state.put({
        type: groupType,
        id,
        name: "cpu",
        properties: { ...outputs, scalingConfig: { minSize: 1, desiredSize: 2, maxSize: 2 } },
      });
    });
    const labelled = await aws.update(groupType, "cpu", id, given, { ...given, labels: { a: "b" } });
    expect(labelled).toMatchObject({ labels: { a: "b" }, scalingConfig: { desiredSize: 2 } });
    expect(account.resources("ec2:NetworkInterface").filter(({ name }) => name === id)).toHaveLength(2);
  });

  it.each([
    [{ scalingConfig: { minSize: 2, desiredSize: 1, maxSize: 2 } }, "can't be greater"],
    [{ scalingConfig: { minSize: 0, desiredSize: 0, maxSize: 0 } }, "at least (1)"],
    [{ nodeGroupName: "n".repeat(64) }, "at most 63"],
    [{ instanceTypes: ["a100"] }, "no instance type"],
    [{ capacityType: "RESERVED" }, "expected one of ON_DEMAND"],
    [{ launchTemplate: { id: "lt-1", version: "1" }, diskSize: 100 }, "a launch template says it"],
    [{ taints: [{ key: "a", effect: "NoSchedule" }] }, "expected one of NO_SCHEDULE"],
    [{ labels: { "-bad": "x" } }, "no label's key"],
  ])("not %j", (more, said) => {
    expect(reasons(groupType, nodes({ nodeRoleArn: "r", subnetIds: ["s"], ...more }))).toContain(said);
  });

  it("its role has the nodes' policies, and goes after it", async () => {
    const { subnetIds } = await makeCluster();
    const bare = await makeRole("bare", "ec2.amazonaws.com", "AmazonEKSWorkerNodePolicy");
    const group = make(groupType, "cpu", nodes({ subnetIds, nodeRoleArn: bare }));
    await expect(group).rejects.toThrow("the node role lacks AmazonEC2ContainerRegistryPullOnly");
  });

  it("the type is said in one place, and offered in its zones", async () => {
    const { subnetIds, nodeRoleArn } = await makeCluster();
    const template = await make("aws:ec2/launchTemplate:LaunchTemplate", "t", {
      name: "tpl",
      instanceType: "m7i.large",
    });
    const launchTemplate = { id: template.id, version: "1" };
    const twice = make(groupType, "cpu", nodes({ subnetIds, nodeRoleArn, launchTemplate }));
    await expect(twice).rejects.toThrow("cannot be specified in both");
    account.configure({ offerings: { "us-east-1b": ["g6.xlarge"] } });
    const nowhere = make(groupType, "cpu", nodes({ subnetIds, nodeRoleArn }));
    await expect(nowhere).rejects.toThrow("not supported in your requested Availability Zone (us-east-1b)");
  });

  it("a capacity block goes with its market type, and with its zone alone", async () => {
    account.configure({ reservations: { "cr-1": { zone: "us-east-1b", instanceType: "p5.48xlarge" } } });
    const { subnetIds, nodeRoleArn } = await makeCluster();
    const template = await make("aws:ec2/launchTemplate:LaunchTemplate", "t", {
      ...{ name: "block", instanceMarketOptions: { marketType: "capacity-block" } },
      capacityReservationSpecification: { capacityReservationTarget: { capacityReservationId: "cr-1" } },
    });
    const given = {
      nodeRoleArn,
      launchTemplate: { id: template.id, version: "1" },
      instanceTypes: ["p5.48xlarge"],
    };
    const group = (more: Properties) => make(groupType, "gpu", nodes({ ...given, subnetIds, ...more }));
    await expect(group({})).rejects.toThrow("go together");
    await expect(group({ capacityType: "CAPACITY_BLOCK" })).rejects.toThrow("cr-1 is in us-east-1b");
    await group({ capacityType: "CAPACITY_BLOCK", subnetIds: subnetIds.slice(1) });
  });

  it("add-ons that are Deployments need nodes", async () => {
    const { subnetIds, nodeRoleArn } = await makeCluster();
    const coredns = () => make("aws:eks/addon:Addon", "dns", { clusterName: "main", addonName: "coredns" });
    await expect(coredns()).rejects.toThrow("DEGRADED");
    await make(groupType, "cpu", nodes({ subnetIds, nodeRoleArn }));
    await coredns();
  });
});

describe("rules of the rest", () => {
  it.each([
    ["ab"],
    ["Models"],
    ["a..b"],
    ["192.168.0.1"],
    ["b".repeat(64)],
    ["xn--models"],
    ["models-s3alias"],
  ])("no bucket %s", (bucket) => {
    expect(reasons(bucketType, { bucket })).toContain("3 to 63");
  });

  it("a bucket's name is everybody's, and one with objects stays", async () => {
    account.configure({ takenBuckets: ["theirs"], objects: { ours: 3 } });
    await expect(make(bucketType, "b", { bucket: "theirs" })).rejects.toThrow("BucketAlreadyExists");
    await make(bucketType, "b", { bucket: "ours" });
    await expect(aws.delete(bucketType, "b", "ours")).rejects.toThrow("BucketNotEmpty");
  });

  it("access logs go where the logging service may write", async () => {
    await make(bucketType, "models", { bucket: "models" });
    await make(bucketType, "logs", { bucket: "logs" });
    const log = () =>
      make("aws:s3/bucketLogging:BucketLogging", "l", {
        bucket: "models",
        targetBucket: "logs",
        targetPrefix: "x/",
      });
    await expect(log()).rejects.toThrow("InvalidTargetBucketForLogging");
    const statement = {
      Effect: "Allow",
      Principal: { Service: "logging.s3.amazonaws.com" },
      Action: "s3:PutObject",
      Resource: "arn:aws:s3:::logs/*",
    };
    await make("aws:s3/bucketPolicy:BucketPolicy", "p", {
      bucket: "logs",
      policy: JSON.stringify({ Version: "2012-10-17", Statement: [statement] }),
    });
    await log();
  });

  it("a key's policy leaves the key to the account", async () => {
    const statement = {
      Effect: "Allow",
      Principal: { AWS: "arn:aws:iam::111122223333:role/x" },
      Action: "kms:*",
      Resource: "*",
    };
    const key = make("aws:kms/key:Key", "k", {
      policy: JSON.stringify({ Version: "2012-10-17", Statement: [statement] }),
    });
    await expect(key).rejects.toThrow("will not allow you to update the key policy");
  });

  it("a log group is kept as long as CloudWatch knows, by a key that lets it", async () => {
    const group = "aws:cloudwatch/logGroup:LogGroup";
    expect(reasons(group, { retentionInDays: 100 })).toContain("retentionInDays: expected one of");
    const { outputs } = await make("aws:kms/key:Key", "k", {});
    await expect(make(group, "g", { name: "g", kmsKeyId: outputs.arn })).rejects.toThrow(
      "not allowed to be used",
    );
  });

  it("a deleted secret keeps its name for a while", async () => {
    const { id } = await make(secretType, "s", { name: "key", recoveryWindowInDays: 7 });
    await aws.delete(secretType, "s", id);
    await expect(make(secretType, "s", { name: "key" })).rejects.toThrow("already scheduled for deletion");
    expect(reasons(secretType, { recoveryWindowInDays: 3 })).toContain("0, or 7 to 30");
  });

  it("an image repository has a lower-case name, and rules that ECR knows", () => {
    expect(reasons("aws:ecr/repository:Repository", { name: "Triton" })).toContain("lower-case");
    expect(
      reasons("aws:ecr/lifecyclePolicy:LifecyclePolicy", {
        repository: "r",
        policy: '{"rules":[{"rulePriority":1}]}',
      }),
    ).toContain("selection.tagStatus");
  });

  it("a record has records with a TTL, or an alias, in a zone that there is", async () => {
    const record = "aws:route53/record:Record";
    const given = { zoneId: "Z9", name: "models.example.com", type: "CNAME", records: ["x"] };
    expect(reasons(record, given)).toContain("records need it");
    await expect(make(record, "r", { ...given, ttl: 60 })).rejects.toThrow("NoSuchHostedZone");
  });

  it.each([
    [{ "aws:x": "1" }, "reserved"],
    [{ owner: "a".repeat(257) }, "256"],
    [{ owner: "a;b" }, "may not have"],
  ])("no tags %j", (tags, said) => {
    expect(reasons(vpcType, { cidrBlock: "10.0.0.0/16", tags })).toContain(said);
  });
});

describe("what is to fail", () => {
  it("fails as often as it is told to, by name, and the journal has it", async () => {
    account.fail("create", vpcType, "api error VpcLimitExceeded: no more", { name: "one", times: 2 });
    const one = () => make(vpcType, "one", { cidrBlock: "10.0.0.0/16" });
    await make(vpcType, "other", { cidrBlock: "10.0.0.0/16" });
    await expect(one()).rejects.toThrow("VpcLimitExceeded");
    await expect(one()).rejects.toThrow("VpcLimitExceeded");
    await one();
    expect(account.journal.map(({ verb, name, error }) => [verb, name, error !== undefined])).toEqual([
      ...[
        ["create", "other", false],
        ["create", "one", true],
        ["create", "one", true],
        ["create", "one", false],
      ],
    ]);
  });

  it("may leave half of it behind", async () => {
    account.fail("create", vpcType, "timed out", { leavesRemains: true });
    await expect(make(vpcType, "one", { cidrBlock: "10.0.0.0/16" })).rejects.toBeInstanceOf(HalfMade);
    expect(account.resources(vpcType)).toHaveLength(1);
  });

  it("waits for what may pass", async () => {
    account.configure({ patience: 5_000 });
    const { vpcId, subnetIds } = await makeNetwork();
    const gone = aws.delete(vpcType, "main", vpcId);
    for (const id of subnetIds) await aws.delete(subnetType, id, id);
    await gone;
    expect(account.resources()).toEqual([]);
  });
});

describe("the journal", () => {
  it("tells whether all of one kind had ended before another began", async () => {
    const { vpcId, subnetIds } = await makeNetwork();
    const recorded = account.recording();
    for (const id of subnetIds) await aws.delete(subnetType, id, id);
    await aws.delete(vpcType, "main", vpcId);
    const [subnets, vpcs] = [
      { verb: "delete", type: subnetType },
      { verb: "delete", type: vpcType },
    ] as const;
    expect(isBefore(recorded(), subnets, vpcs)).toBe(true);
    expect(isBefore(recorded(), vpcs, subnets)).toBe(false);
    // What never was is before nothing.
    expect(isBefore(recorded(), { verb: "delete", type: clusterType }, vpcs)).toBe(false);
    const [first, ...rest] = recorded();
    const overlapping = [
      ...rest,
      { began: 0, verb: "delete", type: subnetType, name: "late", id: "late", ended: 10_000 } as const,
    ];
    expect(first).toBeDefined();
    expect(isBefore(overlapping, subnets, vpcs)).toBe(false);
  });
});
