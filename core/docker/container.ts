import type { GpuId } from "../spec/docker.ts";
import type { Bytes } from "../spec/units.ts";
import type { ServiceName } from "./names.ts";

/** One container as plain data: all that `docker run` would be told. */
export interface ContainerPlan {
  /** Unique in the plan. Docker's own name has a random end, so that the next one can be there before this one goes. */
  readonly name: string;
  readonly service: ServiceName;
  readonly image: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Never a secret: `docker inspect` shows it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined for the image's own. */
  readonly user?: number;
  readonly networks: readonly { readonly network: NetworkName; readonly aliases: readonly string[] }[];
  readonly ports: readonly PublishedPort[];
  readonly mounts: readonly MountPlan[];
  /** Options by folder. */
  readonly tmpfs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Numbers or UUIDs of the host's GPUs that it has; undefined for none. */
  readonly gpus?: "all" | readonly GpuId[];
  /** Linux capabilities that it has; all others are taken from it. */
  readonly capabilities: readonly string[];
  readonly sharedMemory?: Bytes;
  readonly ulimits: Readonly<Record<string, number>>;
  readonly memory: Bytes;
  /** Cores; undefined for no limit. */
  readonly cpus?: number;
  /** Undefined for a container whose image has no way to ask. */
  readonly health?: HealthPlan;
  readonly stop: { readonly signal: string; /** Seconds until it is killed. */ readonly grace: number };
  /** What comes first where it is replaced. */
  readonly order: Order;
  /** Of a Triton: how the balancer takes it in and lets go of it. */
  readonly member?: MemberPlan;
}

export type NetworkName = "inside" | "outside";

export type VolumeName =
  | "models"
  | "holysheep"
  | "balancer"
  | "prometheus"
  | "prometheus-data"
  | "grafana"
  | "grafana-data"
  | "dcgm-exporter";

/** The new one serves before the old one goes, or the old one goes first and leaves its place to the new one. */
export type Order = "newFirst" | "oldFirst";

export interface PublishedPort {
  /** Setting of the stack's config below `triton-platform:docker`, for problems. */
  readonly setting: string;
  readonly address: string;
  /** On the host. */
  readonly external: number;
  readonly internal: number;
}

export interface MountPlan {
  readonly volume: VolumeName;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface HealthPlan {
  readonly test: readonly string[];
  /** Seconds between two tests. */
  readonly interval: number;
  /** Seconds that one may take. */
  readonly timeout: number;
  /** Failures in a row after which it is unhealthy. */
  readonly retries: number;
  /** Seconds from its start in which failures do not count. */
  readonly startPeriod: number;
}

export interface MemberPlan {
  readonly server: string;
  /** Of the same server; the next is touched only when the balancer sends calls to this one. */
  readonly after?: string;
  /** Seconds from its start in which it must be ready. */
  readonly startup: number;
  /** Seconds in which its calls may end before it is told to stop. */
  readonly drain: number;
}

/** Files in a volume that a container reads, and how it is told of a change. */
export interface FilesPlan {
  readonly volume: VolumeName;
  readonly service: ServiceName;
  /** Where the container has the volume. */
  readonly place: string;
  /** An image with a shell, and with what the files are checked by. */
  readonly image: string;
  readonly files: readonly FilePlan[];
  /** Makes the service read them again; undefined where it looks by itself. */
  readonly reloadSignal?: string;
}

export interface FilePlan {
  /** Relative to the volume. */
  readonly path: string;
  readonly content: string;
  /** A program of the image that judges the file before it takes its place, with `{}` in its place. */
  readonly check?: readonly string[];
}

/** Asks over HTTP without curl, which images lack; bash is in NVIDIA's and in Debian's. */
export function httpTest(port: number, path: string): readonly string[] {
  const ask = `exec 3<>/dev/tcp/127.0.0.1/${String(port)}; printf 'GET ${path} HTTP/1.0\\r\\n\\r\\n' >&3`;
  return ["CMD", "bash", "-c", `${ask}; read -r _ status _ <&3; test "$status" = 200`];
}
