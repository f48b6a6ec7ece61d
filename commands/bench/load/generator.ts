import type { Call } from "../../../core/benchmark/calls.ts";
import type { Bound, Protocol } from "../../../core/benchmark/load-options.ts";
import type { PlannedSeries } from "../../../core/benchmark/load-plan.ts";
import type { Benchmark } from "../../../core/benchmark/result.ts";
import type { StackEndpoint } from "../../stack/endpoint.ts";

/** A program, or a library, that calls a model over and over. */
export interface LoadGenerator extends Pick<
  Benchmark["environment"]["generator"],
  "name" | "version" | "from"
> {
  readonly protocols: readonly Protocol[];
  /** Runs one load, and returns every call that ended. Throws where no load could be made at all. */
  readonly run: (job: LoadJob) => Promise<readonly Call[]>;
}

export interface LoadJob {
  readonly series: PlannedSeries;
  readonly endpoint: StackEndpoint;
  /** Callers at a time, each of which waits for its answer. */
  readonly concurrency: number;
  readonly bound: Bound;
  readonly signal: AbortSignal;
}

/** Seconds after which a caller gives up: what the platform gives a call, and a little more, so that its own answer is seen. */
export function timeoutSeconds({ model }: PlannedSeries): number {
  return Math.ceil(model.spec.callTimeout / 1_000_000) + 5;
}

/** What tells the balancer which group is meant. */
export function routingHeaders({ model }: PlannedSeries): Readonly<Record<string, string>> {
  return { "x-triton-server": model.server };
}
