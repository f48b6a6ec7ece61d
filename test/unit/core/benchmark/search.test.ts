import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bestTrial,
  nextPlace,
  type Place,
  type SearchSpace,
  type Trial,
} from "../../../../core/benchmark/search.ts";
import { normalFrom, randomFrom } from "../../../support/benchmarks.ts";

/** Instances, batch sizes, queue delays. */
const sizes = [6, 7, 6];
const grid = sizes.reduce((product, size) => product * size, 1);

function search(space: SearchSpace, measure: (place: Place) => number): readonly Trial[] {
  const trials: Trial[] = [];
  for (let place = nextPlace(space, trials); place !== undefined; place = nextPlace(space, trials)) {
    if (trials.length > grid) throw new Error("the search does not end");
    trials.push({ place, score: measure(place) });
  }
  return trials;
}

function* placesOf([size = 0, ...rest]: readonly number[]): Generator<Place> {
  for (let i = 0; i < size; i++) {
    if (rest.length === 0) yield [i];
    else for (const place of placesOf(rest)) yield [i, ...place];
  }
}

const placeIn = fc.tuple(...sizes.map((size) => fc.integer({ min: 0, max: size - 1 })));

/** Throughput that falls off from one best place, by a share for each step away from it. */
const surface = (peak: Place, slopes: Place) => (place: Place) =>
  1000 *
  Math.exp(-place.reduce((sum, at, i) => sum + (slopes[i] ?? 0) * Math.abs(at - (peak[i] ?? 0)) ** 1.3, 0));

describe("the search for settings", () => {
  const slopes = fc.tuple(...sizes.map(() => fc.double({ min: 0.02, max: 0.4, noNaN: true })));

  it("finds the best of a surface with one peak, with a sixth of the grid's runs", () => {
    fc.assert(
      fc.property(placeIn, placeIn, slopes, (peak, start, steep) => {
        const trials = search({ sizes, start }, surface(peak, steep));
        expect(bestTrial(trials)?.place).toEqual(peak);
        expect(trials.length).toBeLessThanOrEqual(grid / 6);
      }),
    );
  });

  it("never measures a place twice, nor one beyond the grid, and begins where it is told", () => {
    fc.assert(
      fc.property(placeIn, fc.integer(), (start, seed) => {
        const random = randomFrom(seed);
        const trials = search({ sizes, start }, () => (random() < 0.2 ? Number.NEGATIVE_INFINITY : random()));
        expect(trials[0]?.place).toEqual(start);
        expect(new Set(trials.map(({ place }) => place.join())).size).toBe(trials.length);
        for (const { place } of trials)
          place.forEach((at, i) => {
            expect(at).toBeGreaterThanOrEqual(0);
            expect(at).toBeLessThan(sizes[i] ?? 0);
          });
      }),
    );
  });

  // A server as it is: instances help until the cores are used, batches until they fill, delay fills them and costs latency.
  it("comes within 5 % of the grid's best with noise of 3 %, nine times of ten", () => {
    const random = randomFrom(11);
    const share = Array.from({ length: 300 }, () => {
      const best = sizes.map((size) => Math.floor(random() * size));
      const steep = sizes.map(() => 0.02 + 0.2 * random());
      const start = sizes.map((size) => Math.floor(random() * size));
      const truth = surface(best, steep);
      const trials = search({ sizes, start }, (place) => truth(place) * Math.exp(0.03 * normalFrom(random)));
      const found = bestTrial(trials)?.place ?? start;
      const most = Math.max(...[...placesOf(sizes)].map(truth));
      return { isNear: truth(found) >= 0.95 * most, runs: trials.length };
    });
    expect(share.filter(({ isNear }) => isNear).length).toBeGreaterThanOrEqual(270);
    const runs = share.reduce((sum, each) => sum + each.runs, 0) / share.length;
    expect(runs).toBeLessThan(grid / 10);
  });

  it("goes round what cannot be, and ends where nothing can", () => {
    const peak: Place = [5, 6, 2];
    // More instances and larger batches together do not fit into the GPU's memory.
    const fits = ([instances = 0, batch = 0]: Place): boolean => instances + batch <= 7;
    const score = surface(peak, [0.1, 0.3, 0.1]);
    const trials = search({ sizes, start: [0, 0, 0] }, (place) =>
      fits(place) ? score(place) : Number.NEGATIVE_INFINITY,
    );
    const found = bestTrial(trials)?.place ?? [];
    const most = Math.max(...[...placesOf(sizes)].filter(fits).map(score));
    expect(score(found)).toBeGreaterThan(0.8 * most);
    const none = search({ sizes, start: [0, 0, 0] }, () => Number.NEGATIVE_INFINITY);
    expect(bestTrial(none)).toBeUndefined();
  });

  it("needs no choice where a setting has one value", () => {
    expect(search({ sizes: [1, 1], start: [0, 0] }, () => 1)).toHaveLength(1);
  });
});
