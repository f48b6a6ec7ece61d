import type { Bytes } from "../spec/units.ts";
import type { Accelerator, Architecture } from "./catalogue.ts";

/** What the fit needs to know of a model. Ensembles have no instances and are left out. */
export interface GpuModel {
  readonly name: string;
  readonly backend: string;
  /** Those that are served; each has the instances of all groups, and all go where their group goes. */
  readonly versions: readonly ModelVersion[];
  /** Activations and workspace of one instance at its largest batch. */
  readonly workspace: Bytes;
  /** None: Triton's default, one `auto` group. */
  readonly groups: readonly InstanceGroup[];
}

export interface ModelVersion {
  readonly version: number;
  /** Of one instance on one device. Sharded over devices: the share of one. */
  readonly weights: Bytes;
}

export interface InstanceGroup {
  readonly kind: "auto" | "gpu" | "cpu" | "model";
  /** Instances on each device, or in all on the CPU. Default: 1, or 2 on the CPU for some backends. */
  readonly count?: number;
  /** CUDA device numbers; every visible one where left out. */
  readonly gpus?: readonly number[];
}

/** What one replica of a server runs on. */
export interface ReplicaDevices {
  readonly accelerator: Accelerator;
  /** GPUs or slices, at least 1. */
  readonly devices: number;
}

/** Where the instances of one group are. */
export interface Placement {
  readonly model: GpuModel;
  /** Index in the model's groups. */
  readonly group: number;
  /** Who chooses the devices: Triton, nobody since it is on the CPU, or the backend. */
  readonly kind: "gpu" | "cpu" | "model";
  /** Instances of each version: on each of its devices (`gpu`), or in all. */
  readonly count: number;
  /** Devices that have its memory, each as often as it is named; none on the CPU. */
  readonly gpus: readonly number[];
  /** Whether the spec leaves the devices to Triton, so that a subset may be chosen. */
  readonly open: boolean;
}

/** What is where on one device; all of `context`, `pool` and the models add up to `used`. */
export interface DeviceLoad {
  readonly device: number;
  readonly usable: Bytes;
  /** CUDA context of the tritonserver process. */
  readonly context: Bytes;
  /** Triton's CUDA memory pool. */
  readonly pool: Bytes;
  /** Sorted by name. */
  readonly models: readonly ModelLoad[];
  readonly used: Bytes;
  /** What is left; negative where it does not fit. */
  readonly headroom: Bytes;
}

/** One version of a model on one device, over all its instances there. */
export interface ModelLoad {
  /** Its name, and its version where several are served: `m v1`. */
  readonly model: string;
  readonly instances: number;
  readonly weights: Bytes;
  readonly workspace: Bytes;
  /** CUDA contexts of instances that are processes of their own. */
  readonly processes: Bytes;
}

const mebibyte = 1024 ** 2;

/** `--cuda-memory-pool-byte-size` per device where it is not set (triton core, server.cc: `1 << 26`). */
export const defaultPool: Bytes = 64 * mebibyte;

/**
 * The CUDA context of one process on one device, with the code of cuBLAS, cuDNN and a backend's kernels as far as lazy
 * loading brings it in. An **estimate**: it depends on driver, libraries and GPU, and grows with the number of SMs.
 * Public reports scatter from 164 MiB (tritonserver, pool included, server issue 6860) over 256 MiB (a bare context,
 * InvokeAI 9413), "300 something" (pytorch 107667) and "< 500 MB" (server 8368) to 849 MiB (all kernels loaded at
 * once, before CUDA 11.7; server 2817).
 */
export const contextBytes: Readonly<Record<Architecture, Bytes>> = {
  turing: 300 * mebibyte,
  ampere: 400 * mebibyte,
  ada: 400 * mebibyte,
  hopper: 500 * mebibyte,
};

/**
 * Backends whose instances are processes of their own, each with a CUDA context on its device: the Python backend's
 * stub, and what is built on it. The others' instances live in tritonserver's process and share its context. A stub
 * takes 368 to 766 MiB in practice (server issues 6860, 2817: 485 MiB), so a context of the size above is right here
 * too; a model that calls CUDA before it selects its device takes one more on device 0 (server issue 7748), which no
 * plan can see.
 */
const processBackends: ReadonlySet<string> = new Set(["python", "vllm"]);

/**
 * TensorRT-LLM takes its GPUs from its own parameter `gpu_device_ids`, all visible ones where it is not set, whatever
 * the kind of its instances: NVIDIA's templates say KIND_CPU. Source: tensorrtllm_backend
 * `all_models/inflight_batcher_llm/tensorrt_llm/config.pbtxt`, `docs/model_config.md`.
 */
const choosesItsDevices = "tensorrtllm";

/** Backends with 2 instances in a group on the CPU that gives no count (model_config_utils.cc, SetDefaultInstanceCount). */
const twoOnCpu: ReadonlySet<string> = new Set(["onnxruntime", "tensorflow"]);

/** Before any model: tritonserver opens every visible device for its pool, used or not (server issue 8368). */
export function baseLoad(accelerator: Accelerator, pool: Bytes): Bytes {
  return contextBytes[accelerator.gpu.architecture] + pool;
}

