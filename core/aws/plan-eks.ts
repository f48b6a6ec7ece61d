import { planKubernetes } from "../kubernetes/plan.ts";
import { present } from "../objects.ts";
import { planPlatform } from "../platform.ts";
import type { EksConfig } from "../spec/eks.ts";
import type { Model } from "../spec/load.ts";
import { eksOf, type PlatformConfig } from "../spec/platform.ts";
import type { Checked } from "../spec/problem.ts";
import { callsUpstream, missingApiKey } from "../upstream.ts";
import { checkEks } from "./check.ts";
import { planCluster } from "./cluster.ts";
import { loadBalancerProblems } from "./load-balancer.ts";
import { awsNames } from "./names.ts";
import { planNetwork } from "./network.ts";
import type { EksPlan, WorkloadPlan } from "./plan.ts";
import { stackTags } from "./tags.ts";
import { kubernetesConfig, planWorkload, sectionOf, type WorkloadFacts } from "./workload.ts";

/** What is not in the platform's config. */
export interface EksFacts {
  /** Name of the stack's config file, for problems. */
  readonly file: string;
  /** The stack's own name, as in `dev`. */
  readonly stack: string;
  /** Whether the stack's config has HolySheep's key. */
  readonly hasApiKey: boolean;
  /** Text of the server image's requirements; undefined where there is none, or it cannot be read. */
  readonly requirements?: string;
}

/**
 * Plans a stack on AWS: the layers that it makes. Every problem is returned at once; the plan is to be used only where there
 * is none.
 */
export function planEks(models: readonly Model[], config: PlatformConfig, facts: EksFacts): Checked<EksPlan> {
  const eks = eksOf(config);
  const { file, stack } = facts;
  const names = awsNames(eks, stack);
  const tags = stackTags(eks, stack);
  const makes = (layer: EksConfig["layers"][number]): boolean => eks.layers.includes(layer);
  const network = eks.network && planNetwork(eks.network, names);
  const workload = makes("workload")
    ? workloadOf(models, facts, {
        config,
        eks,
        names,
        tags,
        ...(network !== undefined && "zones" in network ? { network } : {}),
      })
    : undefined;
  return {
    value: {
      account: eks.account,
      region: eks.region,
      name: names.name,
      tags,
      layers: eks.layers,
      protect: eks.protect,
      ...present({
        baseStack: eks.baseStack,
        network,
        cluster:
          eks.cluster && makes("cluster") ? planCluster(eks.cluster, eks, config, names, tags) : undefined,
        workload: workload?.value,
      }),
    },
    problems: [...checkEks(config, stack, file), ...(workload?.problems ?? [])],
  };
}

function workloadOf(
  models: readonly Model[],
  { file, hasApiKey, requirements }: EksFacts,
  facts: WorkloadFacts,
): Checked<WorkloadPlan | undefined> {
  const { config, eks } = facts;
  const { value: platform, problems: ofPlatform } = planPlatform(models, config, file);
  // The balancer cannot be planned without it.
  if (!platform.servers.some(({ isDefault }) => isDefault)) return { value: undefined, problems: ofPlatform };
  const kubernetes = kubernetesConfig(platform, facts);
  const { value: plan, problems: ofPlan } = planKubernetes(platform, config, kubernetes, {
    file,
    hasApiKey,
    ...present({ requirements }),
  });
  const budgets = platform.servers.map(({ timing }) => timing);
  return {
    value: planWorkload(platform, plan, facts),
    problems: [
      ...ofPlatform,
      ...ofPlan,
      ...loadBalancerProblems(sectionOf(config).balancer, eks.loadBalancer, budgets, file),
      ...(callsUpstream(platform.servers) && !hasApiKey
        ? [missingApiKey(file, ": it is kept in AWS Secrets Manager")]
        : []),
    ],
  };
}
