import { freeOnNode, mayRunOn, requestedResources, type NodePool, type PodGroup } from "./resources.ts";

/** A sum that pods cannot exceed however they are placed: a quick proof that there is no room for them. */
export interface PackingBound {
  /** `total`: of amounts. `nodes`: of shares of a node. */
  readonly by: "total" | "nodes";
  readonly resource: string;
  /** Groups that may run on these pools only. */
  readonly groups: readonly PodGroup[];
  readonly pools: readonly NodePool[];
  /** What a pod of each group adds, in the order of all groups; 0 for those not bound to the pools. */
  readonly weights: readonly number[];
  /** What a node of each of the pools allows. */
  readonly capacities: readonly number[];
}

/**
 * For each set of pools that some group is bound to, and each resource: the groups that may run on nothing else cannot
 * ask for more than these pools have (`total`). Nor can they be worth more nodes than there are (`nodes`), where the
 * worth of a pod is its share of the largest node, rounded by a dual feasible function: however a node is filled, the
 * rounded shares of its pods add up to at most 1, so pods that do not divide a node count for what they waste.
 * Functions: u(k) of Fekete and Schepers, "New classes of fast lower bounds for bin packing problems", 2001.
 */
export function packingBounds(
  groups: readonly PodGroup[],
  pools: readonly NodePool[],
): readonly PackingBound[] {
  return poolSets(groups, pools).flatMap((own) => {
    const bound = groups.filter((group) =>
      pools.every((pool) => own.includes(pool) || !mayRunOn(group, pool)),
    );
    return requestedResources(bound).flatMap((resource) => {
      const free = own.map((pool) => Math.max(0, freeOnNode(pool, resource)));
      const largest = Math.max(0, ...free);
      const amounts = groups.map((group) => (bound.includes(group) ? (group.requests[resource] ?? 0) : 0));
      const common = { resource, groups: bound, pools: own };
      const total: PackingBound = { ...common, by: "total", weights: amounts, capacities: free };
      if (largest === 0) return [total];
      const shares = roundings.map((k): PackingBound => ({
        ...common,
        by: "nodes",
        weights: amounts.map((amount) => roundedShare(amount, largest, k)),
        capacities: own.map(() => 1),
      }));
      return [total, ...shares];
    });
  });
}

/** Whether so many pods of each group are too much for so many nodes of each pool. */
export function isExceeded(
  bound: PackingBound,
  replicas: readonly number[],
  nodesOf: (pool: NodePool) => number,
): boolean {
  // Shares are fractions in binary; what they lack in the last digits must not count.
  return demandOf(bound, replicas) > capacityOf(bound, nodesOf) + 1e-6;
}

/** What so many pods of each group add up to. */
export function demandOf({ weights }: PackingBound, replicas: readonly number[]): number {
  return weights.reduce((sum, weight, i) => sum + weight * (replicas[i] ?? 0), 0);
}

/** What so many nodes of each pool allow. */
export function capacityOf({ pools, capacities }: PackingBound, nodesOf: (pool: NodePool) => number): number {
  return pools.reduce((sum, pool, i) => sum + nodesOf(pool) * (capacities[i] ?? 0), 0);
}

/** u(k): halves, thirds … of a node. */
const roundings = [1, 2, 3, 4, 5, 6, 7, 8] as const;

function roundedShare(amount: number, largest: number, k: number): number {
  return ((k + 1) * amount) % largest === 0 ? amount / largest : Math.floor(((k + 1) * amount) / largest) / k;
}

/** The sets of pools that groups may run on, and all pools; each once. */
function poolSets(groups: readonly PodGroup[], pools: readonly NodePool[]): readonly (readonly NodePool[])[] {
  const sets = [pools, ...groups.map((group) => pools.filter((pool) => mayRunOn(group, pool)))];
  return [...new Map(sets.map((set) => [set.map(({ name }) => name).join(), set])).values()];
}
