import path from "node:path";
import yaml from "js-yaml";
import { projectRoot } from "../setup/places.ts";
import { readProject } from "./config.ts";

/** A provider beside those of Pulumi.yaml: a folder with an executable `pulumi-resource-<name>`. */
export interface ProviderFolder {
  readonly name: string;
  readonly path: string;
}

/**
 * The project's Pulumi.yaml, seen from another folder, as text. `main` and `providers` are absolute; the program is the
 * project's where none is given.
 */
export function projectSeenFrom(
  folder: string,
  {
    main,
    providers = [],
  }: {
    readonly main?: string | undefined;
    readonly providers?: readonly ProviderFolder[] | undefined;
  } = {},
): string {
  const project = readProject();
  const all = [...project.plugins.providers, ...providers].map((plugin) => ({
    ...plugin,
    path: path.resolve(projectRoot, plugin.path),
  }));
  return yaml.dump({
    ...project,
    main: path.relative(folder, main ?? path.join(projectRoot, project.main)),
    plugins: { providers: all },
  });
}
