import { seriesNames } from "./levels.ts";
import type { Benchmark, Series } from "./result.ts";

/** Which series of two runs are of the same load, and what else is the same about the runs. */

/**
 * The same load on the same model with the same settings; with other settings where it is the only one of its load that is left
 * in either run.
 */
export function matchSeries(
  after: readonly Series[],
  before: readonly Series[],
): ReadonlyMap<Series, Series> {
  const matches = new Map<Series, Series>();
  const free = new Set(before);
  const match = (series: Series, own: Series | undefined): void => {
    if (own === undefined) return;
    matches.set(series, own);
    free.delete(own);
  };
  for (const series of after)
    match(
      series,
      [...free].find((own) => isSameLoad(series, own) && hasSameSettings(series, own)),
    );
  for (const series of after) {
    if (matches.has(series)) continue;
    const others = [...free].filter((own) => isSameLoad(series, own));
    const rivals = after.filter((own) => !matches.has(own) && isSameLoad(series, own));
    if (others.length === 1 && rivals.length === 1) match(series, others[0]);
  }
  return matches;
}

function hasSameSettings(a: Series, b: Series): boolean {
  return (
    a.instances === b.instances &&
    a.replicas === b.replicas &&
    a.settings?.maxBatchSize === b.settings?.maxBatchSize &&
    a.settings?.maxQueueDelayMs === b.settings?.maxQueueDelayMs
  );
}

function isSameLoad(a: Series, b: Series): boolean {
  return a.model === b.model && a.protocol === b.protocol && a.batchSize === b.batchSize && a.mix === b.mix;
}

/** Figures of other machines say nothing about each other. */
export function obstaclesBetween(after: Benchmark, before: Benchmark): readonly string[] {
  const hardware = ({ environment }: Benchmark): string => hardwareName(environment.hardware);
  return [
    differs("target", before.environment.target, after.environment.target),
    differs("hardware", hardware(before), hardware(after)),
  ].flat();
}

/** Another payload is other work; another load generator has other costs of its own. */
export function seriesObstacles(
  [before, beforeRun]: readonly [Series, Benchmark],
  [after, afterRun]: readonly [Series, Benchmark],
): readonly string[] {
  const generator = (series: Series, { environment }: Benchmark): string =>
    (series.generator ?? environment.generator).name;
  const payload = ({ payload: { source, bytes } }: Series): string => `${source} (${String(bytes)} bytes)`;
  return [
    ...(before.payload.sha256 === after.payload.sha256
      ? []
      : [`another payload: ${payload(before)} before, ${payload(after)} now`]),
    ...differs("load generator", generator(before, beforeRun), generator(after, afterRun)),
  ];
}

/** What a comparison is made for, as a rule. */
export function changesBetween(after: Benchmark, before: Benchmark): readonly string[] {
  const matches = matchSeries(after.series, before.series);
  const names = seriesNames(after.series);
  return [
    ...differs("commit", before.environment.commit, after.environment.commit),
    ...differs("stack", before.environment.stack, after.environment.stack),
    ...differs("Triton", before.environment.triton.version, after.environment.triton.version),
    ...differs("image", before.environment.triton.image, after.environment.triton.image),
    ...differs(
      "version of the load generator",
      before.environment.generator.version,
      after.environment.generator.version,
    ),
    ...differs("load from", before.environment.generator.from, after.environment.generator.from),
    ...after.series.flatMap((series, i) => {
      const other = matches.get(series);
      if (other === undefined) return [];
      const own = [
        ...differs("replicas", other.replicas, series.replicas),
        ...differs("instances", other.instances, series.instances),
        ...differs("version", other.version, series.version),
        ...(other.specHash === series.specHash ? [] : ["another configuration"]),
        ...(other.repositoryHash === series.repositoryHash || other.specHash !== series.specHash
          ? []
          : ["another repository"]),
      ];
      return own.length === 0 ? [] : [`${names[i] ?? ""}: ${own.join(", ")}`];
    }),
  ];
}

function differs(
  what: string,
  before: string | number | undefined,
  after: string | number | undefined,
): string[] {
  return before === after ? [] : [`${what}: ${String(before ?? "unknown")} → ${String(after ?? "unknown")}`];
}

/** `AMD EPYC, 2 cores, no GPU`; `p4d.24xlarge, 8 × NVIDIA-A100-SXM4-40GB`. */
export function hardwareName({
  processor,
  cores,
  gpus,
  instanceType,
}: Benchmark["environment"]["hardware"]): string {
  const products = [...new Set(gpus.map(({ product }) => product))];
  const cards = products.map(
    (product) => `${String(gpus.filter((gpu) => gpu.product === product).length)} × ${product}`,
  );
  return [
    ...(instanceType === undefined ? [processor, `${String(cores)} cores`] : [instanceType]),
    ...(cards.length === 0 ? ["no GPU"] : cards),
  ].join(", ");
}
