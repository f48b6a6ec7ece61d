import { median, quantileSorted } from "simple-statistics";

/** One answered call. */
export interface Call {
  /** When the answer was there, in seconds since the load began. */
  readonly at: number;
  readonly milliseconds: number;
}

/** What one load brought. */
export interface Load {
  readonly calls: readonly Call[];
  /** Calls that failed, by whatever reason. */
  readonly errors: number;
}

export interface Summary {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
}

/** A ratio over several rounds. */
export interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** The summary of what was answered after `from` and up to `to` seconds: neither the start nor the end is counted. */
export function summarise({ calls, errors }: Load, { from, to }: { from: number; to: number }): Summary {
  const latencies = calls.filter(({ at }) => at > from && at <= to).map(({ milliseconds }) => milliseconds);
  return { perSecond: latencies.length / (to - from), ...percentiles(latencies), errors };
}

/** The summary of a load with a fixed number of calls: from its beginning to its last answer. */
export function summariseAll({ calls, errors }: Load): Summary {
  const seconds = calls.reduce((last, { at }) => Math.max(last, at), 0);
  const latencies = calls.map(({ milliseconds }) => milliseconds);
  return { perSecond: seconds === 0 ? 0 : calls.length / seconds, ...percentiles(latencies), errors };
}

function percentiles(latencies: readonly number[]): { p50: number; p99: number } {
  if (latencies.length === 0) return { p50: NaN, p99: NaN };
  const sorted = Float64Array.from(latencies).sort();
  const values = [...sorted];
  return { p50: quantileSorted(values, 0.5), p99: quantileSorted(values, 0.99) };
}

/** The middle of several rounds, each figure by itself; errors are added up. */
export function medianOf(rounds: readonly Summary[]): Summary {
  const middle = (of: (summary: Summary) => number): number => median(rounds.map(of));
  return {
    perSecond: middle(({ perSecond }) => perSecond),
    p50: middle(({ p50 }) => p50),
    p99: middle(({ p99 }) => p99),
    errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
  };
}

/**
 * Throughput against a reference, round by round: what else the machine does slows both down in the same round, so
 * that the ratio says more than the two medians.
 */
export function ratioOf(rounds: readonly Summary[], reference: readonly Summary[]): Ratio {
  const ratios = rounds.map(({ perSecond }, i) => perSecond / (reference[i]?.perSecond ?? NaN));
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}
