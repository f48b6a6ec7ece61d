import * as logs from "@aws-sdk/client-cloudwatch-logs";
import * as ec2 from "@aws-sdk/client-ec2";
import * as ecr from "@aws-sdk/client-ecr";
import * as eks from "@aws-sdk/client-eks";
import * as elb from "@aws-sdk/client-elastic-load-balancing-v2";
import * as iam from "@aws-sdk/client-iam";
import * as kms from "@aws-sdk/client-kms";
import * as s3 from "@aws-sdk/client-s3";
import * as secrets from "@aws-sdk/client-secrets-manager";
import type { Found, LeftoverKind } from "../../core/ephemeral/leftovers.ts";

/** Calls are tried again by the SDK itself, with pauses: throttling and lost connections. */
export function clientOptions(region: string) {
  return { region, maxAttempts: 8, requestHandler: { connectionTimeout: 10_000, requestTimeout: 60_000 } };
}

/** How one kind is looked at and deleted. Both throw where it is not there, in the service's own words. */
interface Handling {
  /** Whether it counts as there: what is being deleted does, what AWS only remembers does not. */
  isThere(found: Found): Promise<boolean>;
  remove(found: Found): Promise<unknown>;
}

/** Each kind of leftover by the service that has it. */
export class AwsKinds {
  readonly #ec2: ec2.EC2Client;
  readonly #elb: elb.ElasticLoadBalancingV2Client;
  readonly #eks: eks.EKSClient;
  readonly #iam: iam.IAMClient;
  readonly #handlings: Readonly<Record<LeftoverKind, Handling>>;

