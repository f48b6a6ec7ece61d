import { formatBytes, type Bytes } from "../spec/units.ts";
import { assign, type Assignment, type AssignmentProof } from "./assignment.ts";
import { accelerators, type Accelerator } from "./catalogue.ts";
import {
  baseLoad,
  defaultPool,
  deviceLoads,
  groupBytes,
  groupsOf,
  placements,
  type DeviceLoad,
  type GpuModel,
  type Placement,
} from "./gpu-memory.ts";
import type { CapacityProblem } from "./problem.ts";

/** One replica of a server: what it runs on and what it serves. */
export interface GpuServer {
  readonly accelerator: Accelerator;
  /** GPUs or slices of one replica, at least 1. */
  readonly devices: number;
  readonly models: readonly GpuModel[];
  /** `--cuda-memory-pool-byte-size` of each device; default 64 MiB. */
  readonly pool?: Bytes;
  /** After so many steps the search for an assignment gives up. Default 50 000, well under a second. */
  readonly steps?: number;
}

/**
 * `fits`: as written. `assignable`: not as written, but with `assignment`. `impossible`: proved that no assignment
 * fits. `undecided`: the search ran out of steps.
 */
export type GpuVerdict = "fits" | "assignable" | "impossible" | "undecided";

export interface GpuFit {
  readonly verdict: GpuVerdict;
  /** As the spec is written, one entry per device that CUDA sees. */
  readonly devices: readonly DeviceLoad[];
  /** Under `assignable`: `gpus` of every group that leaves them open; else empty. */
  readonly assignment: readonly AssignedGroup[];
  /** Under `assignable`: the devices with that assignment; else empty. */
  readonly assigned: readonly DeviceLoad[];
  /** Whether it is proved that no better assignment exists: one with more instances, or more evenly spread. */
  readonly best: boolean;
  readonly smallest: Smallest;
  readonly problems: readonly CapacityProblem[];
}

/** The least of the catalogue that holds the models as they are written, on as many devices. */
export interface Smallest {
  /** Undefined where no GPU does. */
  readonly gpu: Accelerator | undefined;
  /**
   * Of the server's own GPU where one of its slices does, else of any. Undefined where none does, and for servers with
   * more than one device.
   */
  readonly slice: Accelerator | undefined;
}

export interface AssignedGroup {
  readonly model: string;
  /** Index in the model's groups. */
  readonly group: number;
  readonly gpus: readonly number[];
}

/**
 * Whether a server's models fit the memory of each of its devices, and where not, on which devices each instance group
 * would have to be. What a group takes on a device is count × (weights + workspace), plus a CUDA context for each
 * instance that is a process of its own; weights are counted per instance although some backends share them.
 */
export function fitGpu(server: GpuServer): GpuFit {
  const { accelerator, models, pool = defaultPool } = server;
  const visible = visibleDevices(server);
  const placed = placements(models, visible);
  const devices = deviceLoads(placed, accelerator, visible, pool);
  const smallest = smallestFor(server);
  const problems = [...slicesProblem(server), ...unknownDevices(models, visible)];
  const asWritten = { devices, assignment: [], assigned: [], best: true, smallest };
  if (devices.every(({ headroom }) => headroom >= 0)) return { ...asWritten, verdict: "fits", problems };

  const open = placed.filter((placement) => placement.open);
  const found = search(placed, open, server, visible);
  if (found.verdict !== "assigned") {
    const problem = noAssignment(server, devices, open, found, smallest);
    return { ...asWritten, verdict: found.verdict, problems: [...problems, problem] };
  }
  const chosen = open.map((placement, i) => ({ ...placement, gpus: found.devices[i] ?? [] }));
  const assignment = chosen.map(({ model, group, gpus }) => ({ model: model.name, group, gpus }));
  return {
    verdict: "assignable",
    devices,
    assignment,
    assigned: deviceLoads(
      [...placed.filter((placement) => !placement.open), ...chosen],
      accelerator,
      visible,
      pool,
    ),
    best: found.best,
    smallest,
    problems: [...problems, ...assignmentProblems(chosen, devices, accelerator, visible)],
  };
}

function smallestFor({ accelerator, devices, models, pool = defaultPool }: GpuServer): Smallest {
  const placed = placements(models, devices);
  const holding = accelerators.filter((candidate) =>
    deviceLoads(placed, candidate, devices, pool).every(({ headroom }) => headroom >= 0),
  );
  // Slices with media engines are scarce: one on a GPU.
  const slices = holding.filter(({ slice }) => devices === 1 && slice?.name.endsWith("+me") === false);
  return {
    gpu: holding.find(({ slice }) => slice === undefined),
    slice: slices.find(({ gpu }) => gpu === accelerator.gpu) ?? slices[0],
  };
}

function search(
  placed: readonly Placement[],
  open: readonly Placement[],
  { accelerator, pool = defaultPool, steps = 50_000 }: GpuServer,
  visible: number,
): Assignment {
  const fixed = deviceLoads(
    placed.filter((placement) => !placement.open),
    accelerator,
    visible,
    pool,
  );
  return assign({
    free: fixed.map(({ headroom }) => headroom),
    items: open.map((placement) => groupBytes(placement, accelerator)),
    steps,
  });
}

