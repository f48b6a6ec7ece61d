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
  | { readonly verdict: "impossible"; readonly proof: PackingProof; readonly problem: PackingProblem }
  | { readonly verdict: "undecided" };

/** The subject is the group that cannot be placed; undefined where several cannot be placed together. */
export type PackingProblem = Omit<CapacityProblem, "path">;

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
  if (now.verdict === "fits") return { ...now, scalesOut: false };
  const last = pools.every(({ size, max }) => max <= size) ? now : pack(groups, pools, mostNodes, steps);
  switch (last.verdict) {
    case "fits":
      return { ...last, scalesOut: true };
    case "impossible":
      return { ...last, problem: explain(last.proof, groups, pools, steps) };
    case "undecided":
      return last;
  }
}

/**
 * The least number of nodes of one of the pools with which all pods fit, the others at their maximum. Where the search
 * runs out of steps on fewer nodes, more than the least. Undefined where no number was found to do.
 */
export function minimumNodes(
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
  pool: NodePool,
  steps = defaultSteps,
): number | undefined {
  const fits = (nodes: number): boolean =>
    pack(groups, pools, (each) => (each === pool ? nodes : mostNodes(each)), steps).verdict === "fits";
  // With a node for every pod there is room for all that may run there.
  let enough = groups.reduce((sum, group) => sum + (mostOn(group, pool) > 0 ? group.replicas : 0), 0);
  if (!fits(enough)) return undefined;
  let less = -1;
  while (enough - less > 1) {
    const middle = Math.floor((less + enough) / 2);
    if (fits(middle)) enough = middle;
    else less = middle;
  }
  return enough;
}

function mostNodes({ size, max }: NodePool): number {
  return Math.max(size, max);
}

type NodesOf = (pool: NodePool) => number;

/** For so many nodes of each pool. */
type Placed =
  | { readonly verdict: "fits"; readonly nodes: readonly PackedNode[] }
  | { readonly verdict: "impossible"; readonly proof: PackingProof }
  | { readonly verdict: "undecided" };

function pack(
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
  nodesOf: NodesOf,
  steps: number,
): Placed {
  const proof = podProof(groups, pools, nodesOf) ?? sumProof(groups, pools, nodesOf);
  const found = proof === undefined ? searchPacking(groups, pools, nodesOf, steps) : undefined;
  if (found === "undecided") return { verdict: "undecided" };
  if (found === undefined) return { verdict: "impossible", proof: proof ?? { by: "exhausted" } };
  return { verdict: "fits", nodes: packedNodes(found, groups) };
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

function explain(
  proof: PackingProof,
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
  steps: number,
): PackingProblem {
  const nodes = nodesText(pools);
  const nodesFor = (pod: string): string => {
    const group = groups.find(({ name }) => name === pod);
    return nodesText(pools.filter((pool) => group !== undefined && mayRunOn(group, pool)));
  };
  switch (proof.by) {
    case "resource": {
      const { pod, resource, largest } = proof;
      const asked = groups.find(({ name }) => name === pod)?.requests[resource] ?? 0;
      return {
        subject: pod,
        message: `a replica of \`${pod}\` asks for ${amountText(resource, asked)} of ${resource}, and no node for it (${nodesFor(pod)}) has more than ${amountText(resource, largest)} for pods`,
        hint: "ask for less, or take larger nodes",
      };
    }
    case "pools":
      return {
        subject: proof.pod,
        message: `no node for \`${proof.pod}\` (${nodesFor(proof.pod)}) has all that a replica asks for`,
        hint: "give it a pool of nodes that have all of it",
      };
    case "count": {
      const replicas = groups.find(({ name }) => name === proof.pod)?.replicas ?? 0;
      return {
        subject: proof.pod,
        message: `\`${proof.pod}\` has ${String(replicas)} replicas, and the nodes for it (${nodesFor(proof.pod)}) have room for ${String(proof.most)}, even without others`,
        hint: `${moreNodes(groups, pools, steps)}, take larger ones, or run fewer replicas`,
      };
    }
    case "total":
      return {
        message: `${namesText(proof.pods)} together ask for ${amountText(proof.resource, proof.demand)} of ${proof.resource}, and the nodes for them (of ${nodes}) have ${amountText(proof.resource, proof.capacity)}`,
        hint: `${moreNodes(groups, pools, steps)}, or run fewer replicas`,
      };
    case "nodes":
      return {
        message: `${namesText(proof.pods)} together need ${String(proof.least)} nodes for their ${proof.resource}, since they do not divide a node, and there are fewer for them (of ${nodes})`,
        hint: `${moreNodes(groups, pools, steps)}, make the requests divide the nodes better, or run fewer replicas`,
      };
    case "exhausted":
      return {
        message: `the pods fit on ${nodes} in no way (all were tried), although the sum of what they ask for would`,
        hint: `${moreNodes(groups, pools, steps)}, or make the requests divide the nodes better`,
      };
  }
}

/** With the number for the first pool that can make up for what is wanting. */
function moreNodes(groups: readonly PodGroup[], pools: readonly NodePool[], steps: number): string {
  for (const pool of pools) {
    const nodes = minimumNodes(groups, pools, pool, Math.ceil(steps / 10));
    if (nodes !== undefined) {
      return `allow more nodes (${String(nodes)} of pool \`${pool.name}\` would do)`;
    }
  }
  return "allow more nodes";
}

function nodesText(pools: readonly NodePool[]): string {
  return pools.length === 0
    ? "none"
    : pools.map((pool) => `${String(mostNodes(pool))} × ${pool.name}`).join(", ");
}

function namesText(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(", ");
}

/** An amount for people: `95.69 cores`, `14.1 GiB`, `8`. */
function amountText(resource: string, amount: number): string {
  if (resource === "cpu") return `${String(amount / 1000)} cores`;
  return resource === "memory" || resource === "ephemeral-storage" ? formatBytes(amount) : String(amount);
}
