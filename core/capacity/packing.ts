import { formatBytes } from "../spec/units.ts";
import { capacityOf, demandOf, isExceeded, packingBounds } from "./packing-bounds.ts";
import { searchPacking, type FilledNodes } from "./packing-search.ts";
import type { CapacityProblem } from "./problem.ts";
import {
  freeOnNode,
  mayRunOn,
  mostThatFit,
  requestedResources,
  type NodePool,
  type PodGroup,
  type Resources,
} from "./resources.ts";

export interface PackedNode {
  readonly pool: string;
  /** From 0, in its pool. */
  readonly index: number;
  /** Number of pods of each group that has some here. */
  readonly pods: Readonly<Record<string, number>>;
  /** Pods and DaemonSets. */
  readonly used: Resources;
  readonly allocatable: Resources;
}

/**
 * `fits`: `nodes` are those with pods; `scalesOut` where the pools' sizes do not do and their maxima are needed.
 * `impossible`: proved, even with all pools at their maximum. `undecided`: the search ran out of steps.
 */
export type Packing =
  | { readonly verdict: "fits"; readonly nodes: readonly PackedNode[]; readonly scalesOut: boolean }
  | { readonly verdict: "impossible"; readonly proof: PackingProof; readonly problem: CapacityProblem }
  | { readonly verdict: "undecided" };

export type PackingProof =
  /** No node that the pod may run on has as much of the resource; `largest` is the most there is. */
  | { readonly by: "resource"; readonly pod: string; readonly resource: string; readonly largest: number }
  /** There is no node that the pod may run on, or each lacks another resource. */
  | { readonly by: "pools"; readonly pod: string }
  /** The nodes have room for no more of these pods, even were they alone. */
  | { readonly by: "count"; readonly pod: string; readonly most: number }
  /** These pods ask for more of the resource than all nodes that they may run on have. */
  | {
      readonly by: "total";
      readonly pods: readonly string[];
      readonly resource: string;
      readonly demand: number;
      readonly capacity: number;
    }
  /** These pods fill so many nodes with this resource alone, since they do not divide a node. */
  | {
      readonly by: "nodes";
      readonly pods: readonly string[];
      readonly resource: string;
      readonly least: number;
    }
  /** All ways were tried. */
  | { readonly by: "exhausted" };

/** Well under a second. */
const defaultSteps = 100_000;

/**
 * Pods on nodes so that no node gives more of any resource than it has: vector bin packing, exact within the steps of
 * its search. Pools are filled in their order, each to its `size` and, only where that does not do, to its `max`.
 */
export function packPods(
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
  steps = defaultSteps,
): Packing {
  const now = pack(groups, pools, (pool) => pool.size, steps);
  if (now.verdict === "fits" || pools.every(({ size, max }) => max <= size)) return now;
  const grown = pack(groups, pools, (pool) => Math.max(pool.size, pool.max), steps);
  return grown.verdict === "fits" ? { ...grown, scalesOut: true } : grown;
}

/**
 * The least number of nodes of one pool's shape that holds the pods; its size and maximum do not matter. `exact` is
 * false where the search ran out of steps on a smaller number. Undefined where some pod fits on no such node.
 */
export function minimumNodes(
  groups: readonly PodGroup[],
  pool: NodePool,
  steps = defaultSteps,
): { readonly nodes: number; readonly exact: boolean } | undefined {
  const wanted = groups.filter(({ replicas }) => replicas > 0);
  if (wanted.some((group) => mostOn(group, pool) === 0)) return undefined;
  // With a node for every pod there is room for sure; far fewer do.
  const enough = wanted.reduce((sum, { replicas }) => sum + replicas, 0);
  let exact = true;
  let budget = steps;
  for (let nodes = leastNodes(wanted, pool); nodes < enough; nodes++) {
    const { verdict } = pack(wanted, [pool], () => nodes, budget);
    if (verdict === "fits") return { nodes, exact };
    if (verdict === "undecided") {
      exact = false;
      // A placement is found in few steps once there is room enough.
      budget = Math.ceil(budget / 2);
    }
  }
  return { nodes: enough, exact };
}

/** A lower bound: no group needs fewer nodes alone, and all together no fewer than they are worth. */
function leastNodes(groups: readonly PodGroup[], pool: NodePool): number {
  const replicas = groups.map((group) => group.replicas);
  return Math.max(
    0,
    ...groups.map((group) => Math.ceil(group.replicas / mostOn(group, pool))),
    ...packingBounds(groups, [pool]).map((bound) => {
      const capacity = capacityOf(bound, () => 1);
      return capacity === 0 ? 0 : roundUp(demandOf(bound, replicas) / capacity);
    }),
  );
}

type NodesOf = (pool: NodePool) => number;

function pack(
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
  nodesOf: NodesOf,
  steps: number,
): Packing {
  const proof = podProof(groups, pools, nodesOf) ?? sumProof(groups, pools, nodesOf);
  const found = proof === undefined ? searchPacking(groups, pools, nodesOf, steps) : undefined;
  if (found === "undecided") return { verdict: "undecided" };
  if (found === undefined) return impossible(proof ?? { by: "exhausted" }, groups, pools, nodesOf);
  return { verdict: "fits", nodes: packedNodes(found, groups), scalesOut: false };
}

