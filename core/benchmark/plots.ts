import type { Unit } from "../monitoring/dashboards/plan.ts";
import { expectationOf } from "./article.ts";
import { counted, type Level } from "./levels.ts";
import type { BenchmarkReport, SeriesReport } from "./report.ts";
import type { Series } from "./result.ts";
import type { Estimate } from "./statistics.ts";

/** One plot as plain data; the page's script draws it. */
export interface Plot {
  readonly title: string;
  readonly description: string;
  readonly x: Axis;
  readonly y: Axis;
  /** `areas`: each upon those before it. */
  readonly kind: "lines" | "areas";
  readonly series: readonly PlotSeries[];
  readonly marks: readonly Mark[];
}

export interface Axis {
  readonly label: string;
  readonly unit: Unit;
  /** Each step is twice the one before. */
  readonly isLog?: boolean;
}

export interface PlotSeries {
  readonly name: string;
  /** In the order of the load, which is the order of the line. */
  readonly points: readonly PlotPoint[];
  /** Of something else than this run: drawn dashed and grey. */
  readonly isReference?: boolean;
}

export interface PlotPoint {
  readonly x: number;
  readonly y: number;
  /** 95 % confidence interval of y. */
  readonly low?: number;
  readonly high?: number;
  /** Shown with the point: `32 callers`. */
  readonly note?: string;
}

/** A line across the plot: an objective, or what the article says. */
export interface Mark {
  readonly axis: "x" | "y";
  readonly value: number;
  readonly name: string;
  readonly tone: "objective" | "reference";
}

/** Series of a model that have plots of their own; of more, only the one that is recommended. */
const mostSeries = 6;

/** The plots of one model, over all its series; those with nothing to draw are left out. */
export function plotsOf(report: BenchmarkReport, model: string): readonly Plot[] {
  const all = report.benchmark.series.flatMap((series, i) => {
    const about = report.series[i];
    return series.model === model && about !== undefined ? [{ series, about }] : [];
  });
  const labels = shortNames(all.map(({ about }) => about.name));
  const own = all.map((each, i) => ({ ...each, label: labels[i] ?? each.about.name }));
  const best = report.recommendations.find((candidate) => candidate.model === model)?.series;
  const single =
    own.length <= mostSeries
      ? own
      : own.filter(({ series }) => best !== undefined && series === report.benchmark.series[best]);
  const callers = callersAxis(own.flatMap(({ about }) => about.levels));
  return [
    throughputAgainstLatency(own, model),
    throughputByCallers(own, model, callers),
    ...single.flatMap((each) => [percentiles(each, callers), serverTimes(each.about, callers)]),
    gpuUse(own, callers),
    gpuMemory(own, callers),
    costByCallers(own, callers),
  ].filter(({ series }) =>
    series.some(({ points, isReference }) => points.length > 0 && isReference !== true),
  );
}

interface Own {
  readonly series: Series;
  readonly about: SeriesReport;
  /** Among the model's other series. */
  readonly label: string;
}

/** Names without the parts that all of them have; whole where nothing would be left of one. */
function shortNames(names: readonly string[]): readonly string[] {
  const parts = names.map((name) => name.split(", "));
  const short = parts.map((own) =>
    own.filter((part) => !parts.every((others) => others.includes(part))).join(", "),
  );
  return short.includes("") ? names : short;
}

function throughputAgainstLatency(own: readonly Own[], model: string): Plot {
  const expectation = expectationOf(model);
  return {
    title: "Throughput against latency",
    description: "Each point is a number of callers; up and to the left is better. Bars: 95 % confidence",
    x: { label: "p99", unit: "s" },
    y: { label: "inferences", unit: "reqps" },
    kind: "lines",
    series: own.map(({ about, label }) => ({
      name: label,
      points: about.levels.flatMap(({ throughput, p99Ms, concurrency }) =>
        throughput === undefined || p99Ms === undefined
          ? []
          : [{ x: p99Ms.value / 1000, ...spread(throughput), note: counted(concurrency, "caller") }],
      ),
    })),
    marks: [
      ...objectives(own).map((value) => ({
        axis: "x" as const,
        value,
        name: "objective",
        tone: "objective" as const,
      })),
      ...(expectation === undefined
        ? []
        : [
            mark("x", expectation.p99Ms / 1000, "the article's p99"),
            mark("y", expectation.throughput, "the article's throughput"),
          ]),
    ],
  };
}

function throughputByCallers(own: readonly Own[], model: string, callers: Axis): Plot {
  const reference = expectationOf(model)?.byConcurrency;
  return {
    title: "Throughput by callers",
    description: "Where it stops growing, more callers only wait longer",
    x: callers,
    y: { label: "inferences", unit: "reqps" },
    kind: "lines",
    series: [
      ...own.map(({ about, label }) => line(label, about.levels, ({ throughput }) => throughput)),
      ...(reference === undefined
        ? []
        : [
            {
              name: "the article's load test (batch 1)",
              isReference: true,
              points: reference.map(({ concurrency, throughput }) => ({ x: concurrency, y: throughput })),
            },
          ]),
    ],
    marks: [],
  };
}

