import type { Model } from "../spec/load.ts";
import type { ModelSpec } from "../spec/model.ts";
import type { Problem } from "../spec/problem.ts";
import { formatDuration, type Microseconds } from "../spec/units.ts";

/**
 * How each promise of a model is measured, or why it cannot be. What was looked at:
 *
 * - **HAProxy** sees what clients see, but hides the model of a gRPC call in its message, and its exporter has averages
 *   over the last 1024 calls and no histogram: no latency of a model can come from it. It alone knows of calls that
 *   reached no server, of which each group's share goes into the availability of its models.
 * - **Triton** counts calls and failures by model, and gives quantiles of the last minute for each replica (summaries; a
 *   histogram of whole requests does not exist). Quantiles cannot be added up, but each says that so many of the calls
 *   were slower: see `slowShare` in recording.ts. With a response cache there is no summary of whole requests.
 * - **The LLM proxy** counts for itself. Triton is done with a request when a Python model has taken it over with a
 *   response sender: a call that failed after 2 s upstream is a success of half a millisecond to it (seen on 2.51).
 *   The same holds for decoupled models, which have no counters of their own.
 */
export type AvailabilitySource = "triton" | "llm-proxy";
export type LatencySource = "triton" | "llm-proxy";

/** Bounds of the LLM proxy's histogram in seconds: BUCKETS in models/llm-backend/1/llm_proxy/metrics.py. */
export const proxyBuckets: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120];

/** Whether the model passes its calls on to the LLM API, by the proxy that counts for itself. */
export function isProxy({ upstream }: Pick<ModelSpec, "upstream">): boolean {
  return upstream !== undefined;
}

/** Who counts a model's failures; undefined where nobody does. */
export function availabilitySource(spec: ModelSpec): AvailabilitySource | undefined {
  if (isProxy(spec)) return "llm-proxy";
  return isDecoupled(spec) ? undefined : "triton";
}

/** Who times a model's calls; undefined where nobody does. */
export function latencySource(spec: ModelSpec): LatencySource | undefined {
  if (isProxy(spec)) return "llm-proxy";
  return isDecoupled(spec) || spec.responseCache === true ? undefined : "triton";
}

/** Promises that nothing can measure. */
export function objectiveProblems(models: readonly Model[]): Problem[] {
  return models.flatMap(({ spec, file }) => {
    const report = (field: keyof ModelSpec["objectives"], message: string, hint: string): Problem => ({
      file,
      path: `objectives.${field}`,
      message,
      hint,
    });
    const { availability, latencyP99 } = spec.objectives;
    return [
      ...(availability === undefined ? [] : availabilityProblems(spec, availability, report)),
      ...(latencyP99 === undefined ? [] : latencyProblems(spec, latencyP99, report)),
    ];
  });
}

type Report = (field: "availability" | "latencyP99", message: string, hint: string) => Problem;

const decoupledReason =
  "Triton takes a decoupled request for done and well as soon as the backend has it: failures and times of the answers are in none of its metrics";

function availabilityProblems(spec: ModelSpec, availability: number, report: Report): Problem[] {
  if (availabilitySource(spec) === undefined)
    return [
      report(
        "availability",
        `cannot be measured: ${decoupledReason}`,
        "remove the objective; queue, pending requests and dead replicas are watched without it",
      ),
    ];
  return availability === 1
    ? [
        report(
          "availability",
          "100% leaves no budget for errors, and an alert could only say that one call has failed at some time",
          "write what users need, like 99.9%",
        ),
      ]
    : [];
}

function latencyProblems(spec: ModelSpec, latency: Microseconds, report: Report): Problem[] {
  if (isProxy(spec) && !proxyBuckets.includes(latency / 1e6)) {
    const bounds = proxyBuckets.map((seconds) => formatDuration(seconds * 1e6)).join(", ");
    return [
      report(
        "latencyP99",
        `${formatDuration(latency)} cannot be measured: the LLM proxy counts its answers by bounds, and this is none of them`,
        `write one of ${bounds}`,
      ),
    ];
  }
  if (latencySource(spec) !== undefined) return [];
  return spec.responseCache === true
    ? [
        report(
          "latencyP99",
          "cannot be measured: Triton gives no summary of whole requests for a model with a response cache, and no histogram for any",
          "remove `responseCache`, or the objective",
        ),
      ]
    : [
        report(
          "latencyP99",
          `cannot be measured: ${decoupledReason}`,
          "remove the objective; clients that read a stream know best when its first answer came",
        ),
      ];
}

function isDecoupled({ transactionPolicy }: ModelSpec): boolean {
  return transactionPolicy?.decoupled === true;
}
