import path from "node:path";
import { planDocker, type DockerPlan } from "../../core/docker/plan.ts";
import { present } from "../../core/objects.ts";
import type { ServerPlan } from "../../core/platform.ts";
import type { DockerConfig } from "../../core/spec/docker.ts";
import type { Model } from "../../core/spec/load.ts";
import type { Parsed } from "../../core/spec/parse.ts";
import { dockerOf, type PlatformConfig } from "../../core/spec/platform.ts";
import { preparePlan, rollbackNotes, type PreparedPlan } from "../prepare.ts";
import { readText } from "../project.ts";

export interface PreparedDocker extends PreparedPlan<DockerPlan> {
  readonly docker: DockerConfig;
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
  const requirements = docker.serverImage && readText(path.join(project, docker.serverImage.requirements));
  const facts = { file, hasApiKey, ...present({ requirements }) };
  const prepared = preparePlan(models, {
    ...{ config, file, ofSection: [] },
    plan: (platform) => planDocker(platform, config, docker, facts),
    notes: (servers) => notesOn(servers, docker),
  });
  return "problems" in prepared ? prepared : { value: { ...prepared.value, docker } };
}

function notesOn(servers: readonly ServerPlan[], { address, balancer }: DockerConfig): string[] {
  const isOpen = !address.startsWith("127.") && balancer.apiKeys === undefined;
  return [
    ...rollbackNotes(servers),
    ...(isOpen
      ? [
          `everybody who reaches ${address} may call the models, and read metrics: docker.balancer.apiKeys says who may call`,
        ]
      : []),
  ];
}
