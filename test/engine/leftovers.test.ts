import * as logs from "@aws-sdk/client-cloudwatch-logs";
import * as ec2 from "@aws-sdk/client-ec2";
import * as ecr from "@aws-sdk/client-ecr";
import * as eks from "@aws-sdk/client-eks";
import * as elb from "@aws-sdk/client-elastic-load-balancing-v2";
import * as iam from "@aws-sdk/client-iam";
import * as kms from "@aws-sdk/client-kms";
import * as s3 from "@aws-sdk/client-s3";
import * as secrets from "@aws-sdk/client-secrets-manager";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Account } from "../../commands/ephemeral/account.ts";
import { AwsAccount } from "../../commands/ephemeral/aws-account.ts";
import { removeLeftovers } from "../../commands/ephemeral/remove-leftovers.ts";
import { identify, leftoverKinds, ownTags, type Found } from "../../core/ephemeral/leftovers.ts";
import { Moto } from "../support/moto.ts";
import { needing, venvPython } from "../support/tools.ts";

/** What stacks leave behind, found and deleted by AWS' own SDK, against AWS' APIs as moto has them. */

const region = "us-east-1";
const [stack, owner] = ["bench-aaaaaaa1", "ml-platform"];
const name = "triton-bench-aaaaaaa1";
const own = ownTags({ stack, owner });
const others = ownTags({ stack, owner: "others" });
type Tags = Readonly<Record<string, string>>;

describe.skipIf(venvPython.program === undefined)(needing(venvPython, "leftovers in AWS' APIs"), () => {
  let moto: Moto;
  let account: Account;
  /** ARNs of all that the stack has left behind. */
  let made: readonly string[];

  beforeAll(async () => {
    moto = await Moto.start();
    for (const [key, value] of Object.entries(moto.environment)) vi.stubEnv(key, value);
    account = new AwsAccount({ account: moto.account, region });
    made = await leaveBehind(own, name);
    await leaveBehind(others, "triton-bench-bbbbbbb2");
  });

  afterAll(async () => {
    vi.unstubAllEnvs();
    await moto.stop();
  });

  it("are of an account, and by AWS' clock", async () => {
    expect(Math.abs((await account.now()) - Date.now())).toBeLessThan(60_000);
    await expect(new AwsAccount({ account: "111122223333", region }).now()).rejects.toThrow(
      "AWS account ID not allowed: 123456789012",
    );
  });

  it("are all there is of their kinds", () => {
    const kinds = new Set(made.map((arn) => identify(arn)?.kind));
    // Nobody makes flow logs here without a role of moto's own.
    expect(leftoverKinds.filter((kind) => !kinds.has(kind))).toEqual(["ec2:vpc-flow-log"]);
  });

  it("are found by their tags, as far as moto's tagging API tells", async () => {
    const found = (await account.find(own, name)).map(({ arn }) => arn);
    expect(found.filter((arn) => !made.includes(arn))).toEqual([]);
    const untold = made.filter((arn) => !found.includes(arn)).map((arn) => identify(arn)?.kind);
    expect(new Set(untold)).toEqual(
      new Set([
        ...(["ec2:elastic-ip", "ec2:launch-template", "ec2:vpc-endpoint", "ecr:repository"] as const),
        ...(["eks:cluster", "eks:nodegroup"] as const),
      ]),
    );
  });

  it("go, in the order of what holds what, and nobody else's do", async () => {
    const before = await account.find(others, "triton-bench-bbbbbbb2");
    const known = made.map((arn): Found => ({ tags: own, ...identified(arn) }));
    const backend = {
      allResources: () => Promise.resolve([{ id: "in-a-state" }]),
      resources: () => Promise.resolve([]),
    };
    const remaining = await removeLeftovers(
      { stack, owner, name },
      backend,
      // What moto's tagging API does not tell of, AWS' does.
      {
        now: () => account.now(),
        find: async () => thereOf(known),
        remove: (found) => account.remove(found),
      },
      { rounds: 3, pause: () => Promise.resolve(), say: () => undefined },
    );
    expect(remaining).toEqual([]);
    expect(await account.find(own, name)).toEqual([]);
    expect(await account.find(others, "triton-bench-bbbbbbb2")).toEqual(before);
    expect(before.length).toBeGreaterThan(15);
  });

  it("that are gone already are no error", async () => {
    for (const arn of made) await account.remove({ tags: own, ...identified(arn) });
  });

  /** What of these is there, by the services themselves. */
  async function thereOf(all: readonly Found[]): Promise<readonly Found[]> {
    const { AwsKinds } = await import("../../commands/ephemeral/aws-kinds.ts");
    const kinds = new AwsKinds(region);
    const there = await Promise.all(all.map((one) => kinds.isThere(one)));
    return all.filter((_, i) => there[i]);
  }
});

