import type * as pulumi from "@pulumi/pulumi";
import { gpuNodeGroup, type GpuPool } from "../../core/aws/gpu-node-group.ts";
import { formatProblems } from "../../core/spec/problem.ts";
import { refusal } from "../target.ts";
import { NodeGroup, type NodeGroupArgs } from "./NodeGroup.ts";

export interface GpuNodeGroupArgs extends Omit<NodeGroupArgs, "plan">, GpuPool {}

/**
 * GPU machines for a cluster of EKS that is there already, said in a few words: NVIDIA's image of Amazon Linux 2023, the
 * taint `nvidia.com/gpu=present:NoSchedule`, labels of card and MIG profile, the NVMe disks as one for models and images,
 * and all that the Cluster Autoscaler needs to start from no node. A device plugin, or the GPU operator, is the cluster's.
 *
 * @example
 * ```ts
 * import { GpuNodeGroup } from "triton-platform/components";
 *
 * new GpuNodeGroup("a100", {
 *   clusterName: "models",
 *   nodeRoleArn: "arn:aws:iam::111122223333:role/models-nodes",
 *   subnets: [
 *     { zone: "us-east-1a", id: "subnet-0123456789abcdef0" },
 *     { zone: "us-east-1b", id: "subnet-0123456789abcdef1" },
 *   ],
 *   instanceType: "p4de.24xlarge",
 *   maxCount: 2,
 *   capacity: { kind: "reservation", id: "cr-0123456789abcdef0", zone: "us-east-1b" },
 *   mig: "1g.10gb",
 *   tags: { owner: "ml-platform" },
 * });
 * ```
 */
export class GpuNodeGroup extends NodeGroup {
  constructor(name: string, args: GpuNodeGroupArgs, opts?: pulumi.ComponentResourceOptions) {
    const planned = gpuNodeGroup(name, args);
    if ("problems" in planned) throw refusal(formatProblems(planned.problems));
    super(name, { ...args, plan: planned.value }, opts);
  }
}
