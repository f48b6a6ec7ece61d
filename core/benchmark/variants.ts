import yaml from "js-yaml";
import * as z from "zod";
import type { ModelSpec } from "../spec/model.ts";
import { formatDuration, type Microseconds } from "../spec/units.ts";
import type { Place } from "./search.ts";

/** What a sweep changes in one model's spec. */
export interface Settings {
  /** Of the first instance group. */
  readonly instances: number;
  readonly maxBatchSize: number;
  readonly maxQueueDelay: Microseconds;
}

/** The values of each setting, ascending. */
export interface Grid {
  readonly instances: readonly number[];
  readonly maxBatchSizes: readonly number[];
  readonly queueDelays: readonly Microseconds[];
}

/** Of today, as far as the spec says them; Triton's own defaults are 1 instance, and no delay. */
export function settingsOf({
  instances,
  maxBatchSize,
  batching,
}: Pick<ModelSpec, "instances" | "maxBatchSize" | "batching">): Settings {
  return {
    instances: instances?.[0]?.count ?? 1,
    maxBatchSize,
    maxQueueDelay:
      batching === undefined || !("maxQueueDelay" in batching) ? 0 : (batching.maxQueueDelay ?? 0),
  };
}

/** With today's values in it, which a search begins with. */
export function gridAround(now: Settings, { instances, maxBatchSizes, queueDelays }: Grid): Grid {
  const withNow = (values: readonly number[], own: number): number[] =>
    [...new Set([...values, own])].sort((a, b) => a - b);
  return {
    instances: withNow(instances, now.instances),
    maxBatchSizes: withNow(maxBatchSizes, now.maxBatchSize),
    queueDelays: withNow(queueDelays, now.maxQueueDelay),
  };
}

export function settingsAt({ instances, maxBatchSizes, queueDelays }: Grid, place: Place): Settings {
  const [first = 0, second = 0, third = 0] = place;
  return {
    instances: instances[first] ?? 1,
    maxBatchSize: maxBatchSizes[second] ?? 1,
    maxQueueDelay: queueDelays[third] ?? 0,
  };
}

export function placeOf({ instances, maxBatchSizes, queueDelays }: Grid, settings: Settings): Place {
  return [
    instances.indexOf(settings.instances),
    maxBatchSizes.indexOf(settings.maxBatchSize),
    queueDelays.indexOf(settings.maxQueueDelay),
  ];
}

export function sizesOf({ instances, maxBatchSizes, queueDelays }: Grid): readonly number[] {
  return [instances.length, maxBatchSizes.length, queueDelays.length];
}

const warmupText = z.array(z.looseObject({ batchSize: z.number().optional() })).optional();

const specText = z.looseObject({
  instances: z.array(z.looseObject({})).optional(),
  batching: z.looseObject({ preferredBatchSizes: z.array(z.number()).optional() }).optional(),
  warmup: warmupText,
});

/**
 * A spec's YAML with other settings. Preferred and warm-up batches that are larger than the largest batch go with it; if none is
 * left, one of the largest.
 */
export function variantOf(text: string, settings: Settings): string {
  const spec = specText.parse(yaml.load(text));
  return yaml.dump({ ...spec, ...changesOf(spec, settings) });
}

/** The lines of `model.yaml` that a sweep recommends, to be put in place of those that are there. */
export function recommendedLines(text: string, settings: Settings): string {
  return linesOf(changesOf(specText.parse(yaml.load(text)), settings));
}

/** Names of the ensembles whose graph leads to a model: its steps, and those of ensembles that are steps themselves. */
export function ensemblesAround(
  specs: readonly Pick<ModelSpec, "name" | "ensemble">[],
  model: string,
): readonly string[] {
  const found = new Set<string>();
  // A circle, which is somebody's mistake, ends as well.
  for (let known = -1; known !== found.size;) {
    known = found.size;
    for (const { name, ensemble } of specs)
      if ((ensemble?.steps ?? []).some((step) => step.model === model || found.has(step.model)))
        found.add(name);
  }
  return [...found].sort();
}

const ensembleText = z.looseObject({
  maxBatchSize: z.number().default(0),
  warmup: warmupText,
});

/**
 * An ensemble's YAML where one of its steps takes no larger batches than these: an ensemble may not take larger ones than its steps
 * (core/triton/rules). What takes smaller ones already stays as it is.
 */
export function ensembleVariantOf(text: string, maxBatchSize: number): string {
  const spec = ensembleText.parse(yaml.load(text));
  return yaml.dump({ ...spec, ...ensembleChangesOf(spec, maxBatchSize) });
}

/** The lines of an ensemble's `model.yaml` that go with a recommendation; undefined where it stays as it is. */
export function recommendedEnsembleLines(text: string, maxBatchSize: number): string | undefined {
  const changes = ensembleChangesOf(ensembleText.parse(yaml.load(text)), maxBatchSize);
  return Object.keys(changes).length === 0 ? undefined : linesOf(changes);
}

/** A line for each field. */
function linesOf(changes: Record<string, unknown>): string {
  return yaml.dump(changes, { flowLevel: 1 }).trimEnd();
}

function ensembleChangesOf(
  { maxBatchSize: own, warmup }: z.output<typeof ensembleText>,
  maxBatchSize: number,
): Record<string, unknown> {
  if (own <= maxBatchSize) return {};
  return { maxBatchSize, ...(warmup === undefined ? {} : { warmup: fitting(warmup, maxBatchSize) }) };
}

function changesOf(
  { instances = [{ kind: "auto" }], batching, warmup }: z.output<typeof specText>,
  { instances: count, maxBatchSize, maxQueueDelay }: Settings,
): Record<string, unknown> {
  const { preferredBatchSizes, ...rest } = batching ?? {};
  const preferred = preferredBatchSizes?.filter((size) => size <= maxBatchSize) ?? [];
  return {
    maxBatchSize,
    instances: instances.map((group, i) => (i === 0 ? { ...group, count } : group)),
    batching: {
      ...(preferred.length === 0 ? {} : { preferredBatchSizes: preferred }),
      ...rest,
      maxQueueDelay: formatDuration(maxQueueDelay),
    },
    ...(warmup === undefined ? {} : { warmup: fitting(warmup, maxBatchSize) }),
  };
}

function fitting<T extends { readonly batchSize?: number | undefined }>(
  samples: readonly T[],
  maxBatchSize: number,
): readonly T[] {
  const kept = samples.filter(({ batchSize = 1 }) => batchSize <= maxBatchSize);
  return kept.length > 0
    ? kept
    : samples.slice(0, 1).map((sample) => ({ ...sample, batchSize: maxBatchSize }));
}

/** `2 instances, batches to 32, delay 5ms` */
export function settingsWords({ instances, maxBatchSize, maxQueueDelay }: Settings): string {
  return `${String(instances)} instance${instances === 1 ? "" : "s"}, batches to ${String(maxBatchSize)}, delay ${formatDuration(maxQueueDelay)}`;
}
