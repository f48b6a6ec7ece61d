import type { Replacement } from "./replacement.ts";

/**
 * Which changed properties make the engine replace a resource of AWS. Sources are files of hashicorp/terraform-provider-aws
 * below internal/service, each read at a commit: `ForceNew`, and what CustomizeDiff adds to it. @pulumi/aws is made from that
 * provider; names are Pulumi's. Types that are not here nobody knows offline.
 */
interface ForceNew {
  /** File and commit. */
  readonly source: string;
  readonly properties: readonly string[];
  /** Those whose change replaces it under conditions that a plan does not look at. */
  readonly sometimes?: readonly string[];
}

/** Exported for tests, and for the simulated provider of tests, which replaces by the same table. */
export const awsForceNew: Readonly<Record<string, ForceNew>> = {
  "aws:autoscaling/tag:Tag": {
    source: "autoscaling/group_tag.go, 050ac111",
    properties: ["autoscalingGroupName", "tag.key"],
  },
  "aws:cloudwatch/logGroup:LogGroup": {
    source: "logs/group.go, 0073593e",
    properties: ["logGroupClass", "name", "namePrefix"],
  },
  "aws:ec2/eip:Eip": {
    source: "ec2/ec2_eip.go, 01606926",
    properties: ["address", "domain", "ipamPoolId", "networkBorderGroup", "publicIpv4Pool"],
  },
  "aws:ec2/flowLog:FlowLog": {
    source: "ec2/vpc_flow_log.go, 00a35305",
    properties: [
      ...["deliverCrossAccountRole", "destinationOptions", "eniId", "iamRoleArn", "logDestination"],
      ...["logDestinationType", "logFormat", "maxAggregationInterval", "regionalNatGatewayId", "subnetId"],
      ...["trafficType", "transitGatewayAttachmentId", "transitGatewayId", "vpcId"],
    ],
  },
  "aws:ec2/internetGateway:InternetGateway": {
    source: "ec2/vpc_internet_gateway.go, 08923b68",
    properties: [],
  },
  "aws:ec2/launchTemplate:LaunchTemplate": {
    source: "ec2/ec2_launch_template.go, 025e4f81",
    properties: ["name", "namePrefix"],
  },
  "aws:ec2/natGateway:NatGateway": {
    source: "ec2/vpc_nat_gateway.go, 04088eaa",
    properties: [
      ...["allocationId", "connectivityType", "privateIp", "secondaryPrivateIpAddressCount", "subnetId"],
    ],
    // Younger than that file.
    sometimes: ["availabilityMode", "vpcId"],
  },
  "aws:ec2/routeTable:RouteTable": {
    source: "ec2/vpc_route_table.go, 02209241",
    properties: ["vpcId"],
  },
  "aws:ec2/routeTableAssociation:RouteTableAssociation": {
    source: "ec2/vpc_route_table_association.go, 0be71beb",
    properties: ["gatewayId", "subnetId"],
  },
  "aws:ec2/securityGroup:SecurityGroup": {
    source: "ec2/vpc_security_group.go, 01606926",
    properties: ["description", "name", "namePrefix", "vpcId"],
  },
  "aws:ec2/subnet:Subnet": {
    source: "ec2/vpc_subnet.go, 00cda125",
    properties: [
      ...["availabilityZone", "availabilityZoneId", "cidrBlock", "ipv4IpamPoolId", "ipv4NetmaskLength"],
      ...["ipv6IpamPoolId", "ipv6Native", "ipv6NetmaskLength", "outpostArn", "vpcId"],
    ],
    sometimes: ["ipv6CidrBlock"],
  },
  "aws:ec2/vpc:Vpc": {
    source: "ec2/vpc_.go, 00081ce4",
    properties: ["cidrBlock", "ipv4IpamPoolId", "ipv4NetmaskLength"],
    sometimes: ["instanceTenancy", "ipv6CidrBlock"],
  },
  "aws:ec2/vpcEndpoint:VpcEndpoint": {
    source: "ec2/vpc_endpoint.go, 008db85a",
    properties: [
      ...["dnsOptions.privateDnsPreference", "dnsOptions.privateDnsSpecifiedDomains"],
      ...["resourceConfigurationArn", "serviceName", "serviceNetworkArn", "serviceRegion"],
      ...["vpcEndpointType", "vpcId"],
    ],
    sometimes: ["privateDnsEnabled"],
  },
  "aws:ecr/repository:Repository": {
    source: "ecr/repository.go, 0072eea2",
    properties: ["encryptionConfigurations", "name"],
  },
  "aws:eks/accessEntry:AccessEntry": {
    source: "eks/access_entry.go, 01f43111",
    properties: ["clusterName", "principalArn", "type"],
  },
  "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": {
    source: "eks/access_policy_association.go, 01f43111",
    properties: ["accessScope", "clusterName", "policyArn", "principalArn"],
  },
  "aws:eks/addon:Addon": {
    source: "eks/addon.go, 00a35305",
    properties: ["addonName", "clusterName"],
  },
  "aws:eks/cluster:Cluster": {
    source: "eks/cluster.go, 00555dc5",
    properties: [
      ...["accessConfig.bootstrapClusterCreatorAdminPermissions", "bootstrapSelfManagedAddons"],
      ...["kubernetesNetworkConfig.ipFamily", "kubernetesNetworkConfig.serviceIpv4Cidr", "name"],
      ...["outpostConfig.controlPlaneInstanceType", "outpostConfig.controlPlanePlacement.groupName"],
      ...["remoteNetworkConfig", "roleArn"],
    ],
    sometimes: ["computeConfig.nodeRoleArn", "encryptionConfig"],
  },
  "aws:eks/nodeGroup:NodeGroup": {
    source: "eks/node_group.go, 012e0a32",
    properties: [
      ...["amiType", "capacityType", "clusterName", "diskSize", "instanceTypes", "launchTemplate.id"],
      ...["launchTemplate.name", "nodeGroupName", "nodeGroupNamePrefix", "nodeRoleArn", "remoteAccess"],
      "subnetIds",
    ],
  },
  "aws:iam/openIdConnectProvider:OpenIdConnectProvider": {
    source: "iam/openid_connect_provider.go, 01606926",
    properties: ["url"],
  },
  "aws:iam/role:Role": {
    source: "iam/role.go, 0040ea69",
    properties: ["name", "namePrefix", "path"],
  },
  "aws:iam/rolePolicy:RolePolicy": {
    source: "iam/role_policy.go, 02f97af8",
    properties: ["name", "namePrefix", "role"],
  },
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {
    source: "iam/role_policy_attachment.go, 04c79849",
    properties: ["policyArn", "role"],
  },
  "aws:kms/key:Key": {
    source: "kms/key.go, 00a35305",
    properties: ["customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"],
  },
  "aws:route53/record:Record": {
    source: "route53/record.go, 00655c16",
    properties: ["name", "zoneId"],
  },
  "aws:s3/bucket:Bucket": {
    source: "s3/bucket.go, 0070bcd1",
    properties: ["bucket", "bucketPrefix"],
    // Younger than that file, or beyond what was read of it.
    sometimes: ["bucketNamespace", "objectLockEnabled"],
  },
  "aws:s3/bucketLogging:BucketLogging": {
    source: "s3/bucket_logging.go, 01f43111",
    properties: ["bucket", "expectedBucketOwner"],
  },
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls": {
    source: "s3/bucket_ownership_controls.go, 01c08000",
    properties: ["bucket"],
  },
  "aws:s3/bucketPolicy:BucketPolicy": {
    source: "s3/bucket_policy.go, 0073593e",
    properties: ["bucket"],
  },
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {
    source: "s3/bucket_public_access_block.go, 01606926",
    properties: ["bucket"],
  },
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
    source: "s3/bucket_server_side_encryption_configuration.go, 01606926",
    properties: ["bucket", "expectedBucketOwner"],
  },
  "aws:s3/bucketVersioning:BucketVersioning": {
    source: "s3/bucket_versioning.go, 01c08000",
    properties: ["bucket", "expectedBucketOwner"],
  },
  "aws:secretsmanager/secret:Secret": {
    source: "secretsmanager/secret.go, 00c21ced",
    properties: ["name", "namePrefix"],
  },
  "aws:secretsmanager/secretVersion:SecretVersion": {
    source: "secretsmanager/secret_version.go, 0042e8ea",
    properties: ["secretBinary", "secretId", "secretString", "secretStringWoVersion"],
  },
  "pulumi:providers:aws": {
    source: "pulumi-aws, provider/resources.go: region has ForcesProviderReplace",
    properties: ["region"],
  },
};

/** What the engine does to a resource of AWS whose paths changed. */
export function awsReplacementOf(type: string, paths: readonly string[]): Replacement {
  const known = Object.hasOwn(awsForceNew, type) ? awsForceNew[type] : undefined;
  if (known === undefined) return "unknown";
  if (paths.some((path) => known.properties.some((property) => isWithin(path, property)))) return "replaced";
  // A whole object came or went that has such a property in it.
  const isUnsure = paths.some(
    (path) =>
      (known.sometimes ?? []).some((property) => isWithin(path, property)) ||
      known.properties.some((property) => property.startsWith(`${path}.`)),
  );
  return isUnsure ? "unknown" : "in place";
}

function isWithin(path: string, property: string): boolean {
  return path === property || path.startsWith(`${property}.`) || path.startsWith(`${property}[`);
}
