import path from "node:path";
import { asksForApiKeys } from "../../core/kubernetes/external-secrets.ts";
import { planKubernetes, type KubernetesPlan } from "../../core/kubernetes/plan.ts";
import { present } from "../../core/objects.ts";
import type { ServerPlan } from "../../core/platform.ts";
import type { KubernetesConfig } from "../../core/spec/kubernetes.ts";
import type { Model } from "../../core/spec/load.ts";
import { kubernetesOf, type PlatformConfig } from "../../core/spec/platform.ts";
import type { Parsed } from "../../core/spec/parse.ts";
import type { Problem } from "../../core/spec/problem.ts";
import { preparePlan, rollbackNotes, type PreparedPlan } from "../prepare.ts";
import { readText } from "../project.ts";

export type PreparedKubernetes = PreparedPlan<KubernetesPlan>;

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
  const requirements =
    kubernetes.serverImage && readText(path.join(project, kubernetes.serverImage.requirements));
  const facts = { file, hasApiKey, ...present({ requirements }) };
  return preparePlan(models, {
    ...{ config, file, ofSection: contextProblems(kubernetes, file) },
    plan: (platform) => planKubernetes(platform, config, kubernetes, facts),
    notes: (servers) => notesOn(servers, kubernetes),
  });
}

/** What people should know of who is served, and who may call. */
export function notesOn(
  servers: readonly ServerPlan[],
  kubernetes: Pick<KubernetesConfig, "balancer" | "externalSecrets">,
): string[] {
  const paid = servers.filter(({ upstream }) => upstream !== undefined).map(({ name }) => name);
  const isOpen = !asksForApiKeys(kubernetes) && kubernetes.balancer.clientCertificates === undefined;
  return [
    ...rollbackNotes(servers),
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
