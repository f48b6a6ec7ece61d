import { expectationOf } from "./article.ts";
import { counted, share } from "./levels.ts";
import type { Comparison, SeriesComparison } from "./comparison.ts";
import { milliseconds, type Recommendation } from "./recommendation.ts";
import type { BenchmarkReport } from "./report.ts";
import { rateText } from "./tables.ts";

/** What every form of a report says the same way. */

/** `embedding-model: 820 inferences/s with 32 callers, batch 1, 2 instances, 1 replica: the most throughput …` */
export function recommendationLine(own: Recommendation): string {
  return `${own.model}: ${rateText(own.inferencesPerSecond)} inferences/s with ${settingsText(own)}: ${own.reason}`;
}

/** `32 callers, batch 1, 2 instances, 1 replica` */
export function settingsText({ concurrency, batchSize, instances, replicas }: Recommendation): string {
  return `${counted(concurrency, "caller")}, batch ${String(batchSize)}, ${counted(instances, "instance")}, ${counted(replicas, "replica")}`;
}

/** The outcome of a comparison in a sentence. */
export function comparisonLine({ series, obstacles, limit, against }: Comparison): string {
  if (obstacles.length > 0) return `Not comparable with ${against}: ${obstacles.join("; ")}`;
  if (series.length === 0) return `Nothing in common with ${against}`;
  const count = (verdict: SeriesComparison["verdict"]): number =>
    series.filter((own) => own.verdict === verdict).length;
  const parts = (["regression", "improvement", "same", "unclear", "incomparable"] as const)
    .filter((verdict) => count(verdict) > 0)
    .map((verdict) => `${String(count(verdict))} ${verdict}`);
  return `Compared with ${against}, limit ${share(limit)}: ${parts.join(", ")}`;
}

/** What the comparison has on one series, a line each. */
export function comparisonReasons({ onlyBefore, onlyAfter, changes }: Comparison): readonly string[] {
  return [
    ...changes.map((change) => `changed: ${change}`),
    ...(onlyBefore.length === 0 ? [] : [`only in the other run: ${onlyBefore.join("; ")}`]),
    ...(onlyAfter.length === 0 ? [] : [`only in this run: ${onlyAfter.join("; ")}`]),
  ];
}

/** What the article has of the models that were measured, and what is wrong with it. */
export function articleLines({ benchmark }: BenchmarkReport): readonly string[] {
  const models = [...new Set(benchmark.series.map(({ model }) => model))];
  return models.flatMap((model) => {
    const expectation = expectationOf(model);
    if (expectation === undefined) return [];
    const { throughput, meanMs, p99Ms, doubts } = expectation;
    return [
      `${model}: ${String(throughput)} a second, mean ${milliseconds(meanMs)}, p99 ${milliseconds(p99Ms)} (the article's benchmark, two RTX 3090)`,
      ...doubts.map((doubt) => `${model}: ${doubt}`),
    ];
  });
}