function identified(arn: string): Pick<Found, "arn" | "id" | "kind"> {
  const found = identify(arn);
  if (found === undefined) throw new Error(`${arn} is of no kind`);
  return found;
}

/** One of each kind, tied together as a stack's are. Returns their ARNs. */
async function leaveBehind(tags: Tags, prefix: string): Promise<string[]> {
  const list = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  const network = await leaveNetwork(list, prefix);
  const role = await leaveIdentities(list, prefix);
  const clusters = new eks.EKSClient({ region });
  const { cluster } = await clusters.send(
    new eks.CreateClusterCommand({
      ...{ name: prefix, roleArn: role.arn, tags },
      resourcesVpcConfig: { subnetIds: network.subnets },
    }),
  );
  const { nodegroup } = await clusters.send(
    new eks.CreateNodegroupCommand({
      ...{ clusterName: prefix, nodegroupName: "a100", subnets: network.subnets, nodeRole: role.arn, tags },
    }),
  );
  return [
    ...network.arns,
    ...role.arns,
    cluster?.arn ?? "",
    nodegroup?.nodegroupArn ?? "",
    ...(await leaveStorage(tags, list, prefix)),
  ];
}

type TagList = readonly { readonly Key: string; readonly Value: string }[];

async function leaveNetwork(
  list: TagList,
  prefix: string,
): Promise<{ readonly subnets: string[]; readonly arns: readonly string[] }> {
  const client = new ec2.EC2Client({ region });
  const arns: string[] = [];
  const tagged = (ResourceType: ec2.ResourceType): { TagSpecifications: ec2.TagSpecification[] } => ({
    TagSpecifications: [{ ResourceType, Tags: [...list] }],
  });
  const note = (type: string, id: string | undefined): string => {
    arns.push(`arn:aws:ec2:${region}:123456789012:${type}/${id ?? ""}`);
    return id ?? "";
  };
  const { Vpc } = await client.send(new ec2.CreateVpcCommand({ CidrBlock: "10.0.0.0/16", ...tagged("vpc") }));
  const VpcId = note("vpc", Vpc?.VpcId);
  const subnets: string[] = [];
  for (const [i, zone] of ["a", "b"].entries()) {
    const place = { CidrBlock: `10.0.${String(i)}.0/24`, AvailabilityZone: `${region}${zone}` };
    const { Subnet } = await client.send(
      new ec2.CreateSubnetCommand({ VpcId, ...place, ...tagged("subnet") }),
    );
    subnets.push(note("subnet", Subnet?.SubnetId));
  }
  const [SubnetId = ""] = subnets;
  const { InternetGateway } = await client.send(
    new ec2.CreateInternetGatewayCommand(tagged("internet-gateway")),
  );
  const InternetGatewayId = note("internet-gateway", InternetGateway?.InternetGatewayId);
  await client.send(new ec2.AttachInternetGatewayCommand({ InternetGatewayId, VpcId }));
  const { RouteTable } = await client.send(
    new ec2.CreateRouteTableCommand({ VpcId, ...tagged("route-table") }),
  );
  const RouteTableId = note("route-table", RouteTable?.RouteTableId);
  await client.send(new ec2.AssociateRouteTableCommand({ RouteTableId, SubnetId }));
  const address = await client.send(
    new ec2.AllocateAddressCommand({ Domain: "vpc", ...tagged("elastic-ip") }),
  );
  const AllocationId = note("elastic-ip", address.AllocationId);
  const { NatGateway } = await client.send(
    new ec2.CreateNatGatewayCommand({ SubnetId, AllocationId, ...tagged("natgateway") }),
  );
  note("natgateway", NatGateway?.NatGatewayId);
  const { VpcEndpoint } = await client.send(
    new ec2.CreateVpcEndpointCommand({
      // Deleting a gateway endpoint is an error in moto.
      ...{ VpcId, ServiceName: `com.amazonaws.${region}.sts`, VpcEndpointType: "Interface" },
      ...tagged("vpc-endpoint"),
    }),
  );
  note("vpc-endpoint", VpcEndpoint?.VpcEndpointId);
  const groups: string[] = [];
  for (const GroupName of ["cluster", "balancer"]) {
    const { GroupId } = await client.send(
      new ec2.CreateSecurityGroupCommand({
        ...{ GroupName, Description: GroupName, VpcId },
        ...tagged("security-group"),
      }),
    );
    groups.push(note("security-group", GroupId));
  }
  // Each lets the other in, and so holds it.
  for (const [GroupId, other] of [groups, [...groups].reverse()])
    await client.send(
      new ec2.AuthorizeSecurityGroupIngressCommand({
        ...(GroupId === undefined ? {} : { GroupId }),
        IpPermissions: [
          {
            ...{ IpProtocol: "tcp", FromPort: 8000, ToPort: 8000 },
            UserIdGroupPairs: [{ GroupId: other }],
          },
        ],
      }),
    );
  const { NetworkInterface } = await client.send(
    new ec2.CreateNetworkInterfaceCommand({ SubnetId, Groups: groups, ...tagged("network-interface") }),
  );
  note("network-interface", NetworkInterface?.NetworkInterfaceId);
  const { VolumeId } = await client.send(
    new ec2.CreateVolumeCommand({ AvailabilityZone: `${region}a`, Size: 1, ...tagged("volume") }),
  );
  note("volume", VolumeId);
  const { LaunchTemplate } = await client.send(
    new ec2.CreateLaunchTemplateCommand({
      ...{ LaunchTemplateName: prefix, LaunchTemplateData: { InstanceType: "m5.large" } },
      ...tagged("launch-template"),
    }),
  );
  note("launch-template", LaunchTemplate?.LaunchTemplateId);
  const { Instances = [] } = await client.send(
    new ec2.RunInstancesCommand({
      ...{ ImageId: "ami-12c6146b", MinCount: 1, MaxCount: 1, SubnetId },
      ...tagged("instance"),
    }),
  );
  note("instance", Instances[0]?.InstanceId);
  return { subnets, arns: [...arns, ...(await leaveBalancer(list, subnets, VpcId, prefix))] };
}

