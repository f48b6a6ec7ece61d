import { renderEksPlan } from "../../core/aws/render.ts";
import { eksCostItems } from "../../core/cost/eks.ts";
import { prices } from "../../core/cost/prices.ts";
import type { PlannedStack } from "../../core/plan/planned.ts";
import { environmentOf } from "../../core/policy/environment.ts";
import { kubernetesResources } from "../../core/policy/plan.ts";
import type { NamedStack } from "../stack/config.ts";
import { planEksStack } from "../stack/eks.ts";
import { plannedUsage } from "./kubernetes.ts";

/**
 * A stack with the target `eks`, as `npm run plan` shows it. Policies judge the cluster's objects here; AWS' resources have
 * values that only the engine knows, and are judged by the same rules in `pulumi preview --policy-pack policy`. `models` are
 * its own, where they are loaded already.
 */
export function plannedEks(stack: NamedStack, models?: Parameters<typeof planEksStack>[1]): PlannedStack {
  const { plan, notes, picture, advice } = planEksStack(stack, models);
  const { config, hasApiKey } = stack;
  const { workload } = plan;
  const needsKey = workload?.secrets?.holysheepApiKey !== undefined && !hasApiKey;
  const { items, notes: priceNotes } = eksCostItems(plan, prices);
  return {
    stack: stack.stack,
    target: config.target,
    environment: environmentOf(config),
    files: renderEksPlan(plan),
    resources: workload === undefined ? [] : kubernetesResources(workload.kubernetes, stack.stack),
    costItems: items,
    usage: plannedUsage(stack, workload?.platform ?? { servers: [] }),
    picture,
    advice,
    warnings: [
      ...(needsKey ? ["holysheep:apiKey is not set yet: `pulumi up` wants it"] : []),
      ...notes,
      ...priceNotes,
    ],
  };
}
