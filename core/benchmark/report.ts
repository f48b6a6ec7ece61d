import type { ClusterReport } from "../ephemeral/report.ts";
import { formatBytes } from "../spec/units.ts";
import { hardwareName } from "./comparability.ts";
import type { Comparison } from "./comparison.ts";
import {
  counted,
  failedCalls,
  levelsOf,
  seriesNames,
  share,
  type Level,
  type ServerTimes,
} from "./levels.ts";
import { failureLimit, recommend, recommendByModel, type Recommendation } from "./recommendation.ts";
import type { Benchmark, Series } from "./result.ts";

/** All that a report says, before it is text, Markdown, HTML or JSON. */
export interface BenchmarkReport {
  readonly format: "triton-platform/benchmark-report/1";
  readonly benchmark: Benchmark;
  /** `label: value`, what it ran on. */
  readonly environment: readonly (readonly [label: string, value: string])[];
  /** In the order of the result. */
  readonly series: readonly SeriesReport[];
  /** The best of each model. */
  readonly recommendations: readonly Recommendation[];
  /** What a reader should know before the figures. */
  readonly notes: readonly string[];
  readonly comparison?: Comparison;
  /** Of the cluster that was made for it, where one was. */
  readonly cluster?: ClusterReport;
}

export interface SeriesReport {
  readonly name: string;
  readonly levels: readonly Level[];
  /** Callers from which on requests wait in the server's queue for more time than they are computed in. */
  readonly queueFrom?: number;
  readonly recommendation?: Recommendation;
  /** What to try next. */
  readonly hints: readonly string[];
}

export function benchmarkReport(
  benchmark: Benchmark,
  { comparison, cluster }: Pick<BenchmarkReport, "comparison" | "cluster"> = {},
): BenchmarkReport {
  const names = seriesNames(benchmark.series);
  const series = benchmark.series.map((own, i) => seriesReport(benchmark, own, i, names[i] ?? ""));
  return {
    format: "triton-platform/benchmark-report/1",
    benchmark,
    environment: environmentOf(benchmark),
    series,
    recommendations: recommendByModel(benchmark),
    notes: notesOf(benchmark, series),
    ...(comparison === undefined ? {} : { comparison }),
    ...(cluster === undefined ? {} : { cluster }),
  };
}

function seriesReport(benchmark: Benchmark, series: Series, at: number, name: string): SeriesReport {
  const levels = levelsOf(series, benchmark);
  const recommendation = recommend(benchmark, at);
  const queued = levels.find(({ server }) => server !== undefined && server.queueMs > computeMs(server));
  return {
    ...{ name, levels },
    ...(queued === undefined ? {} : { queueFrom: queued.concurrency }),
    ...(recommendation === undefined ? {} : { recommendation }),
    hints: hintsOf(series, levels, recommendation),
  };
}

/** In milliseconds, of one request. */
export function computeMs({
  computeInputMs,
  computeInferMs,
  computeOutputMs,
}: Pick<ServerTimes, "computeInputMs" | "computeInferMs" | "computeOutputMs">): number {
  return computeInputMs + computeInferMs + computeOutputMs;
}

/** Use of a GPU, from 0 to 1, below which another instance may bring something. */
const idleGpu = 0.7;

function hintsOf(
  { instances, stopped }: Series,
  levels: readonly Level[],
  recommendation: Recommendation | undefined,
): readonly string[] {
  const level = levels.find(({ concurrency }) => concurrency === recommendation?.concurrency);
  if (level === undefined) return [];
  const { server, gpu, concurrency } = level;
  const isQueued = server !== undefined && server.queueMs > computeMs(server);
  return [
    ...(isQueued && gpu !== undefined && gpu.utilization < idleGpu
      ? [
          `requests wait longer than they are computed while the GPUs are used to ${share(gpu.utilization)}: try more than ${counted(instances, "instance")}`,
        ]
      : []),
    ...(isQueued && gpu !== undefined && gpu.utilization >= idleGpu
      ? [
          `requests wait longer than they are computed and the GPUs are used to ${share(gpu.utilization)}: larger batches or more replicas, not more instances`,
        ]
      : []),
    ...(isQueued && gpu === undefined
      ? [
          "requests wait longer than they are computed: less queue delay, more instances, larger batches or more replicas (GPU use was not measured)",
        ]
      : []),
    ...(server !== undefined && server.outsideMs > server.queueMs + computeMs(server)
      ? [
          "most of a call's time goes by outside of Triton: network, balancer, or a client that is at its own limit",
        ]
      : []),
    ...(stopped === "complete" && concurrency === levels.at(-1)?.concurrency && levels.length > 1
      ? ["the most callers that were tried are the best: try more"]
      : []),
  ];
}

