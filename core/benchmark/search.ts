/**
 * Finds good settings with few measurements: a pattern search (R. Hooke and T. A. Jeeves, Journal of the ACM 8, 1961) over a grid, as a
 * function of what was measured so far. From the best place known, one setting at a time is tried a step up and a step
 * down; where none is better the steps are halved, and after single steps and exchanges it is at its end. Triton's Model Analyzer
 * searches in the same way (docs/config_search.md, "Quick Search Mode"), with a neighbourhood in place of single steps.
 */

/** A place on the grid: for each setting the index of its value. */
export type Place = readonly number[];

export interface Trial {
  readonly place: Place;
  /** The more the better; -Infinity for what cannot be. */
  readonly score: number;
}

/** `sizes`: how many values each setting has. `start`: where to begin, as a rule the settings of today. */
export interface SearchSpace {
  readonly sizes: readonly number[];
  readonly start: Place;
}

/** The place to measure next, given all trials until now; undefined where the search is at its end. */
export function nextPlace({ sizes, start }: SearchSpace, trials: readonly Trial[]): Place | undefined {
  const scores = new Map(trials.map(({ place, score }) => [keyOf(place), score]));
  if (!scores.has(keyOf(start))) return start;
  // What was measured is walked again, until there is a place that was not.
  let here = start;
  for (let steps = sizes.map(firstStep); ; steps = steps.map(halved)) {
    const isLast = steps.every((step) => step <= 1);
    const moves = [...axisMoves(steps), ...(isLast ? exchanges(sizes.length) : [])];
    for (let better: Place | undefined = here; better !== undefined;) {
      here = better;
      const found = firstBetter(here, { moves, sizes }, scores);
      if ("unknown" in found) return found.unknown;
      better = found.better;
    }
    if (isLast) return undefined;
  }
}

/** The trial with the highest score, the first of equals; undefined where all are impossible. */
export function bestTrial<T extends Trial>(trials: readonly T[]): T | undefined {
  return trials.reduce<T | undefined>(
    (best, trial) => (trial.score > (best?.score ?? Number.NEGATIVE_INFINITY) ? trial : best),
    undefined,
  );
}

interface Neighbourhood {
  /** By how much each setting changes. */
  readonly moves: readonly Place[];
  readonly sizes: readonly number[];
}

/** The first neighbour that is better, or one that has to be measured before that is known. */
function firstBetter(
  here: Place,
  { moves, sizes }: Neighbourhood,
  scores: ReadonlyMap<string, number>,
): { readonly better: Place | undefined } | { readonly unknown: Place } {
  const now = scores.get(keyOf(here)) ?? Number.NEGATIVE_INFINITY;
  for (const move of moves) {
    const place = here.map((at, i) => Math.min((sizes[i] ?? 1) - 1, Math.max(0, at + (move[i] ?? 0))));
    const score = scores.get(keyOf(place));
    if (score === undefined) return { unknown: place };
    if (score > now) return { better: place };
  }
  return { better: undefined };
}

function axisMoves(steps: Place): readonly Place[] {
  return steps.flatMap((step, axis) =>
    [1, -1].map((way) => steps.map((_, i) => (i === axis ? way * step : 0))),
  );
}

/**
 * One setting up and another down by a step: more instances for smaller batches, where memory has no room for both, and no single
 * step is better.
 */
function exchanges(settings: number): readonly Place[] {
  const all = Array.from({ length: settings }, (_, i) => i);
  return all.flatMap((up) =>
    all.filter((down) => down !== up).map((down) => all.map((i) => (i === up ? 1 : i === down ? -1 : 0))),
  );
}

/** A third of the way, so that the second step reaches most of the range. */
function firstStep(size: number): number {
  return Math.max(1, Math.floor(size / 3));
}

function halved(step: number): number {
  return Math.max(1, Math.floor(step / 2));
}

function keyOf(place: Place): string {
  return place.join();
}
