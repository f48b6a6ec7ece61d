import { isExceeded, packingBounds } from "./packing-bounds.ts";
import { freeOnNode, mayRunOn, mostThatFit, type NodePool, type PodGroup } from "./resources.ts";

/** Nodes of a pool that are filled alike, with so many pods of each group, in the groups' order. */
export interface FilledNodes {
  readonly pool: NodePool;
  readonly nodes: number;
  readonly pods: readonly number[];
}

/**
 * Fills node after node, pool after pool, until all pods are placed; undefined where that is impossible, "undecided"
 * where the steps ran out first.
 *
 * Alike are: the pods of a group (only their number counts), the nodes of a pool (several are filled the same way at
 * once), and states with the same pods and nodes left (which fail once). A node is always filled until no further pod
 * fits: whatever fits at all fits so too, since pods of later nodes can be moved forward.
 */
export function searchPacking(
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
  nodesOf: (pool: NodePool) => number,
  steps: number,
): readonly FilledNodes[] | undefined | "undecided" {
  const budget = { left: steps };
  const bounds = packingBounds(groups, pools);
  const failed = new Set<string>();
  const filled: FilledNodes[] = [];

  const place = (at: number, nodes: number, left: readonly number[]): boolean => {
    const pool = pools[at];
    if (left.every((pods) => pods === 0)) return true;
    if (pool === undefined) return false;
    if (nodes === 0) return place(at + 1, startOf(at + 1), left);
    const state = `${String(at)}:${String(nodes)}:${left.join()}`;
    const nodesLeft = (other: NodePool): number => {
      const i = pools.indexOf(other);
      return i < at ? 0 : i === at ? nodes : nodesOf(other);
    };
    if (--budget.left < 0 || failed.has(state)) return false;
    if (bounds.some((bound) => isExceeded(bound, left, nodesLeft))) return false;
    for (const pods of fillings(pool, groups, left, budget)) {
      // Of as many nodes alike as there can be, down to one.
      for (let alike = mostAlike(nodes, left, pods); alike > 0 && budget.left >= 0; alike--) {
        const rest = left.map((count, i) => count - alike * (pods[i] ?? 0));
        filled.push({ pool, nodes: alike, pods });
        if (place(at, nodes - alike, rest)) return true;
        filled.pop();
        if (pods.every((count) => count === 0)) break;
      }
      if (budget.left < 0) return false;
    }
    failed.add(state);
    return false;
  };
  const startOf = (at: number): number => {
    const pool = pools[at];
    return pool === undefined ? 0 : nodesOf(pool);
  };

  if (
    place(
      0,
      startOf(0),
      groups.map(({ replicas }) => replicas),
    )
  )
    return filled;
  return budget.left < 0 ? "undecided" : undefined;
}

/** All ways to fill one node to the full, those with many large pods first. Each try is a step of the budget. */
function* fillings(
  pool: NodePool,
  groups: readonly PodGroup[],
  left: readonly number[],
  budget: { left: number },
): Generator<readonly number[]> {
  const order = groups
    .map((group, i) => ({ group, i }))
    .filter(({ group, i }) => (left[i] ?? 0) > 0 && mayRunOn(group, pool))
    .map(({ group, i }) => ({
      group,
      i,
      alone: mostThatFit(group.requests, (name) => freeOnNode(pool, name)),
    }))
    .sort((a, b) => a.alone - b.alone || a.i - b.i);
  const pods = groups.map(() => 0);
  const room = ({ requests }: PodGroup): number =>
    mostThatFit(
      requests,
      (resource) =>
        freeOnNode(pool, resource) -
        groups.reduce((sum, group, i) => sum + (pods[i] ?? 0) * (group.requests[resource] ?? 0), 0),
    );
  function* choose(k: number): Generator<readonly number[]> {
    if (--budget.left < 0) return;
    const next = order[k];
    if (next === undefined) {
      const full = order.every(({ group, i }) => pods[i] === left[i] || room(group) === 0);
      if (full) yield [...pods];
      return;
    }
    const most = Math.min(left[next.i] ?? 0, room(next.group));
    // Less of the last group than fits would not fill the node.
    const least = k === order.length - 1 ? most : 0;
    for (let count = most; count >= least && budget.left >= 0; count--) {
      pods[next.i] = count;
      yield* choose(k + 1);
    }
    pods[next.i] = 0;
  }
  yield* choose(0);
}

function mostAlike(nodes: number, left: readonly number[], pods: readonly number[]): number {
  return Math.min(
    nodes,
    ...pods.flatMap((count, i) => (count === 0 ? [] : [Math.floor((left[i] ?? 0) / count)])),
  );
}
