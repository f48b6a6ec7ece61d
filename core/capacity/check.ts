import { present } from "../objects.ts";
import type { ServerGroup } from "../servers.ts";
import type { PlatformConfig, ServerConfig } from "../spec/platform.ts";
import type { Problem } from "../spec/problem.ts";
import type { Bytes } from "../spec/units.ts";
import { deviceBars, nodeBars } from "./bars.ts";
import { findAccelerator } from "./catalogue.ts";
import { fitGpu, type GpuFit } from "./gpu-fit.ts";
import { needsGpu, type ReplicaDevices } from "./gpu-memory.ts";
import { nodePools, noPoolWith, noProfile, poolsWith, type ConfiguredPool } from "./node-pools.ts";
import { packPods, type Packing } from "./packing.ts";
import { gpuModels, replicaRequests } from "./requirements.ts";
import type { PodGroup, Resources } from "./resources.ts";

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
  const gpus = new Map<string, GpuFit>();
  const misfits = groups.flatMap((group): Problem[] => {
    const on = replicaDevices(group);
    if (on === undefined) return unknownProfile(group, report);
    const fit = fitGpu({ ...on, models: gpuModels(group.models) });
    gpus.set(group.name, fit);
    return fitProblems(group, fit, report);
  });
  if (Object.keys(config.nodes).length === 0) return { capacity: { gpus }, problems: misfits };

  const { pools, problems: flaws } = nodePools(config.nodes);
  const problems = [
    ...misfits,
    ...flaws.map(({ subject = "", path, message, hint }) =>
      report(`nodes.${subject}.${path}`, message, hint),
    ),
    // A pool that is not understood may be the one that is meant.
    ...groups.flatMap((group) => (flaws.length === 0 ? withoutNodes(group, pools, report) : [])),
    ...groups.flatMap((group) => withoutAccelerator(group, report)),
  ];
  if (problems.length > 0) return { capacity: { gpus }, problems };

  const pods = groups.map((group) => {
    const { name, config: server, models } = group;
    const on = replicaDevices(group);
    const requests = replicaRequests(models, server, repositoryBytes.get(name) ?? 0, on);
    return podGroup({ name, config: server, requests, ...present({ devices: on }) }, pools);
  });
  const packing = packPods(pods, pools);
  return { capacity: { gpus, packing }, problems: packingProblems(packing, report) };
}

/** One server's replicas as the pods to be packed. */
export interface ReplicaFacts {
  readonly name: string;
  readonly config: Pick<ServerConfig, "replicas" | "autoscaling">;
  /** Of one replica. */
  readonly requests: Resources;
  readonly devices?: ReplicaDevices;
}

/** The most pods a server ever has, and the pools they may run on. */
export function podGroup(
  { name, config, requests, devices }: ReplicaFacts,
  pools: readonly ConfiguredPool[],
): PodGroup {
  // GPU nodes are tainted where there are others; whole GPUs are one resource to the scheduler, whichever they are.
  const others = pools.filter(({ accelerator }) => accelerator === undefined);
  const own =
    devices === undefined ? (others.length > 0 ? others : pools) : poolsWith(devices.accelerator, pools);
  return { name, replicas: mostPods(config), requests, pools: own.map((pool) => pool.name) };
}

/**
 * With autoscaling as many as it may come to, or the fewest and their headroom where that is more: a replica that comes
 * takes the place of a headroom pod.
 */
function mostPods(config: ReplicaFacts["config"]): number {
  const { minReplicas = 0, headroom = 0 } = config.autoscaling ?? {};
  return Math.max(mostReplicas(config), minReplicas + headroom);
}

/** The most replicas that ever serve at once, besides those of a rollout. */
export function mostReplicas({ replicas, autoscaling }: ReplicaFacts["config"]): number {
  return autoscaling?.maxReplicas ?? replicas;
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

/** What a replica runs on. Undefined for a server without an accelerator, or with a MIG profile that its GPU has not. */
export function replicaDevices({ config: { accelerator } }: ServerGroup): ReplicaDevices | undefined {
  if (accelerator === undefined) return undefined;
  const found = findAccelerator(accelerator.gpu, accelerator.mig);
  return found && { accelerator: found, devices: accelerator.count };
}

function unknownProfile({ name, config: { accelerator } }: ServerGroup, report: Report): Problem[] {
  if (accelerator === undefined) return [];
  const { message, hint } = noProfile(accelerator.gpu, accelerator.mig ?? "");
  return [report(`servers.${name}.accelerator.mig`, message, hint)];
}

function fitProblems({ name, models }: ServerGroup, fit: GpuFit, report: Report): Problem[] {
  const files = new Map(models.map(({ spec, file }) => [spec.name, file]));
  return fit.problems.map(({ subject, path, message, hint }) => {
    const file = subject === undefined ? undefined : files.get(subject);
    return file === undefined
      ? report(`servers.${name}.accelerator`, message, hint)
      : { file, path, message, hint };
  });
}

/** A server that is sized for a GPU which no pool has. */
function withoutNodes(group: ServerGroup, pools: readonly ConfiguredPool[], report: Report): Problem[] {
  const accelerator = replicaDevices(group)?.accelerator;
  if (accelerator === undefined || poolsWith(accelerator, pools).length > 0) return [];
  const { message, hint } = noPoolWith(accelerator, pools);
  return [report(`servers.${group.name}.accelerator.gpu`, message, hint)];
}

/** A server whose replicas would go anywhere, though its models do not. */
function withoutAccelerator({ name, config, models }: ServerGroup, report: Report): Problem[] {
  if (config.accelerator !== undefined) return [];
  const onGpu = gpuModels(models).filter(needsGpu);
  const names = onGpu.map((model) => `\`${model.name}\``).join(", ");
  return onGpu.length === 0
    ? []
    : [
        report(
          `servers.${name}.accelerator`,
          `missing, and ${names} ${onGpu.length === 1 ? "runs" : "run"} on GPUs`,
          "say what a replica needs, like `{ gpu: l4 }`; a model that can do without has `kind: cpu`",
        ),
      ];
}

function packingProblems(packing: Packing, report: Report): Problem[] {
  switch (packing.verdict) {
    case "fits":
      return [];
    case "impossible": {
      const { subject, message, hint } = packing.problem;
      return [report(subject === undefined ? "nodes" : `servers.${subject}`, message, hint)];
    }
    case "undecided":
      return [
        report(
          "nodes",
          "no placement of the replicas was found in the time for it",
          "give a pool more nodes",
        ),
      ];
  }
}
