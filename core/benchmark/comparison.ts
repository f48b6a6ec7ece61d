import { changesBetween, matchSeries, obstaclesBetween, seriesObstacles } from "./comparability.ts";
import {
  counted,
  failedShare,
  inferencesPerSecond,
  pointsByConcurrency,
  seriesNames,
  share,
} from "./levels.ts";
import type { Benchmark, Point, Series } from "./result.ts";
import {
  chanceOfAbove,
  chanceOfBelow,
  holm,
  middleOf,
  shiftOf,
  type Pair,
  type Shift,
} from "./statistics.ts";

/** Whether a run is better or worse than another one, as far as noise lets anybody tell. */

export interface Comparison {
  /** The run that is compared with. */
  readonly against: string;
  /** Shares that a figure may be worse by. */
  readonly limit: number;
  /** Why the runs as a whole cannot be compared; nothing is then. */
  readonly obstacles: readonly string[];
  /** What else is not the same, and may be what the comparison is for. */
  readonly changes: readonly string[];
  readonly series: readonly SeriesComparison[];
  /** Series of one run alone. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
}

/**
 * `regression` and `improvement`: beyond the limit, and not by chance. `same`: with 95 % confidence within the limit.
 * `unclear`: noise, or too few repeats, leave both open. `incomparable`: another payload, say.
 */
export type Verdict = "regression" | "improvement" | "same" | "unclear" | "incomparable";

export interface SeriesComparison {
  readonly name: string;
  readonly verdict: Verdict;
  /** Beside the two shifts: single levels, failed calls, and what cannot be told. */
  readonly reasons: readonly string[];
  /** Over all levels of load that both runs have. */
  readonly throughput?: Shift;
  readonly p99?: Shift;
  readonly levels: readonly LevelComparison[];
}

export interface LevelComparison {
  readonly concurrency: number;
  readonly throughput: MetricComparison;
  readonly p99: MetricComparison;
}

export interface MetricComparison {
  readonly before: number;
  readonly after: number;
  /** Where both runs have repeats. */
  readonly shift?: Shift;
  readonly verdict: Exclude<Verdict, "incomparable">;
}

/** What is believed: of all the tests of one comparison, this is the chance that any of them sees what is not there. */
const significance = 0.05;

/** Shifts of series and of their levels are two families of tests, which share it. */
const familySignificance = significance / 2;

/** Failed calls, in shares of all, that a run may have more than the other without being worse. */
const failureMargin = 0.01;

/** Compares a run with an earlier one. `limit`: 0.1 for 10 %. */
export function compare(after: Benchmark, before: Benchmark, limit: number): Comparison {
  const obstacles = obstaclesBetween(after, before);
  const names = seriesNames(after.series);
  const matches = matchSeries(after.series, before.series);
  const used = new Set(matches.values());
  const paired = after.series.flatMap((series, i) => {
    const own = matches.get(series);
    if (own === undefined) return [];
    const obstacles = seriesObstacles([own, before], [series, after]);
    return [pairOf({ name: names[i] ?? "", before: own, after: series, obstacles })];
  });
  return {
    against: before.id,
    limit,
    obstacles,
    changes: changesBetween(after, before),
    series: obstacles.length > 0 ? [] : judge(paired, limit),
    onlyBefore: seriesNames(before.series).filter((_, i) => {
      const series = before.series[i];
      return series !== undefined && !used.has(series);
    }),
    onlyAfter: names.filter((_, i) => {
      const series = after.series[i];
      return series !== undefined && !matches.has(series);
    }),
  };
}

export function hasRegression({ series }: Comparison): boolean {
  return series.some(({ verdict }) => verdict === "regression");
}

/** Whether anything at all could be compared. */
export function isComparable({ series }: Comparison): boolean {
  return series.some(({ verdict }) => verdict !== "incomparable");
}

interface Matched {
  readonly name: string;
  readonly before: Series;
  readonly after: Series;
  /** Why the two cannot be compared. */
  readonly obstacles: readonly string[];
}

interface Paired extends Matched {
  /** Over all levels that both runs have. */
  readonly whole: Readonly<Record<Metric, Test>>;
  readonly levels: readonly PairedLevel[];
  /** Levels of the other run that this one has not. */
  readonly missing: readonly number[];
}

interface PairedLevel extends Readonly<Record<Metric, Test>> {
  readonly concurrency: number;
  readonly points: Readonly<Record<"before" | "after", readonly Point[]>>;
}

type Metric = "throughput" | "p99";

/** The repeats of one level, or of all of them. */
interface Test {
  readonly metric: Metric;
  readonly pairs: readonly Pair[];
}

/** With the chances that it is none beyond the limit, in either direction. */
interface Outcome {
  readonly shift: Shift | undefined;
  readonly worse: number;
  readonly better: number;
}

function pairOf(matched: Matched): Paired {
  const { before, after } = matched;
  const own = pointsByConcurrency(after);
  const others = pointsByConcurrency(before);
  const levels = [...others].flatMap(([concurrency, points]): PairedLevel[] => {
    const same = own.get(concurrency);
    if (same === undefined) return [];
    const test = (metric: Metric): Test => {
      const pair = { before: valuesOf(before, points, metric), after: valuesOf(after, same, metric) };
      return { metric, pairs: [pair] };
    };
    const both = { before: points, after: same };
    return [{ concurrency, points: both, throughput: test("throughput"), p99: test("p99") }];
  });
  const whole = (metric: Metric): Test => ({
    metric,
    pairs: levels.flatMap((level) => level[metric].pairs),
  });
  return {
    ...{ ...matched, levels },
    whole: { throughput: whole("throughput"), p99: whole("p99") },
    missing: [...others.keys()].filter((concurrency) => !own.has(concurrency)),
  };
}

function valuesOf(series: Series, points: readonly Point[], metric: Metric): readonly number[] {
  return points
    .filter(({ requests }) => requests > 0)
    .map((point) => (metric === "p99" ? point.latency.p99Ms : inferencesPerSecond(series, point)));
}

function judge(all: readonly Paired[], limit: number): readonly SeriesComparison[] {
  const isTestable = ({ obstacles }: Paired): boolean => obstacles.length === 0;
  const testable = all.filter(isTestable);
  const outcomes = new Map([
    ...outcomesOf(
      testable.flatMap(({ whole }) => [whole.throughput, whole.p99]),
      limit,
    ),
    ...outcomesOf(
      testable.flatMap(({ levels }) => levels.flatMap(({ throughput, p99 }) => [throughput, p99])),
      limit,
    ),
  ]);
  return all.map((pair) =>
    isTestable(pair)
      ? seriesComparison(pair, limit, (test) => outcomes.get(test) ?? untested)
      : { name: pair.name, verdict: "incomparable", reasons: pair.obstacles, levels: [] },
  );
}

const untested: Outcome = { shift: undefined, worse: 1, better: 1 };

/** One family of tests: its chances are those of all of them at once. */
function outcomesOf(tests: readonly Test[], limit: number): readonly (readonly [Test, Outcome])[] {
  const single = tests.map(({ pairs, metric }): Outcome => {
    const shift = shiftOf(pairs);
    if (shift === undefined) return untested;
    const above = chanceOfAbove(shift, 1 + limit);
    const below = chanceOfBelow(shift, 1 - limit);
    return metric === "p99" ? { shift, worse: above, better: below } : { shift, worse: below, better: above };
  });
  const worse = holm(single.map((outcome) => outcome.worse));
  const better = holm(single.map((outcome) => outcome.better));
  return tests.map((test, i) => [
    test,
    { shift: single[i]?.shift, worse: worse[i] ?? 1, better: better[i] ?? 1 },
  ]);
}

function seriesComparison(pair: Paired, limit: number, outcomeOf: (test: Test) => Outcome): SeriesComparison {
  const levels = pair.levels.map((level): LevelComparison => {
    const compared = ({ metric, pairs }: Test): MetricComparison => {
      const outcome = outcomeOf(level[metric]);
      return {
        before: middleOf(pairs.flatMap(({ before }) => before)),
        after: middleOf(pairs.flatMap(({ after }) => after)),
        ...(outcome.shift === undefined ? {} : { shift: outcome.shift }),
        verdict: verdictOf(outcome, limit),
      };
    };
    const { concurrency, throughput, p99 } = level;
    return { concurrency, throughput: compared(throughput), p99: compared(p99) };
  });
  const throughput = outcomeOf(pair.whole.throughput);
  const p99 = outcomeOf(pair.whole.p99);
  const whole = [throughput, p99].map((outcome) => verdictOf(outcome, limit));
  const all = [...whole, ...levels.flatMap((level) => [level.throughput.verdict, level.p99.verdict])];
  const failures = failureRise(pair);
  return {
    name: pair.name,
    verdict:
      all.includes("regression") || failures !== undefined
        ? "regression"
        : all.includes("improvement")
          ? "improvement"
          : whole.every((verdict) => verdict === "same")
            ? "same"
            : "unclear",
    reasons: [
      ...(failures === undefined ? [] : [failures]),
      ...levelReasons(levels),
      ...doubts(pair, whole, limit),
    ],
    ...(throughput.shift === undefined ? {} : { throughput: throughput.shift }),
    ...(p99.shift === undefined ? {} : { p99: p99.shift }),
    levels,
  };
}

function verdictOf({ shift, worse, better }: Outcome, limit: number): MetricComparison["verdict"] {
  if (shift === undefined) return "unclear";
  if (worse < familySignificance) return "regression";
  if (better < familySignificance) return "improvement";
  return shift.low >= 1 - limit && shift.high <= 1 + limit ? "same" : "unclear";
}

/**
 * Failed calls are no noise to take a mean of: where each of three repeats or more has failed more often than any of the
 * other run, by a margin, that is one chance in twenty at the most.
 */
function failureRise({ levels }: Paired): string | undefined {
  const shares = (run: "before" | "after"): readonly number[] => {
    const repeats = new Map<number, Point[]>();
    for (const point of levels.flatMap(({ points }) => points[run]))
      repeats.set(point.repeat, [...(repeats.get(point.repeat) ?? []), point]);
    return [...repeats.values()].map(failedShare);
  };
  const [before, after] = [shares("before"), shares("after")];
  if (before.length < 3 || after.length < 3) return undefined;
  const [most, least] = [Math.max(...before), Math.min(...after)];
  return least > most + failureMargin
    ? `calls fail: ${share(least)} at the least, ${share(most)} at the most before`
    : undefined;
}

/** Levels that are another by themselves. */
function levelReasons(levels: readonly LevelComparison[]): readonly string[] {
  const told = (what: string, { verdict, shift }: MetricComparison): string[] =>
    shift !== undefined && (verdict === "regression" || verdict === "improvement")
      ? [`${what} ${shiftText(shift)}`]
      : [];
  return levels.flatMap((level) => {
    const load = counted(level.concurrency, "caller");
    return [...told(`throughput with ${load}`, level.throughput), ...told(`p99 with ${load}`, level.p99)];
  });
}

function doubts(
  { levels, whole: { throughput }, missing, after }: Paired,
  whole: readonly Verdict[],
  limit: number,
): readonly string[] {
  if (levels.length === 0) return ["the two runs have no number of callers in common"];
  const isRepeated = throughput.pairs.some((pair) => pair.before.length > 1 && pair.after.length > 1);
  return [
    ...(isRepeated
      ? []
      : ["cannot be told: no level of load has two repeats or more in both runs (bench with repeats)"]),
    ...(isRepeated && whole.includes("unclear")
      ? [`more repeats would tell on which side of the limit of ${share(limit)} it is`]
      : []),
    ...(missing.length === 0
      ? []
      : [`not measured this time: ${missing.join(", ")} callers (the run ended as ${after.stopped})`]),
  ];
}

/** `−12.3 % (−15.1 to −9.4)` */
export function shiftText({ ratio, low, high }: Shift): string {
  return `${signed(ratio)} % (${signed(low)} to ${signed(high)})`;
}

function signed(ratio: number): string {
  const value = (ratio - 1) * 100;
  const text = Math.abs(value).toFixed(1);
  return text === "0.0" ? "0.0" : `${value > 0 ? "+" : "−"}${text}`;
}
