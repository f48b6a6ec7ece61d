import { Tag } from "@pulumi/aws/autoscaling/tag.js";
import { LaunchTemplate } from "@pulumi/aws/ec2/launchTemplate.js";
import { NodeGroup as ManagedNodeGroup } from "@pulumi/aws/eks/nodeGroup.js";
import * as pulumi from "@pulumi/pulumi";
import type { NodeGroupPlan } from "../../core/aws/plan.ts";
import { refusal } from "../target.ts";
import type { NodeSubnet } from "./Network.ts";

export interface NodeGroupArgs {
  /** Types, capacity, sizes, labels and taints; plain data, checked before. */
  plan: NodeGroupPlan;
  /** Name of its cluster. */
  clusterName: pulumi.Input<string>;
  /** Kubernetes' minor version, as `1.35`: nodes follow where it changes. Default: the cluster's at creation. */
  version?: pulumi.Input<string>;
  /** Private subnets of the cluster; the group takes those of its zones. */
  subnets: readonly NodeSubnet[];
  /** Role of the nodes: a ServiceRole. */
  nodeRoleArn: pulumi.Input<string>;
  /** On instances, their volumes and network interfaces, which a provider's default tags do not reach. Default: none. */
  tags?: Readonly<Record<string, string>>;
  /** Whether Pulumi refuses to delete or replace the group. Default: false. */
  protect?: boolean;
}

/**
 * Nodes that EKS manages, started by a launch template: metadata by IMDSv2 alone and not from pods, encrypted volumes, and
 * on the Auto Scaling group the tags from which the Cluster Autoscaler knows what a node will be that is not there yet.
 * How many there are is the autoscaler's matter once the group is made.
 *
 * @example
 * ```ts
 * import { NodeGroup } from "triton-platform/components";
 *
 * new NodeGroup("system", {
 *   plan: {
 *     name: "system",
 *     instanceTypes: ["m7i.large"],
 *     amiType: "AL2023_x86_64_STANDARD",
 *     capacityType: "ON_DEMAND",
 *     minSize: 2,
 *     desiredSize: 2,
 *     maxSize: 4,
 *     volumeSize: 100 * 1024 ** 3,
 *     labels: { pool: "system" },
 *     taints: [],
 *     maxUnavailable: 1,
 *     autoscalingTags: {},
 *   },
 *   clusterName: "models",
 *   subnets: [{ zone: "us-east-1a", id: "subnet-0123456789abcdef0" }],
 *   nodeRoleArn: "arn:aws:iam::111122223333:role/models-nodes",
 * });
 * ```
 */
export class NodeGroup extends pulumi.ComponentResource {
  /** Of the Auto Scaling group that EKS makes. */
  readonly autoscalingGroupName: pulumi.Output<string>;

  constructor(name: string, args: NodeGroupArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:NodeGroup", name, {}, opts);
    const { plan, clusterName, version, subnets, nodeRoleArn, tags = {}, protect = false } = args;
    const inside = { parent: this };
    const template = new LaunchTemplate(
      `${name}-template`,
      {
        updateDefaultVersion: true,
        // A pod is a hop further than its node: none gets at the node's role.
        metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
        blockDeviceMappings: [
          {
            deviceName: rootDevice,
            ebs: {
              volumeType: "gp3",
              volumeSize: Math.ceil(plan.volumeSize / gibibyte),
              encrypted: "true",
              deleteOnTermination: "true",
            },
          },
        ],
        tagSpecifications: tagged.map((resourceType) => ({
          resourceType,
          tags: { Name: name, ...tags },
        })),
        ...(plan.userData === undefined
          ? {}
          : { userData: Buffer.from(plan.userData, "utf8").toString("base64") }),
        ...(plan.reservation === undefined
          ? {}
          : {
              capacityReservationSpecification: {
                capacityReservationTarget: { capacityReservationId: plan.reservation },
              },
            }),
        ...(plan.capacityType === "CAPACITY_BLOCK"
          ? { instanceMarketOptions: { marketType: "capacity-block" } }
          : {}),
      },
      inside,
    );
    const group = new ManagedNodeGroup(
      `${name}-nodes`,
      {
        clusterName,
        ...(version === undefined ? {} : { version }),
        nodeRoleArn,
        subnetIds: subnetsIn(plan, subnets),
        amiType: plan.amiType,
        capacityType: plan.capacityType,
        instanceTypes: [...plan.instanceTypes],
        launchTemplate: { id: template.id, version: template.latestVersion.apply(String) },
        scalingConfig: { minSize: plan.minSize, desiredSize: plan.desiredSize, maxSize: plan.maxSize },
        updateConfig: { maxUnavailable: plan.maxUnavailable },
        labels: plan.labels,
        taints: [...plan.taints],
      },
      { ...inside, protect, ignoreChanges: ["scalingConfig.desiredSize"] },
    );
    this.autoscalingGroupName = group.resources.apply(([made]) => made?.autoscalingGroups[0]?.name ?? "");
    for (const [key, value] of Object.entries(plan.autoscalingTags)) {
      new Tag(
        `${name}-tag-${key}`,
        {
          autoscalingGroupName: this.autoscalingGroupName,
          tag: { key, value, propagateAtLaunch: false },
        },
        inside,
      );
    }
    this.registerOutputs({ autoscalingGroupName: this.autoscalingGroupName });
  }
}

function subnetsIn({ name, zones }: NodeGroupPlan, subnets: readonly NodeSubnet[]): pulumi.Input<string>[] {
  const within = subnets.filter(({ zone }) => zones?.includes(zone) ?? true);
  if (within.length > 0) return within.map(({ id }) => id);
  const there = [...new Set(subnets.map(({ zone }) => zone))].join(", ");
  throw refusal(
    `The node group ${name} is for ${zones?.join(", ") ?? "any zone"}, and its cluster has no private subnet there\n` +
      `  → use zones of its subnets (${there}), or add a subnet`,
  );
}

/** Of Amazon Linux 2023. Source: EC2 user guide, "Root volumes for your Amazon EC2 instances". */
const rootDevice = "/dev/xvda";
const gibibyte = 1024 ** 3;
const tagged = ["instance", "volume", "network-interface"] as const;
