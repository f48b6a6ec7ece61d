import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assign } from "../../../../core/capacity/assignment.ts";

const anyTask = fc.record({
  free: fc.array(fc.integer({ min: -1, max: 12 }), { minLength: 1, maxLength: 3 }),
  items: fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 4 }),
});
/** Of several items on each device, so that it matters which. */
const tightTask = fc.record({
  free: fc.array(fc.integer({ min: 20, max: 60 }), { minLength: 2, maxLength: 3 }),
  items: fc.array(fc.integer({ min: 8, max: 30 }), { minLength: 3, maxLength: 4 }),
});
const task = fc.oneof(anyTask, tightTask);

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Copies in all, copies of the rarest, space on the fullest device: what `assign` makes as large as it can. */
function score(free: readonly number[], items: readonly number[], sets: readonly (readonly number[])[]) {
  const left = free.map((space, device) => space - sum(items.filter((_, i) => sets[i]?.includes(device))));
  if (left.some((space) => space < 0)) return undefined;
  const sizes = sets.map((set) => set.length);
  return [sum(sizes), Math.min(...sizes), Math.min(...left)];
}

/** The best of all assignments there are, by trying them. */
function bruteForce(free: readonly number[], items: readonly number[]): number[] | undefined {
  const subsets = Array.from({ length: 2 ** free.length - 1 }, (_, bits) =>
    free.flatMap((_, device) => (((bits + 1) >> device) % 2 === 1 ? [device] : [])),
  );
  const all = items.reduce<number[][][]>(
    (some) => some.flatMap((sets) => subsets.map((set) => [...sets, set])),
    [[]],
  );
  return all
    .flatMap((sets) => {
      const found = score(free, items, sets);
      return found === undefined ? [] : [found];
    })
    .sort((a, b) => (b[0] ?? 0) - (a[0] ?? 0) || (b[1] ?? 0) - (a[1] ?? 0) || (b[2] ?? 0) - (a[2] ?? 0))[0];
}

describe("assignment of items to devices", () => {
  it("is the best there is, or proved to be impossible, as trying all of them shows", () => {
    fc.assert(
      fc.property(task, ({ free, items }) => {
        const best = bruteForce(free, items);
        const found = assign({ free, items, steps: 100_000 });
        expect(found.verdict).toBe(best === undefined ? "impossible" : "assigned");
        if (found.verdict !== "assigned") return;
        expect(found.best).toBe(true);
        expect(found.devices.every((devices) => devices.length > 0)).toBe(true);
        expect(score(free, items, found.devices)).toEqual(best);
      }),
      { numRuns: 500 },
    );
  });

  it("holds every limit on larger tasks, also where its steps run out", () => {
    const large = fc.record({
      free: fc.array(fc.integer({ min: 50, max: 100 }), { minLength: 1, maxLength: 8 }),
      items: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 12 }),
      steps: fc.integer({ min: 0, max: 300 }),
    });
    fc.assert(
      fc.property(large, ({ free, items, steps }) => {
        const found = assign({ free, items, steps });
        if (found.verdict !== "assigned") return;
        expect(score(free, items, found.devices)).toBeDefined();
        expect(found.devices.every((devices) => devices.length > 0)).toBe(true);
      }),
    );
  });

  it("never finds fewer copies where devices are larger", () => {
    fc.assert(
      fc.property(task, fc.nat(5), ({ free, items }, more) => {
        const less = assign({ free, items, steps: 100_000 });
        const greater = assign({ free: free.map((space) => space + more), items, steps: 100_000 });
        if (less.verdict !== "assigned") return;
        expect(greater.verdict).toBe("assigned");
        if (greater.verdict !== "assigned") return;
        expect(sum(greater.devices.map((set) => set.length))).toBeGreaterThanOrEqual(
          sum(less.devices.map((set) => set.length)),
        );
      }),
    );
  });

  it.each([
    {
      what: "a device that is overfull before",
      free: [5, -1],
      items: [1],
      proof: { by: "device", device: 1 },
    },
    { what: "an item larger than every device", free: [5, 6], items: [1, 7], proof: { by: "item", item: 1 } },
    { what: "more than all devices", free: [5, 5], items: [4, 4, 4], proof: { by: "total" } },
    { what: "three halves and a bit on two", free: [10, 10], items: [6, 6, 6], proof: { by: "exhausted" } },
  ])("proves impossible: $what", ({ free, items, proof }) => {
    expect(assign({ free, items, steps: 1000 })).toEqual({ verdict: "impossible", proof });
  });

  it("says so where its steps run out before an answer", () => {
    const items = Array.from({ length: 25 }, (_, i) => 101 + 2 * i);
    const free = Array.from({ length: 7 }, () => sum(items) / 7 + 0.5);
    expect(assign({ free, items, steps: 20 })).toEqual({ verdict: "undecided" });
    expect(assign({ free: [9, 9], items: [5, 5, 4, 3], steps: 5 })).toMatchObject({ best: false });
  });
});
