import type { MeasuredRates } from "../benchmark/rates.ts";
import type { CostItem } from "../cost/cost.ts";
import type { TokenPrice } from "../cost/tokens.ts";
import type { Environment } from "../policy/environment.ts";
import type { PolicyResource } from "../policy/rule.ts";
import type { Advice } from "../spec/problem.ts";

/** A stack's plan as every target hands it to `npm run plan`: without a cloud, a cluster or credentials. */
export interface PlannedStack {
  readonly stack: string;
  readonly target: string;
  readonly environment: Environment;
  /** What will be written or created, as text by path; the same plan gives the same bytes. */
  readonly files: ReadonlyMap<string, string>;
  /** What policies judge. */
  readonly resources: readonly PolicyResource[];
  readonly costItems: readonly CostItem[];
  readonly usage: PlannedUsage;
  /** How full GPUs and nodes are, for people. */
  readonly picture: readonly string[];
  readonly advice: readonly Advice[];
  /** What a person should know before it is deployed. */
  readonly warnings: readonly string[];
}

/** What the config counts on, and the prices of the LLM API's tokens; all undefined where nothing is said. */
export interface PlannedUsage {
  readonly inferencesPerSecond?: number;
  readonly measured?: MeasuredRates;
  readonly tokensPerMonth?: number;
  readonly tokenPrice?: TokenPrice;
  readonly tokenReference?: TokenPrice;
}
