import { formatBytes, type Bytes } from "../spec/units.ts";
import { assign, type Assignment, type AssignmentProof } from "./assignment.ts";
import { accelerators, type Accelerator } from "./catalogue.ts";
import {
  baseLoad,
  defaultPool,
  deviceLoads,
  groupBytes,
  leastHeadroom,
  placements,
  visibleDevices,
  type DeviceLoad,
  type GpuModel,
  type Placement,
  type ReplicaDevices,
} from "./gpu-memory.ts";
import type { CapacityProblem } from "./problem.ts";

/** One replica of a server: what it runs on and what it serves. */
export interface GpuServer extends ReplicaDevices {
  readonly models: readonly GpuModel[];
  /** `--cuda-memory-pool-byte-size` of each device; default 64 MiB. */
  readonly pool?: Bytes;
  /** After so many steps the search for an assignment gives up. Default: what takes well under a second. */
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
 * would have to be. What a group takes on a device is count × (weights + workspace) for each version, plus a CUDA
 * context for each instance that is a process of its own; weights are counted per instance although some backends share
 * them. Devices that a spec names and the server lacks are a matter of the rules (`gpu-absent`) and count for nothing.
 */
export function fitGpu(server: GpuServer): GpuFit {
  const { accelerator, models, pool = defaultPool } = server;
  const visible = visibleDevices(server);
  const placed = placements(models, visible);
  const devices = deviceLoads(placed, accelerator, visible, pool);
  const smallest = smallestFor(server);
  const problems = slicesProblem(server);
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
  const holding = accelerators.filter((candidate) => leastHeadroom(placed, candidate, devices, pool) >= 0);
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
  { accelerator, pool = defaultPool, steps = defaultSteps(open.length) }: GpuServer,
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

/** A step looks at every item once or twice. */
function defaultSteps(items: number): number {
  return Math.min(50_000, Math.ceil(1_000_000 / Math.max(1, items)));
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
      path: hasGroups(placement) ? `${groupPath(placement)}.gpus` : groupPath(placement),
      message: `left out, so this group is on every device, where all models together need ${shortfall(devices)} (this group's ${instancesText(placement)}: ${formatBytes(groupBytes(placement, accelerator))})`,
      hint: `\`${assignedText(placement)}\` fits, with the same advice followed for the others`,
    }));
}

/** As it is to be written: the group of a model without `instances` is Triton's own, and has no field to add to. */
function assignedText(placement: Placement): string {
  const gpus = `gpus: [${placement.gpus.join(", ")}]`;
  return hasGroups(placement) ? gpus : `instances: [{ kind: gpu, ${gpus} }]`;
}

function hasGroups({ model }: Placement): boolean {
  return model.groups.length > 0;
}

function groupPath(placement: Placement): string {
  return hasGroups(placement) ? `instances[${String(placement.group)}]` : "instances";
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
  const fewer = server.models.some(({ versions }) => versions.length > 1)
    ? "fewer instances or versions"
    : "fewer instances";
  const larger =
    names.length === 0
      ? `no GPU of the catalogue holds them as they are written: ${fewer}, smaller models, or more servers`
      : `${names.map((name) => `\`${name}\``).join(" or ")} holds them as they are written; or ${fewer}, or more servers`;
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
  const room = `${formatBytes(free)} (${formatBytes(accelerator.usable)} of \`${accelerator.name}\` less CUDA context and pool)`;
  switch (proof.by) {
    case "device":
      return {
        path: "",
        message: `what is bound to device ${String(proof.device)} (\`gpus\`; \`kind: model\` and TensorRT-LLM, counted on every device) is more than its ${room}: the models need ${shortfall(devices)}`,
      };
    case "item": {
      const placement = open[proof.item];
      return placement === undefined
        ? { path: "", message: `the models need ${shortfall(devices)}` }
        : {
            subject: placement.model.name,
            path: groupPath(placement),
            message: `with ${instancesText(placement)} it needs ${formatBytes(groupBytes(placement, accelerator))} on a device, and a device has ${room}${devices.length > 1 ? ", less what is bound to it" : ""}`,
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

function instancesText({ count, model: { versions } }: Placement): string {
  const instances = `${String(count)} instance${count === 1 ? "" : "s"}`;
  return versions.length === 1 ? instances : `${instances} of each of ${String(versions.length)} versions`;
}
