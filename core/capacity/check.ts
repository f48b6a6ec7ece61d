import type { ServerGroup } from "../servers.ts";
import type { NodeConfig, PlatformConfig } from "../spec/platform.ts";
import { suggest, type Problem } from "../spec/problem.ts";
import type { Bytes } from "../spec/units.ts";
import { deviceBars, nodeBars } from "./bars.ts";
import { findAccelerator, gpuProducts, type Accelerator } from "./catalogue.ts";
import { fitGpu, type GpuFit } from "./gpu-fit.ts";
import { ec2Node, ec2Types, gpuResources } from "./nodes.ts";
import { packPods, type Packing } from "./packing.ts";
import { gpuModels, replicaRequests } from "./requirements.ts";
import type { NodePool, PodGroup, Resources } from "./resources.ts";

/** Whether a platform's servers find room: models in GPU memory, replicas on nodes. */
export interface Capacity {
  /** By server; servers without an accelerator are left out. */
  readonly gpus: ReadonlyMap<string, GpuFit>;
  /** Replicas on the config's nodes; undefined where it names none. */
  readonly packing?: Packing;
}

export interface CapacityCheck {
  readonly capacity: Capacity;
  readonly problems: readonly Problem[];
}

/**
 * Checks the groups against their accelerators and nodes. `repositoryBytes` tells the size of a server's repository;
 * `file` names the stack's config.
 */
export function checkCapacity(
  groups: readonly ServerGroup[],
  config: PlatformConfig,
  repositoryBytes: ReadonlyMap<string, Bytes>,
  file: string,
): CapacityCheck {
  const report = (path: string, message: string, hint: string): Problem => ({
    file,
    path: `triton-platform:${path}`,
    message,
    hint,
  });
  const problems: Problem[] = [];
  const gpus = new Map<string, GpuFit>();
  for (const group of groups) {
    const accelerator = acceleratorOf(group, report);
    if (accelerator === undefined) continue;
    if ("message" in accelerator) {
      problems.push(accelerator);
      continue;
    }
    const devices = group.config.accelerator?.count ?? 1;
    const fit = fitGpu({ accelerator, devices, models: gpuModels(group.models) });
    gpus.set(group.name, fit);
    const files = new Map(group.models.map((model) => [model.spec.name, model.file]));
    problems.push(
      ...fit.problems.map(({ subject, path, message, hint }) => {
        const model = subject === undefined ? undefined : files.get(subject);
        return model === undefined
          ? report(`servers.${group.name}.accelerator`, message, hint)
          : { file: model, path, message, hint };
      }),
    );
  }
  const pools = nodePools(config, report);
  problems.push(...pools.problems);
  if (pools.value.length === 0 || problems.length > 0) return { capacity: { gpus }, problems };

  const packing = packPods(podGroups(groups, repositoryBytes), pools.value);
  const misfit =
    packing.verdict === "impossible"
      ? [report("nodes", packing.problem.message, packing.problem.hint)]
      : packing.verdict === "undecided"
        ? [
            report(
              "nodes",
              "no placement of the replicas was found in the time for it",
              "give a pool more nodes",
            ),
          ]
        : [];
  return { capacity: { gpus, packing }, problems: misfit };
}

/** A bar per device and per kind of filled node, for people. */
export function capacityPicture({ gpus, packing }: Capacity): readonly string[] {
  return [
    ...[...gpus].flatMap(([server, fit]) => [
      `GPU memory of a replica of \`${server}\`:`,
      ...deviceBars(fit.devices).map((line) => `  ${line}`),
      ...(fit.assigned.length === 0
        ? []
        : ["  with the `gpus` that are proposed:", ...deviceBars(fit.assigned).map((line) => `  ${line}`)]),
    ]),
    ...(packing?.verdict === "fits"
      ? [
          `Replicas on nodes${packing.scalesOut ? ", which have to be scaled out for it" : ""}:`,
          ...nodeBars(packing.nodes).map((line) => `  ${line}`),
        ]
      : []),
  ];
}

type Report = (path: string, message: string, hint: string) => Problem;

function acceleratorOf({ name, config }: ServerGroup, report: Report): Accelerator | Problem | undefined {
  if (config.accelerator === undefined) return undefined;
  const { gpu, mig } = config.accelerator;
  const found = findAccelerator(gpu, mig);
  return found ?? report(`servers.${name}.accelerator.mig`, ...noProfile(gpu, mig ?? ""));
}

function noProfile(gpu: string, mig: string): [message: string, hint: string] {
  const profiles = gpuProducts.find(({ name }) => name === gpu)?.migProfiles ?? [];
  return profiles.length === 0
    ? [`a ${gpu} cannot be cut into MIG slices`, "leave `mig` out"]
    : [
        `a ${gpu} has no MIG profile \`${mig}\``,
        suggest(
          mig,
          profiles.map((profile) => profile.name),
        ),
      ];
}

function podGroups(groups: readonly ServerGroup[], repositoryBytes: ReadonlyMap<string, Bytes>): PodGroup[] {
  return groups.map(({ name, config, models }) => ({
    name,
    replicas: config.replicas,
    requests: replicaRequests(models, config, repositoryBytes.get(name) ?? 0, devicesOf(config)),
  }));
}

function devicesOf({ accelerator }: ServerGroup["config"]): Resources {
  const found = accelerator && findAccelerator(accelerator.gpu, accelerator.mig);
  return found === undefined ? {} : { [found.resource]: accelerator?.count ?? 1 };
}

/** An EBS volume where a type has no disks of its own. */
const defaultDisk = 100 * 1024 ** 3;

function nodePools({ nodes }: PlatformConfig, report: Report): { value: NodePool[]; problems: Problem[] } {
  const problems: Problem[] = [];
  const value = Object.entries(nodes).flatMap(([name, pool]): NodePool[] => {
    const allocatable = allocatableOf(pool);
    if (allocatable === undefined) {
      const gpu = pool.allocatable?.gpu ?? ec2Types.find((type) => type.name === pool.instanceType)?.gpu;
      const [message, hint] =
        gpu === undefined
          ? ["these machines have no GPU to cut", "leave `mig` out"]
          : noProfile(gpu, pool.mig ?? "");
      problems.push(report(`nodes.${name}.mig`, message, hint));
      return [];
    }
    return [{ name, allocatable, size: pool.count, max: pool.maxCount ?? pool.count }];
  });
  return { value, problems };
}

/** Undefined where the GPUs have no such MIG profile. */
function allocatableOf(pool: NodeConfig): Resources | undefined {
  const type = ec2Types.find(({ name }) => name === pool.instanceType);
  const mig = pool.mig === undefined ? {} : { mig: pool.mig };
  if (type !== undefined) {
    const disk = pool.disk ?? (type.localDisk > 0 ? type.localDisk : defaultDisk);
    return ec2Node(type, { disk, ...mig })?.allocatable;
  }
  const { cpu = 0, memory = 0, disk = 0, pods = 0, gpu, gpus = 1 } = pool.allocatable ?? {};
  const devices =
    gpu === undefined ? (pool.mig === undefined ? {} : undefined) : gpuResources(gpu, gpus, pool.mig);
  return devices && { cpu: Math.round(cpu * 1_000), memory, "ephemeral-storage": disk, pods, ...devices };
}
