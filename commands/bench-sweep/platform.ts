import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { prepareLocal } from "../../components/local/prepare.ts";
import { readLocalTools } from "../../components/local/tools.ts";
import type { LoadSettings } from "../../core/benchmark/load-options.ts";
import { planLoads } from "../../core/benchmark/load-plan.ts";
import type { Benchmark } from "../../core/benchmark/result.ts";
import {
  ensembleVariantOf,
  ensemblesAround,
  variantOf,
  type Settings,
} from "../../core/benchmark/variants.ts";
import { loadModels, specFilename } from "../../core/spec/load.ts";
import { refuse, type Problem } from "../../core/spec/problem.ts";
import { localGenerators } from "../bench/load/generators.ts";
import { commitHere, newId, resultOf } from "../bench/load/result-file.ts";
import { measure } from "../bench/load/run.ts";
import { benchTarget } from "../bench/load/target.ts";
import { askBalancer, instancesOf, tritonVersion } from "../bench/load/triton.ts";
import { runCommand, type Observer } from "../bench/platform.ts";
import { openHome, readLocalConfig, stackName } from "../local/home.ts";
import { projectRoot } from "../setup/places.ts";
import { UserError } from "../setup/user-error.ts";

/** One model of the sweep's own platform, with whatever settings are tried. */
export interface SweptModel {
  /** The platform's own copies of all models. */
  readonly folder: string;
  readonly name: string;
  /** model.yaml as the project has it. */
  readonly text: string;
  /** model.yaml of each ensemble that the model is a step of, by name: they take no larger batches than their steps. */
  readonly ensembles: ReadonlyMap<string, string>;
  /** What the platform serves now: rolling it out once more would change nothing. */
  served: Settings;
}

/** As `npm start` has just served it, with today's settings. */
export function sweptModel(folder: string, name: string, now: Settings): SweptModel {
  const specs = loadModels(folder).value.map(({ spec }) => spec);
  const textOf = (model: string): string => readFileSync(path.join(folder, model, specFilename), "utf8");
  return {
    ...{ folder, name, text: textOf(name), served: now },
    ensembles: new Map(ensemblesAround(specs, name).map((ensemble) => [ensemble, textOf(ensemble)])),
  };
}

/** Writes a variant beside the other models, and says what speaks against it: a rule, or no room on the GPU. */
export function writeVariant(
  { folder, name, text, ensembles }: SweptModel,
  settings: Settings,
): readonly Problem[] {
  const write = (model: string, changed: string): void => {
    writeFileSync(path.join(folder, model, specFilename), changed);
  };
  write(name, variantOf(text, settings));
  for (const [ensemble, own] of ensembles) write(ensemble, ensembleVariantOf(own, settings.maxBatchSize));
  const { config, hasApiKey, file } = readLocalConfig(openHome());
  const tools = readLocalTools(projectRoot);
  if (tools === undefined) throw new UserError("This machine is not set up", "npm start does it");
  const models = loadModels(folder);
  const prepared = prepareLocal(models.value, file, { config, tools, project: projectRoot, hasApiKey });
  return [...models.problems, ...prepared.problems];
}

/** Rolls the variant out and measures it; undefined where it was interrupted before its first point. */
export async function measureVariant(
  model: SweptModel,
  settings: Settings,
  load: LoadSettings,
  observer: Observer,
): Promise<Benchmark | undefined> {
  const { signal, progress } = observer;
  const { name } = model;
  if (!isDeepStrictEqual(model.served, settings)) {
    await runCommand("start", observer);
    model.served = settings;
  }
  if (signal.aborted) return undefined;
  const target = await benchTarget({ target: stackName, inCluster: false });
  const { value: plan, problems } = planLoads(target.models, { ...load, models: [name] });
  refuse(problems);
  const generatorOf = await localGenerators(plan, {
    ...{ endpoint: target.endpoint, choice: "auto", signal },
    replicasOf: (server) => target.groups.get(server)?.replicas ?? 1,
  });
  const ask = askBalancer(target.endpoint);
  const served = target.models.find(({ spec }) => spec.name === name);
  const instances = served === undefined ? 1 : await instancesOf(ask, served);
  const started = new Date();
  const measured = [];
  for (const each of plan.loads)
    measured.push(
      ...(await measure(each, load, {
        endpoint: target.endpoint,
        generatorOf,
        replicas: target.replicas,
        signal,
        onPoint: () => undefined,
        onProgress: progress,
      })),
    );
  if (measured.every(({ points }) => points.length === 0)) return undefined;
  const result = resultOf(
    {
      ...{ id: newId(started), started, target, generatorOf },
      instances: new Map([[name, instances]]),
      tritonVersion: await tritonVersion(ask),
      commit: await commitHere(),
      load: { sweep: name },
    },
    measured,
    new Date(),
  );
  const { maxBatchSize, maxQueueDelay } = settings;
  const tried = { maxBatchSize, maxQueueDelayMs: maxQueueDelay / 1000 };
  return { ...result, series: result.series.map((series) => ({ ...series, settings: tried })) };
}
