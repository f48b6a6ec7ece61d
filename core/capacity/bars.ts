import { formatBytes } from "../spec/units.ts";
import type { DeviceLoad } from "./gpu-memory.ts";
import type { PackedNode } from "./packing.ts";

/** Cells of a bar for what is full; a node's or device's name and the numbers come beside it. */
const defaultWidth = 30;

/** Parts take turns, so that neighbours differ; the legend has them in the same order. */
const shades = ["█", "▓", "▒"] as const;
const empty = "░";
/** Where the device ends and more is needed. */
const edge = "┃";

/** `gpu 0  ████▓▓▓░░░ 0.9 of 79.1 GiB  █ CUDA 464 MiB, ▓ embedding-model 2× 608 MiB`, a line for each device. */
export function deviceBars(devices: readonly DeviceLoad[], width = defaultWidth): readonly string[] {
  const names = devices.map(({ device }) => `gpu ${String(device)}`);
  const column = longest(names);
  return devices.map(({ usable, context, pool, models, used }, i) => {
    const parts = [
      { text: `CUDA ${formatBytes(context + pool)}`, size: context + pool },
      ...models.map(({ model, instances, weights, workspace, processes }) => {
        const size = weights + workspace + processes;
        return { text: `${model} ${String(instances)}× ${formatBytes(size)}`, size };
      }),
    ];
    const legend = parts.map(({ text }, part) => `${shade(part)} ${text}`).join(", ");
    const sizes = parts.map(({ size }) => size);
    return `${(names[i] ?? "").padEnd(column)}  ${bar(sizes, usable, width)} ${gibibytes(used)} of ${gibibytes(usable)} GiB  ${legend}`;
  });
}

/**
 * CPU, memory, disk and devices of each node, a line each; nodes that are filled alike are shown once, with their
 * number. Sorted as they are packed.
 */
export function nodeBars(nodes: readonly PackedNode[], width = defaultWidth): readonly string[] {
  return alike(nodes).flatMap(({ node, count }) => {
    const pods = Object.entries(node.pods)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, number]) => `${String(number)}× ${name}`)
      .join(", ");
    const resources = shownResources(node);
    const column = longest(resources.map(label));
    return [
      `${node.pool}${count > 1 ? ` (${String(count)} nodes alike)` : ""}: ${pods}`,
      ...resources.map((resource) => {
        const used = node.used[resource] ?? 0;
        const allocatable = node.allocatable[resource] ?? 0;
        return `  ${label(resource).padEnd(column)}  ${bar([used], allocatable, width)} ${amounts(resource, used, allocatable)}`;
      }),
    ];
  });
}

/**
 * A bar of `width` cells for `capacity`, filled part after part. What is too much goes on behind an edge, in the same
 * scale, for at most another `width`. A cell more than half full counts; an overfull bar always shows it.
 */
export function bar(parts: readonly number[], capacity: number, width: number): string {
  const scale = capacity > 0 ? width / capacity : 0;
  const total = parts.reduce((sum, part) => sum + part, 0);
  const isOverfull = total > capacity;
  const last = isOverfull
    ? Math.min(2 * width, Math.max(width + 1, scale === 0 ? width + 1 : Math.round(total * scale)))
    : Math.round(total * scale);
  const cells: string[] = [];
  let sum = 0;
  parts.forEach((part, i) => {
    sum += part;
    const end = i === parts.length - 1 ? last : Math.min(last, Math.round(sum * scale));
    while (cells.length < end) cells.push(shade(i));
  });
  while (cells.length < width) cells.push(empty);
  if (isOverfull) cells.splice(width, 0, edge);
  return cells.join("");
}

function shade(part: number): string {
  return shades[part % shades.length] ?? empty;
}

function alike(
  nodes: readonly PackedNode[],
): readonly { readonly node: PackedNode; readonly count: number }[] {
  const groups = new Map<string, { node: PackedNode; count: number }>();
  for (const node of nodes) {
    const key = JSON.stringify([node.pool, Object.entries(node.pods).sort()]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { node, count: 1 });
    else group.count++;
  }
  return [...groups.values()];
}

/** CPU, memory and disk always, then devices that the node has or its pods ask for. */
function shownResources({ used, allocatable }: PackedNode): readonly string[] {
  const devices = [...new Set([...Object.keys(allocatable), ...Object.keys(used)])]
    .filter((resource) => resource.includes("/"))
    .sort();
  return ["cpu", "memory", "ephemeral-storage", ...devices];
}

function label(resource: string): string {
  return resource === "ephemeral-storage" ? "disk" : resource;
}

function amounts(resource: string, used: number, allocatable: number): string {
  if (resource === "cpu") return `${(used / 1000).toFixed(1)} of ${(allocatable / 1000).toFixed(1)} cores`;
  return resource === "memory" || resource === "ephemeral-storage"
    ? `${gibibytes(used)} of ${gibibytes(allocatable)} GiB`
    : `${String(used)} of ${String(allocatable)}`;
}

function gibibytes(bytes: number): string {
  return (bytes / 1024 ** 3).toFixed(1);
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}
