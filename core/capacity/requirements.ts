import { present } from "../objects.ts";
import type { Model } from "../spec/load.ts";
import type { ServerConfig } from "../spec/platform.ts";
import type { Bytes } from "../spec/units.ts";
import { backendOf, servedVersions } from "../triton/repository.ts";
import {
  instancesOf,
  isProcessBackend,
  needsGpu,
  placements,
  visibleDevices,
  type GpuModel,
  type ReplicaDevices,
} from "./gpu-memory.ts";
import { podRequests, type Resources } from "./resources.ts";

/** What models and servers need, from their specs and their files. */

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;

/** What a server's models take of its devices. Models without a version or a known backend are the rules' matter. */
export function gpuModels(models: readonly Model[]): readonly GpuModel[] {
  return models.flatMap((model) => gpuModel(model) ?? []);
}

function gpuModel(model: Model): GpuModel | undefined {
  const { spec } = model;
  const { backend } = backendOf(model);
  const versions = servedVersions(model);
  if (backend === undefined || versions.length === 0) return undefined;
  return {
    name: spec.name,
    backend,
    versions: versions.map((version) => ({ version, weights: weightsOf(model, version) })),
    workspace: spec.memory?.workspacePerInstance ?? 0,
    groups: (spec.instances ?? []).map(({ kind, count, gpus }) => ({ kind, ...present({ count, gpus }) })),
  };
}

/** Of one instance: what the spec says, or the bytes of the version's files. */
function weightsOf({ spec, artifacts }: Model, version: number): Bytes {
  const files = artifacts.files.filter(({ path }) => path.startsWith(`${String(version)}/`));
  return spec.memory?.weights ?? files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * Estimates of what one replica asks of its node, where the config does not say. Triton alone needs about 0.5 GiB and
 * its default pool of pinned memory 256 MiB (`--pinned-memory-pool-byte-size`, core `src/server.cc`); a Python process
 * with numpy about 100 MiB, with a framework 500 MiB; its shared memory begins with 1 MiB and grows with its tensors.
 * A process that uses a GPU holds CUDA's libraries and those of its frameworks in main memory too: an estimate on the
 * safe side, since a limit that is too low kills the server.
 */
const estimates = {
  server: gibibyte,
  pinnedPool: 256 * mebibyte,
  gpuLibraries: 3 * gibibyte,
  pythonProcess: 512 * mebibyte,
  gpuPythonProcess: 1536 * mebibyte,
  sharedMemory: 64 * mebibyte,
  /** Thousandths of a core: for the server, and for each instance, which at least one thread drives. */
  serverCpu: 1_000,
  instanceCpu: 500,
  /** Logs and what backends cache. */
  scratchDisk: gibibyte,
} as const;

/**
 * What the scheduler is asked for by one replica of a server whose repository has this many bytes. `on` is what the
 * replica runs on; a server without it has no GPUs.
 */
export function replicaRequests(
  models: readonly Model[],
  { resources, responseCache = 0 }: Pick<ServerConfig, "resources" | "responseCache">,
  repositoryBytes: Bytes,
  on: ReplicaDevices | undefined,
): Resources {
  const sum = hostLoads(models, on);
  return podRequests({
    cpu:
      resources.cpu === undefined
        ? estimates.serverCpu + sum("instances") * estimates.instanceCpu
        : Math.round(resources.cpu * 1_000),
    memory:
      resources.memory ??
      estimates.server +
        estimates.pinnedPool +
        (on === undefined ? 0 : estimates.gpuLibraries) +
        responseCache +
        sum("memory"),
    shm: sharedMemory(models, resources, on),
    // Files take whole blocks of the disk.
    disk: resources.disk ?? estimates.scratchDisk + Math.ceil(repositoryBytes * 1.05),
    devices: on === undefined ? {} : { [on.accelerator.resource]: on.devices },
  });
}

/** The size of a replica's `/dev/shm`, which `replicaRequests` has as part of the memory. */
export function sharedMemory(
  models: readonly Model[],
  resources: ServerConfig["resources"],
  on: ReplicaDevices | undefined,
): Bytes {
  return resources.sharedMemory ?? estimates.sharedMemory * Math.max(1, hostLoads(models, on)("processes"));
}

/** Sums over the models. */
function hostLoads(
  models: readonly Model[],
  on: ReplicaDevices | undefined,
): (part: keyof HostLoad) => number {
  const loads = models.flatMap((model) => hostLoad(model, on === undefined ? 0 : visibleDevices(on)) ?? []);
  return (part) => loads.reduce((total, load) => total + load[part], 0);
}

/** What one model adds to a replica's own machine. */
interface HostLoad {
  readonly instances: number;
  /** Instances that are processes of their own. */
  readonly processes: number;
  /** Weights of instances without a GPU, and what each instance takes besides. */
  readonly memory: Bytes;
}

/** Undefined for what has no instances: an ensemble. */
function hostLoad(model: Model, devices: number): HostLoad | undefined {
  const known = gpuModel(model);
  if (known === undefined) return undefined;
  const placed = placements([known], devices);
  const instances = placed.reduce((sum, placement) => sum + instancesOf(placement), 0);
  const processes = isProcessBackend(known.backend) ? instances : 0;
  const copies = placed.reduce(
    (sum, { kind, count, gpus }) => sum + (kind !== "gpu" && gpus.length === 0 ? count : 0),
    0,
  );
  const weights = copies * known.versions.reduce((sum, version) => sum + version.weights, 0);
  const stated = (model.spec.memory?.hostPerInstance ?? 0) * instances;
  const perProcess = devices > 0 && needsGpu(known) ? estimates.gpuPythonProcess : estimates.pythonProcess;
  return { instances, processes, memory: weights + Math.max(stated, processes * perProcess) };
}
