/**
 * Amounts by resource, in whole numbers: `cpu` in thousandths of a core, `memory` and `ephemeral-storage` in bytes,
 * `pods`, and extended resources (`nvidia.com/gpu`, `nvidia.com/mig-…`) by count. What is left out is 0.
 */
export type Resources = Readonly<Record<string, number>>;

/** Pods that are all alike. */
export interface PodGroup {
  readonly name: string;
  readonly replicas: number;
  /** See `podRequests`. */
  readonly requests: Resources;
  /** Pools that its selectors and tolerations let it run on; default all. */
  readonly pools?: readonly string[];
}

/** Nodes that are all alike. */
export interface NodePool {
  readonly name: string;
  /** Of one node. */
  readonly allocatable: Resources;
  /** What the pods of DaemonSets take on every node. */
  readonly daemonSets?: Resources;
  /** Nodes without autoscaling, or at its start. */
  readonly size: number;
  /** Nodes that autoscaling may reach; at least `size`. */
  readonly max: number;
}

/**
 * What a pod asks the scheduler for. A memory-backed `emptyDir` (`/dev/shm`) is charged to the memory of the pod that
 * fills it, while the scheduler looks at requests only: so it has to be part of them, as it is here.
 */
export function podRequests(pod: {
  /** Thousandths of a core. */
  readonly cpu: number;
  /** Bytes, without shared memory. */
  readonly memory: number;
  /** Bytes of memory-backed volumes. */
  readonly shm: number;
  /** Bytes of writable layers, logs and disk-backed `emptyDir`s. */
  readonly disk: number;
  /** Extended resources. */
  readonly devices?: Resources;
}): Resources {
  return {
    cpu: pod.cpu,
    memory: pod.memory + pod.shm,
    "ephemeral-storage": pod.disk,
    pods: 1,
    ...pod.devices,
  };
}

/** What a node of the pool has for pods, besides DaemonSets. */
export function freeOnNode(pool: NodePool, resource: string): number {
  return (pool.allocatable[resource] ?? 0) - (pool.daemonSets?.[resource] ?? 0);
}

/** How many pods with these requests there is room for; Infinity for pods that ask for nothing. */
export function mostThatFit(requests: Resources, free: (resource: string) => number): number {
  return Math.min(
    ...Object.entries(requests)
      .filter(([, amount]) => amount > 0)
      .map(([resource, amount]) => Math.max(0, Math.floor(free(resource) / amount))),
  );
}

/** Whether a group's pods may run on the pool. */
export function mayRunOn(group: PodGroup, pool: NodePool): boolean {
  return group.pools?.includes(pool.name) ?? true;
}

/** What is asked for by any group, sorted. */
export function requestedResources(groups: readonly PodGroup[]): readonly string[] {
  return [...new Set(groups.flatMap(({ requests }) => Object.keys(requests)))].sort();
}
