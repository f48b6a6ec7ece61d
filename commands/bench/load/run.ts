import { measured, windowOf, type Call, type Window } from "../../../core/benchmark/calls.ts";
import { gpuUse, serverSide } from "../../../core/benchmark/counters.ts";
import type { Bound, LoadSettings } from "../../../core/benchmark/load-options.ts";
import type { Load, PlannedSeries } from "../../../core/benchmark/load-plan.ts";
import type { Point, Series } from "../../../core/benchmark/result.ts";
import { stopReason } from "../../../core/benchmark/stop.ts";
import type { StackEndpoint } from "../../stack/endpoint.ts";
import type { LoadGenerator } from "./generator.ts";
import { readDuring } from "./metrics.ts";
import type { Replicas } from "./replicas.ts";

/** Everything that a load needs besides what is planned. */
export interface Surroundings {
  readonly endpoint: StackEndpoint;
  readonly generatorOf: (series: PlannedSeries) => LoadGenerator;
  /** Whose metrics are read. */
  readonly replicas: Replicas;
  readonly signal: AbortSignal;
  /** Told after each point. */
  readonly onPoint: (series: PlannedSeries, point: Point) => void;
  /** Told before each point. */
  readonly onProgress: (text: string) => void;
}

/** What became of a planned series. */
export interface MeasuredSeries {
  readonly planned: PlannedSeries;
  readonly mix?: string;
  readonly points: readonly Point[];
  readonly stopped: Series["stopped"];
}

/**
 * Measures a load level by level, until its last one or a reason to stop. Interrupted, it returns the points that are whole.
 * The series of a mix stop together: what each of them brings depends on the others.
 */
export async function measure(
  load: Load,
  settings: Pick<LoadSettings, "bound" | "warmUpSeconds" | "repeats">,
  surroundings: Surroundings,
): Promise<MeasuredSeries[]> {
  const { signal } = surroundings;
  const points = load.series.map((): Point[] => []);
  const finish = (stopped: Series["stopped"]): MeasuredSeries[] =>
    load.series.map((planned, i) => ({
      ...{ planned, points: points[i] ?? [], stopped },
      ...(load.mix === undefined ? {} : { mix: load.mix }),
    }));
  for (const level of load.levels) {
    for (let repeat = 1; repeat <= settings.repeats; repeat += 1) {
      if (signal.aborted) return finish("interrupted");
      surroundings.onProgress(describe(load, level, repeat, settings.repeats));
      const measuredNow = await Promise.all(
        load.series.map((series, i) =>
          measurePoint(series, { concurrency: level[i] ?? 1, repeat }, settings, surroundings),
        ),
      );
      for (const [i, point] of measuredNow.entries()) {
        const series = load.series[i];
        if (point === undefined || series === undefined) continue;
        points[i]?.push(point);
        surroundings.onPoint(series, point);
      }
      if (isStopped(signal)) return finish("interrupted");
    }
    const reason = load.series
      .map((series, i) => stopReason(points[i] ?? [], series))
      .find((each) => each !== undefined);
    if (reason !== undefined) return finish(reason);
  }
  return finish("complete");
}

/** A signal's state changes while its owner waits, which the compiler does not know. */
function isStopped(signal: AbortSignal): boolean {
  return signal.aborted;
}

function describe(load: Load, level: readonly number[], repeat: number, repeats: number): string {
  const parts = load.series.map(({ model, protocol, batchSize }, i) => {
    const batch = model.spec.maxBatchSize > 0 ? `, batch ${String(batchSize)}` : "";
    return `${model.spec.name} ${protocol}${batch} × ${String(level[i] ?? 1)}`;
  });
  return `${parts.join(" | ")}${repeats > 1 ? ` (${String(repeat)} of ${String(repeats)})` : ""}`;
}

/** Calls go on for so long after the window, so that a generator that took its time to start fills it too. */
const slackSeconds = 1;

/** One point; undefined where it was interrupted. */
async function measurePoint(
  series: PlannedSeries,
  { concurrency, repeat }: Pick<Point, "concurrency" | "repeat">,
  { bound, warmUpSeconds }: Pick<LoadSettings, "bound" | "warmUpSeconds">,
  { endpoint, generatorOf, replicas, signal }: Surroundings,
): Promise<Point | undefined> {
  const generator = generatorOf(series);
  const job = { series, endpoint, concurrency, signal };
  const isTimed = "seconds" in bound;
  // A fixed number of calls is counted from the first one on, and warmed up by a load of its own.
  if (!isTimed && warmUpSeconds > 0) await generator.run({ ...job, bound: { seconds: warmUpSeconds } });
  const started = Date.now();
  const from = isTimed ? started + warmUpSeconds * 1000 : started;
  const window = { from, ...(isTimed ? { to: from + bound.seconds * 1000 } : {}) };
  const whole: Bound = isTimed ? { seconds: warmUpSeconds + bound.seconds + slackSeconds } : bound;
  const ended = new AbortController();
  const reading = readDuring(replicas, series.model.server, window, AbortSignal.any([ended.signal, signal]));
  // A number of calls may be done before the first page is there.
  if (!isTimed) await reading.begun;
  let calls: readonly Call[];
  try {
    calls = await generator.run({ ...job, bound: whole });
  } finally {
    ended.abort();
  }
  if (signal.aborted) return undefined;
  const { before, after, all } = await reading.whole;
  const counted = windowFor(calls, window, started);
  const server = serverSide(series.model.spec.name, before, after);
  const gpus = gpuUse(all);
  return {
    concurrency,
    repeat,
    startedAt: new Date(counted.from).toISOString(),
    ...measured(calls, counted),
    ...(server === undefined ? {} : { server }),
    ...(gpus.length === 0 ? {} : { gpus }),
  };
}

/** What of the calls counts: a program takes a moment to start, and one that gave up in the warm-up has its failure there. */
function windowFor(
  calls: readonly Call[],
  { from, to }: { readonly from: number; readonly to?: number },
  started: number,
): Window {
  const whole = windowOf(calls);
  if (to === undefined || whole.to <= from) return whole;
  const late = Math.max(0, whole.from - started);
  return { from: from + late, to: Math.min(to + late, whole.to) };
}
