import { present } from "../objects.ts";
import { hasRegression, shiftText, type Comparison } from "./comparison.ts";
import { share } from "./levels.ts";
import { milliseconds, type Recommendation } from "./recommendation.ts";
import { bestTrial, type Trial } from "./search.ts";
import { rateText, type Table } from "./tables.ts";
import { settingsWords, type Settings } from "./variants.ts";

/** What was tried of a model's settings, and what came of it. */
export interface Tried extends Trial {
  readonly settings: Settings;
  readonly recommendation?: Recommendation;
  /** Why it could not be measured: no room on the GPU, a rule that it breaks. */
  readonly obstacle?: string;
}

/**
 * The most throughput within the objective; where none is within it, the less p99 is beyond it the better, and all of that is
 * worse than what keeps it.
 */
export function scoreOf(recommendation: Recommendation | undefined): number {
  if (recommendation === undefined) return Number.NEGATIVE_INFINITY;
  const { basis, p99UpperMs, objectiveMs = 1, inferencesPerSecond } = recommendation;
  return basis === "unmet" ? -p99UpperMs / objectiveMs : inferencesPerSecond;
}

/** In the order they were tried in, the best one marked. */
export function sweepTable(tried: readonly Tried[]): Table {
  const best = bestTrial(tried);
  return {
    head: ["", "instances", "batches to", "delay", "callers", "inferences/s", "p99", "p99 at most", ""],
    rows: tried.map((own) => {
      const { settings, recommendation, obstacle } = own;
      const { instances, maxBatchSize, maxQueueDelay } = settings;
      const figures =
        recommendation === undefined
          ? ["–", "–", "–", "–", obstacle ?? "no call was answered without failures"]
          : [
              String(recommendation.concurrency),
              rateText(recommendation.inferencesPerSecond),
              milliseconds(recommendation.p99Ms),
              milliseconds(recommendation.p99UpperMs),
              recommendation.basis === "unmet" ? "beyond the objective" : "",
            ];
      return [
        own === best ? "best" : "",
        ...[String(instances), String(maxBatchSize), milliseconds(maxQueueDelay / 1000)],
        ...figures,
      ];
    }),
  };
}

/** What to make of it. `confirmed` compares the best settings with today's, measured again. */
export function sweepVerdict(
  tried: readonly Tried[],
  confirmed: Comparison | undefined,
): { readonly change?: Settings; readonly text: string } {
  const [now] = tried;
  const best = bestTrial(tried);
  if (now === undefined || best === undefined) return { text: "No settings could be measured." };
  const unmet = best.recommendation?.basis === "unmet" ? " No settings keep the latency objective." : "";
  if (best === now)
    return { text: `Nothing is better than what is there: ${settingsWords(now.settings)}.${unmet}` };
  const series = confirmed?.series[0];
  const shifts = present({ throughput: series?.throughput, p99: series?.p99 });
  const words = Object.entries(shifts).map(([what, shift]) => `${what} ${shiftText(shift)}`);
  const measured = words.length === 0 ? "" : `, measured again: ${words.join(", ")}`;
  const said = `${settingsWords(best.settings)} instead of ${settingsWords(now.settings)}${measured}`;
  if (confirmed === undefined) return { text: `Best, but not measured again: ${said}.${unmet}` };
  if (hasRegression(confirmed))
    return {
      text: `Not better after all: ${said}. What is there stays: ${settingsWords(now.settings)}.${unmet}`,
    };
  return series?.verdict === "improvement"
    ? { change: best.settings, text: `Better, and not by chance: ${said}.${unmet}` }
    : {
        text: `Not told apart from what is there: ${said}; the difference is within ${share(confirmed.limit)} or within the noise. What is there stays.${unmet}`,
      };
}
