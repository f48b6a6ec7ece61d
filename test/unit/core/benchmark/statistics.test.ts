import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  chanceOfAbove,
  chanceOfBelow,
  estimateOf,
  holm,
  shiftOf,
  upperBound,
} from "../../../../core/benchmark/statistics.ts";
import { normalFrom, randomFrom } from "../../../support/benchmarks.ts";

const positive = fc.double({ min: 0.01, max: 1e6, noNaN: true });

describe("estimates", () => {
  it("are the geometric mean with Student's interval", () => {
    // ln 90, 100, 110: mean 4.60183, standard deviation 0.10041, t(0.975, 2) = 4.30265.
    const estimate = estimateOf([90, 100, 110]);
    expect(estimate?.value).toBeCloseTo(99.666, 2);
    expect(estimate?.low).toBeCloseTo(99.666 / Math.exp((4.30265 * 0.10041) / Math.sqrt(3)), 1);
    expect(estimate?.count).toBe(3);
  });

  it("have no interval where there is one repeat, and are none where there is nothing", () => {
    expect(estimateOf([5])?.value).toBeCloseTo(5);
    expect(estimateOf([5])).not.toHaveProperty("low");
    expect(estimateOf([])).toBeUndefined();
    expect(estimateOf([0, -1])).toBeUndefined();
    expect(upperBound([])).toBeUndefined();
    expect(upperBound([7])).toBeCloseTo(7);
  });

  it("hold the values' middle, whatever they are", () => {
    fc.assert(
      fc.property(fc.array(positive, { minLength: 2, maxLength: 8 }), (values) => {
        const { value = 0, low = 0, high = 0 } = estimateOf(values) ?? {};
        expect(value).toBeGreaterThanOrEqual(Math.min(...values) * (1 - 1e-9));
        expect(value).toBeLessThanOrEqual(Math.max(...values) * (1 + 1e-9));
        expect(low).toBeLessThan(value);
        expect(high).toBeGreaterThan(value);
        expect(upperBound(values)).toBeLessThan(high);
      }),
    );
  });

  it("hold what is true 95 times of a hundred", () => {
    const random = randomFrom(7);
    const held = Array.from({ length: 2000 }, () => {
      const estimate = estimateOf(Array.from({ length: 3 }, () => 50 * Math.exp(0.08 * normalFrom(random))));
      return (estimate?.low ?? 0) <= 50 && 50 <= (estimate?.high ?? 0);
    }).filter(Boolean).length;
    expect(held / 2000).toBeGreaterThan(0.935);
    expect(held / 2000).toBeLessThan(0.965);
  });
});

describe("shifts", () => {
  it("are Welch's test where there is one point", () => {
    // SciPy: ttest_ind(log([80, 84, 79]), log([100, 104, 97]), equal_var=False): df 3.977865, p 0.00150731.
    const shift = shiftOf([{ before: [100, 104, 97], after: [80, 84, 79] }]);
    expect(shift?.ratio).toBeCloseTo(0.807354, 5);
    expect(shift?.freedom).toBeCloseTo(3.977865, 4);
    expect(2 * chanceOfBelow(shift ?? fail(), 1)).toBeCloseTo(0.00150731, 6);
  });

  it("need two repeats on both sides", () => {
    expect(shiftOf([{ before: [1, 2], after: [1] }])).toBeUndefined();
    expect(shiftOf([])).toBeUndefined();
    expect(
      shiftOf([
        { before: [1], after: [1] },
        { before: [1, 2], after: [3, 4] },
      ])?.freedom,
    ).toBeLessThan(3);
  });

  it("turn round with the runs", () => {
    const sample = fc.array(positive, { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(sample, sample, (before, after) => {
        const there = shiftOf([{ before, after }]) ?? fail();
        const back = shiftOf([{ before: after, after: before }]) ?? fail();
        expect(there.ratio * back.ratio).toBeCloseTo(1, 6);
        expect(chanceOfAbove(there, 1)).toBeCloseTo(chanceOfBelow(back, 1), 6);
        expect(chanceOfAbove(there, 1) + chanceOfBelow(there, 1)).toBeCloseTo(1, 6);
      }),
    );
  });

  it("do not believe repeats that agree to the last digit", () => {
    const shift = shiftOf([{ before: [100, 100], after: [100.2, 100.2] }]) ?? fail();
    expect(chanceOfAbove(shift, 1)).toBeGreaterThan(0.2);
  });
});

describe("many tests at once", () => {
  it("are Holm's", () => {
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
    expect(holm([])).toEqual([]);
  });

  it("never make anything more likely to be true, and keep the order", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }), (chances) => {
        const adjusted = holm(chances);
        chances.forEach((chance, i) => {
          expect(adjusted[i]).toBeGreaterThanOrEqual(chance);
          expect(adjusted[i]).toBeLessThanOrEqual(1);
          chances.forEach((other, j) => {
            if (chance < other) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j] ?? 0);
          });
        });
      }),
    );
  });
});

function fail(): never {
  throw new Error("there is no shift");
}