  constructor(region: string) {
    const options = clientOptions(region);
    this.#ec2 = new ec2.EC2Client(options);
    this.#elb = new elb.ElasticLoadBalancingV2Client(options);
    this.#eks = new eks.EKSClient(options);
    this.#iam = new iam.IAMClient(options);
    this.#handlings = {
      ...this.#network(),
      ...this.#machines(),
      ...this.#clusters(),
      ...this.#identities(),
      ...storage(options),
    };
  }

  async isThere(found: Found): Promise<boolean> {
    try {
      return await this.#handlings[found.kind].isThere(found);
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async remove(found: Found): Promise<void> {
    try {
      await this.#handlings[found.kind].remove(found);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /**
   * What the tagging API does not tell of: roles, nowhere; OIDC providers, outside of the region that has IAM. Roles are those
   * whose names begin so: an account may have thousands, and tags are one call for each.
   */
  async untold(name: string): Promise<Found[]> {
    const client = this.#iam;
    const found: Found[] = [];
    for await (const page of iam.paginateListRoles({ client }, {}))
      for (const { RoleName: id = "", Arn: arn = "" } of page.Roles ?? []) {
        if (!id.startsWith(`${name}-`)) continue;
        const { Tags } = await client.send(new iam.ListRoleTagsCommand({ RoleName: id }));
        found.push({ kind: "iam:role", arn, id, tags: tagsOf(Tags) });
      }
    const { OpenIDConnectProviderList = [] } = await client.send(
      new iam.ListOpenIDConnectProvidersCommand({}),
    );
    for (const { Arn: arn = "" } of OpenIDConnectProviderList) {
      const { Tags } = await client.send(
        new iam.ListOpenIDConnectProviderTagsCommand({ OpenIDConnectProviderArn: arn }),
      );
      found.push({ kind: "iam:oidc-provider", arn, id: arn, tags: tagsOf(Tags) });
    }
    return found;
  }

  #network() {
    const client = this.#ec2;
    const balancing = this.#elb;
    return {
      "elasticloadbalancing:loadbalancer": {
        isThere: async ({ id }: Found) => {
          const { LoadBalancers = [] } = await balancing.send(
            new elb.DescribeLoadBalancersCommand({ LoadBalancerArns: [id] }),
          );
          return LoadBalancers.length > 0;
        },
        remove: async ({ id }: Found) => {
          await balancing.send(
            new elb.ModifyLoadBalancerAttributesCommand({
              LoadBalancerArn: id,
              Attributes: [{ Key: "deletion_protection.enabled", Value: "false" }],
            }),
          );
          await balancing.send(new elb.DeleteLoadBalancerCommand({ LoadBalancerArn: id }));
        },
      },
      "elasticloadbalancing:targetgroup": {
        isThere: async ({ id }: Found) => {
          const { TargetGroups = [] } = await balancing.send(
            new elb.DescribeTargetGroupsCommand({ TargetGroupArns: [id] }),
          );
          return TargetGroups.length > 0;
        },
        remove: ({ id }: Found) => balancing.send(new elb.DeleteTargetGroupCommand({ TargetGroupArn: id })),
      },
      "ec2:vpc-endpoint": {
        isThere: async ({ id }: Found) => {
          const { VpcEndpoints = [] } = await client.send(
            new ec2.DescribeVpcEndpointsCommand({ VpcEndpointIds: [id] }),
          );
          return VpcEndpoints.some(({ State }) => String(State).toLowerCase() !== "deleted");
        },
        remove: ({ id }: Found) => client.send(new ec2.DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] })),
      },
      "ec2:natgateway": {
        isThere: async ({ id }: Found) => {
          const { NatGateways = [] } = await client.send(
            new ec2.DescribeNatGatewaysCommand({ NatGatewayIds: [id] }),
          );
          return NatGateways.some(({ State }) => State !== "deleted");
        },
        remove: ({ id }: Found) => client.send(new ec2.DeleteNatGatewayCommand({ NatGatewayId: id })),
      },
      "ec2:vpc-flow-log": {
        isThere: async ({ id }: Found) => {
          const { FlowLogs = [] } = await client.send(new ec2.DescribeFlowLogsCommand({ FlowLogIds: [id] }));
          return FlowLogs.length > 0;
        },
        remove: ({ id }: Found) => client.send(new ec2.DeleteFlowLogsCommand({ FlowLogIds: [id] })),
      },
      "ec2:network-interface": {
        isThere: async ({ id }: Found) => {
          const { NetworkInterfaces = [] } = await client.send(
            new ec2.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] }),
          );
          return NetworkInterfaces.length > 0;
        },
        remove: async ({ id }: Found) => {
          const { NetworkInterfaces = [] } = await client.send(
            new ec2.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] }),
          );
          const attachment = NetworkInterfaces[0]?.Attachment?.AttachmentId;
          if (attachment !== undefined)
            await client.send(
              new ec2.DetachNetworkInterfaceCommand({ AttachmentId: attachment, Force: true }),
            );
          await client.send(new ec2.DeleteNetworkInterfaceCommand({ NetworkInterfaceId: id }));
        },
      },
      "ec2:elastic-ip": {
        isThere: async ({ id }: Found) => {
          const { Addresses = [] } = await client.send(
            new ec2.DescribeAddressesCommand({ AllocationIds: [id] }),
          );
          return Addresses.length > 0;
        },
        remove: ({ id }: Found) => client.send(new ec2.ReleaseAddressCommand({ AllocationId: id })),
      },
      "ec2:security-group": {
        isThere: async ({ id }: Found) => {
          const { SecurityGroups = [] } = await client.send(
            new ec2.DescribeSecurityGroupsCommand({ GroupIds: [id] }),
          );
          return SecurityGroups.length > 0;
        },
        remove: async ({ id }: Found) => {
          await this.#revokeRules(id);
          await client.send(new ec2.DeleteSecurityGroupCommand({ GroupId: id }));
        },
      },
      "ec2:subnet": {
        isThere: async ({ id }: Found) => {
          const { Subnets = [] } = await client.send(new ec2.DescribeSubnetsCommand({ SubnetIds: [id] }));
          return Subnets.length > 0;
        },
        remove: ({ id }: Found) => client.send(new ec2.DeleteSubnetCommand({ SubnetId: id })),
      },
      "ec2:route-table": {
        isThere: async ({ id }: Found) => {
          const { RouteTables = [] } = await client.send(
            new ec2.DescribeRouteTablesCommand({ RouteTableIds: [id] }),
          );
          return RouteTables.length > 0;
        },
        remove: async ({ id }: Found) => {
          const { RouteTables = [] } = await client.send(
            new ec2.DescribeRouteTablesCommand({ RouteTableIds: [id] }),
          );
          for (const { RouteTableAssociationId, Main } of RouteTables[0]?.Associations ?? [])
            if (Main !== true && RouteTableAssociationId !== undefined)
              await client.send(
                new ec2.DisassociateRouteTableCommand({ AssociationId: RouteTableAssociationId }),
              );
          await client.send(new ec2.DeleteRouteTableCommand({ RouteTableId: id }));
        },
      },
      "ec2:internet-gateway": {
        isThere: async ({ id }: Found) => {
          const { InternetGateways = [] } = await client.send(
            new ec2.DescribeInternetGatewaysCommand({ InternetGatewayIds: [id] }),
          );
          return InternetGateways.length > 0;
        },
        remove: async ({ id }: Found) => {
          const { InternetGateways = [] } = await client.send(
            new ec2.DescribeInternetGatewaysCommand({ InternetGatewayIds: [id] }),
          );
          for (const { VpcId } of InternetGateways[0]?.Attachments ?? [])
            if (VpcId !== undefined)
              await client.send(new ec2.DetachInternetGatewayCommand({ InternetGatewayId: id, VpcId }));
          await client.send(new ec2.DeleteInternetGatewayCommand({ InternetGatewayId: id }));
        },
      },
      "ec2:vpc": {
        isThere: async ({ id }: Found) => {
          const { Vpcs = [] } = await client.send(new ec2.DescribeVpcsCommand({ VpcIds: [id] }));
          return Vpcs.length > 0;
        },
        remove: ({ id }: Found) => client.send(new ec2.DeleteVpcCommand({ VpcId: id })),
      },
    } satisfies Partial<Record<LeftoverKind, Handling>>;
  }

  /** Groups that name each other hold each other: all rules go before. */
  async #revokeRules(id: string): Promise<void> {
    const { SecurityGroupRules = [] } = await this.#ec2.send(
      new ec2.DescribeSecurityGroupRulesCommand({ Filters: [{ Name: "group-id", Values: [id] }] }),
    );
    const ids = (egress: boolean): string[] =>
      SecurityGroupRules.filter(({ IsEgress }) => IsEgress === egress).flatMap(
        ({ SecurityGroupRuleId }) => SecurityGroupRuleId ?? [],
      );
    const [ingress, egress] = [ids(false), ids(true)];
    if (ingress.length > 0)
      await this.#ec2.send(
        new ec2.RevokeSecurityGroupIngressCommand({ GroupId: id, SecurityGroupRuleIds: ingress }),
      );
    if (egress.length > 0)
      await this.#ec2.send(
        new ec2.RevokeSecurityGroupEgressCommand({ GroupId: id, SecurityGroupRuleIds: egress }),
      );
  }

  #machines() {
    const client = this.#ec2;
    return {
      "ec2:instance": {
        isThere: async ({ id }: Found) => {
          const { Reservations = [] } = await client.send(
            new ec2.DescribeInstancesCommand({ InstanceIds: [id] }),
          );
          return Reservations.flatMap(({ Instances = [] }) => Instances).some(
            ({ State }) => State?.Name !== "terminated",
          );
        },
        remove: ({ id }: Found) => client.send(new ec2.TerminateInstancesCommand({ InstanceIds: [id] })),
      },
      "ec2:volume": {
        isThere: async ({ id }: Found) => {
          const { Volumes = [] } = await client.send(new ec2.DescribeVolumesCommand({ VolumeIds: [id] }));
          return Volumes.length > 0;
        },
        remove: ({ id }: Found) => client.send(new ec2.DeleteVolumeCommand({ VolumeId: id })),
      },
      "ec2:launch-template": {
        isThere: async ({ id }: Found) => {
          const { LaunchTemplates = [] } = await client.send(
            new ec2.DescribeLaunchTemplatesCommand({ LaunchTemplateIds: [id] }),
          );
          return LaunchTemplates.length > 0;
        },
        remove: ({ id }: Found) => client.send(new ec2.DeleteLaunchTemplateCommand({ LaunchTemplateId: id })),
      },
    } satisfies Partial<Record<LeftoverKind, Handling>>;
  }

  #clusters() {
    const client = this.#eks;
    /** `cluster/group/uuid` */
    const group = ({ id }: Found): { clusterName: string; nodegroupName: string } => {
      const [clusterName = "", nodegroupName = ""] = id.split("/");
      return { clusterName, nodegroupName };
    };
    return {
      "eks:nodegroup": {
        isThere: async (found: Found) => {
          await client.send(new eks.DescribeNodegroupCommand(group(found)));
          return true;
        },
        remove: (found: Found) => client.send(new eks.DeleteNodegroupCommand(group(found))),
      },
      "eks:cluster": {
        isThere: async ({ id }: Found) => {
          await client.send(new eks.DescribeClusterCommand({ name: id }));
          return true;
        },
        remove: ({ id }: Found) => client.send(new eks.DeleteClusterCommand({ name: id })),
      },
    } satisfies Partial<Record<LeftoverKind, Handling>>;
  }

  #identities() {
    const client = this.#iam;
    return {
      "iam:oidc-provider": {
        isThere: async ({ id }: Found) => {
          await client.send(new iam.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: id }));
          return true;
        },
        remove: ({ id }: Found) =>
          client.send(new iam.DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: id })),
      },
      "iam:role": {
        isThere: async ({ id }: Found) => {
          await client.send(new iam.GetRoleCommand({ RoleName: id }));
          return true;
        },
        remove: async ({ id: RoleName }: Found) => {
          const { AttachedPolicies = [] } = await client.send(
            new iam.ListAttachedRolePoliciesCommand({ RoleName }),
          );
          for (const { PolicyArn } of AttachedPolicies)
            await client.send(new iam.DetachRolePolicyCommand({ RoleName, PolicyArn }));
          const { PolicyNames = [] } = await client.send(new iam.ListRolePoliciesCommand({ RoleName }));
          for (const PolicyName of PolicyNames)
            await client.send(new iam.DeleteRolePolicyCommand({ RoleName, PolicyName }));
          await client.send(new iam.DeleteRoleCommand({ RoleName }));
        },
      },
    } satisfies Partial<Record<LeftoverKind, Handling>>;
  }
}

