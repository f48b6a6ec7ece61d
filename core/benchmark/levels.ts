import { perMillionInferences } from "../cost/cost.ts";
import { present } from "../objects.ts";
import type { Benchmark, Point, Series } from "./result.ts";
import { estimateOf, type Estimate } from "./statistics.ts";

/** A series by its levels of load: the repeats of each number of callers together, with what follows from them. */

export interface Level {
  readonly concurrency: number;
  /** Repeats, in the order they were measured in. */
  readonly points: readonly Point[];
  /** Of all calls of all repeats, 0 to 1. */
  readonly failed: number;
  /** Inferences a second. */
  readonly throughput?: Estimate;
  readonly p50Ms?: Estimate;
  readonly p90Ms?: Estimate;
  readonly p95Ms?: Estimate;
  readonly p99Ms?: Estimate;
  readonly meanMs?: Estimate;
  /** Means over the repeats that Triton's counters were read for. */
  readonly server?: ServerTimes;
  readonly gpu?: GpuUse;
  /** USD for a million inferences, where the series has a price. */
  readonly perMillion?: number;
}

/** Where the time of a request goes, in milliseconds. */
export interface ServerTimes {
  readonly queueMs: number;
  readonly computeInputMs: number;
  readonly computeInferMs: number;
  readonly computeOutputMs: number;
  /** What is left of the caller's mean: network, balancer, HTTP or gRPC, and the client itself. */
  readonly outsideMs: number;
  /** Requests of one execution: what batching brings. */
  readonly batch?: number;
}

/** Of all GPUs together. */
export interface GpuUse {
  /** 0 to 1, the mean over the GPUs. */
  readonly utilization: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
}

/** By ascending concurrency. `benchmark` says what else ran at the same time, which shares the price. */
export function levelsOf(series: Series, benchmark: Pick<Benchmark, "series">): readonly Level[] {
  return [...pointsByConcurrency(series)].map(([concurrency, points]) =>
    levelOf(series, benchmark, concurrency, points),
  );
}

/** The repeats of each number of callers, the fewest callers first. */
export function pointsByConcurrency({
  points,
}: Pick<Series, "points">): ReadonlyMap<number, readonly Point[]> {
  const levels = new Map<number, Point[]>();
  for (const point of [...points].sort((a, b) => a.concurrency - b.concurrency)) {
    const repeats = levels.get(point.concurrency);
    if (repeats === undefined) levels.set(point.concurrency, [point]);
    else repeats.push(point);
  }
  return levels;
}

function levelOf(
  series: Series,
  benchmark: Pick<Benchmark, "series">,
  concurrency: number,
  points: readonly Point[],
): Level {
  const answered = points.filter(({ requests }) => requests > 0);
  const throughput = estimateOf(answered.map((point) => inferencesPerSecond(series, point)));
  const latency = (of: keyof Point["latency"]): Estimate | undefined =>
    estimateOf(answered.map((point) => point.latency[of]));
  return {
    concurrency,
    points,
    failed: failedShare(points),
    ...present({
      throughput,
      meanMs: latency("meanMs"),
      p50Ms: latency("p50Ms"),
      p90Ms: latency("p90Ms"),
      p95Ms: latency("p95Ms"),
      p99Ms: latency("p99Ms"),
      server: serverTimes(answered),
      gpu: gpuUse(points),
      perMillion: costOfMillion(series, benchmark, answered),
    }),
  };
}

/** Inferences that were answered in a second. */
export function inferencesPerSecond({ batchSize }: Pick<Series, "batchSize">, point: Point): number {
  return point.durationSeconds === 0 ? 0 : (point.requests * batchSize) / point.durationSeconds;
}

/** Failed calls as a share of all. */
export function failedShare(points: readonly Point[]): number {
  const failed = points.reduce((sum, point) => sum + failedCalls(point), 0);
  const all = failed + points.reduce((sum, { requests }) => sum + requests, 0);
  return all === 0 ? 0 : failed / all;
}

export function failedCalls({ failures }: Pick<Point, "failures">): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0);
}