/** A group that cannot be placed even alone. */
function podProof(
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
  nodesOf: NodesOf,
): PackingProof | undefined {
  for (const group of groups.filter(({ replicas }) => replicas > 0)) {
    const own = pools.filter((pool) => mayRunOn(group, pool) && nodesOf(pool) > 0);
    const most = own.reduce((sum, pool) => sum + nodesOf(pool) * mostOn(group, pool), 0);
    if (most >= group.replicas) continue;
    if (most > 0) return { by: "count", pod: group.name, most };
    const lacking = requestedResources([group])
      .map((resource) => ({
        resource,
        largest: Math.max(0, ...own.map((pool) => freeOnNode(pool, resource))),
      }))
      .find(({ resource, largest }) => largest < (group.requests[resource] ?? 0));
    return lacking === undefined || own.length === 0
      ? { by: "pools", pod: group.name }
      : { by: "resource", pod: group.name, ...lacking };
  }
  return undefined;
}

/** Groups that are too much together. */
function sumProof(
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
  nodesOf: NodesOf,
): PackingProof | undefined {
  const replicas = groups.map((group) => group.replicas);
  const bound = packingBounds(groups, pools).find((each) => isExceeded(each, replicas, nodesOf));
  if (bound === undefined) return undefined;
  const { resource } = bound;
  const pods = bound.groups
    .filter((group) => group.replicas > 0 && (group.requests[resource] ?? 0) > 0)
    .map(({ name }) => name);
  const demand = demandOf(bound, replicas);
  return bound.by === "total"
    ? { by: "total", pods, resource, demand, capacity: capacityOf(bound, nodesOf) }
    : { by: "nodes", pods, resource, least: roundUp(demand) };
}

/** Shares of nodes, less the error of their last digits. */
function roundUp(shares: number): number {
  return Math.ceil(shares - 1e-6);
}

function mostOn(group: PodGroup, pool: NodePool): number {
  return mayRunOn(group, pool) ? mostThatFit(group.requests, (resource) => freeOnNode(pool, resource)) : 0;
}

function packedNodes(filled: readonly FilledNodes[], groups: readonly PodGroup[]): readonly PackedNode[] {
  const numbers = new Map<NodePool, number>();
  return filled
    .filter(({ pods }) => pods.some((count) => count > 0))
    .flatMap(({ pool, nodes, pods }) => {
      const first = numbers.get(pool) ?? 0;
      numbers.set(pool, first + nodes);
      const node = {
        pool: pool.name,
        pods: Object.fromEntries(
          groups.flatMap(({ name }, i) => ((pods[i] ?? 0) > 0 ? [[name, pods[i] ?? 0] as const] : [])),
        ),
        used: usedOn(pool, groups, pods),
        allocatable: pool.allocatable,
      };
      return Array.from({ length: nodes }, (_, i) => ({ ...node, index: first + i }));
    });
}

function usedOn(pool: NodePool, groups: readonly PodGroup[], pods: readonly number[]): Resources {
  const used: Record<string, number> = { ...pool.daemonSets };
  groups.forEach(({ requests }, i) => {
    for (const [resource, amount] of Object.entries(requests)) {
      if ((pods[i] ?? 0) > 0) used[resource] = (used[resource] ?? 0) + (pods[i] ?? 0) * amount;
    }
  });
  return used;
}

function impossible(
  proof: PackingProof,
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
  nodesOf: NodesOf,
): Packing {
  const nodes = pools.map((pool) => `${String(nodesOf(pool))} × ${pool.name}`).join(", ");
  return { verdict: "impossible", proof, problem: explain(proof, groups, nodes) };
}

function explain(proof: PackingProof, groups: readonly PodGroup[], nodes: string): CapacityProblem {
  switch (proof.by) {
    case "resource": {
      const { pod, resource, largest } = proof;
      const asked = groups.find(({ name }) => name === pod)?.requests[resource] ?? 0;
      return {
        subject: pod,
        path: resource,
        message: `a pod asks for ${amountText(resource, asked)} of ${resource}, and no node it may run on (${nodes}) has more than ${amountText(resource, largest)} for pods`,
        hint: "ask for less, or take larger nodes",
      };
    }
    case "pools":
      return {
        subject: proof.pod,
        path: "",
        message: `no node it may run on (of ${nodes}) has all that a pod asks for`,
        hint: "give it a pool of nodes that have all of it",
      };
    case "count": {
      const replicas = groups.find(({ name }) => name === proof.pod)?.replicas ?? 0;
      return {
        subject: proof.pod,
        path: "replicas",
        message: `${String(replicas)} replicas, and the nodes it may run on (of ${nodes}) have room for ${String(proof.most)}, even without other pods`,
        hint: "allow more nodes, take larger ones, or run fewer replicas",
      };
    }
    case "total":
      return {
        path: proof.resource,
        message: `${proof.pods.join(", ")} together ask for ${amountText(proof.resource, proof.demand)} of ${proof.resource}, and the nodes they may run on (of ${nodes}) have ${amountText(proof.resource, proof.capacity)}`,
        hint: "allow more nodes, or run fewer replicas",
      };
    case "nodes":
      return {
        path: proof.resource,
        message: `${proof.pods.join(", ")} together need ${String(proof.least)} nodes for their ${proof.resource}, since they do not divide a node, and may run on fewer (of ${nodes})`,
        hint: "allow more nodes, make the requests divide the nodes better, or run fewer replicas",
      };
    case "exhausted":
      return {
        path: "",
        message: `the pods fit on ${nodes} in no way (all were tried), although the sum of what they ask for would`,
        hint: "allow one node more, or make the requests divide the nodes better",
      };
  }
}

/** An amount for people: `95.69 cores`, `14.1 GiB`, `8`. */
function amountText(resource: string, amount: number): string {
  if (resource === "cpu") return `${String(amount / 1000)} cores`;
  return resource === "memory" || resource === "ephemeral-storage" ? formatBytes(amount) : String(amount);
}
