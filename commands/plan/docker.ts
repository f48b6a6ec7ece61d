import { renderDockerPlan } from "../../core/docker/render.ts";
import type { PlannedStack } from "../../core/plan/planned.ts";
import { environmentOf } from "../../core/policy/environment.ts";
import { planDockerStack } from "../stack/docker.ts";
import type { NamedStack } from "../stack/config.ts";
import { plannedUsage } from "./kubernetes.ts";

/**
 * A stack with the target `docker`, as `npm run plan` shows it. Policies are about clusters and AWS, and the host is there
 * already: there is nothing to judge and no bill. `models` are its own, where they are loaded already.
 */
export function plannedDocker(
  stack: NamedStack,
  models?: Parameters<typeof planDockerStack>[1],
): PlannedStack {
  const { plan, platform, notes, picture, advice } = planDockerStack(stack, models);
  const { config, hasApiKey } = stack;
  const needsKey = plan.needsApiKey && !hasApiKey;
  return {
    stack: stack.stack,
    target: config.target,
    environment: environmentOf(config),
    files: renderDockerPlan(plan),
    resources: [],
    costItems: [],
    usage: plannedUsage(stack, platform),
    picture,
    advice,
    warnings: [...(needsKey ? ["holysheep:apiKey is not set yet: `pulumi up` wants it"] : []), ...notes],
  };
}
