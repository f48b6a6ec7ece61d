import { renderEksPlan } from "../../core/aws/render.ts";
import { eksCostItems } from "../../core/cost/eks.ts";
import { prices } from "../../core/cost/prices.ts";
import type { PlannedStack } from "../../core/plan/planned.ts";
import { policyResources, resourceFiles } from "../../core/plan/resources.ts";
import { environmentOf } from "../../core/policy/environment.ts";
import { kubernetesResources, stackResource } from "../../core/policy/plan.ts";
import type { NamedStack } from "../stack/config.ts";
import { planEksStack } from "../stack/eks.ts";
import { eksResources } from "./eks-resources.ts";
import { plannedUsage } from "./kubernetes.ts";

/**
 * A stack with the target `eks`, as `npm run plan` shows it: what it makes in AWS and on the cluster. `models` are its own,
 * where they are loaded already.
 */
export async function plannedEks(
  stack: NamedStack,
  models?: Parameters<typeof planEksStack>[1],
): Promise<PlannedStack> {
  const { plan, cautions, picture, advice } = planEksStack(stack, models);
  const { config, hasApiKey, file } = stack;
  const { workload } = plan;
  const needsKey = workload?.secrets?.holysheepApiKey !== undefined && !hasApiKey;
  const { items, notes: priceNotes } = eksCostItems(plan, prices);
  const { resources, notes } = await eksResources(plan, file);
  const files = [...renderEksPlan(plan), ...resourceFiles(resources)];
  return {
    stack: stack.stack,
    target: config.target,
    environment: environmentOf(config),
    files: new Map(files.sort(([a], [b]) => (a < b ? -1 : 1))),
    resources: [
      ...(workload === undefined
        ? [stackResource(stack.stack)]
        : kubernetesResources(workload.kubernetes, stack.stack)),
      ...policyResources(resources),
    ],
    costItems: items,
    usage: plannedUsage(stack, workload?.platform ?? { servers: [] }),
    picture,
    advice,
    warnings: [
      ...(needsKey ? ["holysheep:apiKey is not set yet: `pulumi up` wants it"] : []),
      ...cautions,
      ...notes,
      ...priceNotes,
    ],
  };
}