/** Protected from deletion, with a listener, as a controller may have made it. */
async function leaveBalancer(
  list: TagList,
  Subnets: string[],
  VpcId: string,
  prefix: string,
): Promise<string[]> {
  const client = new elb.ElasticLoadBalancingV2Client({ region });
  const Tags = [...list];
  const { LoadBalancers = [] } = await client.send(
    new elb.CreateLoadBalancerCommand({ Name: `k8s-${prefix}`, Type: "network", Subnets, Tags }),
  );
  const LoadBalancerArn = LoadBalancers[0]?.LoadBalancerArn ?? "";
  await client.send(
    new elb.ModifyLoadBalancerAttributesCommand({
      LoadBalancerArn,
      Attributes: [{ Key: "deletion_protection.enabled", Value: "true" }],
    }),
  );
  const { TargetGroups = [] } = await client.send(
    new elb.CreateTargetGroupCommand({ Name: `tg-${prefix}`, Protocol: "TCP", Port: 80, VpcId, Tags }),
  );
  const TargetGroupArn = TargetGroups[0]?.TargetGroupArn ?? "";
  const DefaultActions = [{ Type: "forward" as const, TargetGroupArn }];
  await client.send(
    new elb.CreateListenerCommand({ LoadBalancerArn, Protocol: "TCP", Port: 80, DefaultActions }),
  );
  return [LoadBalancerArn, TargetGroupArn];
}

