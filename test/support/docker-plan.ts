import type { ContainerPlan, FilesPlan, VolumeName } from "../../core/docker/container.ts";
import { planDocker, type DockerPlan } from "../../core/docker/plan.ts";
import { planPlatform } from "../../core/platform.ts";
import type { Model } from "../../core/spec/load.ts";
import { dockerOf, type PlatformConfig } from "../../core/spec/platform.ts";
import type { Problem } from "../../core/spec/problem.ts";
import { platformOf, type PlatformFields } from "./models.ts";

/** Plans of a Docker host; a test writes only the fields it is about. */
export function planHost(
  models: readonly Model[],
  fields: PlatformFields = {},
  facts: { readonly hasApiKey?: boolean; readonly requirements?: string } = {},
): { readonly plan: DockerPlan; readonly problems: readonly Problem[] } {
  return planConfig(models, platformOf({ target: "docker", ...fields }), facts);
}

/** Of a config that is read already. */
export function planConfig(
  models: readonly Model[],
  config: PlatformConfig,
  facts: { readonly hasApiKey?: boolean; readonly requirements?: string } = {},
): { readonly plan: DockerPlan; readonly problems: readonly Problem[] } {
  const file = "Pulumi.test.yaml";
  const platform = planPlatform(models, config, file);
  const { value: plan, problems } = planDocker(platform.value, config, dockerOf(config), {
    file,
    hasApiKey: true,
    ...facts,
  });
  return { plan, problems: [...platform.problems, ...problems] };
}

/** The same where there is no problem. */
export function hostOf(...args: Parameters<typeof planHost>): DockerPlan {
  const { plan, problems } = planHost(...args);
  if (problems.length > 0)
    throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join("\n"));
  return plan;
}

export function containerOf({ containers }: DockerPlan, name: string): ContainerPlan {
  const found = containers.find((container) => container.name === name);
  if (found === undefined) throw new Error(`there is no container ${name}`);
  return found;
}

/** Files of a volume by their paths. */
export function filesOf(
  { files }: DockerPlan,
  volume: VolumeName,
): ReadonlyMap<string, FilesPlan["files"][number]> {
  const found = files.find((each) => each.volume === volume);
  return new Map(found?.files.map((file) => [file.path, file]));
}
