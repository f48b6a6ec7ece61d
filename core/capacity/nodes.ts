import type { Bytes } from "../spec/units.ts";
import { gpuProducts, gpuResource } from "./catalogue.ts";
import type { Resources } from "./resources.ts";

/** An EC2 instance type. */
export interface Ec2Type {
  readonly name: string;
  readonly vcpus: number;
  readonly memory: Bytes;
  /** Short name in the GPU catalogue. */
  readonly gpu?: string;
  readonly gpus: number;
  /** All local NVMe disks together. */
  readonly localDisk: Bytes;
  /** Pods that get an address from the VPC without prefix delegation. */
  readonly maxPods: number;
}

/** A node as pods see it. Users of their own clusters write it as `kubectl get node` shows it. */
export interface NodeShape {
  readonly name: string;
  readonly allocatable: Resources;
}

export interface Ec2NodeOptions {
  /** The file system of the kubelet and of containerd: an EBS volume, or the type's `localDisk` under RAID 0. */
  readonly disk: Bytes;
  /** Default: the type's. */
  readonly maxPods?: number;
  /** Profile that every GPU is cut into, as often as it goes; whole GPUs where left out. */
  readonly mig?: string;
}

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;

/**
 * Types with NVIDIA GPUs of the catalogue, and of the general-purpose family for the rest. vCPUs, memory, GPUs and
 * local NVMe: EC2's DescribeInstanceTypes as in karpenter-provider-aws, "Instance Types" (2026-08). Local disks are
 * sold in powers of ten. Network interfaces and addresses of each, for the number of pods: amazon-eks-ami,
 * nodeadm/internal/kubelet/instance-info.jsonl (2026-07).
 */
export const ec2Types: readonly Ec2Type[] = [
  ec2("m7i.large", 2, 8, undefined, 0, 0, 3, 10),
  ec2("m7i.xlarge", 4, 16, undefined, 0, 0, 4, 15),
  ec2("m7i.2xlarge", 8, 32, undefined, 0, 0, 4, 15),
  ec2("m7i.4xlarge", 16, 64, undefined, 0, 0, 8, 30),
  ec2("g4dn.xlarge", 4, 16, "t4", 1, 125, 3, 10),
  ec2("g4dn.2xlarge", 8, 32, "t4", 1, 225, 3, 10),
  ec2("g4dn.4xlarge", 16, 64, "t4", 1, 225, 3, 10),
  ec2("g4dn.8xlarge", 32, 128, "t4", 1, 900, 4, 15),
  ec2("g4dn.12xlarge", 48, 192, "t4", 4, 900, 8, 30),
  ec2("g4dn.16xlarge", 64, 256, "t4", 1, 900, 4, 15),
  ec2("g4dn.metal", 96, 384, "t4", 8, 1_800, 15, 50),
  ec2("g5.xlarge", 4, 16, "a10g", 1, 250, 4, 15),
  ec2("g5.2xlarge", 8, 32, "a10g", 1, 450, 4, 15),
  ec2("g5.4xlarge", 16, 64, "a10g", 1, 600, 8, 30),
  ec2("g5.8xlarge", 32, 128, "a10g", 1, 900, 8, 30),
  ec2("g5.12xlarge", 48, 192, "a10g", 4, 3_800, 15, 50),
  ec2("g5.16xlarge", 64, 256, "a10g", 1, 1_900, 8, 30),
  ec2("g5.24xlarge", 96, 384, "a10g", 4, 3_800, 15, 50),
  ec2("g5.48xlarge", 192, 768, "a10g", 8, 7_600, 7, 50),
  ec2("g6.xlarge", 4, 16, "l4", 1, 250, 4, 15),
  ec2("g6.2xlarge", 8, 32, "l4", 1, 450, 4, 15),
  ec2("g6.4xlarge", 16, 64, "l4", 1, 600, 8, 30),
  ec2("g6.8xlarge", 32, 128, "l4", 1, 900, 8, 30),
  ec2("g6.12xlarge", 48, 192, "l4", 4, 3_760, 8, 30),
  ec2("g6.16xlarge", 64, 256, "l4", 1, 1_880, 15, 50),
  ec2("g6.24xlarge", 96, 384, "l4", 4, 3_760, 15, 50),
  ec2("g6.48xlarge", 192, 768, "l4", 8, 7_520, 15, 50),
  ec2("g6e.xlarge", 4, 32, "l40s", 1, 250, 4, 15),
  ec2("g6e.2xlarge", 8, 64, "l40s", 1, 450, 4, 15),
  ec2("g6e.4xlarge", 16, 128, "l40s", 1, 600, 8, 30),
  ec2("g6e.8xlarge", 32, 256, "l40s", 1, 900, 8, 30),
  ec2("g6e.12xlarge", 48, 384, "l40s", 4, 3_800, 10, 30),
  ec2("g6e.16xlarge", 64, 512, "l40s", 1, 1_900, 15, 50),
  ec2("g6e.24xlarge", 96, 768, "l40s", 4, 3_800, 10, 50),
  ec2("g6e.48xlarge", 192, 1_536, "l40s", 8, 7_600, 10, 50),
  ec2("p4d.24xlarge", 96, 1_152, "a100-40gb", 8, 8_000, 15, 50),
  ec2("p4de.24xlarge", 96, 1_152, "a100-80gb", 8, 8_000, 15, 50),
  ec2("p5.4xlarge", 16, 256, "h100", 1, 3_800, 4, 30),
  ec2("p5.48xlarge", 192, 2_048, "h100", 8, 30_400, 2, 50),
  ec2("p5e.48xlarge", 192, 2_048, "h200", 8, 30_400, 2, 50),
  ec2("p5en.48xlarge", 192, 2_048, "h200", 8, 30_400, 4, 50),
];

