import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { capacityPicture } from "../../core/capacity/check.ts";
import { planKubernetes, type KubernetesPlan } from "../../core/kubernetes/plan.ts";
import { present } from "../../core/objects.ts";
import { planPlatform, type PlatformPlan } from "../../core/platform.ts";
import { locate, type Model } from "../../core/spec/load.ts";
import { kubernetesOf, type PlatformConfig } from "../../core/spec/platform.ts";
import type { Advice, Checked, Problem } from "../../core/spec/problem.ts";

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
): Checked<PreparedKubernetes> {
  const kubernetes = kubernetesOf(config);
  const requirements =
    kubernetes.serverImage && readText(path.join(project, kubernetes.serverImage.requirements));
  const { value: platform, problems } = planPlatform(models, config, file);
  const facts = { file, hasApiKey, ...present({ requirements }) };
  const { value: plan, problems: more } = planKubernetes(platform, config, kubernetes, facts);
  return {
    value: {
      platform,
      plan,
      notes: platform.servers.flatMap(({ name, config: { rollback } }) =>
        rollback === undefined
          ? []
          : [`${name} is rolled back to ${rollback.slice(0, 16)}; its models' folders are not served`],
      ),
      picture: capacityPicture(platform.capacity),
      advice: locate(platform.advice, models),
    },
    problems: locate([...problems, ...more, ...unlockedProblems(models)], models),
  };
}

function readText(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** Only what is pinned is deployed: else two machines would deploy different things from the same commit. */
function unlockedProblems(models: readonly Model[]): Problem[] {
  return models.flatMap(({ file, artifacts: { unlocked } }) =>
    unlocked.map((path) => ({
      file,
      path: "",
      message: `the file ${path} is not what artifacts.lock pins`,
      hint: "run `npm run models`, which pins it, and commit artifacts.lock",
    })),
  );
}
