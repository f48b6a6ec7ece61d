import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { capacityPicture } from "../../core/capacity/check.ts";
import { asksForApiKeys } from "../../core/kubernetes/external-secrets.ts";
import { planKubernetes, type KubernetesPlan } from "../../core/kubernetes/plan.ts";
import { present } from "../../core/objects.ts";
import { planPlatform, type PlatformPlan, type ServerPlan } from "../../core/platform.ts";
import type { KubernetesConfig } from "../../core/spec/kubernetes.ts";
import { locate, type Model } from "../../core/spec/load.ts";
import { kubernetesOf, type PlatformConfig } from "../../core/spec/platform.ts";
import type { Parsed } from "../../core/spec/parse.ts";
import type { Advice, Problem } from "../../core/spec/problem.ts";

export interface PreparedKubernetes {
  readonly platform: PlatformPlan;
  readonly plan: KubernetesPlan;
  /** What people should know. */
  readonly notes: readonly string[];
  /** How full GPUs and nodes are: lines of text. */
  readonly picture: readonly string[];
  readonly advice: readonly Advice[];
}

export interface KubernetesOptions {
  readonly config: PlatformConfig;
  /** Absolute folder of the project. */
  readonly project: string;
  /** Whether the stack's config has HolySheep's key. */
  readonly hasApiKey: boolean;
}

/** Checks the platform for a cluster and plans it. `file` names the stack's config. Nothing is created. */
export function prepareKubernetes(
  models: readonly Model[],
  file: string,
  { config, project, hasApiKey }: KubernetesOptions,
): Parsed<PreparedKubernetes> {
  const kubernetes = kubernetesOf(config);
  const { value: platform, problems: ofPlatform } = planPlatform(models, config, file);
  const before = [...ofPlatform, ...unlockedProblems(models), ...contextProblems(kubernetes, file)];
  // The balancer cannot be planned without it.
  if (!platform.servers.some(({ isDefault }) => isDefault)) return { problems: locate(before, models) };
  const requirements =
    kubernetes.serverImage && readText(path.join(project, kubernetes.serverImage.requirements));
  const facts = { file, hasApiKey, ...present({ requirements }) };
  const { value: plan, problems: ofPlan } = planKubernetes(platform, config, kubernetes, facts);
  const problems = [...before, ...ofPlan];
  if (problems.length > 0) return { problems: locate(problems, models) };
  return {
    value: {
      platform,
      plan,
      notes: notesOn(platform.servers, kubernetes),
      picture: capacityPicture(platform.capacity),
      advice: locate(platform.advice, models),
    },
  };
}

/** What people should know of who is served, and who may call. */
export function notesOn(
  servers: readonly ServerPlan[],
  kubernetes: Pick<KubernetesConfig, "balancer" | "externalSecrets">,
): string[] {
  const paid = servers.filter(({ upstream }) => upstream !== undefined).map(({ name }) => name);
  const isOpen = !asksForApiKeys(kubernetes) && kubernetes.balancer.clientCertificates === undefined;
  return [
    ...servers.flatMap(({ name, config: { rollback } }) =>
      rollback === undefined
        ? []
        : [`${name} is rolled back to ${rollback.slice(0, 16)}; its models' folders are not served`],
    ),
    ...(isOpen && paid.length > 0
      ? [
          `everybody who reaches the balancer may call ${paid.join(", ")}, which costs money upstream: balancer.apiKeys says who may`,
        ]
      : []),
  ];
}

/** What is current on a machine is no part of a stack: another day it is another cluster. */
function contextProblems({ context, kubeconfig }: KubernetesConfig, file: string): Problem[] {
  return context !== undefined || kubeconfig !== undefined
    ? []
    : [
        {
          file,
          path: "triton-platform:kubernetes.context",
          message: "missing, and the cluster would be whichever is current",
          hint: "name the context of the kubeconfig (`kubectl config get-contexts`), or a kubeconfig of its own",
        },
      ];
}

/** Undefined where it cannot be read: that is a problem of the plan's. */
export function readText(file: string): string | undefined {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true
    ? readFileSync(file, "utf8")
    : undefined;
}

/** Only what is pinned is deployed: else two machines would deploy different things from the same commit. */
export function unlockedProblems(models: readonly Model[]): Problem[] {
  return models.flatMap(({ file, artifacts: { unlocked, sources } }) =>
    unlocked.map((path) => {
      const source = sources.get(path);
      return {
        file,
        path: "",
        message: `the file ${path} is not what artifacts.lock pins`,
        hint:
          source === undefined
            ? "run `npm run models`, which pins it, and commit artifacts.lock"
            : `remove it, and ${source.uri} is served; or upload it there, and pin that with \`npm run model:reference\``,
      };
    }),
  );
}
