import type { Model } from "../spec/load.ts";
import type { ServerConfig } from "../spec/platform.ts";
import type { Bytes } from "../spec/units.ts";
import { resolveBackend } from "../triton/backends.ts";
import { servedFiles, servedVersions } from "../triton/repository.ts";
import { isProcessBackend, type GpuModel } from "./gpu-memory.ts";
import { podRequests, type Resources } from "./resources.ts";

/** What models and servers need, from their specs and their files. */

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;

/** What a server's models take of its devices: every served version of a model has instances of its own. */
export function gpuModels(models: readonly Model[]): readonly GpuModel[] {
  return models.flatMap((model): GpuModel[] => {
    const { spec } = model;
    const { backend } = resolveBackend(spec, { files: servedFiles(model) });
    if (backend === undefined) return [];
    const versions = servedVersions(model);
    return versions.map((version) => ({
      name: versions.length === 1 ? spec.name : `${spec.name} v${String(version)}`,
      backend,
      weights: weightsOf(model, version),
      workspace: spec.memory?.workspacePerInstance ?? 0,
      groups: (spec.instances ?? []).map(({ kind, count, gpus }) => ({
        kind,
        ...(count === undefined ? {} : { count }),
        ...(gpus === undefined ? {} : { gpus }),
      })),
    }));
  });
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
 */
const estimates = {
  server: gibibyte,
  pinnedPool: 256 * mebibyte,
  pythonProcess: 512 * mebibyte,
  sharedMemory: 64 * mebibyte,
  /** Thousandths of a core: for the server, and for each instance, which at least one thread drives. */
  serverCpu: 1_000,
  instanceCpu: 500,
  /** Logs and what backends cache. */
  scratchDisk: gibibyte,
} as const;

/** What the scheduler is asked for by one replica of a server whose repository has this many bytes. */
export function replicaRequests(
  models: readonly Model[],
  { resources, responseCache = 0 }: Pick<ServerConfig, "resources" | "responseCache">,
  repositoryBytes: Bytes,
  devices: Resources,
): Resources {
  const loaded = gpuModels(models).map((model) => ({
    instances: model.groups.reduce((sum, { count = 1 }) => sum + count, 0) || 1,
    isProcess: isProcessBackend(model.backend),
    onHost: model.groups.some(({ kind }) => kind === "cpu") ? model.weights : 0,
  }));
  const processes = loaded.reduce((sum, { instances, isProcess }) => sum + (isProcess ? instances : 0), 0);
  const instances = loaded.reduce((sum, model) => sum + model.instances, 0);
  const hostWeights = loaded.reduce((sum, model) => sum + model.instances * model.onHost, 0);
  const stated = models.reduce(
    (sum, { spec }) => sum + (spec.memory?.hostPerInstance ?? 0) * instancesOf(spec.instances),
    0,
  );
  return podRequests({
    cpu:
      resources.cpu === undefined
        ? estimates.serverCpu + instances * estimates.instanceCpu
        : Math.round(resources.cpu * 1_000),
    memory:
      resources.memory ??
      estimates.server +
        estimates.pinnedPool +
        responseCache +
        hostWeights +
        Math.max(stated, processes * estimates.pythonProcess),
    shm: resources.sharedMemory ?? estimates.sharedMemory * Math.max(1, processes),
    disk: resources.disk ?? estimates.scratchDisk + repositoryBytes,
    devices,
  });
}

function instancesOf(groups: Model["spec"]["instances"]): number {
  return (groups ?? []).reduce((sum, { count = 1 }) => sum + count, 0) || 1;
}
