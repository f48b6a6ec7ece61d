import type { Account } from "./account.ts";
import {
  addInterfaces,
  arn,
  inSecurityGroup,
  inSubnet,
  launchTemplate,
  removeInterfaces,
  securityGroup,
  subnet,
} from "./ec2.ts";
import { policiesOf, roleByArn, trusts } from "./iam.ts";
import { demandKey } from "./kms.ts";
import { networkOf } from "./cidr.ts";
import { logGroup } from "./logs.ts";
import { AwsError, oneOfValues, rule, type Reference, type ResourceTypes, type Scene } from "./resource.ts";
import type { ShapeProblem } from "./shapes.ts";
import { at, isRecord, numberAt, records, requiredText, text, texts, type Properties } from "./values.ts";

/** Clusters, and what is in them. Rules: EKS user guide and API reference, as each says. */

export const cluster = "aws:eks/cluster:Cluster";
export const nodeGroup = "aws:eks/nodeGroup:NodeGroup";
export const addon = "aws:eks/addon:Addon";
export const accessEntry = "aws:eks/accessEntry:AccessEntry";
export const accessPolicy = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation";
/** What a node group makes. */
export const autoscalingGroup = "autoscaling:Group";

const clusterName = /^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$/;

function ofCluster(): Reference {
  return {
    path: "clusterName",
    type: cluster,
    by: "name",
    missing: ["ResourceNotFoundException", "No cluster found for name: {}."],
  };
}

const invalid = (message: string): AwsError => new AwsError("InvalidParameterException", message);

function minorOf(version: string): number {
  return Number(version.split(".")[1]);
}

export function zonesOf(account: Account, subnetIds: readonly string[]): Set<string> {
  return new Set(
    subnetIds.flatMap((id) => text(account.find(subnet, id)?.properties ?? {}, "availabilityZone") ?? []),
  );
}

/**
 * Source: EKS user guide, "Amazon EKS cluster IAM role"; the text is that of CreateCluster, which the real provider knows
 * (internal/service/eks/cluster.go).
 */
function demandClusterRole(account: Account, roleArn: string): void {
  if (!trusts(account, roleArn, { service: "eks.amazonaws.com" }))
    throw invalid("Role could not be assumed because the trusted entity is not correct");
  if (!policiesOf(account, nameOfRole(roleArn)).includes("AmazonEKSClusterPolicy"))
    throw invalid("The provided role doesn't have the Amazon EKS Managed Policies associated with it");
}

function nameOfRole(roleArn: string): string {
  return roleArn.split("/").pop() ?? "";
}

/** Source: EKS user guide, "Amazon EKS node IAM role". */
function nodeRoleLacks(account: Account, roleArn: string): string | undefined {
  if (!trusts(account, roleArn, { service: "ec2.amazonaws.com" })) return "trust in ec2.amazonaws.com";
  const policies = policiesOf(account, nameOfRole(roleArn));
  const hasOne = (...names: string[]): boolean => names.some((name) => policies.includes(name));
  if (!hasOne("AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy"))
    return "AmazonEKSWorkerNodePolicy";
  if (!hasOne("AmazonEC2ContainerRegistryReadOnly", "AmazonEC2ContainerRegistryPullOnly"))
    return "AmazonEC2ContainerRegistryPullOnly";
  return undefined;
}

function demandTwoZones(account: Account, inputs: Properties): void {
  // Source: EKS user guide, "Amazon EKS VPC and subnet considerations".
  if (zonesOf(account, texts(inputs, "vpcConfig.subnetIds")).size < 2)
    throw invalid("Subnets specified must be in at least two different AZs");
}

