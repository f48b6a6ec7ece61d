import { quantileSorted } from "simple-statistics";
import type { Point } from "./result.ts";

/** Calls as load generators report them, and what is made of them: the same for every generator. */

/** One call that has ended. */
export interface Call {
  /** When it ended: milliseconds since 1970, with fractions. */
  readonly endedAt: number;
  readonly latencyMs: number;
  /** What it failed with, as in `Point.failures`; undefined for an answer. */
  readonly failure?: string;
}

/** From when to when calls count: milliseconds since 1970. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** What calls say of a point. */
export type MeasuredPart = Pick<Point, "durationSeconds" | "requests" | "failures" | "latency">;

/**
 * Calls that ended after the window's begin and until its end. Those that began in the warm-up count in it, those that are
 * under way at its end do not: as many come in as go out.
 */
export function measured(calls: readonly Call[], { from, to }: Window): MeasuredPart {
  const inside = calls.filter(({ endedAt }) => endedAt > from && endedAt <= to);
  const answered = inside.flatMap(({ latencyMs, failure }) => (failure === undefined ? [latencyMs] : []));
  const failures = new Map<string, number>();
  for (const { failure } of inside)
    if (failure !== undefined) failures.set(failure, (failures.get(failure) ?? 0) + 1);
  return {
    durationSeconds: Math.max(0, to - from) / 1000,
    requests: answered.length,
    failures: Object.fromEntries([...failures].sort(([a], [b]) => (a < b ? -1 : 1))),
    latency: latencyOf(answered),
  };
}

/** From the begin of the first call to the end of the last: the window of a fixed number of calls. All of them are inside. */
export function windowOf(calls: readonly Call[]): Window {
  let [from, to] = [Infinity, -Infinity];
  for (const { endedAt, latencyMs } of calls) {
    // A call that failed at once took no time, and ends after the begin all the same.
    from = Math.min(from, endedAt - Math.max(latencyMs, 0.001));
    to = Math.max(to, endedAt);
  }
  return calls.length === 0 ? { from: 0, to: 0 } : { from, to };
}

/** Zeros where nothing was answered. */
function latencyOf(milliseconds: readonly number[]): Point["latency"] {
  const sorted = [...Float64Array.from(milliseconds).sort()];
  const at = (quantile: number): number => (sorted.length === 0 ? 0 : quantileSorted(sorted, quantile));
  const sum = sorted.reduce((total, value) => total + value, 0);
  return {
    meanMs: sorted.length === 0 ? 0 : sum / sorted.length,
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    maxMs: sorted.at(-1) ?? 0,
  };
}

/** Share of calls that failed, 0 to 1. */
export function failedShare(points: readonly Pick<Point, "requests" | "failures">[]): number {
  const failed = points.flatMap(({ failures }) => Object.values(failures)).reduce((sum, n) => sum + n, 0);
  const all = points.reduce((sum, { requests }) => sum + requests, failed);
  return all === 0 ? 1 : failed / all;
}

/** Milliseconds since 1970 of a time as Go writes it, with nanoseconds, of which Date keeps milliseconds alone. */
export function millisecondsOf(timestamp: string): number {
  const [, whole = timestamp, fraction = "0", zone = ""] =
    /^([^.]+)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(timestamp) ?? [];
  return Date.parse(`${whole}${zone}`) + Number(`0.${fraction}`) * 1000;
}
