import path from "node:path";
import { capacityPicture } from "../../core/capacity/check.ts";
import { planDocker, type DockerPlan } from "../../core/docker/plan.ts";
import { present } from "../../core/objects.ts";
import { planPlatform, type PlatformPlan, type ServerPlan } from "../../core/platform.ts";
import type { DockerConfig } from "../../core/spec/docker.ts";
import { locate, type Model } from "../../core/spec/load.ts";
import type { Parsed } from "../../core/spec/parse.ts";
import { dockerOf, type PlatformConfig } from "../../core/spec/platform.ts";
import type { Advice } from "../../core/spec/problem.ts";
import { readText, unlockedProblems } from "../project.ts";

export interface PreparedDocker {
  readonly platform: PlatformPlan;
  readonly plan: DockerPlan;
  readonly docker: DockerConfig;
  /** What people should know. */
  readonly notes: readonly string[];
  /** How full GPUs and the host are: lines of text. */
  readonly picture: readonly string[];
  readonly advice: readonly Advice[];
}

export interface DockerOptions {
  readonly config: PlatformConfig;
  /** Absolute folder of the project. */
  readonly project: string;
  /** Whether the stack's config has HolySheep's key. */
  readonly hasApiKey: boolean;
}

/** Checks the platform for a Docker host and plans it. `file` names the stack's config. The host is not asked. */
export function prepareDocker(
  models: readonly Model[],
  file: string,
  { config, project, hasApiKey }: DockerOptions,
): Parsed<PreparedDocker> {
  const docker = dockerOf(config);
  const { value: platform, problems: ofPlatform } = planPlatform(models, config, file);
  const before = [...ofPlatform, ...unlockedProblems(models)];
  // The balancer cannot be planned without it.
  if (!platform.servers.some(({ isDefault }) => isDefault)) return { problems: locate(before, models) };
  const requirements = docker.serverImage && readText(path.join(project, docker.serverImage.requirements));
  const { value: plan, problems: ofPlan } = planDocker(platform, config, docker, {
    file,
    hasApiKey,
    ...present({ requirements }),
  });
  const problems = [...before, ...ofPlan];
  if (problems.length > 0) return { problems: locate(problems, models) };
  return {
    value: {
      platform,
      plan,
      docker,
      notes: notesOn(platform.servers, docker),
      picture: capacityPicture(platform.capacity),
      advice: locate(platform.advice, models),
    },
  };
}

function notesOn(servers: readonly ServerPlan[], { address, balancer }: DockerConfig): string[] {
  const isOpen = !address.startsWith("127.") && balancer.apiKeys === undefined;
  return [
    ...servers.flatMap(({ name, config: { rollback } }) =>
      rollback === undefined
        ? []
        : [`${name} is rolled back to ${rollback.slice(0, 16)}; its models' folders are not served`],
    ),
    ...(isOpen
      ? [
          `everybody who reaches ${address} may call the models, and read metrics: docker.balancer.apiKeys says who may call`,
        ]
      : []),
  ];
}
