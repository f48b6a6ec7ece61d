import type { Bytes } from "../spec/units.ts";
import type { Accelerator, Architecture } from "./catalogue.ts";

/** What the fit needs to know of a model. Ensembles have no instances and are left out. */
export interface GpuModel {
  readonly name: string;
  readonly backend: string;
  /** Of one instance on one device. Sharded over devices: the share of one. */
  readonly weights: Bytes;
  /** Activations and workspace of one instance at its largest batch. */
  readonly workspace: Bytes;
  /** None: Triton's default, one `auto` group. */
  readonly groups: readonly InstanceGroup[];
}

export interface InstanceGroup {
  readonly kind: "auto" | "gpu" | "cpu" | "model";
  /** Instances on each device; default 1 (model_config_utils.cc, SetDefaultInstanceCount). */
  readonly count?: number;
  /** CUDA device numbers; every visible one where left out. */
  readonly gpus?: readonly number[];
}

/** Instances of one group on devices. */
export interface Placement {
  readonly model: GpuModel;
  /** Index in the model's groups. */
  readonly group: number;
  /** On each of its devices. */
  readonly count: number;
  /** Devices, each as often as it is named. */
  readonly gpus: readonly number[];
  /** Whether the spec leaves the devices open, so that a subset may be chosen. */
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

/** One model on one device, over all its instances there. */
export interface ModelLoad {
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

/** Before any model: tritonserver opens every visible device for its pool, used or not (server issue 8368). */
export function baseLoad(accelerator: Accelerator, pool: Bytes): Bytes {
  return contextBytes[accelerator.gpu.architecture] + pool;
}

/** What a group takes on each device it is on. */
export function groupBytes({ model, count }: Placement, accelerator: Accelerator): Bytes {
  return count * (model.weights + model.workspace + processBytes(model, accelerator));
}

/**
 * Where Triton puts the instances on a server with this many visible GPUs (model_config_utils.cc,
 * NormalizeInstanceGroup of 24.10): `gpu` on its `gpus` or on every device; `auto` likewise, but on the CPU where one
 * of its `gpus` is not visible; `cpu` nowhere. Where `model` goes only the backend knows; it is counted in full on
 * every device, the safe side. Devices of a `gpu` group that are not visible are left out here.
 */
export function placements(models: readonly GpuModel[], devices: number): readonly Placement[] {
  const all = Array.from({ length: devices }, (_, device) => device);
  return models.flatMap((model) =>
    groupsOf(model).flatMap((group, index) => {
      const gpus = group.kind === "model" ? all : (group.gpus ?? all);
      const visible = gpus.filter((device) => device < devices);
      const onCpu = group.kind === "cpu" || (group.kind === "auto" && visible.length < gpus.length);
      return onCpu || visible.length === 0
        ? []
        : [
            {
              model,
              group: index,
              count: group.count ?? 1,
              gpus: visible,
              open: group.kind !== "model" && group.gpus === undefined,
            },
          ];
    }),
  );
}

/** A model's groups, with Triton's default where it has none. */
export function groupsOf(model: GpuModel): readonly InstanceGroup[] {
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
    .map(([model, number]) => ({
      model: model.name,
      instances: number,
      weights: number * model.weights,
      workspace: number * model.workspace,
      processes: number * processBytes(model, accelerator),
    }))
    .sort((a, b) => (a.model < b.model ? -1 : 1));
}

/** Whether a backend's instances are processes of their own. */
export function isProcessBackend(backend: string): boolean {
  return processBackends.has(backend);
}

function processBytes({ backend }: GpuModel, { gpu }: Accelerator): Bytes {
  return isProcessBackend(backend) ? contextBytes[gpu.architecture] : 0;
}
