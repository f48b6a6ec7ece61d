/** What runs, for people and programs: a stack's outputs, under the same names whatever its target. */
export interface PlatformDescription {
  readonly endpoints: Endpoints;
  readonly servers: readonly ServerDescription[];
}

/** Where clients call, and where people look. */
export interface Endpoints {
  /** URL of KServe v2 over HTTP, through the balancer. Where it is https, gRPC is under TLS too. */
  readonly http: string;
  /** `host:port` of gRPC through the balancer; the server group is chosen by the metadata `x-triton-server`. */
  readonly grpc: string;
  /** URL of the balancer's Prometheus metrics. */
  readonly metrics?: string;
  /** URL of the Prometheus that scrapes every replica. */
  readonly prometheus?: string;
  /** URL of Grafana. */
  readonly grafana?: string;
}

/** A server group as it serves. */
export interface ServerDescription {
  readonly name: string;
  /** `host:port` of the balancer that leads to this group alone, where there is one. */
  readonly grpc?: string;
  /** Of the model repository that its replicas read. */
  readonly repositoryHash: string;
  /** Left out where they come and go. */
  readonly replicas?: readonly ReplicaDescription[];
  readonly models: readonly { readonly name: string; readonly versions: readonly number[] }[];
}

export interface ReplicaDescription {
  /** As in `gpu-0`: also the label `replica` of its metrics in Prometheus. */
  readonly name: string;
  /** URL of the replica itself, past the balancer, where it has one. */
  readonly http?: string;
}
