import { gpuProducts, gpuResource, type MigProfile } from "../capacity/catalogue.ts";
import { ec2Node, ec2Types, type Ec2Type } from "../capacity/nodes.ts";
import type { Resources } from "../capacity/resources.ts";
import { present } from "../objects.ts";
import type { CapacityConfig, EksConfig, NodeGroupConfig } from "../spec/eks.ts";
import { nodeGroupDefaults } from "../spec/eks.ts";
import type { KubernetesSection } from "../spec/kubernetes.ts";
import type { NodeConfig, PlatformConfig } from "../spec/platform.ts";
import type { Bytes } from "../spec/units.ts";
import type { NodeGroupPlan } from "./plan.ts";

/** What a pool of the config's nodes is on EKS: a managed node group. */

type MigStrategy = KubernetesSection["gpu"]["migStrategy"];

export interface Pool {
  readonly name: string;
  readonly config: NodeConfig;
  readonly group: NodeGroupConfig;
  readonly type: Ec2Type;
  /** What its GPUs are cut into; undefined for whole ones, and for none. */
  readonly slice?: MigProfile;
}

/** The pools that name an instance type, in the order of their names; the others are a problem (see check.ts). */
export function poolsOf({ nodes }: Pick<PlatformConfig, "nodes">, { nodeGroups }: EksConfig): Pool[] {
  return Object.entries(nodes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, config]) => {
      const type = findType(config.instanceType);
      if (type === undefined) return [];
      const group = Object.hasOwn(nodeGroups, name) ? nodeGroups[name] : undefined;
      const gpu = gpuProducts.find((product) => product.name === type.gpu);
      const slice = gpu?.migProfiles.find((profile) => profile.name === config.mig);
      return [{ name, config, group: group ?? nodeGroupDefaults, type, ...present({ slice }) }];
    });
}

export function findType(name: string | undefined): Ec2Type | undefined {
  return ec2Types.find((type) => type.name === name);
}

/** As far as a pool's group goes down and up, and with how many nodes it begins. */
export function sizesOf({
  config,
  group,
}: Pick<Pool, "config" | "group">): Pick<NodeGroupPlan, "minSize" | "desiredSize" | "maxSize"> {
  const { count, maxCount = count } = config;
  return { minSize: group.minCount ?? count, desiredSize: count, maxSize: maxCount };
}

/** Whether models and images are on the type's own NVMe disks: where the config does not ask for a volume instead. */
export function usesLocalDisk({ config, type }: Pick<Pool, "config" | "type">): boolean {
  return type.localDisk > 0 && config.disk === undefined;
}

/** Of the root volume, in whole GiB, as EBS has it: what the pool says its nodes have, at least. */
export function volumeSizeOf({ config, group, type }: Pool): Bytes {
  const wanted = usesLocalDisk({ config, type })
    ? group.volumeSize
    : Math.max(config.disk ?? 0, group.volumeSize);
  return Math.ceil(wanted / gibibyte) * gibibyte;
}

export function planNodeGroup(pool: Pool, { gpu }: Pick<KubernetesSection, "gpu">): NodeGroupPlan {
  const { name, group, type } = pool;
  const hasGpu = type.gpu !== undefined;
  const taints = hasGpu ? [gpuTaint] : [];
  const labels = labelsOf(pool, gpu.migStrategy);
  return {
    name,
    instanceTypes: [type.name, ...group.otherInstanceTypes],
    amiType: hasGpu ? "AL2023_x86_64_NVIDIA" : "AL2023_x86_64_STANDARD",
    capacityType: capacityTypeOf(group.capacity),
    ...sizesOf(pool),
    volumeSize: volumeSizeOf(pool),
    labels,
    taints,
    maxUnavailable: group.maxUnavailable,
    autoscalingTags: autoscalingTags({
      labels: { ...labels, ...discoveredLabels(pool, gpu.migStrategy) },
      taints,
      resources: resourcesOf(pool, gpu.migStrategy),
    }),
    ...present({
      reservation: "id" in group.capacity ? group.capacity.id : undefined,
      zones: zonesOf(group),
      userData: usesLocalDisk(pool) ? raidUserData : undefined,
    }),
  };
}

/** A reservation, and a Capacity Block, is in one zone. */
export function zonesOf({ capacity, zones }: NodeGroupConfig): readonly string[] | undefined {
  return "zone" in capacity ? [capacity.zone] : zones;
}

const gibibyte = 1024 ** 3;

/** What the GPU operator and NVIDIA's device plugin tolerate by themselves, and servers by the config's default. */
const gpuTaint = { key: gpuResource, value: "present", effect: "NO_SCHEDULE" } as const;

