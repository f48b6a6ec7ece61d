import type { BalancerConfig } from "../spec/kubernetes.ts";

/** What a balancer's config comes to in haproxy.cfg, wherever it runs. */

/** A thread for each core. */
export function threads({ cpu }: Pick<BalancerConfig, "cpu">): number {
  return Math.max(1, Math.ceil(cpu));
}

/**
 * A connection with a call under way takes two buffers of 32 KiB, and some 40 KiB for TLS. More than 20000 would need
 * more open files than containers commonly have (65536, two for a call).
 */
export function maxConnections({ memory }: Pick<BalancerConfig, "memory">): number {
  return Math.min(20_000, Math.max(100, Math.floor(memory / (128 * 1024))));
}

/**
 * Room for a group's replicas: twice as many, since a rollout has more than usual and old addresses may linger in a DNS
 * cache, and by powers of two from 16 on, so that other replicas are seldom another file, which would roll the balancer.
 */
export function slots(replicas: number): number {
  return Math.max(16, 2 ** Math.ceil(Math.log2(2 * replicas)));
}

/** Lines of a key's sha256 and its caller; undefined where the config names no key. */
export function apiKeysMap({ apiKeys }: Pick<BalancerConfig, "apiKeys">): string | undefined {
  return apiKeys
    ?.map(({ sha256: key, caller }) => `${key} ${caller}\n`)
    .sort()
    .join("");
}
