import { formatValue } from "../monitoring/report/values.ts";
import { counted, levelsOf, type Level } from "./levels.ts";
import type { Benchmark, Series } from "./result.ts";
import { upperBound } from "./statistics.ts";

/** How much load a model can be given. */

export interface Recommendation {
  /** Its place in the result. */
  readonly series: number;
  readonly model: string;
  readonly concurrency: number;
  readonly batchSize: number;
  readonly instances: number;
  readonly replicas: number;
  /** Of all replicas together. */
  readonly inferencesPerSecond: number;
  readonly p99Ms: number;
  /** What p99 is below with 95 % confidence; p99 itself where it was measured once. */
  readonly p99UpperMs: number;
  readonly objectiveMs?: number;
  /**
   * `objective`: the most throughput that keeps it. `knee`: there is no objective. `unmet`: no load keeps it, and this is the
   * knee all the same.
   */
  readonly basis: "objective" | "knee" | "unmet";
  readonly reason: string;
}

/** Failed calls, as a share, with which a load counts as too much: what an availability of 99.9 % leaves. */
export const failureLimit = 0.001;

/** The best load of one series; undefined where none was answered without failures. */
export function recommend(benchmark: Benchmark, at: number): Recommendation | undefined {
  const series = benchmark.series[at];
  if (series === undefined) return undefined;
  const candidates = levelsOf(series, benchmark).flatMap((level) => candidateOf(level));
  const objectiveMs = series.latencyP99LimitMs;
  const within =
    objectiveMs === undefined ? [] : candidates.filter(({ p99UpperMs }) => p99UpperMs <= objectiveMs);
  const basis = objectiveMs === undefined ? "knee" : within.length === 0 ? "unmet" : "objective";
  const best =
    basis === "objective"
      ? greatest(within, ({ throughput }) => throughput)
      : greatest(candidates, ({ throughput, meanMs }) => throughput / meanMs);
  if (best === undefined) return undefined;
  return {
    series: at,
    model: series.model,
    concurrency: best.level.concurrency,
    batchSize: series.batchSize,
    instances: series.instances,
    replicas: series.replicas,
    inferencesPerSecond: best.throughput,
    p99Ms: best.p99Ms,
    p99UpperMs: best.p99UpperMs,
    ...(objectiveMs === undefined ? {} : { objectiveMs }),
    basis,
    reason: reasonOf(best, candidates, series, basis),
  };
}

/**
 * The best of each model: of its series, the one that sustains most inferences on a replica under the objective, else at
 * its knee; where none keeps its objective, the one that is least beyond it. Series of a mix share their servers with
 * others and are no measure of what a model can do.
 */
export function recommendByModel(benchmark: Benchmark): readonly Recommendation[] {
  const models = new Map<string, Recommendation[]>();
  benchmark.series.forEach(({ model, mix }, at) => {
    const own = mix === undefined ? recommend(benchmark, at) : undefined;
    if (own !== undefined) models.set(model, [...(models.get(model) ?? []), own]);
  });
  return [...models.values()].flatMap((all) => {
    const kept = all.filter(({ basis }) => basis !== "unmet");
    const best =
      kept.length === 0
        ? greatest(all, (own) => -own.p99UpperMs)
        : greatest(kept, (own) => own.inferencesPerSecond / own.replicas);
    return best ?? [];
  });
}

interface Candidate {
  readonly level: Level;
  readonly throughput: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly p99UpperMs: number;
}

function candidateOf(level: Level): Candidate[] {
  const { throughput, meanMs, p99Ms, points, failed } = level;
  const p99UpperMs = upperBound(points.map(({ latency }) => latency.p99Ms));
  if (throughput === undefined || meanMs === undefined || p99Ms === undefined || p99UpperMs === undefined)
    return [];
  if (failed > failureLimit) return [];
  return [{ level, throughput: throughput.value, meanMs: meanMs.value, p99Ms: p99Ms.value, p99UpperMs }];
}

function greatest<T>(candidates: readonly T[], score: (candidate: T) => number): T | undefined {
  return candidates.reduce<T | undefined>(
    (best, candidate) => (best === undefined || score(candidate) > score(best) ? candidate : best),
    undefined,
  );
}

function reasonOf(
  { level, p99UpperMs, p99Ms, throughput }: Candidate,
  candidates: readonly Candidate[],
  { latencyP99LimitMs = 0, stopped }: Series,
  basis: Recommendation["basis"],
): string {
  const once = level.points.length === 1;
  const bound = once
    ? `p99 is ${milliseconds(p99Ms)}, measured once: repeats would say how sure that is`
    : `p99 is ${milliseconds(p99Ms)}, with 95 % confidence below ${milliseconds(p99UpperMs)} (${counted(level.points.length, "repeat")})`;
  const most = Math.max(...candidates.map((candidate) => candidate.throughput));
  const share = `${String(Math.round((throughput / most) * 100))} % of the most that was reached`;
  if (basis === "objective") {
    const isLast = candidates.every((candidate) => candidate.level.concurrency <= level.concurrency);
    const next = isLast
      ? stopped === "complete" || stopped === "interrupted"
        ? "; more callers were not tried"
        : ""
      : "; with more callers p99 goes beyond it, or throughput does not grow";
    return `the most throughput within the objective of ${milliseconds(latencyP99LimitMs)}: ${bound}${next}`;
  }
  const knee = `the knee, where throughput ÷ latency is greatest (${share}): ${bound}`;
  if (basis === "knee") return `no objective is given; this is ${knee}`;
  const least = Math.min(...candidates.map((candidate) => candidate.p99UpperMs));
  return `the objective of ${milliseconds(latencyP99LimitMs)} is not kept by any load: p99 is ${milliseconds(least)} at the least; this is ${knee}`;
}

/** `23.4 ms` */
export function milliseconds(value: number): string {
  return formatValue(value / 1000, "s");
}
