import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isConsistent, timingBudget, type TimingBudget } from "../../../core/timing/budget.ts";

const bytes = fc.nat(2 ** 45);
/** Up to a day. */
const call = fc.nat(86_400_000_000);
const values = (budget: TimingBudget): number[] => Object.values<number>({ ...budget });

describe("a budget of times", () => {
  it("is consistent and in whole seconds, whatever is loaded and however long calls take", () => {
    fc.assert(
      fc.property(bytes, call, (size, longest) => {
        const budget = timingBudget(size, longest);
        expect(isConsistent(budget)).toBe(true);
        for (const seconds of values(budget)) {
          expect(Number.isSafeInteger(seconds)).toBe(true);
          expect(seconds).toBeGreaterThan(0);
        }
        expect(budget.call * 1e6).toBeGreaterThanOrEqual(longest);
      }),
    );
  });

  it("never shrinks where there is more to load or calls take longer", () => {
    fc.assert(
      fc.property(bytes, bytes, call, call, (size, more, longest, longer) => {
        const less = values(timingBudget(size, longest));
        const greater = values(timingBudget(size + more, longest + longer));
        less.forEach((seconds, i) => {
          expect(greater[i]).toBeGreaterThanOrEqual(seconds);
        });
      }),
    );
  });

  it("gives 10 GB of weights more than two minutes to load", () => {
    expect(timingBudget(10e9, 45_000)).toEqual({
      startup: 227,
      call: 1,
      balancerServer: 6,
      balancerClient: 11,
      drain: 6,
      exit: 30,
      kill: 40,
    });
  });

  it.each<{ what: string; change: Partial<TimingBudget> }>([
    { what: "the balancer gives up before the call's own limit", change: { balancerServer: 10 } },
    { what: "the client gives up before the balancer", change: { balancerClient: 15 } },
    { what: "a drain ends before the longest call", change: { drain: 10 } },
    { what: "a process is killed before it could exit", change: { kill: 30 } },
  ])("is not consistent where $what", ({ change }) => {
    const budget = timingBudget(0, 10e6);
    expect(isConsistent(budget)).toBe(true);
    expect(isConsistent({ ...budget, ...change })).toBe(false);
  });
});