function serverTimes(points: readonly Point[]): ServerTimes | undefined {
  const measured = points.flatMap(({ server, latency }) =>
    server === undefined ? [] : [{ ...server, meanMs: latency.meanMs }],
  );
  if (measured.length === 0) return undefined;
  const middle = (of: (times: (typeof measured)[number]) => number): number =>
    measured.reduce((sum, times) => sum + of(times), 0) / measured.length;
  const requests = measured.reduce((sum, times) => sum + times.requests, 0);
  const executions = measured.reduce((sum, times) => sum + times.executions, 0);
  const inside = middle(
    ({ queueMs, computeInputMs, computeInferMs, computeOutputMs }) =>
      queueMs + computeInputMs + computeInferMs + computeOutputMs,
  );
  return {
    queueMs: middle(({ queueMs }) => queueMs),
    computeInputMs: middle(({ computeInputMs }) => computeInputMs),
    computeInferMs: middle(({ computeInferMs }) => computeInferMs),
    computeOutputMs: middle(({ computeOutputMs }) => computeOutputMs),
    outsideMs: Math.max(0, middle(({ meanMs }) => meanMs) - inside),
    ...(executions === 0 ? {} : { batch: requests / executions }),
  };
}

function gpuUse(points: readonly Point[]): GpuUse | undefined {
  const measured = points.flatMap(({ gpus = [] }) => (gpus.length === 0 ? [] : [gpus]));
  if (measured.length === 0) return undefined;
  const all = measured.flat();
  const perPoint = (of: (gpu: (typeof all)[number]) => number): number =>
    all.reduce((sum, gpu) => sum + of(gpu), 0) / measured.length;
  return {
    utilization: all.reduce((sum, { utilization }) => sum + utilization, 0) / all.length,
    memoryUsedBytes: perPoint(({ memoryUsedBytes }) => memoryUsedBytes),
    memoryTotalBytes: perPoint(({ memoryTotalBytes }) => memoryTotalBytes),
  };
}

/** The price is that of the whole group: in a mix, all that it answered at the time has to pay for it. */
function costOfMillion(
  series: Series,
  benchmark: Pick<Benchmark, "series">,
  points: readonly Point[],
): number | undefined {
  if (series.pricePerHour === undefined) return undefined;
  const rate = estimateOf(points.map((point) => groupRate(series, benchmark, point)));
  return rate === undefined ? undefined : perMillionInferences(series.pricePerHour, rate.value);
}

function groupRate(series: Series, benchmark: Pick<Benchmark, "series">, point: Point): number {
  const own = inferencesPerSecond(series, point);
  if (series.mix === undefined) return own;
  const others = benchmark.series.filter(
    (other) => other !== series && other.mix === series.mix && other.server === series.server,
  );
  return others.reduce((sum, other) => {
    const beside = other.points.find((candidate) => overlap(point, candidate));
    return sum + (beside === undefined ? 0 : inferencesPerSecond(other, beside));
  }, own);
}

/** Whether two measurements ran at the same time for more than half of the first. */
function overlap(point: Point, other: Point): boolean {
  const [from, otherFrom] = [Date.parse(point.startedAt), Date.parse(other.startedAt)];
  const end = Math.min(from + point.durationSeconds * 1000, otherFrom + other.durationSeconds * 1000);
  return end - Math.max(from, otherFrom) > point.durationSeconds * 500;
}

/**
 * What people call each series: `embedding-model, gRPC, batch 8`, with its instances or its place in the file where that is
 * needed to tell it from others.
 */
export function seriesNames(series: readonly Series[]): readonly string[] {
  const short = series.map(seriesName);
  const long = series.map(
    ({ instances, replicas, settings }, i) =>
      `${short[i] ?? ""}, ${counted(instances, "instance")} on ${counted(replicas, "replica")}${
        settings === undefined
          ? ""
          : `, batches to ${String(settings.maxBatchSize)}, delay ${String(settings.maxQueueDelayMs)} ms`
      }`,
  );
  const isOne = (names: readonly string[], name: string): boolean =>
    names.filter((other) => other === name).length === 1;
  return series.map((_, i) => {
    const [name = "", exact = ""] = [short[i], long[i]];
    return isOne(short, name) ? name : isOne(long, exact) ? exact : `${exact}, no. ${String(i + 1)}`;
  });
}

function seriesName({ model, protocol, batchSize, mix }: Series): string {
  return [
    model,
    protocol === "grpc" ? "gRPC" : "HTTP",
    ...(batchSize === 1 ? [] : [`batch ${String(batchSize)}`]),
    ...(mix === undefined ? [] : [`in the mix ${mix}`]),
  ].join(", ");
}

export function counted(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `0.1 %` */
export function share(part: number): string {
  return `${String(Number((part * 100).toPrecision(3)))} %`;
}
