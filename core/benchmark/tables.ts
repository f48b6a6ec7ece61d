import { clusterFacts } from "../ephemeral/report.ts";
import { formatValue } from "../monitoring/report/values.ts";
import { formatBytes } from "../spec/units.ts";
import { shiftText, type Comparison } from "./comparison.ts";
import { failedCalls, inferencesPerSecond, share, type Level } from "./levels.ts";
import { milliseconds, type Recommendation } from "./recommendation.ts";
import { computeMs, type BenchmarkReport, type SeriesReport } from "./report.ts";
import type { Estimate } from "./statistics.ts";

/** Tables of a report as plain cells: text, Markdown and HTML show the same. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A column that is left out where no row has anything in it. */
type Columns<T> = readonly (readonly [head: string, cell: (row: T) => string | undefined])[];

function tableOf<T>(rows: readonly T[], columns: Columns<T>): Table {
  const shown = columns.filter(([, cell]) => rows.some((row) => cell(row) !== undefined));
  return {
    head: shown.map(([head]) => head),
    rows: rows.map((row) => shown.map(([, cell]) => cell(row) ?? "–")),
  };
}

export function recommendationTable({ recommendations }: BenchmarkReport): Table {
  return tableOf<Recommendation>(recommendations, [
    ["model", ({ model }) => model],
    ["callers", ({ concurrency }) => String(concurrency)],
    ["batch", ({ batchSize }) => String(batchSize)],
    ["instances", ({ instances }) => String(instances)],
    ["replicas", ({ replicas }) => String(replicas)],
    ["inferences/s", ({ inferencesPerSecond: rate }) => rateText(rate)],
    ["p99", ({ p99Ms }) => milliseconds(p99Ms)],
    ["p99 at most", ({ p99UpperMs }) => milliseconds(p99UpperMs)],
    ["objective", ({ objectiveMs }) => (objectiveMs === undefined ? undefined : milliseconds(objectiveMs))],
  ]);
}

/** What the cluster took and cost that was made for the run; no rows where none was. */
export function clusterTable({ cluster }: BenchmarkReport): Table {
  return { head: ["", ""], rows: cluster === undefined ? [] : clusterFacts(cluster) };
}

/** One row for each level of load; throughput and p99 of several repeats have their 95 % confidence intervals behind them. */
export function levelTable({ levels }: SeriesReport): Table {
  const server = (of: (times: NonNullable<Level["server"]>) => string | undefined) => (level: Level) =>
    level.server === undefined ? undefined : of(level.server);
  return tableOf<Level>(levels, [
    ["callers", ({ concurrency }) => String(concurrency)],
    ["repeats", ({ points }) => String(points.length)],
    ["inferences/s", ({ throughput }) => interval(throughput, rateText)],
    ["p50", ({ p50Ms }) => (p50Ms === undefined ? undefined : milliseconds(p50Ms.value))],
    ["p90", ({ p90Ms }) => (p90Ms === undefined ? undefined : milliseconds(p90Ms.value))],
    ["p95", ({ p95Ms }) => (p95Ms === undefined ? undefined : milliseconds(p95Ms.value))],
    ["p99", ({ p99Ms }) => interval(p99Ms, milliseconds)],
    ["queue", server(({ queueMs }) => milliseconds(queueMs))],
    ["compute", server((times) => milliseconds(computeMs(times)))],
    ["outside", server(({ outsideMs }) => milliseconds(outsideMs))],
    ["batched", server(({ batch }) => (batch === undefined ? undefined : batch.toFixed(1)))],
    ["GPU use", ({ gpu }) => (gpu === undefined ? undefined : share(gpu.utilization))],
    [
      "GPU memory",
      ({ gpu }) =>
        gpu === undefined
          ? undefined
          : `${formatBytes(gpu.memoryUsedBytes)} of ${formatBytes(gpu.memoryTotalBytes)}`,
    ],
    ["failed", ({ failed }) => (failed === 0 ? undefined : share(failed))],
    [
      "per million",
      ({ perMillion }) => (perMillion === undefined ? undefined : formatValue(perMillion, "currencyUSD")),
    ],
  ]);
}

/** Every point as it was measured. */
export function pointTable({ benchmark, series }: BenchmarkReport): Table {
  const rows = benchmark.series.flatMap((own, i) =>
    own.points.map((point) => ({ name: series[i]?.name ?? "", own, point })),
  );
  return tableOf<(typeof rows)[number]>(rows, [
    ["series", ({ name }) => name],
    ["callers", ({ point }) => String(point.concurrency)],
    ["repeat", ({ point }) => String(point.repeat)],
    ["started", ({ point }) => point.startedAt],
    ["seconds", ({ point }) => point.durationSeconds.toFixed(1)],
    ["requests", ({ point }) => String(point.requests)],
    ["failed", ({ point }) => String(failedCalls(point))],
    ["inferences/s", ({ own, point }) => rateText(inferencesPerSecond(own, point))],
    ["mean ms", ({ point }) => figure(point.latency.meanMs)],
    ["p50 ms", ({ point }) => figure(point.latency.p50Ms)],
    ["p90 ms", ({ point }) => figure(point.latency.p90Ms)],
    ["p95 ms", ({ point }) => figure(point.latency.p95Ms)],
    ["p99 ms", ({ point }) => figure(point.latency.p99Ms)],
    ["max ms", ({ point }) => figure(point.latency.maxMs)],
    ["queue ms", ({ point }) => (point.server === undefined ? undefined : figure(point.server.queueMs))],
    ["compute ms", ({ point }) => (point.server === undefined ? undefined : figure(computeMs(point.server)))],
  ]);
}

export function comparisonTable({ series }: Comparison): Table {
  return tableOf<Comparison["series"][number]>(series, [
    ["series", ({ name }) => name],
    ["verdict", ({ verdict }) => verdict],
    ["throughput", ({ throughput }) => (throughput === undefined ? undefined : shiftText(throughput))],
    ["p99", ({ p99 }) => (p99 === undefined ? undefined : shiftText(p99))],
  ]);
}

export function comparedLevelTable({ levels }: Comparison["series"][number]): Table {
  return tableOf<(typeof levels)[number]>(levels, [
    ["callers", ({ concurrency }) => String(concurrency)],
    ["inferences/s before", ({ throughput }) => rateText(throughput.before)],
    ["now", ({ throughput }) => rateText(throughput.after)],
    ["change", ({ throughput: { shift } }) => (shift === undefined ? undefined : shiftText(shift))],
    ["verdict", ({ throughput }) => throughput.verdict],
    ["p99 before", ({ p99 }) => milliseconds(p99.before)],
    ["p99 now", ({ p99 }) => milliseconds(p99.after)],
    ["p99 change", ({ p99: { shift } }) => (shift === undefined ? undefined : shiftText(shift))],
    ["p99 verdict", ({ p99 }) => p99.verdict],
  ]);
}

function interval(estimate: Estimate | undefined, format: (value: number) => string): string | undefined {
  if (estimate === undefined) return undefined;
  const { value, low, high } = estimate;
  return low === undefined || high === undefined
    ? format(value)
    : `${format(value)} (${format(low)} to ${format(high)})`;
}

/** `820`, `45.2`: three digits that count, and whole from a hundred on. */
export function rateText(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : String(Number(rate.toPrecision(3)));
}

function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}
