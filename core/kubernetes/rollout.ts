import type { IRollingUpdateDeployment } from "kubernetes-models/apps/v1";
import { mostReplicas, podGroup } from "../capacity/check.ts";
import { nodePools } from "../capacity/node-pools.ts";
import { packPods } from "../capacity/packing.ts";
import type { ServerPlan } from "../platform.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import type { Checked, Problem } from "../spec/problem.ts";

/** How a group's replicas are replaced by those of a new version. */
export interface Rollout {
  readonly server: ServerPlan;
  readonly rollingUpdate: IRollingUpdateDeployment;
}

/**
 * How each group rolls, in the order of the groups, and which groups cannot without a gap. It depends on whether the
 * config's `nodes`, at their `maxCount`, have room for one replica more than the group ever has:
 *
 * - there is room: a new replica serves before an old one goes;
 * - there is none, and several replicas: one at a time goes before its successor comes. Where an autoscaler decides how
 *   many there are, that is so at the maximum only, since below it there is room;
 * - there is none, and one replica: the group is away while it rolls. Refused, unless it has `allowDowntime`;
 * - not known (no `nodes`, or nodes on which no placement was found in time): groups without a GPU roll as if there were
 *   room, several replicas on GPUs as if there were none, which always works. One replica on a GPU rolls as if there
 *   were room, unless it has `allowDowntime`: if there is none, the new one waits, the old one serves on, and the rollout
 *   fails at its deadline. A gap that nobody asked for would be worse than that.
 *
 * Headroom pods take no room here: they give way. `file` names the stack's config.
 */
export function planRollouts(
  servers: readonly ServerPlan[],
  config: Pick<PlatformConfig, "nodes">,
  file: string,
): Checked<readonly Rollout[]> {
  const hasRoom = roomFor(servers, config);
  const decided = servers.map((server) => ({ server, room: hasRoom(server) }));
  return {
    value: decided.map(({ server, room }) => ({ server, rollingUpdate: rollingUpdate(server, room) })),
    problems: decided.flatMap(({ server, room }) => (room === false ? gapProblems(server, file) : [])),
  };
}

/** Whether there is room for one replica more; undefined where that is not known. */
type Room = boolean | undefined;

function roomFor(
  servers: readonly ServerPlan[],
  { nodes }: Pick<PlatformConfig, "nodes">,
): (server: ServerPlan) => Room {
  const { pools, problems } = nodePools(nodes);
  if (pools.length === 0 || problems.length > 0) return () => undefined;
  const pack = (rolling?: ServerPlan) =>
    packPods(
      servers.map((server) => ({
        ...podGroup(server, pools),
        replicas: mostReplicas(server.config) + (server === rolling ? 1 : 0),
      })),
      pools,
    ).verdict;
  // Where not even the replicas themselves fit, that is what the capacity check tells.
  if (pack() !== "fits") return () => undefined;
  return (server) => {
    const verdict = pack(server);
    return verdict === "undecided" ? undefined : verdict === "fits";
  };
}

function rollingUpdate({ config, devices }: ServerPlan, room: Room): IRollingUpdateDeployment {
  const most = mostReplicas(config);
  if (room ?? (devices === undefined || (most === 1 && !config.allowDowntime)))
    return { maxSurge: 1, maxUnavailable: 0 };
  if (most === 1 || config.autoscaling === undefined) return { maxSurge: 0, maxUnavailable: 1 };
  // Rounded down by the controller: one replica of the most there may be, none of fewer.
  return { maxSurge: 1, maxUnavailable: `${String(Math.ceil(100 / most))}%` };
}

function gapProblems({ name, config, timing }: ServerPlan, file: string): Problem[] {
  if (mostReplicas(config) > 1 || config.allowDowntime) return [];
  return [
    {
      file,
      path: `triton-platform:servers.${name}.allowDowntime`,
      message: `\`${name}\` has one replica and \`nodes\` no room for a second beside it: it cannot roll without a gap`,
      hint: `give a pool one node more, or write \`allowDowntime: true\`; the server is then away while it rolls, for ${String(timing.drain + timing.startup)} s or longer`,
    },
  ];
}
