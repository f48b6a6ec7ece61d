import type { BalancerConfig, KubernetesConfig } from "../spec/kubernetes.ts";
import type { Bytes } from "../spec/units.ts";
import type { TimingBudget } from "./budget.ts";

/** The budget's times as Kubernetes wants them. All values are whole seconds. */

/** Of the pods of one server group. */
export interface ServerTiming {
  /** Before Triton starts: the container, its mounts and, where a loader brings the repository to local disk, that. */
  readonly download: number;
  /** From Triton's start to its readiness; where Triton fetches the repository itself, that too. */
  readonly startup: number;
  /** How long balancers may still know a replica that is gone from DNS, or not know one that came. */
  readonly discovery: number;
  /** A pod that is to go serves on for this long, until no balancer sends to it any more. */
  readonly preStop: number;
  /** Triton's `--exit-timeout-secs`: as long as the longest call, which may have come last. */
  readonly exit: number;
  readonly terminationGracePeriod: number;
  /** A ready replica counts only when every balancer has found it. */
  readonly minReady: number;
  /** A rollout that gets nowhere for this long has failed. */
  readonly progressDeadline: number;
  /** The whole rollout, one replica after the other. */
  readonly rollout: number;
}

/** Of the balancer's pods. */
export interface BalancerTiming {
  /** A pod that is to go accepts calls for this long. */
  readonly preStop: number;
  /** Calls may end for this long after that; `hard-stop-after`. */
  readonly drain: number;
  readonly terminationGracePeriod: number;
  /** Time in which a started HAProxy has found and checked its servers. */
  readonly discovery: number;
  /** A ready replica counts only when what stands before the balancer sends to it. */
  readonly minReady: number;
  readonly progressDeadline: number;
  readonly rollout: number;
}

/** Scale-out to a GPU node: 4 to 7 minutes until it is ready; then the image, 15 to 20 GB, takes 4 to 6. */
const nodeStart = 8 * 60;
const imagePull = 8 * 60;
/** HAProxy asks DNS each second; a name that does not answer is asked again before servers go. */
const resolverDelay = 5;
/** HAProxy closes its idle connections to an address that left DNS; this is room to spare. */
const idleConnections = 10;
/** Starting a container, mounting, first contact with the store. */
const containerStart = 30;

export function serverTiming(
  budget: TimingBudget,
  repositoryBytes: Bytes,
  replicas: number,
  { dnsTtl, repository }: Pick<KubernetesConfig, "dnsTtl" | "repository">,
): ServerTiming {
  const transfer = Math.ceil(repositoryBytes / repository.downloadRate);
  const byTriton = repository.source === "s3" && repository.delivery === "triton";
  const download = containerStart + (byTriton ? 0 : transfer);
  const startup = budget.startup + (byTriton ? transfer : 0);
  const discovery = Math.ceil(dnsTtl / 1e6) + resolverDelay;
  const preStop = discovery + idleConnections;
  const exit = budget.drain;
  const terminationGracePeriod = preStop + exit + 10;
  const oneReplica = terminationGracePeriod + download + startup + discovery;
  const first = nodeStart + imagePull;
  return {
    download,
    startup,
    discovery,
    preStop,
    exit,
    terminationGracePeriod,
    minReady: discovery,
    progressDeadline: first + oneReplica,
    rollout: first + Math.max(1, replicas) * oneReplica,
  };
}

export function balancerTiming(
  budgets: readonly TimingBudget[],
  { deregistrationDelay, replicas }: Pick<BalancerConfig, "deregistrationDelay" | "replicas">,
): BalancerTiming {
  const preStop = Math.ceil(deregistrationDelay / 1e6);
  const drain = Math.max(...budgets.map(({ balancerClient }) => balancerClient)) + 5;
  const terminationGracePeriod = preStop + drain + 10;
  const discovery = resolverDelay;
  // Who is slow to take a target out is as slow to take one in.
  const minReady = preStop;
  const oneReplica = terminationGracePeriod + containerStart + discovery + minReady;
  return {
    preStop,
    drain,
    terminationGracePeriod,
    discovery,
    minReady,
    progressDeadline: nodeStart + imagePull + oneReplica,
    rollout: nodeStart + imagePull + replicas * oneReplica,
  };
}

/** The inequalities that all times keep; the tests hold them over all inputs. */
export function isServerTimingConsistent(timing: ServerTiming, budget: TimingBudget): boolean {
  return (
    timing.preStop > timing.discovery &&
    timing.exit > budget.call &&
    timing.terminationGracePeriod > timing.preStop + timing.exit &&
    timing.minReady >= timing.discovery &&
    timing.progressDeadline >
      timing.download + timing.startup + timing.minReady + timing.terminationGracePeriod &&
    timing.rollout >= timing.progressDeadline
  );
}

export function isBalancerTimingConsistent(
  timing: BalancerTiming,
  budgets: readonly TimingBudget[],
): boolean {
  return (
    budgets.every(({ balancerClient }) => timing.drain > balancerClient) &&
    timing.terminationGracePeriod > timing.preStop + timing.drain &&
    timing.minReady >= timing.preStop &&
    timing.progressDeadline > timing.discovery + timing.minReady + timing.terminationGracePeriod &&
    timing.rollout >= timing.progressDeadline
  );
}