/** What a group takes on each device it is on, over all versions. */
export function groupBytes({ model, count }: Placement, accelerator: Accelerator): Bytes {
  const perInstance = model.workspace + processBytes(model, accelerator);
  return count * model.versions.reduce((sum, { weights }) => sum + weights + perInstance, 0);
}

/** Instances of a group in a replica, of all versions. */
export function instancesOf({ model, kind, count, gpus }: Placement): number {
  return model.versions.length * count * (kind === "gpu" ? gpus.length : 1);
}

/** Whether a group uses GPUs however its server is equipped: Triton or the backend refuses to do without. */
export function needsGpu({ backend, groups }: GpuModel): boolean {
  return backend === choosesItsDevices || groups.some(({ kind }) => kind === "gpu");
}

/** Of several slices in one pod, drivers before R570 show a process one (NVIDIA MIG User Guide, "Device Enumeration"). */
export function visibleDevices({ accelerator, devices }: ReplicaDevices): number {
  return accelerator.slice === undefined ? devices : Math.min(devices, 1);
}

/**
 * Where Triton puts the instances on a server with this many visible GPUs (model_config_utils.cc,
 * NormalizeInstanceGroup of 24.10): `gpu` on its `gpus` or on every device; `auto` likewise, but on the CPU where there
 * is no GPU or one of its `gpus` is not visible. Where `model` goes only the backend knows; where there are GPUs it is
 * counted in full on every one, the safe side, as TensorRT-LLM is. Devices of a `gpu` group that are not visible are left
 * out here.
 */
export function placements(models: readonly GpuModel[], devices: number): readonly Placement[] {
  const all = Array.from({ length: devices }, (_, device) => device);
  return models.flatMap((model) =>
    groupsOf(model).map((group, index): Placement => {
      const kind = settledKind(model, group, devices);
      const gpus = { gpu: group.gpus ?? all, cpu: [], model: all }[kind];
      return {
        model,
        group: index,
        kind,
        count: group.count ?? (kind === "cpu" && twoOnCpu.has(model.backend) ? 2 : 1),
        gpus: gpus.filter((device) => device < devices),
        open: kind === "gpu" && group.gpus === undefined,
      };
    }),
  );
}

function settledKind(
  { backend }: GpuModel,
  { kind, gpus = [] }: InstanceGroup,
  devices: number,
): Placement["kind"] {
  if (backend === choosesItsDevices) return "model";
  if (kind !== "auto") return kind;
  return devices === 0 || gpus.some((device) => device >= devices) ? "cpu" : "gpu";
}

/** A model's groups, with Triton's default where it has none. */
function groupsOf(model: GpuModel): readonly InstanceGroup[] {
  return model.groups.length === 0 ? [{ kind: "auto" }] : model.groups;
}

/** The memory of every device under these placements. */
export function deviceLoads(
  placed: readonly Placement[],
  accelerator: Accelerator,
  devices: number,
  pool: Bytes,
): readonly DeviceLoad[] {
  return Array.from({ length: devices }, (_, device) => {
    const models = modelLoads(placed, accelerator, device);
    const base = baseLoad(accelerator, pool);
    const used = models.reduce(
      (sum, { weights, workspace, processes }) => sum + weights + workspace + processes,
      base,
    );
    return {
      device,
      usable: accelerator.usable,
      context: base - pool,
      pool,
      models,
      used,
      headroom: accelerator.usable - used,
    };
  });
}

/** What is left on the fullest device; the sums of `deviceLoads` alone, for trying many accelerators. */
export function leastHeadroom(
  placed: readonly Placement[],
  accelerator: Accelerator,
  devices: number,
  pool: Bytes,
): Bytes {
  const left = Array.from({ length: devices }, () => accelerator.usable - baseLoad(accelerator, pool));
  for (const placement of placed) {
    const bytes = groupBytes(placement, accelerator);
    for (const gpu of placement.gpus) left[gpu] = (left[gpu] ?? 0) - bytes;
  }
  return Math.min(...left);
}

function modelLoads(
  placed: readonly Placement[],
  accelerator: Accelerator,
  device: number,
): readonly ModelLoad[] {
  const instances = new Map<GpuModel, number>();
  for (const { model, count, gpus } of placed) {
    const here = count * gpus.filter((gpu) => gpu === device).length;
    if (here > 0) instances.set(model, (instances.get(model) ?? 0) + here);
  }
  return [...instances]
    .flatMap(([model, number]) =>
      model.versions.map(({ version, weights }) => ({
        model: model.versions.length === 1 ? model.name : `${model.name} v${String(version)}`,
        instances: number,
        weights: number * weights,
        workspace: number * model.workspace,
        processes: number * processBytes(model, accelerator),
      })),
    )
    .sort((a, b) => (a.model < b.model ? -1 : 1));
}

/** Whether a backend's instances are processes of their own. */
export function isProcessBackend(backend: string): boolean {
  return processBackends.has(backend);
}

function processBytes({ backend }: GpuModel, { gpu }: Accelerator): Bytes {
  return isProcessBackend(backend) ? contextBytes[gpu.architecture] : 0;
}
