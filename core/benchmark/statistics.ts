import jstat from "jstat";
import { mean, sampleVariance } from "simple-statistics";

/**
 * What repeats say about a rate or a latency. Both are above nothing, and their noise is a share of them, so all is worked
 * out on logarithms: the mean is the geometric one, and a shift is a ratio.
 */

const { studentt } = jstat.jStat;

/** A figure with its 95 % confidence interval; without one where it was measured once. */
export interface Estimate {
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
  /** Repeats that it is of. */
  readonly count: number;
}

/** Student's t over the repeats; undefined where nothing was measured. Values that are not above 0 do not count. */
export function estimateOf(values: readonly number[]): Estimate | undefined {
  const logs = logsOf(values);
  if (logs.length === 0) return undefined;
  const value = Math.exp(mean(logs));
  if (logs.length === 1) return { value, count: 1 };
  const factor = Math.exp(studentt.inv(0.975, logs.length - 1) * errorOf(logs));
  return { value, low: value / factor, high: value * factor, count: logs.length };
}

/** The geometric mean; 0 of nothing. */
export function middleOf(values: readonly number[]): number {
  const logs = logsOf(values);
  return logs.length === 0 ? 0 : Math.exp(mean(logs));
}

/** What the figure is below, with 95 % confidence (one-sided); of one repeat, that repeat. */
export function upperBound(values: readonly number[]): number | undefined {
  const logs = logsOf(values);
  if (logs.length === 0) return undefined;
  if (logs.length === 1) return Math.exp(logs[0] ?? 0);
  return Math.exp(mean(logs) + studentt.inv(0.95, logs.length - 1) * errorOf(logs));
}

/** The repeats of one point in two runs. */
export interface Pair {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** By how much a figure has changed, over one point or over several together. */
export interface Shift {
  /** After ÷ before, the geometric mean over the points. */
  readonly ratio: number;
  /** 95 % confidence interval. */
  readonly low: number;
  readonly high: number;
  /** Standard error of the logarithm, and its degrees of freedom. */
  readonly error: number;
  readonly freedom: number;
}

/**
 * Welch's t-test over the points that have repeats in both runs, each point with its own noise; undefined where none has.
 * Several points together tell a shift that they share from much less noise than one: the mean of their log ratios is
 * tested, its variance and degrees of freedom after Satterthwaite (B. L. Welch, Biometrika 38, 1951, for contrasts).
 */
export function shiftOf(pairs: readonly Pair[]): Shift | undefined {
  const logs = pairs
    .map(({ before, after }) => ({ before: logsOf(before), after: logsOf(after) }))
    .filter(({ before, after }) => before.length > 1 && after.length > 1);
  if (logs.length === 0) return undefined;
  const log = mean(logs.map(({ before, after }) => mean(after) - mean(before)));
  const parts = logs
    .flatMap(({ before, after }) => [before, after])
    .map((values) => ({
      variance: errorOf(values) ** 2 / logs.length ** 2,
      freedom: values.length - 1,
    }));
  const variance = parts.reduce((sum, part) => sum + part.variance, 0);
  const freedom = variance ** 2 / parts.reduce((sum, part) => sum + part.variance ** 2 / part.freedom, 0);
  const error = Math.sqrt(variance);
  const reach = studentt.inv(0.975, freedom) * error;
  return { ratio: Math.exp(log), low: Math.exp(log - reach), high: Math.exp(log + reach), error, freedom };
}

/** How likely a shift as great as this one is at least, where there is in truth none above `ratio`. */
export function chanceOfAbove({ ratio: seen, error, freedom }: Shift, ratio: number): number {
  return 1 - studentt.cdf((Math.log(seen) - Math.log(ratio)) / error, freedom);
}

/** How likely a shift as small as this one is at most, where there is in truth none below `ratio`. */
export function chanceOfBelow({ ratio: seen, error, freedom }: Shift, ratio: number): number {
  return studentt.cdf((Math.log(seen) - Math.log(ratio)) / error, freedom);
}

/**
 * Chances of many tests at once, by Holm's step-down method (S. Holm, Scandinavian Journal of Statistics 6, 1979): where those
 * below 5 % are believed, one false alarm among all of them is as unlikely as that.
 */
export function holm(chances: readonly number[]): readonly number[] {
  const order = chances.map((_, i) => i).sort((a, b) => (chances[a] ?? 1) - (chances[b] ?? 1));
  const adjusted = chances.map(() => 1);
  let least = 0;
  order.forEach((at, rank) => {
    least = Math.max(least, Math.min(1, (chances[at] ?? 1) * (chances.length - rank)));
    adjusted[at] = least;
  });
  return adjusted;
}

/**
 * Repeats that agree better than this (in shares of the figure, as a standard deviation) do so by chance, or since their tool
 * rounds: no server repeats itself more exactly.
 */
const leastNoise = 0.005;

/** Standard error of the mean. */
function errorOf(logs: readonly number[]): number {
  return Math.sqrt(Math.max(sampleVariance([...logs]), leastNoise ** 2) / logs.length);
}

function logsOf(values: readonly number[]): number[] {
  return values.filter((value) => value > 0).map(Math.log);
}
