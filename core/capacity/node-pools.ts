import type { NodeConfig, PlatformConfig } from "../spec/platform.ts";
import { suggest } from "../spec/problem.ts";
import { findAccelerator, gpuProducts, type Accelerator } from "./catalogue.ts";
import { ec2Node, ec2Types, gpuResources } from "./nodes.ts";
import type { CapacityProblem } from "./problem.ts";
import type { NodePool, Resources } from "./resources.ts";

/** The config's nodes, as pools that replicas are packed on. */

/** A pool that is written in the config. */
export interface ConfiguredPool extends NodePool {
  /** What its GPUs offer, whole or cut; undefined where it has none. */
  readonly accelerator?: Accelerator;
}

/** Every pool, and what is wrong with the others; the `subject` of a problem is the pool. */
export function nodePools(nodes: PlatformConfig["nodes"]): {
  readonly pools: readonly ConfiguredPool[];
  readonly problems: readonly CapacityProblem[];
} {
  const pools: ConfiguredPool[] = [];
  const problems: CapacityProblem[] = [];
  for (const [name, config] of Object.entries(nodes)) {
    const gpu = config.allocatable?.gpu ?? ec2Type(config)?.gpu;
    const accelerator = gpu === undefined ? undefined : findAccelerator(gpu, config.mig);
    const allocatable = allocatableOf(config);
    if (allocatable === undefined) {
      const words =
        gpu === undefined
          ? { message: "these machines have no GPU to cut", hint: "leave `mig` out" }
          : noProfile(gpu, config.mig ?? "");
      problems.push({ subject: name, path: "mig", ...words });
      continue;
    }
    const size = config.count;
    const pool = { name, allocatable, size, max: config.maxCount ?? size };
    pools.push(accelerator === undefined ? pool : { ...pool, accelerator });
  }
  return { pools, problems };
}

/** Pools whose GPUs are these, or are cut into these. */
export function poolsWith(
  { name }: Accelerator,
  pools: readonly ConfiguredPool[],
): readonly ConfiguredPool[] {
  return pools.filter(({ accelerator }) => accelerator?.name === name);
}

/** Why no pool will do for servers on this accelerator. */
export function noPoolWith(
  { name, gpu, slice }: Accelerator,
  pools: readonly ConfiguredPool[],
): Pick<CapacityProblem, "message" | "hint"> {
  const there = pools.map(
    (pool) =>
      `\`${pool.name}\` has ${pool.accelerator === undefined ? "no GPU" : `\`${pool.accelerator.name}\``}`,
  );
  const type = ec2Types.find((each) => each.gpu === gpu.name);
  const written = [
    type === undefined ? `allocatable: { gpu: ${gpu.name} }` : `instanceType: ${type.name}`,
    ...(slice === undefined ? [] : [`mig: ${slice.name}`]),
  ];
  const other = pools.some(({ accelerator }) => accelerator !== undefined);
  return {
    message: `no pool of \`nodes\` has \`${name}\`: ${there.join(", ")}`,
    hint: `add a pool that has it, like \`{ ${written.join(", ")} }\`${other ? ", or size the server for what a pool has" : ""}`,
  };
}

/** Words for a GPU that has no such MIG profile. */
export function noProfile(gpu: string, mig: string): Pick<CapacityProblem, "message" | "hint"> {
  const profiles = gpuProducts.find(({ name }) => name === gpu)?.migProfiles ?? [];
  return profiles.length === 0
    ? { message: `\`${gpu}\` cannot be cut into MIG slices`, hint: "leave `mig` out" }
    : {
        message: `\`${gpu}\` has no MIG profile \`${mig}\``,
        hint: suggest(
          mig,
          profiles.map(({ name }) => name),
        ),
      };
}

/** An EBS volume where a type has no disks of its own. */
const defaultDisk = 100 * 1024 ** 3;

/** Undefined where the GPUs have no such MIG profile. */
function allocatableOf(config: NodeConfig): Resources | undefined {
  const type = ec2Type(config);
  if (type !== undefined) {
    const disk = config.disk ?? (type.localDisk > 0 ? type.localDisk : defaultDisk);
    return ec2Node(type, { disk, ...(config.mig === undefined ? {} : { mig: config.mig }) })?.allocatable;
  }
  const { cpu = 0, memory = 0, disk = 0, pods = 0, gpu, gpus = 1 } = config.allocatable ?? {};
  const devices =
    gpu === undefined ? (config.mig === undefined ? {} : undefined) : gpuResources(gpu, gpus, config.mig);
  return devices && { cpu: Math.round(cpu * 1_000), memory, "ephemeral-storage": disk, pods, ...devices };
}

function ec2Type({ instanceType }: NodeConfig): (typeof ec2Types)[number] | undefined {
  return ec2Types.find(({ name }) => name === instanceType);
}