function clusterProblems(inputs: Properties): readonly ShapeProblem[] {
  const service = text(inputs, "kubernetesNetworkConfig.serviceIpv4Cidr");
  const isPublic = at(inputs, "vpcConfig.endpointPublicAccess") !== false;
  return [
    ...rule(
      "name",
      text(inputs, "name"),
      (name) => clusterName.test(name),
      "letters, digits, - and _, at most 100",
    ),
    ...rule("version", text(inputs, "version"), (version) => /^1\.\d\d$/.test(version), "write it like 1.35"),
    ...texts(inputs, "enabledClusterLogTypes").flatMap((type) =>
      oneOfValues("enabledClusterLogTypes", type, [
        "api",
        "audit",
        "authenticator",
        "controllerManager",
        "scheduler",
      ]),
    ),
    ...oneOfValues("accessConfig.authenticationMode", text(inputs, "accessConfig.authenticationMode"), [
      ...["API", "API_AND_CONFIG_MAP", "CONFIG_MAP"],
    ]),
    ...texts(inputs, "encryptionConfig.resources").flatMap((one) =>
      oneOfValues("encryptionConfig.resources", one, ["secrets"]),
    ),
    // Source: EKS API, VpcConfigRequest.
    ...(!isPublic && at(inputs, "vpcConfig.endpointPrivateAccess") !== true
      ? [{ property: "vpcConfig", reason: "Private and public endpoint access cannot both be false" }]
      : []),
    ...(!isPublic && texts(inputs, "vpcConfig.publicAccessCidrs").length > 0
      ? [{ property: "vpcConfig.publicAccessCidrs", reason: "there is no public endpoint" }]
      : []),
    ...texts(inputs, "vpcConfig.publicAccessCidrs").flatMap((cidr) =>
      rule(
        "vpcConfig.publicAccessCidrs",
        cidr,
        (one) => networkOf(one) !== undefined,
        "this is no network address",
      ),
    ),
    ...rule(
      "kubernetesNetworkConfig.serviceIpv4Cidr",
      service,
      (cidr) => {
        const network = networkOf(cidr);
        return network !== undefined && network.prefix >= 12 && network.prefix <= 24;
      },
      "a private network of /12 to /24",
    ),
  ];
}

/** Source: EKS user guide, "Update existing cluster to new Kubernetes version". */
function demandUpgrade(account: Account, name: string, from: string, to: string): void {
  if (minorOf(to) < minorOf(from) || minorOf(to) > minorOf(from) + 1)
    throw invalid(`Unsupported Kubernetes minor version update from ${from} to ${to}`);
  // Nodes may be three minor versions behind the API server, and not more.
  for (const { properties } of account.all(nodeGroup))
    if (properties.clusterName === name && minorOf(to) - minorOf(requiredText(properties, "version")) > 3)
      throw invalid(`Nodegroup ${requiredText(properties, "nodeGroupName")} is too old for ${to}`);
}

const logGroupOf = (name: string): string => `/aws/eks/${name}/cluster`;

/** Source: EKS user guide, "Send control plane logs to CloudWatch Logs": it makes the group where there is none. */
function writeLogs(account: Account, name: string): void {
  if (account.find(logGroup, logGroupOf(name)) === undefined)
    account.put({
      type: logGroup,
      id: logGroupOf(name),
      name: `cluster ${name}`,
      properties: { name: logGroupOf(name) },
    });
}

