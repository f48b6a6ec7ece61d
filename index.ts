import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { withKnownHashes } from "./components/hash-cache.ts";
import { refusal, type Target } from "./components/target.ts";
import { loadModels } from "./core/spec/load.ts";
import { parsePlatform, servesModels, type PlatformConfig } from "./core/spec/platform.ts";
import { formatAdvice, formatProblems } from "./core/spec/problem.ts";

/** The program: config and specs → check → the stack's target → outputs. Every problem is shown at once. */
export default async function program(): Promise<Record<string, unknown>> {
  const project = import.meta.dirname;
  const stack = pulumi.getStack();
  const file = `Pulumi.${stack}.yaml`;
  const parsed = parsePlatform(stackConfig(), file);
  if ("problems" in parsed) throw refusal(formatProblems(parsed.problems));
  const config = parsed.value;
  // A stack that makes a cluster alone is not touched by what is wrong with a model.
  const { value: models, problems } = servesModels(config)
    ? withKnownHashes(project, (known) => loadModels(path.resolve(project, config.models), known))
    : { value: [], problems: [] };

  const target = await loadTarget[config.target]();
  const prepared = target.prepare(models, { config, project, file, stack });
  if ("problems" in prepared) throw refusal(formatProblems([...problems, ...prepared.problems]));
  if (problems.length > 0) throw refusal(formatProblems(problems));
  const { notes, picture, advice } = prepared.value;
  for (const note of notes) await pulumi.log.info(note);
  if (picture.length > 0) await pulumi.log.info(picture.join("\n"));
  if (advice.length > 0) await pulumi.log.warn(formatAdvice(advice));
  return prepared.value.build();
}

/** The stack's target only: `local` loads no cloud SDK. */
const loadTarget: Readonly<Record<PlatformConfig["target"], () => Promise<Target>>> = {
  local: async () => (await import("./components/local/target.ts")).target,
  docker: async () => (await import("./components/docker/target.ts")).target,
  kubernetes: async () => (await import("./components/kubernetes/target.ts")).target,
  eks: async () => (await import("./components/aws/target.ts")).target,
};

/** The stack's config as plain values by `namespace:key`. Structured values come as JSON, scalars as text. */
function stackConfig(): Record<string, unknown> {
  const entries = Object.entries(pulumi.runtime.allConfig()).map(([key, text]): [string, unknown] => [
    key,
    /^[[{]/.test(text) ? JSON.parse(text) : text,
  ]);
  return Object.fromEntries(entries);
}
