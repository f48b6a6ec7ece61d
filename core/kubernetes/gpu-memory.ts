import { deviceLoads, placements, visibleDevices, defaultPool } from "../capacity/gpu-memory.ts";
import { gpuModels } from "../capacity/requirements.ts";
import type { ServerPlan } from "../platform.ts";
import type { Bytes } from "../spec/units.ts";

/** Content of a server's annotation of GPU memory, as JSON: for people, and for policies, which see no specs. */
export interface GpuMemory {
  /** As the config has it: `a100-80gb`, `a100-80gb 1g.10gb`. */
  readonly accelerator: string;
  /** Bytes that the models, CUDA and Triton's pool take, by device. */
  readonly used: readonly Bytes[];
}

/** Undefined for a server without GPUs. */
export function gpuMemory({
  models,
  devices: on,
}: Pick<ServerPlan, "models" | "devices">): GpuMemory | undefined {
  if (on === undefined) return undefined;
  const visible = visibleDevices(on);
  const loads = deviceLoads(placements(gpuModels(models), visible), on.accelerator, visible, defaultPool);
  return { accelerator: on.accelerator.name, used: loads.map(({ used }) => used) };
}