function nodeGroupProblems(inputs: Properties): readonly ShapeProblem[] {
  const size = (key: string): number | undefined => numberAt(inputs, `scalingConfig.${key}`);
  const [min = 0, desired = 0, max = 1] = [size("minSize"), size("desiredSize"), size("maxSize")];
  const types = texts(inputs, "instanceTypes");
  const hasBoth = (one: string, other: string): boolean =>
    at(inputs, one) !== undefined && at(inputs, other) !== undefined;
  return [
    ...rule(
      "nodeGroupName",
      text(inputs, "nodeGroupName"),
      (name) => name.length <= 63 && /^[0-9A-Za-z][\w-]*$/.test(name),
      "letters, digits, - and _, at most 63",
    ),
    ...oneOfValues("capacityType", text(inputs, "capacityType"), ["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"]),
    ...oneOfValues("amiType", text(inputs, "amiType"), [
      ...[
        "AL2023_x86_64_STANDARD",
        "AL2023_x86_64_NVIDIA",
        "AL2023_ARM_64_STANDARD",
        "AL2023_ARM_64_NVIDIA",
        "CUSTOM",
      ],
      ...["BOTTLEROCKET_x86_64", "BOTTLEROCKET_x86_64_NVIDIA", "AL2_x86_64", "AL2_x86_64_GPU"],
    ]),
    // Source: EKS API, NodegroupScalingConfig.
    ...(max < 1 ? [{ property: "scalingConfig.maxSize", reason: "expected to be at least (1)" }] : []),
    ...(min <= desired && desired <= max
      ? []
      : [
          {
            property: "scalingConfig",
            reason: `Minimum capacity ${String(min)} can't be greater than desired size ${String(desired)}, nor that than the maximum ${String(max)}`,
          },
        ]),
    ...types.flatMap((type) =>
      rule("instanceTypes", type, (one) => /^[a-z]\w+(-\w+)?\.[\w-]+$/.test(one), "this is no instance type"),
    ),
    ...(new Set(types).size < types.length
      ? [{ property: "instanceTypes", reason: "one is there twice" }]
      : []),
    ...(types.length > 20 ? [{ property: "instanceTypes", reason: "at most 20" }] : []),
    // Source: EKS API, CreateNodegroup, `launchTemplate`.
    ...(hasBoth("launchTemplate", "diskSize")
      ? [{ property: "diskSize", reason: "a launch template says it" }]
      : []),
    ...(hasBoth("launchTemplate", "remoteAccess")
      ? [{ property: "remoteAccess", reason: "a launch template says it" }]
      : []),
    ...(hasBoth("launchTemplate.id", "launchTemplate.name")
      ? [{ property: "launchTemplate", reason: "id or name, not both" }]
      : []),
    // Source: EKS API, UpdateConfig.
    ...(hasBoth("updateConfig.maxUnavailable", "updateConfig.maxUnavailablePercentage")
      ? [{ property: "updateConfig", reason: "one of maxUnavailable and maxUnavailablePercentage" }]
      : []),
    ...((numberAt(inputs, "updateConfig.maxUnavailable") ?? 1) < 1 ||
    (numberAt(inputs, "updateConfig.maxUnavailable") ?? 1) > 100
      ? [{ property: "updateConfig.maxUnavailable", reason: "1 to 100" }]
      : []),
    ...records(inputs, "taints").flatMap((taint) => [
      ...oneOfValues("taints.effect", text(taint, "effect"), [
        "NO_SCHEDULE",
        "NO_EXECUTE",
        "PREFER_NO_SCHEDULE",
      ]),
      ...rule("taints.value", text(taint, "value"), (value) => value.length <= 63, "at most 63 characters"),
    ]),
    // Source: EKS API, CreateNodegroup, `labels`: Kubernetes' rules, and not its own names.
    ...Object.keys(isRecord(inputs.labels) ? inputs.labels : {}).flatMap((key) =>
      rule(
        "labels",
        key,
        (one) => /^([a-z0-9.-]+\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(one),
        "this is no label's key",
      ),
    ),
  ];
}

/** What the launch template and the group say to each other. */
function demandTemplate({ account, inputs }: Scene): void {
  const template = account.find(launchTemplate, text(inputs, "launchTemplate.id") ?? "")?.properties ?? {};
  const version = text(inputs, "launchTemplate.version");
  const latest = numberAt(template, "latestVersion") ?? 0;
  if (version !== undefined && /^\d+$/.test(version) && Number(version) > latest)
    throw invalid(`Launch template version ${version} does not exist`);
  // Source: EKS user guide, "Customize managed nodes with launch templates".
  if (template.instanceType !== undefined && inputs.instanceTypes !== undefined)
    throw invalid("Instance types cannot be specified in both the launch template and the node group");
  if (template.iamInstanceProfile !== undefined || at(template, "networkInterfaces.subnetId") !== undefined)
    throw invalid("Launch template should not specify an instance profile or subnets");
  if (at(template, "instanceMarketOptions.marketType") === "spot")
    throw invalid("Launch template should not specify spot: use capacityType");
  if (template.imageId !== undefined && inputs.amiType !== undefined && inputs.amiType !== "CUSTOM")
    throw invalid("You cannot specify an amiType and an image id in the launch template");
  // Source: EKS user guide, "Manage compute resources for AI/ML workloads on Amazon EKS with Capacity Blocks".
  const market = at(template, "instanceMarketOptions.marketType");
  if ((inputs.capacityType === "CAPACITY_BLOCK") !== (market === "capacity-block"))
    throw invalid(
      "The capacity type CAPACITY_BLOCK and the launch template's market type capacity-block go together",
    );
  const reserved = text(
    template,
    "capacityReservationSpecification.capacityReservationTarget.capacityReservationId",
  );
  if (reserved !== undefined) {
    const reservation = account.settings.reservations[reserved];
    const zones = zonesOf(account, texts(inputs, "subnetIds"));
    if (reservation === undefined || zones.size !== 1 || !zones.has(reservation.zone))
      throw invalid(
        `The capacity reservation ${reserved} is in ${reservation?.zone ?? "no zone"}, and the subnets are in ${[...zones].join(", ")}`,
      );
    if (!texts(inputs, "instanceTypes").every((type) => type === reservation.instanceType))
      throw invalid(`The capacity reservation ${reserved} is of ${reservation.instanceType}`);
  }
}

/** Source: EC2 API, DescribeInstanceTypeOfferings; the error is Auto Scaling's. */
function demandOfferings({ account, inputs }: Scene): void {
  for (const zone of zonesOf(account, texts(inputs, "subnetIds"))) {
    const offered = account.settings.offerings[zone];
    const missing = texts(inputs, "instanceTypes").filter(
      (type) => offered !== undefined && !offered.includes(type),
    );
    if (missing.length > 0)
      throw new AwsError(
        "AsgInstanceLaunchFailures",
        `Your requested instance type (${missing.join(", ")}) is not supported in your requested Availability Zone (${zone}).`,
      );
  }
}

/** Nodes' interfaces, one each, over the subnets. */
export function placeNodes(account: Account, id: string, inputs: Properties): void {
  removeInterfaces(account, id);
  const subnetIds = texts(inputs, "subnetIds");
  const group = text(
    account.find(cluster, requiredText(inputs, "clusterName"))?.properties ?? {},
    "vpcConfig.clusterSecurityGroupId",
  );
  const count = numberAt(inputs, "scalingConfig.desiredSize") ?? 0;
  const places = Array.from({ length: count }, (_, index) => subnetIds[index % subnetIds.length] ?? "");
  addInterfaces(account, id, places, group === undefined ? [] : [group]);
}

function hasWorkingNodes(account: Account, name: string): boolean {
  return account
    .all(nodeGroup)
    .some(
      ({ properties }) =>
        properties.clusterName === name &&
        (numberAt(properties, "scalingConfig.desiredSize") ?? 0) > 0 &&
        records(properties, "taints").length === 0,
    );
}

/** Source: EKS user guide, "Available Amazon EKS add-ons from AWS"; the last two run as Deployments. */
const addonNames = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver"];
const addonsOnNodes = ["coredns", "aws-ebs-csi-driver"];

export const eksTypes: ResourceTypes = {
  [autoscalingGroup]: { source: "what node groups make", forceNew: [], id: "eks-" },
  [cluster]: {
    source: "internal/service/eks/cluster.go",
    forceNew: ["encryptionConfig.provider.keyArn"],
    autoname: { property: "name", max: 100 },
    sets: [
      "enabledClusterLogTypes",
      "vpcConfig.subnetIds",
      "vpcConfig.securityGroupIds",
      "vpcConfig.publicAccessCidrs",
    ],
    kept: ["accessConfig", "kubernetesNetworkConfig", "upgradePolicy", "version", "deletionProtection"],
    defaults: { bootstrapSelfManagedAddons: true },
    validate: clusterProblems,
    references: [
      roleByArn("roleArn", ["InvalidParameterException", "roleArn, {}, does not exist"]),
      inSubnet("vpcConfig.subnetIds"),
      inSecurityGroup("vpcConfig.securityGroupIds"),
    ],
    id: ({ inputs }) => requiredText(inputs, "name"),
    create: (scene) => {
      const { account, region, inputs, id } = scene;
      demandClusterRole(account, requiredText(inputs, "roleArn"));
      demandTwoZones(account, inputs);
      demandKey(account, text(inputs, "encryptionConfig.provider.keyArn"));
      const subnetIds = texts(inputs, "vpcConfig.subnetIds");
      const vpcId = text(account.find(subnet, subnetIds[0] ?? "")?.properties ?? {}, "vpcId");
      // Source: EKS user guide, "View Amazon EKS security group requirements": one that EKS makes and removes.
      const group = `sg-${account.hex(17)}`;
      account.put({
        type: securityGroup,
        id: group,
        name: `cluster ${id}`,
        properties: { vpcId, name: `eks-cluster-sg-${id}`, owner: id },
      });
      addInterfaces(account, `cluster ${id}`, subnetIds, [group]);
      if (texts(inputs, "enabledClusterLogTypes").length > 0) writeLogs(account, id);
      const { endpoint, certificateAuthority } = account.settings.controlPlane;
      const issuer = `https://oidc.eks.${region}.amazonaws.com/id/${account.hex(32).toUpperCase()}`;
      return {
        arn: arn(scene, "eks", `cluster/${id}`),
        ...{
          certificateAuthority: { data: certificateAuthority },
          endpoint,
          identities: [{ oidcs: [{ issuer }] }],
        },
        ...{
          clusterId: "",
          computeConfig: {},
          storageConfig: {},
          controlPlaneScalingConfig: { tier: "standard" },
        },
        ...{ kubeApiServerConfig: {}, kubeControllerManagerConfig: {}, kubeSchedulerConfig: {} },
        ...{ createdAt: "2026-01-01T00:00:00Z", platformVersion: "eks.1", status: "ACTIVE" },
        accessConfig: {
          authenticationMode: "CONFIG_MAP",
          bootstrapClusterCreatorAdminPermissions: true,
          ...(isRecord(inputs.accessConfig) ? inputs.accessConfig : {}),
        },
        kubernetesNetworkConfig: {
          ipFamily: "ipv4",
          serviceIpv4Cidr: "172.20.0.0/16",
          ...(isRecord(inputs.kubernetesNetworkConfig) ? inputs.kubernetesNetworkConfig : {}),
        },
        upgradePolicy: inputs.upgradePolicy ?? { supportType: "EXTENDED" },
        ...{ version: inputs.version ?? "1.35", deletionProtection: inputs.deletionProtection ?? false },
        vpcConfig: {
          ...(isRecord(inputs.vpcConfig) ? inputs.vpcConfig : {}),
          vpcId,
          clusterSecurityGroupId: group,
        },
      };
    },
    update: ({ account, inputs, olds, id }) => {
      const [from, to] = [requiredText(olds, "version"), requiredText(inputs, "version")];
      if (from !== to) demandUpgrade(account, id, from, to);
      demandTwoZones(account, inputs);
      // Source: EKS user guide, "Migrating to access entries": there is no way back.
      const mode = (properties: Properties): unknown => at(properties, "accessConfig.authenticationMode");
      if (mode(olds) === "API" && mode(inputs) !== "API")
        throw new AwsError(
          "InvalidParameterException",
          `Unsupported authentication mode update from API to ${String(mode(inputs))}`,
        );
      return {};
    },
    filledIn: [
      "vpcConfig.vpcId",
      "vpcConfig.clusterSecurityGroupId",
      "kubernetesNetworkConfig.serviceIpv6Cidr",
    ],
    remove: (account, { id, properties }) => {
      // Source: EKS API, DeleteCluster.
      if (properties.deletionProtection === true)
        throw new AwsError(
          "InvalidRequestException",
          `Cannot delete cluster ${id}: deletion protection is enabled`,
        );
      if (account.all(nodeGroup).some(({ properties: group }) => group.clusterName === id))
        throw new AwsError("ResourceInUseException", "Cluster has nodegroups attached");
      for (const { type, id: other, properties: inside } of account.resources)
        if ([addon, accessEntry, accessPolicy].includes(type) && inside.clusterName === id)
          account.remove(type, other);
      // Source: Terraform's documentation of aws_eks_cluster: without its role "EKS will not be able to properly delete EKS
      // managed EC2 infrastructure such as Security Groups".
      try {
        demandClusterRole(account, requiredText(properties, "roleArn"));
        removeInterfaces(account, `cluster ${id}`);
        account.remove(securityGroup, requiredText(properties, "vpcConfig.clusterSecurityGroupId"));
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
      }
      // What it logs at its end makes the group again.
      if (texts(properties, "enabledClusterLogTypes").length > 0) writeLogs(account, id);
    },
  },
  [nodeGroup]: {
    source: "internal/service/eks/node_group.go",
    forceNew: [],
    autoname: { property: "nodeGroupName", max: 63 },
    sets: ["subnetIds", "taints"],
    kept: [
      "amiType",
      "capacityType",
      "diskSize",
      "instanceTypes",
      "releaseVersion",
      "updateConfig",
      "version",
      "nodeRepairConfig",
    ],
    exclusive: [["nodeGroupName", "nodeGroupNamePrefix"]],
    validate: nodeGroupProblems,
    references: [
      ofCluster(),
      roleByArn("nodeRoleArn", ["InvalidParameterException", "The role with name {} cannot be found."]),
      inSubnet("subnetIds"),
      {
        path: "launchTemplate.id",
        type: launchTemplate,
        missing: ["InvalidParameterException", "Launch template with ID {} does not exist"],
      },
    ],
    id: ({ account, inputs }) => {
      const [name, group] = [requiredText(inputs, "clusterName"), requiredText(inputs, "nodeGroupName")];
      if (account.find(nodeGroup, `${name}:${group}`) !== undefined)
        throw new AwsError(
          "ResourceInUseException",
          `NodeGroup already exists with name ${group} and cluster name ${name}`,
        );
      return `${name}:${group}`;
    },
    create: (scene) => {
      const { account, inputs, id } = scene;
      demandTemplate(scene);
      demandOfferings(scene);
      const owner = account.find(cluster, requiredText(inputs, "clusterName"))?.properties ?? {};
      const version = text(inputs, "version") ?? requiredText(owner, "version");
      if (minorOf(version) > minorOf(requiredText(owner, "version")))
        throw invalid(`Requested Nodegroup version ${version} is newer than the cluster's`);
      const lacks = nodeRoleLacks(account, requiredText(inputs, "nodeRoleArn"));
      if (lacks !== undefined)
        throw new AwsError(
          "NodeCreationFailure",
          `Instances failed to join the kubernetes cluster: the node role lacks ${lacks}`,
        );
      // Source: EKS user guide, "Create an Amazon EKS cluster", bootstrapSelfManagedAddons: without them nodes wait for vpc-cni.
      const hasNetwork = account
        .all(addon)
        .some(
          ({ properties }) =>
            properties.clusterName === inputs.clusterName && properties.addonName === "vpc-cni",
        );
      if (owner.bootstrapSelfManagedAddons === false && !hasNetwork)
        throw new AwsError(
          "NodeCreationFailure",
          "Unhealthy nodes in the kubernetes cluster: container runtime network not ready: cni plugin not initialized",
        );
      const name = `eks-${requiredText(inputs, "nodeGroupName")}-${account.hex(8)}`;
      account.put({ type: autoscalingGroup, id: name, name: id, properties: { nodeGroup: id, tags: {} } });
      placeNodes(account, id, inputs);
      return {
        arn: arn(scene, "eks", `nodegroup/${id.replace(":", "/")}/${account.hex(32)}`),
        ...{
          amiType: inputs.amiType ?? "AL2023_x86_64_STANDARD",
          capacityType: inputs.capacityType ?? "ON_DEMAND",
        },
        ...{
          diskSize: inputs.diskSize ?? 0,
          instanceTypes: inputs.instanceTypes ?? [],
          status: "ACTIVE",
          version,
        },
        ...{
          nodeRepairConfig: inputs.nodeRepairConfig ?? {},
          releaseVersion: inputs.releaseVersion ?? `${version}.0-20260101`,
        },
        updateConfig: inputs.updateConfig ?? { maxUnavailable: 1 },
        resources: [{ autoscalingGroups: [{ name }], remoteAccessSecurityGroupId: "" }],
      };
    },
    update: (scene) => {
      demandTemplate(scene);
      const { account, inputs, id } = scene;
      const owner = account.find(cluster, requiredText(inputs, "clusterName"))?.properties ?? {};
      if (minorOf(requiredText(inputs, "version")) > minorOf(requiredText(owner, "version")))
        throw invalid(
          `Requested Nodegroup version ${requiredText(inputs, "version")} is newer than the cluster's`,
        );
      placeNodes(account, id, inputs);
      return {};
    },
    remove: (account, { id, properties }) => {
      // Source: Terraform's documentation of aws_eks_node_group: without the role's policies "EKS will not be able to
      // properly delete EC2 Instances and Elastic Network Interfaces".
      if (nodeRoleLacks(account, requiredText(properties, "nodeRoleArn")) === undefined)
        removeInterfaces(account, id);
      for (const group of account.all(autoscalingGroup))
        if (group.name === id) account.remove(autoscalingGroup, group.id);
      for (const tag of account.all("aws:autoscaling/tag:Tag"))
        if (
          account.find(autoscalingGroup, requiredText(tag.properties, "autoscalingGroupName")) === undefined
        )
          account.remove(tag.type, tag.id);
    },
  },
  [addon]: {
    source: "internal/service/eks/addon.go",
    forceNew: [],
    kept: ["addonVersion", "configurationValues"],
    validate: (inputs) => {
      const values = text(inputs, "configurationValues");
      return [
        ...oneOfValues("addonName", text(inputs, "addonName"), addonNames),
        ...rule(
          "addonVersion",
          text(inputs, "addonVersion"),
          (one) => /^v\d+\.\d+\.\d+-eksbuild\.\d+$/.test(one),
          "write it like v1.21.1-eksbuild.1",
        ),
        ...oneOfValues("resolveConflictsOnCreate", text(inputs, "resolveConflictsOnCreate"), [
          "NONE",
          "OVERWRITE",
        ]),
        ...oneOfValues("resolveConflictsOnUpdate", text(inputs, "resolveConflictsOnUpdate"), [
          "NONE",
          "OVERWRITE",
          "PRESERVE",
        ]),
        ...(values === undefined || isJson(values)
          ? []
          : [{ property: "configurationValues", reason: "this is no JSON" }]),
      ];
    },
    references: [
      ofCluster(),
      roleByArn("serviceAccountRoleArn", ["InvalidParameterException", "Role {} does not exist"]),
    ],
    id: ({ inputs }) => `${requiredText(inputs, "clusterName")}:${requiredText(inputs, "addonName")}`,
    create: (scene) => {
      const { account, inputs, id } = scene;
      const name = requiredText(inputs, "addonName");
      // Source: EKS API, AddonIssue: what runs as a Deployment needs nodes.
      if (addonsOnNodes.includes(name) && !hasWorkingNodes(account, requiredText(inputs, "clusterName")))
        throw new AwsError(
          "InsufficientNumberOfReplicas",
          `unexpected state 'DEGRADED', wanted target 'ACTIVE': the add-on ${name} is unhealthy because it doesn't have the desired number of replicas`,
        );
      return {
        arn: arn(scene, "eks", `addon/${id.replace(":", "/")}/${account.hex(32)}`),
        ...{
          addonVersion: inputs.addonVersion ?? "v1.0.0-eksbuild.1",
          configurationValues: inputs.configurationValues ?? "",
        },
        ...{ createdAt: "2026-01-01T00:00:00Z", modifiedAt: "2026-01-01T00:00:00Z", namespaceConfig: {} },
      };
    },
    unstable: ["modifiedAt"],
  },
  [accessEntry]: {
    source: "internal/service/eks/access_entry.go",
    forceNew: [],
    sets: ["kubernetesGroups"],
    kept: ["kubernetesGroups", "userName"],
    defaults: { type: "STANDARD" },
    validate: (inputs) =>
      // Source: EKS API, CreateAccessEntry: an IAM principal, not a session of one.
      rule(
        "principalArn",
        text(inputs, "principalArn"),
        (one) => /^arn:aws[\w-]*:iam::\d{12}:(role|user)\//.test(one),
        "a role's or user's ARN in IAM",
      ),
    references: [ofCluster()],
    id: ({ account, inputs }) => {
      const id = `${requiredText(inputs, "clusterName")}:${requiredText(inputs, "principalArn")}`;
      // Source: EKS API, CreateAccessEntry.
      const mode = text(
        account.find(cluster, requiredText(inputs, "clusterName"))?.properties ?? {},
        "accessConfig.authenticationMode",
      );
      if (mode === "CONFIG_MAP")
        throw new AwsError(
          "InvalidRequestException",
          "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
        );
      if (account.find(accessEntry, id) !== undefined)
        throw new AwsError(
          "ResourceInUseException",
          "The specified access entry resource is already in use on this cluster.",
        );
      return id;
    },
    create: (scene) => ({
      accessEntryArn: arn(
        scene,
        "eks",
        `access-entry/${requiredText(scene.inputs, "clusterName")}/${scene.account.hex(32)}`,
      ),
      ...{ createdAt: "2026-01-01T00:00:00Z", modifiedAt: "2026-01-01T00:00:00Z" },
      ...{
        kubernetesGroups: scene.inputs.kubernetesGroups ?? [],
        userName: scene.inputs.userName ?? scene.inputs.principalArn,
      },
    }),
  },
  [accessPolicy]: {
    source: "internal/service/eks/access_policy_association.go",
    forceNew: [],
    validate: (inputs) => [
      ...rule(
        "policyArn",
        text(inputs, "policyArn"),
        (one) =>
          /^arn:aws:eks::aws:cluster-access-policy\/AmazonEKS(ClusterAdmin|Admin|AdminView|Edit|View)Policy$/.test(
            one,
          ),
        "this is none of EKS' access policies",
      ),
      ...oneOfValues("accessScope.type", text(inputs, "accessScope.type"), ["cluster", "namespace"]),
      ...((text(inputs, "accessScope.type") === "namespace") ===
      texts(inputs, "accessScope.namespaces").length > 0
        ? []
        : [
            {
              property: "accessScope.namespaces",
              reason: "the type namespace has some, and the type cluster has none",
            },
          ]),
    ],
    references: [ofCluster()],
    id: ({ inputs }) =>
      ["clusterName", "principalArn", "policyArn"].map((key) => requiredText(inputs, key)).join("#"),
    create: ({ account, inputs }) => {
      const entry = `${requiredText(inputs, "clusterName")}:${requiredText(inputs, "principalArn")}`;
      if (account.find(accessEntry, entry) === undefined)
        throw new AwsError(
          "ResourceNotFoundException",
          `The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.`,
        );
      return { associatedAt: "2026-01-01T00:00:00Z", modifiedAt: "2026-01-01T00:00:00Z" };
    },
  },
  "aws:autoscaling/tag:Tag": {
    source: "internal/service/autoscaling/group_tag.go",
    forceNew: [],
    references: [
      {
        path: "autoscalingGroupName",
        type: autoscalingGroup,
        missing: ["ValidationError", "AutoScalingGroup name not found - {}"],
      },
    ],
    id: ({ inputs }) => `${requiredText(inputs, "autoscalingGroupName")},${requiredText(inputs, "tag.key")}`,
  },
};

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}
