import { gpuProducts } from "../capacity/catalogue.ts";
import { ec2Types } from "../capacity/nodes.ts";
import { present } from "../objects.ts";
import { nodeGroupDefaults, type CapacityConfig } from "../spec/eks.ts";
import type { KubernetesSection } from "../spec/kubernetes.ts";
import type { Parsed } from "../spec/parse.ts";
import { suggest, type Problem } from "../spec/problem.ts";
import type { Bytes } from "../spec/units.ts";
import { findType, planNodeGroup } from "./node-groups.ts";
import type { NodeGroupPlan } from "./plan.ts";
import { sectionOf } from "./workload.ts";

/** GPU machines that are all alike, in a few words. */
export interface GpuPool {
  /** EC2's, with GPUs, such as `p4d.24xlarge` (8 × A100 40 GB) or `p4de.24xlarge` (8 × A100 80 GB). */
  readonly instanceType: string;
  /** Nodes at the start. Default: 0, and the first pod waits for one. */
  readonly count?: number;
  /** As far as the autoscaler may go up. */
  readonly maxCount: number;
  /** As far as it may go down. Default: `count`. */
  readonly minCount?: number;
  /** Default: on demand. A reservation and a Capacity Block are in one zone. */
  readonly capacity?: CapacityConfig;
  /** Other types with the same GPUs that will do as well. Default: none. */
  readonly otherInstanceTypes?: readonly string[];
  /** Default: those of all subnets. */
  readonly zones?: readonly string[];
  /** MIG profile that each GPU is cut into by the GPU operator's MIG manager, such as `1g.10gb`. Default: whole GPUs. */
  readonly mig?: string;
  /** How slices are called: by their profile, or as GPUs. Default: mixed. */
  readonly migStrategy?: KubernetesSection["gpu"]["migStrategy"];
  /** Of the root volume; models and images are on the type's NVMe disks where it has some. Default: 100 GiB. */
  readonly volumeSize?: Bytes;
  /** Nodes that an update may take away at a time. Default: 1. */
  readonly maxUnavailable?: number;
}

/** The node group of a pool: NVIDIA's image, taint and labels, NVMe disks as one, and what the autoscaler is told. */
export function gpuNodeGroup(name: string, pool: GpuPool): Parsed<NodeGroupPlan> {
  const report = (path: keyof GpuPool, message: string, hint: string): Parsed<NodeGroupPlan> => {
    const problem: Problem = { file: name, path, message, hint };
    return { problems: [problem] };
  };
  const { instanceType, count = 0, maxCount, minCount = count, mig, migStrategy = "mixed" } = pool;
  const type = findType(instanceType);
  const withGpus = ec2Types.filter(({ gpus }) => gpus > 0).map((known) => known.name);
  if (type?.gpu === undefined)
    return report(
      "instanceType",
      `\`${instanceType}\` is no type with GPUs that is known here`,
      suggest(instanceType, withGpus),
    );
  const profiles = gpuProducts.find((product) => product.name === type.gpu)?.migProfiles ?? [];
  const slice = profiles.find((profile) => profile.name === mig);
  if (mig !== undefined && slice === undefined)
    return report(
      "mig",
      `a ${type.gpu} has no profile \`${mig}\``,
      suggest(
        mig,
        profiles.map((profile) => profile.name),
      ),
    );
  if (minCount > count || count > maxCount)
    return report(
      "count",
      `${String(count)}, and the group goes from ${String(minCount)} to ${String(maxCount)}`,
      "write minCount ≤ count ≤ maxCount",
    );
  const { capacity, otherInstanceTypes, zones, volumeSize, maxUnavailable } = pool;
  const value = planNodeGroup(
    {
      name,
      type,
      config: { instanceType: type.name, count, maxCount, ...present({ mig }) },
      group: {
        ...nodeGroupDefaults,
        minCount,
        ...present({ capacity, volumeSize, maxUnavailable }),
        ...(otherInstanceTypes === undefined ? {} : { otherInstanceTypes: [...otherInstanceTypes] }),
        ...(zones === undefined ? {} : { zones: [...zones] }),
      },
      ...present({ slice }),
    },
    { gpu: { ...sectionOf({}).gpu, migStrategy } },
  );
  return { value };
}
