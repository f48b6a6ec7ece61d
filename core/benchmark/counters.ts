import type { Point } from "./result.ts";

/**
 * What Triton's own metrics say of a point: the difference of its counters before and after, of all replicas.
 * Source: triton-inference-server/server docs/user_guide/metrics.md.
 */

/** A replica's `/metrics` page. */
export interface MetricsPage {
  readonly replica: string;
  /** Absent where it did not answer. */
  readonly samples?: readonly Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of Prometheus' text format; comments and what is no sample are skipped. */
export function parseMetrics(text: string): Sample[] {
  return text.split("\n").flatMap((line): Sample[] => {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
    if (match === null) return [];
    const [, name = "", labels = "", value = ""] = match;
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    return [
      {
        name,
        labels: Object.fromEntries(pairs.map(([, key = "", text = ""]) => [key, text])),
        value: Number(value),
      },
    ];
  });
}

/**
 * Means of a model between two readings; undefined where a replica was not there at both, did not answer or began anew in
 * between, and where nothing was done: what some replicas say is not what all did.
 */
export function serverSide(
  model: string,
  before: readonly MetricsPage[],
  after: readonly MetricsPage[],
): Point["server"] {
  const changed = (metric: string): number | undefined => {
    const [earlier, later] = [before, after].map((pages) => counters(pages, model, `nv_inference_${metric}`));
    if (later === undefined || earlier?.size !== later.size) return undefined;
    let sum = 0;
    for (const [key, value] of later) {
      const growth = value - (earlier.get(key) ?? Infinity);
      if (!(growth >= 0)) return undefined;
      sum += growth;
    }
    return sum;
  };
  const requests = changed("request_success");
  const executions = changed("exec_count");
  if (requests === undefined || executions === undefined || requests === 0) return undefined;
  const meanMs = (metric: string): number => (changed(`${metric}_duration_us`) ?? 0) / requests / 1000;
  return {
    requests,
    executions,
    queueMs: meanMs("queue"),
    computeInputMs: meanMs("compute_input"),
    computeInferMs: meanMs("compute_infer"),
    computeOutputMs: meanMs("compute_output"),
  };
}

/** By replica and version; undefined where one did not answer. */
function counters(
  pages: readonly MetricsPage[],
  model: string,
  name: string,
): ReadonlyMap<string, number> | undefined {
  const values = new Map<string, number>();
  for (const { replica, samples } of pages) {
    if (samples === undefined) return undefined;
    for (const { labels, value } of samples.filter((sample) => sample.name === name))
      if (labels.model === model) values.set(`${replica}/${labels.version ?? ""}`, value);
  }
  return values;
}

/**
 * GPUs as several readings during a point saw them: the mean of each. One that several replicas share is one. None where there
 * are no `nv_gpu_*`.
 */
export function gpuUse(readings: readonly (readonly MetricsPage[])[]): NonNullable<Point["gpus"]> {
  const values = new Map<string, Map<string, number[]>>();
  for (const { samples = [] } of readings.flat())
    for (const { name, labels, value } of samples) {
      const uuid = labels.gpu_uuid;
      if (uuid === undefined || !name.startsWith("nv_gpu_")) continue;
      const gpu = values.get(uuid) ?? new Map<string, number[]>();
      values.set(uuid, gpu);
      gpu.set(name, [...(gpu.get(name) ?? []), value]);
    }
  return [...values]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([uuid, metrics]) => {
      const mean = (name: string): number => {
        const all = metrics.get(name) ?? [];
        return all.length === 0 ? 0 : all.reduce((sum, value) => sum + value, 0) / all.length;
      };
      return {
        uuid,
        utilization: Math.min(1, mean("nv_gpu_utilization")),
        memoryUsedBytes: mean("nv_gpu_memory_used_bytes"),
        memoryTotalBytes: mean("nv_gpu_memory_total_bytes"),
      };
    });
}