/** A node of an EC2 type in EKS. Undefined where its GPUs have no such MIG profile. */
export function ec2Node(type: Ec2Type, options: Ec2NodeOptions): NodeShape | undefined {
  const { disk, maxPods = type.maxPods, mig } = options;
  const devices = type.gpu === undefined ? {} : gpuResources(type.gpu, type.gpus, mig);
  if (devices === undefined || (mig !== undefined && type.gpu === undefined)) return undefined;
  return {
    name: type.name,
    allocatable: { ...eksAllocatable({ vcpus: type.vcpus, memory: type.memory, disk, maxPods }), ...devices },
  };
}

/** What a node's GPUs are to the scheduler. Undefined for an unknown GPU or MIG profile. */
export function gpuResources(gpu: string, gpus: number, mig?: string): Resources | undefined {
  const product = gpuProducts.find(({ name }) => name === gpu);
  if (mig === undefined) return product === undefined ? undefined : { [gpuResource]: gpus };
  const profile = product?.migProfiles.find(({ name }) => name === mig);
  return profile === undefined ? undefined : { [profile.resource]: gpus * profile.maxPerGpu };
}

/**
 * What EKS' nodes leave for pods: capacity less what is reserved for Kubernetes and the kubelet's eviction thresholds.
 * The rules are nodeadm's (amazon-eks-ami, nodeadm/internal/kubelet/config.go): CPU 6 % of the first core, 1 % of the
 * second, 0.5 % of the next two, 0.25 % of the rest; memory 255 MiB + 11 MiB × pods, and 100 MiB for eviction; disk
 * 1 GiB, and 10 % for eviction. A machine has less memory than its type says (firmware, kernel): 7.5 % are taken off
 * before, as Karpenter does (VM_MEMORY_OVERHEAD_PERCENT), which is more than large types lose.
 */
export function eksAllocatable(node: {
  readonly vcpus: number;
  readonly memory: Bytes;
  readonly disk: Bytes;
  readonly maxPods: number;
}): Resources {
  const overhead = Math.ceil((node.memory * 0.075) / mebibyte) * mebibyte;
  return {
    cpu: node.vcpus * 1000 - reservedCpu(node.vcpus),
    memory: node.memory - overhead - (255 + 11 * node.maxPods + 100) * mebibyte,
    "ephemeral-storage": node.disk - gibibyte - Math.ceil(node.disk / 10),
    pods: node.maxPods,
  };
}

/** In thousandths of a core; each range is rounded down, as nodeadm does. */
function reservedCpu(vcpus: number): number {
  const ranges = [
    { from: 0, to: 1, share: 60 },
    { from: 1, to: 2, share: 10 },
    { from: 2, to: 4, share: 5 },
    { from: 4, to: Infinity, share: 2.5 },
  ];
  return ranges.reduce(
    (sum, { from, to, share }) => sum + Math.floor(Math.max(0, Math.min(vcpus, to) - from) * share),
    0,
  );
}

function ec2(
  name: string,
  vcpus: number,
  memoryGib: number,
  gpu: string | undefined,
  gpus: number,
  localDiskGb: number,
  interfaces: number,
  addresses: number,
): Ec2Type {
  return {
    name,
    vcpus,
    memory: memoryGib * gibibyte,
    ...(gpu === undefined ? {} : { gpu }),
    gpus,
    localDisk: localDiskGb * 1e9,
    // The first address of an interface is its own; two pods use the host's network (nodeadm, eni_max_pods.go).
    maxPods: interfaces * (addresses - 1) + 2,
  };
}
