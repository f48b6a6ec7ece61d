import { median } from "simple-statistics";
import { failedShare } from "./calls.ts";
import type { Point, Series } from "./result.ts";

/** When more callers are not worth a try. */

export interface StopRules {
  /** No more once the p99 of two levels in a row is beyond. */
  readonly latencyP99LimitMs?: number;
  /** Whether to go on where more callers bring no more throughput. */
  readonly beyondSaturation: boolean;
}

/** More failed calls than this are no measurement of a server that works. */
export const mostFailed = 0.01;

/** Less is noise, or not worth the latency. */
const worthwhileGain = 1.02;

/** In a row: one alone may be another program's work, and a report shows where the curve crosses the limit. */
const levelsBeyondLimit = 2;

/** So many levels without a gain in a row: a report shows where the curve bends. */
const levelsWithoutGain = 3;

/** What ends a series after its last level; undefined where the next one is to be tried. Points are of whole levels. */
export function stopReason(
  points: readonly Point[],
  { latencyP99LimitMs: limit = Infinity, beyondSaturation }: StopRules,
): Extract<Series["stopped"], "latency" | "failures" | "saturated"> | undefined {
  const levels = byConcurrency(points);
  const last = levels.at(-1);
  if (last === undefined) return undefined;
  if (failedShare(last) > mostFailed) return "failures";
  const beyond = levels.slice(-levelsBeyondLimit).map(p99Of);
  if (beyond.length === levelsBeyondLimit && beyond.every((p99) => p99 > limit)) return "latency";
  if (beyondSaturation || levels.length <= levelsWithoutGain) return undefined;
  const rates = levels.map((level) => median(level.map(requestRate)));
  const before = Math.max(...rates.slice(0, -levelsWithoutGain));
  const best = Math.max(...rates.slice(-levelsWithoutGain));
  return best < before * worthwhileGain ? "saturated" : undefined;
}

function p99Of(level: readonly Point[]): number {
  return median(level.map(({ latency }) => latency.p99Ms));
}

/** Answered calls per second. */
export function requestRate({ requests, durationSeconds }: Point): number {
  return durationSeconds === 0 ? 0 : requests / durationSeconds;
}

/** Points of one number of callers together, in the order they were measured. */
function byConcurrency(points: readonly Point[]): readonly (readonly Point[])[] {
  const levels = new Map<number, Point[]>();
  for (const point of points) {
    const level = levels.get(point.concurrency);
    if (level === undefined) levels.set(point.concurrency, [point]);
    else level.push(point);
  }
  return [...levels.values()];
}
