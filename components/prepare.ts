import { capacityPicture } from "../core/capacity/check.ts";
import { planPlatform, type PlatformPlan, type ServerPlan } from "../core/platform.ts";
import { locate, type Model } from "../core/spec/load.ts";
import type { Parsed } from "../core/spec/parse.ts";
import type { PlatformConfig } from "../core/spec/platform.ts";
import type { Checked, Problem } from "../core/spec/problem.ts";
import { unlockedProblems } from "./project.ts";
import type { Prepared } from "./target.ts";

/** A platform of pinned models that is checked and planned for a target. */
export interface PreparedPlan<Plan> extends Omit<Prepared, "build"> {
  readonly platform: PlatformPlan;
  readonly plan: Plan;
}

/** What decides on a plan besides the models. */
export interface Planning<Plan> {
  readonly config: PlatformConfig;
  /** Name of the stack's config file, for problems. */
  readonly file: string;
  /** What is wrong with the target's section by itself. */
  readonly ofSection: readonly Problem[];
  readonly plan: (platform: PlatformPlan) => Checked<Plan>;
  readonly notes: (servers: readonly ServerPlan[]) => readonly string[];
}

/** Checks a platform and plans it, with every problem at once. */
export function preparePlan<Plan>(
  models: readonly Model[],
  { config, file, ofSection, plan, notes }: Planning<Plan>,
): Parsed<PreparedPlan<Plan>> {
  const { value: platform, problems: ofPlatform } = planPlatform(models, config, file);
  const before = [...ofPlatform, ...unlockedProblems(models), ...ofSection];
  // The balancer cannot be planned without it.
  if (!platform.servers.some(({ isDefault }) => isDefault)) return { problems: locate(before, models) };
  const planned = plan(platform);
  const problems = [...before, ...planned.problems];
  if (problems.length > 0) return { problems: locate(problems, models) };
  return {
    value: {
      platform,
      plan: planned.value,
      notes: notes(platform.servers),
      picture: capacityPicture(platform.capacity),
      advice: locate(platform.advice, models),
    },
  };
}

/** Of servers whose config names a repository of before. */
export function rollbackNotes(servers: readonly ServerPlan[]): string[] {
  return servers.flatMap(({ name, config: { rollback } }) =>
    rollback === undefined
      ? []
      : [`${name} is rolled back to ${rollback.slice(0, 16)}; its models' folders are not served`],
  );
}
