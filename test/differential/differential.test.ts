import { describe, expect, it } from "vitest";
import { placesIn, projectRoot } from "../../commands/setup/places.ts";
import { readyTools } from "../../commands/setup/set-up.ts";
import { agrees, compare } from "./compare.ts";
import { projectJudge, withFolder } from "./judge.ts";
import { formatComparison } from "./report.ts";

const { triton } = readyTools(placesIn(projectRoot));

/** A slice of what `npm run differential` does: the same models on every run. */
describe.skipIf(triton === undefined)(
  `the checker against the real tritonserver${triton === undefined ? " (no triton)" : ""}`,
  () => {
    it("accepts what the server loads, and refuses what it does not", async () => {
      if (triton === undefined) return;
      const comparison = await withFolder((folder) =>
        compare({ triton, judge: projectJudge(folder), count: 200, seed: 1 }),
      );
      expect(agrees(comparison), formatComparison(comparison)).toBe(true);
      // A slice in which neither side refuses, or both refuse everything, would show nothing.
      expect(comparison.acceptedByBoth.length).toBeGreaterThan(20);
      expect(comparison.refusedByBoth.length).toBeGreaterThan(20);
    }, 300_000);
  },
);
