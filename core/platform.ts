import { checkCapacity, type Capacity } from "./capacity/check.ts";
import { findAccelerator } from "./capacity/catalogue.ts";
import { present } from "./objects.ts";
import { checkServers, serverGroups, type ServerGroup } from "./servers.ts";
import type { Model } from "./spec/load.ts";
import type { PlatformConfig } from "./spec/platform.ts";
import type { Advice, Checked, Problem } from "./spec/problem.ts";
import type { Bytes } from "./spec/units.ts";
import { timingBudget, type TimingBudget } from "./timing/budget.ts";
import { buildRepository, type Repository, type RepositoryFile } from "./triton/repository.ts";
import { checkModel } from "./triton/rules/index.ts";
import type { ServerFacts } from "./triton/rules/rule.ts";

export interface PlatformPlan {
  /** Sorted by name. */
  readonly servers: readonly ServerPlan[];
  /** What is worth a thought and stops nothing. */
  readonly advice: readonly Advice[];
  readonly capacity: Capacity;
}

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
 * used only where there is none. `adapt` lets a target serve a model another way (no GPU, no backend); rules and
 * capacity are those of the specs as they are written.
 */
export function planPlatform(
  models: readonly Model[],
  config: PlatformConfig,
  file: string,
  adapt: (model: Model) => Adaptation | Problem = (model) => ({ model, files: [] }),
): Checked<PlatformPlan> {
  const byName = new Map(models.map((model) => [model.spec.name, model]));
  const groups = serverGroups(byName, config);
  const checked = checkModels(models, byName, groups, config);
  const problems = [...checked.problems, ...checkServers(groups, byName, config, file)];

  const servers = groups.map((group): ServerPlan => {
    const served = group.models.flatMap((model) => {
      const result = adapt(model);
      if ("model" in result) return [result];
      problems.push(result);
      return [];
    });
    return planServer(group, served, config);
  });
  const bytes = new Map(servers.map(({ name, repository }) => [name, repositoryBytes(repository)]));
  const { capacity, problems: misfits } = checkCapacity(groups, config, bytes, file);
  return { value: { servers, advice: checked.advice, capacity }, problems: [...problems, ...misfits] };
}

/** Every model by the rules of the server it is on. */
function checkModels(
  models: readonly Model[],
  byName: ReadonlyMap<string, Model>,
  groups: readonly ServerGroup[],
  config: PlatformConfig,
): { readonly problems: readonly Problem[]; readonly advice: readonly Advice[] } {
  const general: ServerFacts = { release: config.tritonRelease, customBackends: config.customBackends };
  const factsOf = new Map(
    groups.flatMap((group) => {
      const facts = { ...general, ...present({ accelerator: acceleratorFacts(group) }) };
      return group.models.map(({ spec }) => [spec.name, facts] as const);
    }),
  );
  const results = models.map((model) =>
    checkModel({ model, models: byName, server: factsOf.get(model.spec.name) ?? general }),
  );
  return {
    problems: results.flatMap(({ problems }) => problems),
    advice: results.flatMap(({ advice }) => advice),
  };
}

function acceleratorFacts({ config: { accelerator } }: ServerGroup): ServerFacts["accelerator"] {
  const found = accelerator && findAccelerator(accelerator.gpu, accelerator.mig);
  if (found === undefined) return undefined;
  const { name, gpu } = found;
  return { product: name, devices: accelerator?.count ?? 1, computeCapability: gpu.computeCapability };
}

function planServer(
  { name, config: server }: ServerGroup,
  served: readonly Adaptation[],
  config: PlatformConfig,
): ServerPlan {
  const models = served.map(({ model }) => model);
  const repository = buildRepository(
    models,
    served.flatMap(({ files }) => files),
  );
  const longestCall = Math.max(0, ...models.map(({ spec }) => spec.callTimeout));
  return {
    name,
    isDefault: name === config.defaultServer,
    replicas: server.replicas,
    models,
    repository,
    timing: timingBudget(repositoryBytes(repository), longestCall),
    ...present({
      responseCache: server.responseCache,
      upstream: models.find(({ spec }) => spec.upstream !== undefined)?.spec.upstream,
    }),
  };
}

function repositoryBytes({ files }: Repository): Bytes {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