/** Of several slices in one pod, drivers before R570 show a process one (NVIDIA MIG User Guide, "Device Enumeration"). */
function visibleDevices({ accelerator, devices }: GpuServer): number {
  return accelerator.slice === undefined ? devices : Math.min(devices, 1);
}

function slicesProblem({ accelerator, devices }: GpuServer): CapacityProblem[] {
  if (accelerator.slice === undefined || devices <= 1) return [];
  return [
    {
      path: "devices",
      message: `${String(devices)} MIG slices for each replica, and a process is only sure to see one of them (NVIDIA drivers before R570 show no more)`,
      hint: `give each replica 1 slice and the server ${String(devices)} times the replicas, or take a larger slice`,
    },
  ];
}

function unknownDevices(models: readonly GpuModel[], visible: number): CapacityProblem[] {
  return models.flatMap((model) =>
    groupsOf(model).flatMap(({ kind, gpus = [] }, group) => {
      const missing = [...new Set(gpus)].filter((gpu) => gpu >= visible);
      return kind !== "gpu" || missing.length === 0
        ? []
        : [
            {
              subject: model.name,
              path: `instances[${String(group)}].gpus`,
              message: `there is no device ${missing.join(", ")}: a replica of the server sees ${devicesText(visible)}, counted from 0`,
              hint: "name devices that the server has, or give its replicas more GPUs",
            },
          ];
    }),
  );
}

/** One for each group that cannot stay on every device. */
function assignmentProblems(
  chosen: readonly Placement[],
  devices: readonly DeviceLoad[],
  accelerator: Accelerator,
  visible: number,
): CapacityProblem[] {
  return chosen
    .filter(({ gpus }) => gpus.length < visible)
    .map((placement) => ({
      subject: placement.model.name,
      path: `instances[${String(placement.group)}].gpus`,
      message: `left out, so this group is on every device, where all models together need ${shortfall(devices)} (this group's ${instancesText(placement.count)}: ${formatBytes(groupBytes(placement, accelerator))})`,
      hint: `\`gpus: [${placement.gpus.join(", ")}]\` fits, with the same advice followed for the others`,
    }));
}

function noAssignment(
  server: GpuServer,
  devices: readonly DeviceLoad[],
  open: readonly Placement[],
  found: Exclude<Assignment, { verdict: "assigned" }>,
  smallest: Smallest,
): CapacityProblem {
  const { gpu } = server.accelerator;
  const names = [smallest.slice?.gpu === gpu ? smallest.slice : undefined, smallest.gpu].flatMap((larger) =>
    larger === undefined ? [] : [larger.name],
  );
  const larger =
    names.length === 0
      ? "no GPU of the catalogue holds them as they are written: fewer instances, smaller models, or more servers"
      : `${names.join(" or ")} holds them as they are written; or fewer instances, or more servers`;
  if (found.verdict === "undecided") {
    return {
      path: "",
      message: `the models need ${shortfall(devices)}, and the search for an assignment to devices ended without an answer`,
      hint: `set \`gpus\` of the largest models by hand; ${larger}`,
    };
  }
  return { ...reason(found.proof, server, devices, open), hint: larger };
}

function reason(
  proof: AssignmentProof,
  server: GpuServer,
  devices: readonly DeviceLoad[],
  open: readonly Placement[],
): Pick<CapacityProblem, "subject" | "path" | "message"> {
  const { accelerator, pool = defaultPool } = server;
  const free = accelerator.usable - baseLoad(accelerator, pool);
  const room = `${formatBytes(free)} (${formatBytes(accelerator.usable)} of ${accelerator.name} less CUDA context and pool)`;
  switch (proof.by) {
    case "device":
      return {
        path: "",
        message: `what is bound to device ${String(proof.device)} (\`gpus\`, or \`kind: model\`, counted on every device) is more than its ${room}: the models need ${shortfall(devices)}`,
      };
    case "item": {
      const placement = open[proof.item];
      return placement === undefined
        ? { path: "", message: `the models need ${shortfall(devices)}` }
        : {
            subject: placement.model.name,
            path: `instances[${String(placement.group)}]`,
            message: `with ${instancesText(placement.count)} it needs ${formatBytes(groupBytes(placement, accelerator))} on a device, and a device has ${room}${devices.length > 1 ? ", less what is bound to it" : ""}`,
          };
    }
    case "total":
      return {
        path: "",
        message: `one copy of every instance group is more than ${devicesText(devices.length)} with ${room} hold together: the models need ${shortfall(devices)}`,
      };
    case "exhausted":
      return {
        path: "",
        message: `no way to spread the instance groups over ${devicesText(devices.length)} with ${room} fits (all were tried): the models need ${shortfall(devices)}`,
      };
  }
}

/** "81.2 GiB of 79.1 GiB on device 0", for the fullest one. */
function shortfall(devices: readonly DeviceLoad[]): string {
  const fullest = devices.reduce<DeviceLoad | undefined>(
    (most, load) => (most === undefined || load.used > most.used ? load : most),
    undefined,
  );
  return fullest === undefined
    ? "a device"
    : `${formatBytes(fullest.used)} of ${formatBytes(fullest.usable)} on device ${String(fullest.device)}`;
}

function devicesText(devices: number): string {
  return `${String(devices)} device${devices === 1 ? "" : "s"}`;
}

function instancesText(count: number): string {
  return `${String(count)} instance${count === 1 ? "" : "s"}`;
}
