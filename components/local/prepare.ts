import { readdirSync } from "node:fs";
import path from "node:path";
import {
  planLocal,
  portConflicts,
  simulatorDirectory,
  type LocalOptions,
  type LocalPlan,
} from "../../core/local/plan.ts";
import { capacityPicture } from "../../core/capacity/check.ts";
import { planPlatform } from "../../core/platform.ts";
import { hashFile } from "../../core/spec/artifacts.ts";
import { locate, type Model } from "../../core/spec/load.ts";
import type { Advice, Checked } from "../../core/spec/problem.ts";
import { absentProblems, withoutSources } from "../../core/triton/repository.ts";
import { runOnCpu, type AdapterSource } from "../../core/triton/cpu-adapter.ts";

/** The CPU adapter's modules; they stand beside every artifact that has no backend here. */
const adapterFiles = ["batching.py", "config.py", "engines.py", "model.py"] as const;

export interface PreparedLocal {
  readonly plan: LocalPlan;
  /** What differs from a GPU host or from what is pinned, for people. */
  readonly notes: readonly string[];
  /** How full GPUs and nodes are: lines of text. */
  readonly picture: readonly string[];
  readonly advice: readonly Advice[];
}

/** Checks the platform for this machine and plans it. Nothing is created. */
export function prepareLocal(
  models: readonly Model[],
  file: string,
  options: Omit<LocalOptions, "simulatorHash">,
): Checked<PreparedLocal> {
  const adapter = readAdapter(options.project);
  const notes: string[] = [];
  const { value, problems } = planPlatform(models, options.config, file, (model) => {
    const result = runOnCpu(model, adapter);
    if (!("model" in result)) return result;
    const [absent] = absentProblems(result.model);
    if (absent !== undefined) return absent;
    if (result.difference !== undefined) notes.push(`${model.spec.name}: ${result.difference}`);
    return { ...result, model: withoutSources(result.model) };
  });
  for (const [name, { message, hint }] of value.leftOut)
    notes.push(`${name} is left out: ${message} (${hint})`);
  for (const { spec, artifacts } of models) {
    if (artifacts.unlocked.length > 0) {
      notes.push(
        `${spec.name}: ${abridge(artifacts.unlocked)}: not what artifacts.lock pins (npm run models pins it)`,
      );
    }
  }
  const simulated = value.servers.some(({ upstream }) => upstream !== undefined) && !options.hasApiKey;
  if (simulated) {
    notes.push(
      "no holysheep:apiKey is set: llm-backend talks to the simulator on this machine (npm run pulumi -- config set --secret holysheep:apiKey)",
    );
  }
  const plan = planLocal(value.servers, {
    ...options,
    simulatorHash: hashOf(simulatorDirectory(options.project)),
  });
  const advice = locate(value.advice, models);
  return {
    value: { plan, notes, picture: capacityPicture(value.capacity), advice },
    problems: [...locate(problems, models), ...portConflicts(plan, file)],
  };
}

function hashOf(directory: string): string {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".py"))
    .sort()
    .map((name) => hashFile(directory, name).sha256)
    .join(" ");
}

function readAdapter(project: string): AdapterSource {
  const directory = path.join(project, "components", "local", "cpu_adapter");
  return { directory, files: adapterFiles.map((file) => hashFile(directory, file)) };
}

/** The first names of a long list. */
function abridge(names: readonly string[], most = 3): string {
  const rest = names.length - most;
  return rest > 0 ? `${names.slice(0, most).join(", ")} and ${String(rest)} more` : names.join(", ");
}
