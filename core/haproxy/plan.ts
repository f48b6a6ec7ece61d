import type { ServerPlan } from "../platform.ts";
import type { Bytes, Microseconds } from "../spec/units.ts";

/** What the balancer in front of the Tritons is to be. */
export interface BalancerPlan {
  /** Address the balancer listens on. */
  readonly address: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
  /** Unix socket for draining and status. */
  readonly adminSocket: string;
  readonly servers: readonly BalancedGroup[];
  /** What a balancer in a cluster does besides; that of this machine serves whoever reaches it. */
  readonly cluster?: ClusterOptions;
}

/** One server group as the balancer sees it. */
export interface BalancedGroup {
  readonly plan: ServerPlan;
  /** A gRPC port that leads to this group alone. */
  readonly grpcPort?: number;
  readonly replicas: readonly Replica[] | Discovery;
}

/** A server group of the local target: its replicas are known beforehand. */
export interface BalancedServer extends BalancedGroup {
  readonly grpcPort: number;
  readonly replicas: readonly Replica[];
}

/** One Triton process or pod. */
export interface Replica {
  readonly name: string;
  readonly host: string;
  readonly httpPort: number;
  readonly grpcPort: number;
}

/** Replicas that DNS knows. */
export interface Discovery {
  /** The full name that has an address for each replica: search domains are not looked at. */
  readonly hostname: string;
  /** Room for this many replicas; what is beyond gets no calls. */
  readonly slots: number;
  readonly httpPort: number;
  readonly grpcPort: number;
  /**
   * Whether a process that starts asks for addresses before it takes calls: one that is reloaded knows a server then. Where
   * DNS may not answer yet, as in a pod that has just started, that would hold the start up.
   */
  readonly askFirst?: boolean;
}

export interface ClusterOptions {
  /** Port of the pod's probes, `/live` and `/ready`. */
  readonly healthPort: number;
  readonly threads: number;
  /** Port of the runtime API on the loopback address, for who has no way to its socket. Default: none. */
  readonly adminPort?: number;
  /** Clients' connections at a time. */
  readonly maxConnections: number;
  /** Seconds in which a started balancer has found its servers. */
  readonly discovery: number;
  /** Where balancer.lua lies. */
  readonly script: string;
  /** Once this file is there, the balancer says that it is going. */
  readonly drainFile: string;
  readonly tls?: {
    /** A PEM file `<name>.crt`; the key is in `<name>.key` beside it. */
    readonly certificate: string;
    /** PEM file of the authorities of clients' certificates; the CN of their subjects is the caller. */
    readonly clientAuthorities?: string;
  };
  readonly apiKeys?: {
    /** Lines of sha256 and caller; read again when it changes. */
    readonly file: string;
    /** An empty file, by whose name HAProxy keeps them in memory. */
    readonly map: string;
  };
  readonly rateLimits: {
    /** Of each caller without a limit of its own; none where left out. */
    readonly everyone?: RateLimit;
    /** By caller. */
    readonly callers: Readonly<Record<string, RateLimit>>;
  };
  readonly maxBodySize: Bytes;
  /** Whether clients' connections begin with the PROXY protocol's header. */
  readonly proxyProtocol: boolean;
}

/** What this one balancer lets through: where there are several, the share of one. */
export interface RateLimit {
  readonly requests: number;
  readonly period: Microseconds;
}