function notesOf({ series: measured }: Benchmark, series: readonly SeriesReport[]): readonly string[] {
  if (measured.length === 0) return ["nothing was measured"];
  const once = series.filter(
    ({ levels }) =>
      levels.some(({ throughput }) => throughput !== undefined) &&
      levels.every(({ points }) => points.length < 2),
  );
  return [
    ...measured.flatMap(({ points, stopped }, i) => {
      const { name = "", levels = [] } = series[i] ?? {};
      const answered = points.some(({ requests }) => requests > 0);
      return [
        ...(points.length === 0 ? [`${name}: no point was measured (${stopped})`] : []),
        ...(points.length > 0 && !answered ? [`${name}: no call was answered`] : []),
        ...(stopped === "interrupted" ? [`${name}: interrupted; the last levels of load are missing`] : []),
        ...failureNotes(name, levels),
        ...fewCalls(name, levels),
      ];
    }),
    ...(once.length === 0
      ? []
      : [
          `${once.length === series.length ? "everything" : once.map(({ name }) => name).join("; ")} was measured once: how much of it is noise is not known`,
        ]),
  ];
}

/** Of fewer calls no share of a hundredth is slower than p99. */
const fewestCalls = 100;

function fewCalls(name: string, levels: readonly Level[]): readonly string[] {
  const few = levels.filter(({ points }) =>
    points.some(({ requests }) => requests > 0 && requests < fewestCalls),
  );
  const callers = few.map(({ concurrency }) => String(concurrency)).join(", ");
  return few.length === 0
    ? []
    : [
        `${name}: fewer than ${String(fewestCalls)} calls a point with callers ${callers}: p99 is the slowest of them (measure for longer)`,
      ];
}

function failureNotes(name: string, levels: readonly Level[]): readonly string[] {
  const failing = levels.filter(({ failed }) => failed > 0);
  if (failing.length === 0) return [];
  const kinds = new Map<string, number>();
  for (const { failures } of failing.flatMap(({ points }) => points))
    for (const [kind, count] of Object.entries(failures)) kinds.set(kind, (kinds.get(kind) ?? 0) + count);
  const words = [...kinds].map(([kind, count]) => `${String(count)} × ${kind}`).join(", ");
  const beyond = failing.filter(({ failed }) => failed > failureLimit).map(({ concurrency }) => concurrency);
  const all = failing.flatMap(({ points }) => points).reduce((sum, point) => sum + failedCalls(point), 0);
  return [
    `${name}: ${counted(all, "call")} failed (${words})${beyond.length === 0 ? "" : `; with ${beyond.join(", ")} callers more than ${share(failureLimit)}, which are left out of what is recommended`}`,
  ];
}

function environmentOf({
  id,
  startedAt,
  finishedAt,
  environment,
}: Benchmark): readonly (readonly [string, string])[] {
  const { target, stack, commit, triton, generator, hardware } = environment;
  return [
    ["Run", id],
    ["Time", `${minute(startedAt)} to ${minute(finishedAt)} UTC`],
    ["Target", `${target}, stack ${stack}`],
    ["Hardware", `${hardwareName(hardware)}, ${formatBytes(hardware.memoryBytes)} of memory`],
    ["Triton", `${triton.version}${triton.image === undefined ? "" : `, ${triton.image}`}`],
    ["Load", `${generator.name} ${generator.version}, from ${generator.from}`],
    ["Commit", commit ?? "not known"],
  ];
}

function minute(time: string): string {
  return time.slice(0, 16).replace("T", " ");
}
