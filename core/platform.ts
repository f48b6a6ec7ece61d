import type { Model } from "./spec/load.ts";
import type { PlatformConfig } from "./spec/platform.ts";
import { suggest, type Checked, type Problem } from "./spec/problem.ts";
import type { Bytes } from "./spec/units.ts";
import { timingBudget, type TimingBudget } from "./timing/budget.ts";
import { checkEnsemble } from "./triton/ensemble.ts";
import { buildRepository, type Repository, type RepositoryFile } from "./triton/repository.ts";
import { checkModel } from "./triton/rules.ts";

/** What one server group is to be: which models its Tritons serve, from which repository, at which times. */
export interface ServerPlan {
  readonly name: string;
  /** Whether calls that name no model come here. */
  readonly isDefault: boolean;
  readonly replicas: number;
  /** Sorted by name. */
  readonly models: readonly Model[];
  readonly repository: Repository;
  /** Bytes of Triton's response cache; undefined for none. */
  readonly responseCache?: Bytes;
  readonly timing: TimingBudget;
  /** The external API its models call; GPU groups have none. */
  readonly upstream?: "holysheep";
}

/** A target's way with a model: the model it will serve in the spec's place, and files it adds. */
export interface Adaptation {
  readonly model: Model;
  readonly files: readonly RepositoryFile[];
}

/**
 * Checks models and config together and plans the server groups. Every problem is returned at once; the plan is to be
 * used only where there is none. `adapt` lets a target serve a model another way (no GPU, no backend).
 */
export function planPlatform(
  models: readonly Model[],
  config: PlatformConfig,
  file: string,
  adapt: (model: Model) => Adaptation | Problem = (model) => ({ model, files: [] }),
): Checked<readonly ServerPlan[]> {
  const byName = new Map(models.map((model) => [model.spec.name, model]));
  const groups = assignModels(byName, config);
  const problems = [
    ...models.flatMap((model) => [...checkModel(model), ...checkEnsemble(model, byName)]),
    ...nestedCycles(models, byName),
    ...checkServers(groups, byName, config, file),
  ];
  const adapted = new Map(models.map((model) => [model.spec.name, adapt(model)]));
  const value = [...groups].map(([name, names]): ServerPlan => {
    const served = names.flatMap((model) => {
      const result = adapted.get(model);
      if (result === undefined) return [];
      if ("model" in result) return [result];
      problems.push(result);
      return [];
    });
    return planServer(name, served, config);
  });
  return { value, problems };
}

/** Ensembles may use ensembles, but not, through others, themselves; one through itself directly is found as a step. */
function nestedCycles(models: readonly Model[], byName: ReadonlyMap<string, Model>): Problem[] {
  const reaches = (from: string, target: string, seen: Set<string>): boolean =>
    (byName.get(from)?.spec.ensemble?.steps ?? []).some(({ model }) => {
      if (model === target) return true;
      if (seen.has(model)) return false;
      seen.add(model);
      return reaches(model, target, seen);
    });
  return models.flatMap(({ spec, file }) => {
    const direct = spec.ensemble?.steps.some(({ model }) => model === spec.name) ?? false;
    return direct || !reaches(spec.name, spec.name, new Set())
      ? []
      : [
          {
            file,
            path: "ensemble.steps",
            message: "this ensemble uses itself through the ensembles of its steps",
            hint: "break the cycle",
          },
        ];
  });
}

function planServer(name: string, served: readonly Adaptation[], config: PlatformConfig): ServerPlan {
  const models = served.map(({ model }) => model);
  const repository = buildRepository(
    models,
    served.flatMap(({ files }) => files),
  );
  const bytes = repository.files.reduce((sum, file) => sum + file.bytes, 0);
  const upstream = models.find(({ spec }) => spec.upstream !== undefined)?.spec.upstream;
  const responseCache = config.servers[name]?.responseCache;
  return {
    name,
    isDefault: name === config.defaultServer,
    replicas: config.servers[name]?.replicas ?? 1,
    models,
    repository,
    ...(responseCache === undefined ? {} : { responseCache }),
    timing: timingBudget(bytes, Math.max(0, ...models.map(({ spec }) => spec.callTimeout))),
    ...(upstream === undefined ? {} : { upstream }),
  };
}

/** Model names of each server: what it lists, and for the default server all that nobody lists. */
function assignModels(
  models: ReadonlyMap<string, Model>,
  config: PlatformConfig,
): Map<string, readonly string[]> {
  const listed = new Set(Object.values(config.servers).flatMap((server) => server.models ?? []));
  const rest = [...models.keys()].filter((name) => !listed.has(name));
  return new Map(
    Object.entries(config.servers).map(([name, server]) => [
      name,
      [...(server.models ?? []), ...(name === config.defaultServer ? rest : [])].sort(),
    ]),
  );
}

function checkServers(
  groups: ReadonlyMap<string, readonly string[]>,
  models: ReadonlyMap<string, Model>,
  config: PlatformConfig,
  file: string,
): Problem[] {
  const problems: Problem[] = [];
  const report = (path: string, message: string, hint: string): number =>
    problems.push({ file, path: `triton-platform:${path}`, message, hint });
  const servers = Object.keys(config.servers);

  if (!servers.includes(config.defaultServer)) {
    report(
      "defaultServer",
      `there is no server \`${config.defaultServer}\``,
      suggest(config.defaultServer, servers),
    );
  }
  for (const [name, server] of Object.entries(config.servers)) {
    server.models?.forEach((model, i) => {
      const path = `servers.${name}.models[${String(i)}]`;
      if (!models.has(model))
        report(path, `there is no model \`${model}\``, suggest(model, [...models.keys()]));
      if (server.models?.indexOf(model) !== i)
        report(path, `\`${model}\` is listed twice`, "list each model once");
      const other = [...groups].find(([group, names]) => group < name && names.includes(model))?.[0];
      if (other !== undefined)
        report(path, `\`${model}\` is on server \`${other}\` too`, "put each model on one server");
    });
  }
  for (const [name, names] of groups) {
    const group = names.flatMap((model) => models.get(model) ?? []);
    if (group.length === 0 && names.length === 0) {
      report(`servers.${name}.models`, "this server has no model", "list its models, or remove the server");
    }
    const callsUpstream = group
      .filter(({ spec }) => spec.upstream !== undefined)
      .map(({ spec }) => spec.name);
    const onGpu = group
      .filter(({ spec }) => spec.instances?.some(({ kind }) => kind === "gpu"))
      .map(({ spec }) => spec.name);
    if (callsUpstream.length > 0 && onGpu.length > 0) {
      report(
        `servers.${name}.models`,
        `${callsUpstream.join(", ")} calls an external API and shares this server with GPU models (${onGpu.join(", ")})`,
        "give it a server of its own, so that an outage upstream never costs a GPU",
      );
    }
    for (const { spec } of group) {
      if (spec.responseCache && config.servers[name]?.responseCache === undefined) {
        report(
          `servers.${name}.responseCache`,
          `missing, and \`${spec.name}\` wants its answers cached`,
          "give the server memory for it, like 256MiB",
        );
      }
      for (const step of spec.ensemble?.steps ?? []) {
        if (models.has(step.model) && !names.includes(step.model)) {
          report(
            `servers.${name}.models`,
            `the ensemble \`${spec.name}\` is here and its step \`${step.model}\` is not`,
            "an ensemble and all its steps share one server",
          );
        }
      }
    }
  }
  return problems;
}
