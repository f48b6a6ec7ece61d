import { present } from "../objects.ts";
import type { ServerPlan } from "../platform.ts";
import type { MonitoringConfig } from "../spec/monitoring.ts";
import { compare } from "../spec/artifacts.ts";
import {
  availabilitySource,
  isProxy,
  latencySource,
  type AvailabilitySource,
  type LatencySource,
} from "./objectives.ts";

/** What is watched: the platform as rules and dashboards need to know it. */
export interface MonitoredPlatform {
  /** Sorted by name. */
  readonly models: readonly MonitoredModel[];
  readonly servers: readonly MonitoredServer[];
  readonly config: MonitoringConfig;
  readonly target: MonitoredTarget;
}

/** What differs from one target to the other. */
export interface MonitoredTarget {
  /**
   * Labels that all series of this platform have, and no series of another that the same Prometheus watches: on a
   * cluster its namespace.
   */
  readonly scope: Readonly<Record<string, string>>;
  /** Seconds between two scrapes. */
  readonly scrapeInterval: number;
  /** Who measures GPUs. */
  readonly gpu: "dcgm" | "triton" | "none";
  /** Whether there are pods, and kube-state-metrics that counts them. */
  readonly kubernetes: boolean;
}

export interface MonitoredModel {
  readonly name: string;
  readonly server: string;
  /** Share of calls that must get an answer, and who counts them. */
  readonly availability?: { readonly target: number; readonly source: AvailabilitySource };
  /** Seconds in which 99 of 100 answers must come, and who times them. */
  readonly latency?: { readonly seconds: number; readonly source: LatencySource };
  /** Whether it is an LLM proxy, which has metrics of its own. */
  readonly isProxy: boolean;
  /** Mean seconds in the queue from which on somebody is told. */
  readonly queueLimit: number;
}

export interface MonitoredServer {
  readonly name: string;
  /** Seconds that a start may take. */
  readonly startup: number;
  /** Whether it may have no replica at all without anything being wrong. */
  readonly sleeps: boolean;
}

/** Of 100 calls this many may be slower than a latency objective says: it is one of the 99th percentile. */
export const latencyBudget = 0.01;

export function monitoredPlatform(
  servers: readonly Pick<ServerPlan, "name" | "models" | "timing" | "config">[],
  config: MonitoringConfig,
  target: MonitoredTarget,
): MonitoredPlatform {
  const models = servers.flatMap(({ name: server, models: served }) =>
    served.map(({ spec }): MonitoredModel => {
      const { availability, latencyP99 } = spec.objectives;
      const counted = availabilitySource(spec);
      const timed = latencySource(spec);
      return {
        name: spec.name,
        server,
        isProxy: isProxy(spec),
        queueLimit: (latencyP99 === undefined ? config.thresholds.queueTime : latencyP99 / 2) / 1e6,
        ...present({
          availability:
            availability === undefined || counted === undefined
              ? undefined
              : { target: availability, source: counted },
          latency:
            latencyP99 === undefined || timed === undefined
              ? undefined
              : { seconds: latencyP99 / 1e6, source: timed },
        }),
      };
    }),
  );
  return {
    models: models.sort((a, b) => compare(a.name, b.name)),
    servers: servers.map(({ name, timing, config: { autoscaling } }) => ({
      name,
      startup: timing.startup,
      sleeps: autoscaling?.minReplicas === 0,
    })),
    config,
    target,
  };
}