function capacityTypeOf({ kind }: CapacityConfig): NodeGroupPlan["capacityType"] {
  switch (kind) {
    case "spot":
      return "SPOT";
    case "capacityBlock":
      return "CAPACITY_BLOCK";
    // A reservation of on-demand capacity is bought as such; the launch template aims at it.
    case "reservation":
    case "onDemand":
      return "ON_DEMAND";
  }
}

/** On each node. Groups that are alike but for it are balanced all the same: see controllers.ts. */
export const poolLabel = "triton-platform/pool";

/**
 * Labels that nodes have from the start. By the accelerator's the Cluster Autoscaler knows that a node without GPUs is
 * not ready yet, and starts no second one for the same pod (kubernetes/autoscaler, cloudprovider/aws/README.md, "Special
 * note on GPU instances"); where slices have resources of their own (`mixed`) a node never has whole GPUs, and would never
 * be ready by that label. By `mig.config` the GPU operator's MIG manager cuts the GPUs: `all-1g.10gb`, and `.` where a
 * profile has `+` (NVIDIA/mig-parted, deployments/gpu-operator/config.yaml).
 */
function labelsOf({ name, type, slice }: Pool, strategy: MigStrategy): Readonly<Record<string, string>> {
  const gpus = slice === undefined || strategy === "single" ? type.gpu : undefined;
  return {
    [poolLabel]: name,
    ...present({
      "k8s.amazonaws.com/accelerator": gpus === undefined ? undefined : `nvidia-${gpus}`,
      "nvidia.com/mig.config": slice === undefined ? undefined : `all-${slice.name.replace("+", ".")}`,
    }),
  };
}

/**
 * Labels that GPU feature discovery will give to a node once it is there, and servers choose nodes by
 * (core/kubernetes/server.ts). They are its own: the group only tells the autoscaler of them.
 */
function discoveredLabels({ type, slice }: Pool, strategy: MigStrategy): Readonly<Record<string, string>> {
  const product = gpuProducts.find(({ name }) => name === type.gpu)?.labels[0];
  if (product === undefined) return {};
  const suffix =
    slice === undefined || strategy === "mixed"
      ? ""
      : `-MIG-${slice.resource.replace(/^nvidia\.com\/mig-/, "")}`;
  return { "nvidia.com/gpu.product": `${product}${suffix}`, "nvidia.com/gpu.present": "true" };
}

/**
 * What a node has for pods, as the capacity check counts it: without this the autoscaler takes a machine's whole memory for
 * free, and starts nodes on which a pod finds no room. Where all GPUs are cut there are no whole ones.
 */
function resourcesOf(pool: Pool, strategy: MigStrategy): Resources {
  const { config, type, slice } = pool;
  const disk = usesLocalDisk(pool) ? type.localDisk : volumeSizeOf(pool);
  const allocatable = ec2Node(type, { disk, ...present({ mig: config.mig }) })?.allocatable ?? {};
  if (slice === undefined) return allocatable;
  const { [slice.resource]: slices = 0, ...rest } = allocatable;
  return strategy === "single"
    ? { ...rest, [gpuResource]: slices }
    : { ...rest, [gpuResource]: 0, [slice.resource]: slices };
}

/**
 * For nodes that are not there yet. EKS itself adds the two tags by which the autoscaler finds the group.
 * Source: kubernetes/autoscaler, cluster-autoscaler/cloudprovider/aws/README.md, "Auto-Discovery Setup".
 */
function autoscalingTags({
  labels,
  taints,
  resources,
}: Pick<NodeGroupPlan, "labels" | "taints"> & { readonly resources: Resources }): Record<string, string> {
  const prefix = "k8s.io/cluster-autoscaler/node-template";
  const tags: [key: string, value: string][] = [
    ...Object.entries(labels).map(([key, value]): [string, string] => [`${prefix}/label/${key}`, value]),
    ...taints.map(({ key, value }): [string, string] => [`${prefix}/taint/${key}`, `${value}:NoSchedule`]),
    ...Object.entries(resources).map(([resource, amount]): [string, string] => [
      `${prefix}/resources/${resource}`,
      resource === "cpu" ? `${String(amount)}m` : String(amount),
    ]),
  ];
  return Object.fromEntries(tags);
}

/**
 * nodeadm makes one disk of all NVMe disks, for containerd and the kubelet: images, and emptyDir with the models, lie there.
 * Source: awslabs/amazon-eks-ami, nodeadm/doc/api.md, LocalStorageOptions; EKS user guide, "Customize managed nodes with
 * launch templates", for the document's types.
 */
const raidUserData = [
  "MIME-Version: 1.0",
  'Content-Type: multipart/mixed; boundary="//"',
  "",
  "--//",
  "Content-Type: application/node.eks.aws",
  "",
  "apiVersion: node.eks.aws/v1alpha1",
  "kind: NodeConfig",
  "spec:",
  "  instance:",
  "    localStorage:",
  "      strategy: RAID0",
  "",
  "--//--",
  "",
].join("\n");
