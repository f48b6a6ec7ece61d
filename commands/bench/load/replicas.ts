/** One tritonserver of a group, asked past the balancer. */
export interface Replica {
  /** Another one after it, or the same one after a new start, has another. */
  readonly name: string;
  /** The body of what one of its ports answers; throws where that is no success. */
  readonly get: (port: "http" | "metrics", path: string) => Promise<string>;
}

/** Replicas of server groups that take calls: always all of a group, and none where they cannot all be asked. */
export interface Replicas {
  /** As they were found last. */
  readonly of: (server: string) => readonly Replica[];
  /** Looks again, since they come and go. */
  readonly find: (server: string) => Promise<readonly Replica[]>;
}

/** Replicas that stay as they are. */
export function fixedReplicas(groups: ReadonlyMap<string, readonly Replica[]>): Replicas {
  const of = (server: string): readonly Replica[] => groups.get(server) ?? [];
  return { of, find: (server) => Promise.resolve(of(server)) };
}

export const noReplicas = fixedReplicas(new Map());

/** Of the port `metrics`. */
export const metricsPath = "/metrics";