async function leaveIdentities(
  list: TagList,
  prefix: string,
): Promise<{ readonly arn: string; readonly arns: readonly string[] }> {
  const client = new iam.IAMClient({ region });
  const Tags = [...list];
  const RoleName = `${prefix}-${region}-node`;
  const { Role } = await client.send(
    new iam.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: policyOf("sts:AssumeRole"), Tags }),
  );
  await client.send(
    new iam.PutRolePolicyCommand({ RoleName, PolicyName: "own", PolicyDocument: policyOf("s3:GetObject") }),
  );
  const { Policy } = await client.send(
    new iam.CreatePolicyCommand({ PolicyName: prefix, PolicyDocument: policyOf("s3:GetObject") }),
  );
  await client.send(new iam.AttachRolePolicyCommand({ RoleName, PolicyArn: Policy?.Arn }));
  const { OpenIDConnectProviderArn = "" } = await client.send(
    new iam.CreateOpenIDConnectProviderCommand({
      ...{
        Url: `https://oidc.eks.${region}.amazonaws.com/id/${prefix}`,
        ClientIDList: ["sts.amazonaws.com"],
      },
      ...{ ThumbprintList: ["9e99a48a9960b14926bb7f3b02e22da2b0ab7280"], Tags },
    }),
  );
  const arn = Role?.Arn ?? "";
  return { arn, arns: [arn, OpenIDConnectProviderArn] };
}

async function leaveStorage(tags: Tags, list: TagList, prefix: string): Promise<string[]> {
  const Tags = [...list];
  const { KeyMetadata } = await new kms.KMSClient({ region }).send(
    new kms.CreateKeyCommand({ Tags: list.map(({ Key, Value }) => ({ TagKey: Key, TagValue: Value })) }),
  );
  const { ARN = "" } = await new secrets.SecretsManagerClient({ region }).send(
    new secrets.CreateSecretCommand({ Name: `${prefix}/holysheep`, SecretString: "planted", Tags }),
  );
  const logGroupName = `/aws/eks/${prefix}/cluster`;
  await new logs.CloudWatchLogsClient({ region }).send(
    new logs.CreateLogGroupCommand({ logGroupName, tags }),
  );
  const { repository } = await new ecr.ECRClient({ region }).send(
    new ecr.CreateRepositoryCommand({ repositoryName: `${prefix}/triton`, tags: Tags }),
  );
  await leaveBucket(Tags, `${prefix}-models`);
  return [
    ...[KeyMetadata?.Arn ?? "", ARN, repository?.repositoryArn ?? "", `arn:aws:s3:::${prefix}-models`],
    `arn:aws:logs:${region}:123456789012:log-group:${logGroupName}`,
  ];
}

/** With old versions and a mark of a deletion. */
async function leaveBucket(TagSet: s3.Tag[], Bucket: string): Promise<void> {
  const client = new s3.S3Client({ region, forcePathStyle: true });
  await client.send(new s3.CreateBucketCommand({ Bucket }));
  await client.send(new s3.PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
  const VersioningConfiguration = { Status: "Enabled" as const };
  await client.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  for (const Key of ["one", "one", "two"])
    await client.send(new s3.PutObjectCommand({ Bucket, Key, Body: "weights" }));
  await client.send(new s3.DeleteObjectCommand({ Bucket, Key: "two" }));
}

function policyOf(action: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: action, Resource: "*" }],
  });
}
