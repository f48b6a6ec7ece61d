import { nodePoolItems } from "../../core/cost/kubernetes.ts";
import { prices } from "../../core/cost/prices.ts";
import { renderKubernetesPlan } from "../../core/kubernetes/render.ts";
import { present } from "../../core/objects.ts";
import type { PlannedStack, PlannedUsage } from "../../core/plan/planned.ts";
import { environmentOf } from "../../core/policy/environment.ts";
import { kubernetesResources } from "../../core/policy/plan.ts";
import type { PlatformPlan } from "../../core/platform.ts";
import type { StackConfig } from "../stack/config.ts";
import { planStack } from "../stack/kubernetes.ts";
import { readMeasuredRates } from "./benchmark.ts";

/** A stack with the target `kubernetes`, as `npm run plan` shows it. `models` are its own, where they are loaded already. */
export function plannedKubernetes(
  name: string,
  stack: StackConfig,
  models?: Parameters<typeof planStack>[1],
): PlannedStack {
  const { platform, plan, notes, picture, advice } = planStack(stack, models);
  const { config, hasApiKey } = stack;
  const needsKey = plan.holysheepSecret !== undefined && !hasApiKey;
  return {
    stack: name,
    target: config.target,
    environment: environmentOf(config),
    files: renderKubernetesPlan(plan),
    resources: kubernetesResources(plan, name),
    // Clusters of the target `kubernetes` say no region: their EC2 types are priced as in the first one.
    costItems: nodePoolItems(config.nodes, "us-east-1", prices),
    usage: plannedUsage(stack, platform),
    picture,
    advice,
    warnings: [...(needsKey ? ["holysheep:apiKey is not set yet: `pulumi up` wants it"] : []), ...notes],
  };
}

/** What the config counts on, and what the models that call HolySheep say that a token costs. */
export function plannedUsage(
  { config, file }: Pick<StackConfig, "config" | "file">,
  platform: Pick<PlatformPlan, "servers">,
): PlannedUsage {
  const { inferencesPerSecond, benchmark, tokensPerMonth } = config.usage;
  const models = platform.servers.flatMap((server) => server.models);
  const caller = models.find(({ spec }) => spec.upstream !== undefined)?.spec;
  const price = (name: string): number | undefined => {
    const text = caller?.parameters[name];
    return text === undefined ? undefined : Number(text);
  };
  const [own, reference] = [price("price_completion_usd"), price("price_reference_usd")];
  return present({
    inferencesPerSecond,
    measured: benchmark === undefined ? undefined : readMeasuredRates(benchmark, platform, file),
    tokensPerMonth: caller === undefined ? undefined : tokensPerMonth,
    tokenPrice: own === undefined ? undefined : { name: config.holysheep.model, perMillion: own },
    tokenReference:
      reference === undefined ? undefined : { name: "the reference price", perMillion: reference },
  });
}
