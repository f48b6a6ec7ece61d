import type { Cost } from "../cost/cost.ts";
import { cents } from "../plan/words.ts";
import { hoursBetween } from "./lifetime.ts";

/** USD. What a benchmark may cost where nothing else is said. */
export const usualCeiling = 200;

export interface Spend {
  /** USD, with everything scaled out: no less than the bill. */
  readonly perHour: number;
  /** For the whole time to live. */
  readonly expected: number;
}

export function expectedSpend({ mostPerHour }: Cost, lifetime: number): Spend {
  return { perHour: mostPerHour, expected: mostPerHour * hoursBetween(0, lifetime) };
}

/** Of the time that it was there. */
export function actualSpend(perHour: number, createdAt: string, destroyedAt: string): number {
  return perHour * hoursBetween(Date.parse(createdAt), Date.parse(destroyedAt));
}

/** Why this must not be made; undefined where it may. What has no price may cost anything. */
export function spendProblem(
  { unpriced }: Cost,
  { expected }: Spend,
  ceiling: number,
): { readonly message: string; readonly hint: string } | undefined {
  if (unpriced.length > 0)
    return {
      message: `There is no price of ${unpriced.join(", ")}: nobody knows what this would cost`,
      hint: "get today's with `npm run prices`, or take another instance type",
    };
  return expected > ceiling
    ? {
        message: `This may cost ${cents(expected)}, which is more than ${cents(ceiling)}`,
        hint: "take a shorter --ttl or cheaper nodes, or allow it with --max-cost",
      }
    : undefined;
}