function tagsOf(tags: readonly iam.Tag[] = []): Readonly<Record<string, string>> {
  return Object.fromEntries(tags.map(({ Key = "", Value = "" }) => [Key, Value]));
}

function storage(options: ReturnType<typeof clientOptions>) {
  const images = new ecr.ECRClient(options);
  const vault = new secrets.SecretsManagerClient(options);
  const buckets = new s3.S3Client({ ...options, followRegionRedirects: true });
  const groups = new logs.CloudWatchLogsClient(options);
  const keys = new kms.KMSClient(options);
  return {
    "ecr:repository": {
      isThere: async ({ id }: Found) => {
        await images.send(new ecr.DescribeRepositoriesCommand({ repositoryNames: [id] }));
        return true;
      },
      remove: ({ id }: Found) =>
        images.send(new ecr.DeleteRepositoryCommand({ repositoryName: id, force: true })),
    },
    "secretsmanager:secret": {
      isThere: async ({ id }: Found) => {
        const { DeletedDate } = await vault.send(new secrets.DescribeSecretCommand({ SecretId: id }));
        return DeletedDate === undefined;
      },
      remove: ({ id }: Found) =>
        vault.send(new secrets.DeleteSecretCommand({ SecretId: id, ForceDeleteWithoutRecovery: true })),
    },
    "s3:bucket": {
      isThere: async ({ id }: Found) => {
        await buckets.send(new s3.HeadBucketCommand({ Bucket: id }));
        return true;
      },
      remove: async ({ id: Bucket }: Found) => {
        // Its policy may refuse deletions; old versions are objects as well.
        await buckets.send(new s3.DeleteBucketPolicyCommand({ Bucket }));
        for (;;) {
          const { Versions = [], DeleteMarkers = [] } = await buckets.send(
            new s3.ListObjectVersionsCommand({ Bucket }),
          );
          const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
          if (Objects.length === 0) break;
          const { Errors = [] } = await buckets.send(
            new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
          );
          const [error] = Errors;
          if (error !== undefined) throw new Error(`${String(error.Key)}: ${String(error.Message)}`);
        }
        await buckets.send(new s3.DeleteBucketCommand({ Bucket }));
      },
    },
    "logs:log-group": {
      isThere: async ({ id }: Found) => {
        const { logGroups = [] } = await groups.send(
          new logs.DescribeLogGroupsCommand({ logGroupNamePrefix: id }),
        );
        return logGroups.some(({ logGroupName }) => logGroupName === id);
      },
      remove: ({ id }: Found) => groups.send(new logs.DeleteLogGroupCommand({ logGroupName: id })),
    },
    "kms:key": {
      // Keys wait seven days at least for their end, and cost nothing then.
      isThere: async ({ id }: Found) => {
        const { KeyMetadata } = await keys.send(new kms.DescribeKeyCommand({ KeyId: id }));
        return KeyMetadata?.KeyState !== "PendingDeletion";
      },
      remove: ({ id }: Found) =>
        keys.send(new kms.ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: 7 })),
    },
  } satisfies Partial<Record<LeftoverKind, Handling>>;
}

/** Every service has words of its own for what is not there: `InvalidVpcID.NotFound`, `NoSuchEntity`, `NotFound`, … */
function isMissing(error: unknown): boolean {
  return error instanceof Error && /NotFound|NoSuch/.test(error.name);
}
