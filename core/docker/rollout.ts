import type { Capacity } from "../capacity/check.ts";
import { nodePools } from "../capacity/node-pools.ts";
import type { ServerPlan } from "../platform.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import type { Checked, Problem } from "../spec/problem.ts";
import { formatBytes, type Bytes } from "../spec/units.ts";
import type { Order } from "./container.ts";

/**
 * How each group's replicas are replaced, and which groups cannot be without a gap.
 *
 * Where the host holds a group twice, its new replicas come one after the other, and only then do the old ones go. That
 * takes room on the same GPUs, since a replica keeps its GPUs over its versions, and main memory, as far as the config's
 * `nodes` tell it. Where it does not hold the group twice, a replica goes before its successor comes, one after the other.
 * With one replica that is a gap. Refused, unless the group has `allowDowntime`. `file` names the stack's config.
 */
export function planOrders(
  servers: readonly ServerPlan[],
  { gpus }: Pick<Capacity, "gpus">,
  config: Pick<PlatformConfig, "nodes">,
  file: string,
): Checked<ReadonlyMap<string, Order>> {
  const spare = spareMemory(servers, config);
  const tight = new Map(
    servers.flatMap((server) => {
      const reason = gpuShortage(gpus.get(server.name)?.devices ?? []) ?? memoryShortage(server, spare);
      return reason === undefined ? [] : [[server.name, reason] as const];
    }),
  );
  return {
    value: new Map(servers.map(({ name }) => [name, tight.has(name) ? "oldFirst" : "newFirst"])),
    problems: servers.flatMap((server) => {
      const reason = tight.get(server.name);
      return reason === undefined ? [] : gapProblems(server, reason, file);
    }),
  };
}

/** Why the GPUs of a replica do not hold two of them; undefined where they do, or where there is none. */
function gpuShortage(
  devices: readonly { readonly used: Bytes; readonly usable: Bytes }[],
): string | undefined {
  const full = devices.find(({ used, usable }) => 2 * used > usable);
  return (
    full &&
    `its GPU holds ${formatBytes(full.usable)}, and two of it would take ${formatBytes(2 * full.used)}`
  );
}

/** Undefined where the config does not tell. */
function spareMemory(
  servers: readonly ServerPlan[],
  { nodes }: Pick<PlatformConfig, "nodes">,
): Bytes | undefined {
  const { pools } = nodePools(nodes);
  if (pools.length === 0) return undefined;
  const there = pools.reduce((sum, { allocatable, size }) => sum + size * (allocatable.memory ?? 0), 0);
  return there - servers.reduce((sum, server) => sum + memoryOf(server), 0);
}

function memoryShortage(server: ServerPlan, spare: Bytes | undefined): string | undefined {
  const needed = memoryOf(server);
  return spare === undefined || needed <= spare
    ? undefined
    : `\`nodes\` has ${formatBytes(Math.max(0, spare))} of memory left, and as many replicas again would take ${formatBytes(needed)}`;
}

function memoryOf({ requests, replicas }: ServerPlan): Bytes {
  return replicas * (requests.memory ?? 0);
}

function gapProblems(
  { name, replicas, config, timing }: ServerPlan,
  reason: string,
  file: string,
): Problem[] {
  if (replicas > 1 || config.allowDowntime) return [];
  return [
    {
      file,
      path: `triton-platform:servers.${name}.allowDowntime`,
      message: `\`${name}\` has one replica and no room for a second beside it (${reason}): it cannot roll without a gap`,
      hint: `give it two replicas, each with its GPUs, or write \`allowDowntime: true\`; the server is then away while it rolls, for up to ${String(timing.drain + timing.startup)} s`,
    },
  ];
}