function percentiles(own: Own, callers: Axis): Plot {
  const { name, levels } = own.about;
  const inSeconds = (estimate: Estimate | undefined): Estimate | undefined =>
    estimate === undefined ? undefined : scaled(estimate, 1 / 1000);
  return {
    title: "Latency by callers",
    description: name,
    x: callers,
    y: { label: "latency", unit: "s" },
    kind: "lines",
    series: [
      line("p50", levels, ({ p50Ms }) => inSeconds(p50Ms)),
      line("p90", levels, ({ p90Ms }) => inSeconds(p90Ms)),
      line("p95", levels, ({ p95Ms }) => inSeconds(p95Ms)),
      line("p99", levels, ({ p99Ms }) => inSeconds(p99Ms)),
    ],
    marks: objectives([own]).map((value) => ({
      ...{ axis: "y" as const, value, name: "objective" },
      tone: "objective" as const,
    })),
  };
}

function serverTimes(about: SeriesReport, callers: Axis): Plot {
  const part = (name: string, of: (times: NonNullable<Level["server"]>) => number): PlotSeries => ({
    name,
    points: about.levels.flatMap(({ concurrency, server }) =>
      server === undefined ? [] : [{ x: concurrency, y: of(server) / 1000 }],
    ),
  });
  return {
    title: "Where the time goes",
    description: `${about.name}; ${
      about.queueFrom === undefined
        ? "computing takes more than queueing at every load"
        : `queueing takes more than computing from ${counted(about.queueFrom, "caller")} on`
    }`,
    x: callers,
    y: { label: "mean", unit: "s" },
    kind: "areas",
    series: [
      part("input, output", ({ computeInputMs, computeOutputMs }) => computeInputMs + computeOutputMs),
      part("inference", ({ computeInferMs }) => computeInferMs),
      part("outside of Triton", ({ outsideMs }) => outsideMs),
      part("queue", ({ queueMs }) => queueMs),
    ],
    marks: [],
  };
}

function gpuUse(own: readonly Own[], callers: Axis): Plot {
  return {
    title: "GPU utilisation",
    description: "The mean over all GPUs; well below 100 % with a queue means too few instances",
    x: callers,
    y: { label: "used", unit: "percentunit" },
    kind: "lines",
    series: own.map((each) => figures(each, ({ gpu }) => gpu?.utilization)),
    marks: [],
  };
}

function gpuMemory(own: readonly Own[], callers: Axis): Plot {
  const total = own.flatMap(({ about }) => about.levels.flatMap(({ gpu }) => gpu?.memoryTotalBytes ?? []))[0];
  return {
    title: "GPU memory",
    description: "All GPUs together, with whatever else is on them",
    x: callers,
    y: { label: "used", unit: "bytes" },
    kind: "lines",
    series: own.map((each) => figures(each, ({ gpu }) => gpu?.memoryUsedBytes)),
    marks: total === undefined ? [] : [mark("y", total, "all there is")],
  };
}

function costByCallers(own: readonly Own[], callers: Axis): Plot {
  return {
    title: "Cost of a million inferences",
    description: "The price of an hour of all replicas ÷ what they answered",
    x: callers,
    y: { label: "USD", unit: "currencyUSD" },
    kind: "lines",
    series: own.map((each) => figures(each, ({ perMillion }) => perMillion)),
    marks: [],
  };
}

function line(
  name: string,
  levels: readonly Level[],
  of: (level: Level) => Estimate | undefined,
): PlotSeries {
  return {
    name,
    points: levels.flatMap((level) => {
      const estimate = of(level);
      return estimate === undefined ? [] : [{ x: level.concurrency, ...spread(estimate) }];
    }),
  };
}

function figures({ about, label }: Own, of: (level: Level) => number | undefined): PlotSeries {
  return {
    name: label,
    points: about.levels.flatMap((level) => {
      const y = of(level);
      return y === undefined ? [] : [{ x: level.concurrency, y }];
    }),
  };
}

function spread({ value, low, high }: Estimate): Pick<PlotPoint, "y" | "low" | "high"> {
  return { y: value, ...(low === undefined || high === undefined ? {} : { low, high }) };
}

function scaled({ value, low, high, count }: Estimate, by: number): Estimate {
  return {
    ...{ value: value * by, count },
    ...(low === undefined || high === undefined ? {} : { low: low * by, high: high * by }),
  };
}

/** In seconds, each once. */
function objectives(own: readonly Own[]): readonly number[] {
  const all = own.flatMap(({ series }) =>
    series.latencyP99LimitMs === undefined ? [] : [series.latencyP99LimitMs / 1000],
  );
  return [...new Set(all)];
}

function mark(axis: Mark["axis"], value: number, name: string): Mark {
  return { axis, value, name, tone: "reference" };
}

/** Doubled numbers of callers are as far from each other as equal steps are. */
function callersAxis(levels: readonly Level[]): Axis {
  const numbers = [...new Set(levels.map(({ concurrency }) => concurrency))].sort((a, b) => a - b);
  const [last = 1, before = last] = numbers.slice(-2).reverse();
  return { label: "callers", unit: "none", isLog: numbers.length > 3 && last / before >= 1.5 };
}
