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
    head: ["", ...settingsHead, "callers", "inferences/s", "p99", ""],
    rows: tried.map((own) => [own === best ? "best" : "", ...settingsCells(own), ...figures(own, ["p99Ms"])]),
  };
}

/** Today's settings and the best, each with all that was measured of it in the rounds. */
export interface Confirmed {
  readonly rounds: number;
  readonly now: Tried;
  readonly best: Tried;
  /** The best with today's. */
  readonly comparison: Comparison;
}

export function confirmedTable({ rounds, now, best }: Confirmed): Table {
  return {
    head: [
      `in ${String(rounds)} rounds`,
      ...settingsHead,
      "callers",
      "inferences/s",
      "p99",
      "p99 at most",
      "",
    ],
    rows: [
      ["today", ...settingsCells(now), ...figures(now, ["p99Ms", "p99UpperMs"])],
      ["best", ...settingsCells(best), ...figures(best, ["p99Ms", "p99UpperMs"])],
    ],
  };
}

const settingsHead = ["instances", "batches to", "delay"] as const;

function settingsCells({ settings: { instances, maxBatchSize, maxQueueDelay } }: Tried): readonly string[] {
  return [String(instances), String(maxBatchSize), milliseconds(maxQueueDelay / 1000)];
}

function figures(
  { recommendation, obstacle }: Tried,
  latencies: readonly ("p99Ms" | "p99UpperMs")[],
): readonly string[] {
  if (recommendation === undefined)
    return ["–", "–", ...latencies.map(() => "–"), obstacle ?? "no call was answered without failures"];
  return [
    String(recommendation.concurrency),
    rateText(recommendation.inferencesPerSecond),
    ...latencies.map((which) => milliseconds(recommendation[which])),
    isUnmet(recommendation) ? "beyond the objective" : "",
  ];
}

/** `complete`: no step from the best is better. `limit`: as many were tried as were allowed. `stopped`: by Ctrl-C, say. */
export type Ending = "complete" | "limit" | "stopped";

/** How much of what there is was tried, and what that says. `all`: how many settings there are. */
export function sweepCoverage(tried: number, all: number, ending: Ending): string {
  if (tried === all) return `All ${String(all)} settings were tried.`;
  const share = `${String(tried)} of ${String(all)} settings were tried`;
  switch (ending) {
    case "complete":
      return `${share}; no step from the best of them is better.`;
    case "limit":
      return `${share}, as many as --most allows: the search was not at its end.`;
    case "stopped":
      return `${share} before the sweep was stopped: the search was not at its end.`;
  }
}

/** What to make of it. */
export function sweepVerdict(
  tried: readonly Tried[],
  confirmed: Confirmed | undefined,
): { readonly change?: Settings; readonly text: string } {
  const [now] = tried;
  const best = bestTrial(tried);
  if (now === undefined || best === undefined) return { text: "No settings could be measured." };
  const unmet = isUnmet((confirmed?.best ?? best).recommendation)
    ? " No settings keep the latency objective."
    : "";
  if (best === now)
    return {
      text: `Nothing that was tried is better than what is there: ${settingsWords(now.settings)}.${unmet}`,
    };
  const instead = `${settingsWords(best.settings)} instead of ${settingsWords(now.settings)}`;
  if (confirmed === undefined) return { text: `Best, but not measured again: ${instead}.${unmet}` };
  const { comparison } = confirmed;
  const stays = `What is there stays: ${settingsWords(now.settings)}.`;
  const said = `${instead}${shiftWords(comparison)}`;
  if (hasRegression(comparison)) return { text: `Not better after all: ${said}. ${stays}${unmet}` };
  if (isUnmet(confirmed.best.recommendation) && !isUnmet(confirmed.now.recommendation))
    return {
      text: `Not better after all: ${said}; measured again, it does not surely keep the latency objective. ${stays}`,
    };
  return comparison.series[0]?.verdict === "improvement"
    ? { change: best.settings, text: `Better, and not by chance: ${said}.${unmet}` }
    : {
        text: `Not told apart from what is there: ${said}; the difference is within ${share(comparison.limit)} or within the noise. ${stays}${unmet}`,
      };
}

function isUnmet(recommendation: Recommendation | undefined): boolean {
  return recommendation?.basis === "unmet";
}

/** With the levels that are another by themselves, which a verdict may rest on. */
function shiftWords({ series: [series] }: Comparison): string {
  const shifts = present({ throughput: series?.throughput, p99: series?.p99 });
  const words = [
    ...Object.entries(shifts).map(([what, shift]) => `${what} ${shiftText(shift)}`),
    ...(series?.reasons ?? []),
  ];
  return words.length === 0 ? "" : `, measured again: ${words.join(", ")}`;
}
