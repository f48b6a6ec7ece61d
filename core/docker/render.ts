import yaml from "js-yaml";
import { generatedTexts, manifest } from "../triton/repository.ts";
import type { DockerPlan } from "./plan.ts";

/**
 * Everything that a plan would create, as files for people and for diffs: text by path, sorted. Secrets are not in a plan,
 * and so in no file. The same plan gives the same bytes.
 */
export function renderDockerPlan(plan: DockerPlan): ReadonlyMap<string, string> {
  const files: [path: string, text: string][] = [
    ...plan.containers.map((container): [string, string] => [
      `containers/${container.name}.yaml`,
      yaml.dump(container, { lineWidth: -1, noRefs: true }),
    ]),
    ...plan.files.flatMap(({ volume, files: planned }) =>
      planned.map(({ path, content }): [string, string] => [`files/${volume}/${path}`, content]),
    ),
    ...plan.serverImages.flatMap(({ build }) =>
      build.files.map(({ path, content }): [string, string] => [`images/${build.tag}/${path}`, content]),
    ),
    ...plan.servers.flatMap(({ name, repository }) => [
      ...generatedTexts(repository).map(({ path, content }): [string, string] => [
        `repositories/${name}/${path}`,
        content,
      ]),
      [`repositories/${name}/manifest`, manifest(repository.files)] satisfies [string, string],
    ]),
  ];
  return new Map(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}
