import { checkCapacity, replicaDevices, type Capacity } from "./capacity/check.ts";
import { visibleDevices, type ReplicaDevices } from "./capacity/gpu-memory.ts";
import { replicaRequests } from "./capacity/requirements.ts";
import type { Resources } from "./capacity/resources.ts";
import { objectiveProblems } from "./monitoring/objectives.ts";
import { present } from "./objects.ts";
import { checkServers, serverGroups, type ServerGroup } from "./servers.ts";
import type { Model } from "./spec/load.ts";
import type { PlatformConfig, ServerConfig } from "./spec/platform.ts";
import type { Advice, Checked, Problem } from "./spec/problem.ts";
import type { Bytes } from "./spec/units.ts";
import { timingBudget, type TimingBudget } from "./timing/budget.ts";
import { buildRepository, type Repository, type RepositoryFile } from "./triton/repository.ts";
import { checkModels, type Judgement } from "./triton/rules/index.ts";
import type { ServerFacts } from "./triton/rules/rule.ts";

export interface PlatformPlan {
  /** Sorted by name. */
  readonly servers: readonly ServerPlan[];
  /** Models that the target cannot serve, and ensembles that use them, each with the reason. */
  readonly leftOut: ReadonlyMap<string, Problem>;
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
  /** As the stack's config has it. */
  readonly config: ServerConfig;
  /** Sorted by name. */
  readonly models: readonly Model[];
  readonly repository: Repository;
  /** Bytes of Triton's response cache; undefined for none. */
  readonly responseCache?: Bytes;
  /** What one replica asks of its node: cpu in thousandths, shared memory as part of memory. */
  readonly requests: Resources;
  /** What one replica runs on; undefined for none. */
  readonly devices?: ReplicaDevices;
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
 * used only where there is none. `adapt` lets a target serve a model another way (no GPU, no backend), or says why it
 * cannot; rules and capacity are those of the specs as they are written.
 */
export function planPlatform(
  models: readonly Model[],
  config: PlatformConfig,
  file: string,
  adapt: (model: Model) => Adaptation | Problem = (model) => ({ model, files: [] }),
): Checked<PlatformPlan> {
  const byName = new Map(models.map((model) => [model.spec.name, model]));
  const groups = serverGroups(byName, config);
  const checked = judge(models, byName, groups, config);
  const { adapted, leftOut } = adaptModels(models, adapt);
  const problems = [
    ...checked.problems,
    ...objectiveProblems(models),
    ...checkServers(groups, byName, config, file),
    ...emptyServers(groups, leftOut, file),
  ];
  const servers = groups.map((group) =>
    planServer(
      group,
      group.models.flatMap(({ spec }) => adapted.get(spec.name) ?? []),
      config,
    ),
  );
  const bytes = new Map(servers.map(({ name, repository }) => [name, repositoryBytes(repository)]));
  const { capacity, problems: misfits } = checkCapacity(groups, config, bytes, file);
  return {
    value: { servers, leftOut, advice: checked.advice, capacity },
    problems: [...problems, ...misfits],
  };
}

interface Adapted {
  readonly adapted: ReadonlyMap<string, Adaptation>;
  readonly leftOut: ReadonlyMap<string, Problem>;
}

/** What a target makes of each model; an ensemble goes with its steps. */
function adaptModels(models: readonly Model[], adapt: (model: Model) => Adaptation | Problem): Adapted {
  const adapted = new Map<string, Adaptation>();
  const leftOut = new Map<string, Problem>();
  for (const model of models) {
    const result = adapt(model);
    if ("model" in result) adapted.set(model.spec.name, result);
    else leftOut.set(model.spec.name, result);
  }
  for (let before = -1; before !== leftOut.size;) {
    before = leftOut.size;
    for (const { spec, file } of models) {
      const step = spec.ensemble?.steps.find(({ model }) => leftOut.has(model));
      if (step === undefined || !adapted.delete(spec.name)) continue;
      const message = `its step \`${step.model}\` is not served here`;
      leftOut.set(spec.name, { file, path: "ensemble.steps", message, hint: "see there" });
    }
  }
  return { adapted, leftOut };
}

function emptyServers(
  groups: readonly ServerGroup[],
  leftOut: ReadonlyMap<string, Problem>,
  file: string,
): Problem[] {
  return groups
    .filter(({ models }) => models.length > 0 && models.every(({ spec }) => leftOut.has(spec.name)))
    .map(({ name, models }) => ({
      file,
      path: `triton-platform:servers.${name}.models`,
      message: `nothing is left to serve here: ${models.map(({ spec }) => `${spec.name} (${leftOut.get(spec.name)?.message ?? ""})`).join(", ")}`,
      hint: "give the server a model that runs here, or leave the server out",
    }));
}

/** Every model by the rules of the server it is on. */
function judge(
  models: readonly Model[],
  byName: ReadonlyMap<string, Model>,
  groups: readonly ServerGroup[],
  config: PlatformConfig,
): Judgement {
  const general: ServerFacts = {
    release: config.tritonRelease,
    customBackends: config.customBackends,
    customAgents: config.customAgents,
  };
  const factsOf = new Map(
    groups.flatMap((group) => {
      const facts = { ...general, ...present({ accelerator: acceleratorFacts(group) }) };
      return group.models.map(({ spec }) => [spec.name, facts] as const);
    }),
  );
  return checkModels(models, byName, (name) => factsOf.get(name) ?? general);
}

function acceleratorFacts(group: ServerGroup): ServerFacts["accelerator"] {
  const on = replicaDevices(group);
  if (on === undefined) return undefined;
  const { name, gpu } = on.accelerator;
  return { product: name, devices: visibleDevices(on), computeCapability: gpu.computeCapability };
}

function planServer(group: ServerGroup, served: readonly Adaptation[], config: PlatformConfig): ServerPlan {
  const { name, config: server } = group;
  const devices = replicaDevices(group);
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
    config: server,
    models,
    repository,
    requests: replicaRequests(group.models, server, repositoryBytes(repository), devices),
    timing: timingBudget(loadedBytes({ config: server, repository }), longestCall),
    ...present({
      devices,
      responseCache: server.responseCache,
      upstream: models.find(({ spec }) => spec.upstream !== undefined)?.spec.upstream,
    }),
  };
}

/**
 * What a replica loads at most. How much an earlier repository holds is not known here; the disk that the config gives
 * to it is, and holds it.
 */
export function loadedBytes(server: Pick<ServerPlan, "config" | "repository">): Bytes {
  const current = repositoryBytes(server.repository);
  return servesAnother(server) ? (server.config.resources.disk ?? current) : current;
}

/** Whether a roll-back puts another repository in the place of the one of the models' folder. */
export function servesAnother({ config, repository }: Pick<ServerPlan, "config" | "repository">): boolean {
  return config.rollback !== undefined && config.rollback !== repository.hash;
}

/** Of all files together. */
export function repositoryBytes({ files }: Repository): Bytes {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
