import type { ServerPlan } from "../platform.ts";
import type { DockerConfig, GpuId } from "../spec/docker.ts";
import { suggest, type Problem } from "../spec/problem.ts";

/** Which GPUs of the host each replica has, and whether the host has them. */

/** GPUs by replica, for every server that has some. */
export type GpuAssignment = ReadonlyMap<string, readonly (readonly GpuId[])[]>;

/** GPUs of the host, as nvidia-smi tells them. */
export interface HostGpu {
  readonly index: number;
  readonly uuid: string;
  /** As in `NVIDIA A100-SXM4-80GB`. */
  readonly name: string;
  /** UUIDs of its MIG slices. */
  readonly slices: readonly string[];
}

/** The config's GPUs of each server; where it names none, the first that no server before it has. */
export function assignGpus(servers: readonly ServerPlan[], { gpus }: DockerConfig): GpuAssignment {
  const taken = new Set(Object.values(gpus).flat());
  let next = 0;
  const unnamed = (): GpuId => {
    while (taken.has(next)) next += 1;
    return next++;
  };
  return new Map(
    servers.flatMap(({ name, replicas, devices }) => {
      if (devices === undefined) return [];
      const named = Object.hasOwn(gpus, name) ? gpus[name] : undefined;
      const all = named ?? Array.from({ length: replicas * devices.devices }, unnamed);
      const own = Array.from({ length: replicas }, (_, i) =>
        all.slice(i * devices.devices, (i + 1) * devices.devices),
      );
      return [[name, own] as const];
    }),
  );
}

/** What is wrong with the config's GPUs by itself. `file` names the stack's config. */
export function gpuConfigProblems(
  servers: readonly ServerPlan[],
  { gpus }: DockerConfig,
  file: string,
): Problem[] {
  const report = (path: string, message: string, hint: string): Problem => ({
    file,
    path: `triton-platform:docker.gpus.${path}`,
    message,
    hint,
  });
  const holder = new Map<GpuId, string>();
  return Object.entries(gpus).flatMap(([name, ids]) => {
    const server = servers.find((candidate) => candidate.name === name);
    if (server === undefined)
      return [
        report(
          name,
          `there is no server \`${name}\``,
          suggest(
            name,
            servers.map((each) => each.name),
          ),
        ),
      ];
    if (server.devices === undefined)
      return [
        report(
          name,
          `\`${name}\` has no accelerator, and so no use for GPUs`,
          `give the server one, like \`accelerator: { gpu: a100-80gb }\`, or take this away`,
        ),
      ];
    const needed = server.replicas * server.devices.devices;
    const counted =
      ids.length === needed
        ? []
        : [
            report(
              name,
              `${String(ids.length)} GPUs, and ${String(server.replicas)} replicas with ${String(server.devices.devices)} each take ${String(needed)}`,
              "name as many as they take, or change `replicas` or `accelerator.count`",
            ),
          ];
    const twice = ids.flatMap((id, i) => {
      const other = holder.get(id);
      holder.set(id, name);
      return other === undefined
        ? []
        : [
            report(
              `${name}[${String(i)}]`,
              `GPU ${String(id)} is given to ${other === name ? "this server twice" : `\`${other}\` too`}`,
              "a replica has its GPUs to itself: name each once",
            ),
          ];
    });
    const slices = server.devices.accelerator.slice !== undefined;
    const kinds = ids.flatMap((id, i) =>
      slices === String(id).startsWith("MIG-")
        ? []
        : [
            report(
              `${name}[${String(i)}]`,
              slices
                ? `${String(id)} is a whole GPU, and the server is sized for a MIG slice`
                : `${String(id)} is a MIG slice, and the server is sized for whole GPUs`,
              slices
                ? "name slices by their UUID, as `nvidia-smi -L` shows it"
                : "name a GPU, or write `accelerator.mig`",
            ),
          ],
    );
    return [...counted, ...twice, ...kinds];
  });
}

/** What the host's GPUs have against the assignment: those that are not there, or are others than the server is sized for. */
export function hostGpuProblems(
  servers: readonly ServerPlan[],
  assignment: GpuAssignment,
  there: readonly HostGpu[],
  file: string,
): Problem[] {
  const listed = there.map(({ index, name }) => `${String(index)} (${name})`).join(", ");
  return servers.flatMap(({ name: server, devices }) => {
    const ids = assignment.get(server)?.flat() ?? [];
    if (devices === undefined) return [];
    const { accelerator } = devices;
    const report = (message: string, hint: string): Problem => ({
      file,
      path: `triton-platform:docker.gpus.${server}`,
      message,
      hint,
    });
    const missing = ids.filter((id) => findGpu(id, there) === undefined);
    if (missing.length > 0)
      return [
        report(
          `the host has no GPU ${missing.map(String).join(", ")}: ${there.length === 0 ? "it has none at all" : `it has ${listed}`}`,
          "name GPUs that it has, or give the server fewer replicas",
        ),
      ];
    return ids.flatMap((id) => {
      const found = findGpu(id, there);
      const label = found?.name.replaceAll(" ", "-") ?? "";
      return found === undefined || accelerator.gpu.labels.some((known) => sameProduct(known, label))
        ? []
        : [
            report(
              `GPU ${String(id)} is a ${found.name}, and the server is sized for \`${accelerator.gpu.name}\``,
              `write what it is under servers.${server}.accelerator.gpu, so that its memory is checked, or name another GPU`,
            ),
          ];
    });
  });
}

function findGpu(id: GpuId, there: readonly HostGpu[]): HostGpu | undefined {
  return there.find(({ index, uuid, slices }) => id === index || id === uuid || slices.includes(String(id)));
}

/** GPU feature discovery writes nvidia-smi's names with hyphens; older drivers leave `NVIDIA` out. */
function sameProduct(known: string, seen: string): boolean {
  const bare = (name: string): string => name.replace(/^NVIDIA-/, "");
  return bare(known) === bare(seen);
}

/** The answer of `nvidia-smi -L`, which tells GPUs and their slices. */
export function parseGpuList(text: string): HostGpu[] {
  const gpus: { index: number; uuid: string; name: string; slices: string[] }[] = [];
  for (const line of text.split("\n")) {
    const [, index, name, uuid] = /^GPU (\d+): (.+?) \(UUID: (GPU-[0-9a-f-]+)\)/.exec(line) ?? [];
    if (index !== undefined && name !== undefined && uuid !== undefined)
      gpus.push({ index: Number(index), name, uuid, slices: [] });
    const slice = /\(UUID: (MIG-[0-9a-f-]+)\)/.exec(line)?.[1];
    if (slice !== undefined) gpus.at(-1)?.slices.push(slice);
  }
  return gpus;
}
