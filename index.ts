import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { loadModels } from "./core/spec/load.ts";
import { parsePlatform } from "./core/spec/platform.ts";
import { formatAdvice, formatProblems, type Problem } from "./core/spec/problem.ts";

/** The program: config and specs → check → the stack's target → outputs. Every problem is shown at once. */
export default async function program(): Promise<Record<string, unknown>> {
  const project = import.meta.dirname;
  const configFile = `Pulumi.${pulumi.getStack()}.yaml`;
  const parsed = parsePlatform(stackConfig(), configFile);
  if ("problems" in parsed) throw refusal(parsed.problems);
  const config = parsed.value;
  const { value: models, problems } = loadModels(path.resolve(project, config.models));

  // The stack's target only: `local` loads no cloud SDK.
  const { prepareLocal } = await import("./components/local/prepare.ts");
  const { LocalPlatform } = await import("./components/local/LocalPlatform.ts");
  const { readLocalTools } = await import("./components/local/tools.ts");
  const apiKey = new pulumi.Config("holysheep").getSecret("apiKey");
  const tools = readLocalTools(project);
  if (tools === undefined)
    throw new pulumi.RunError("This machine is not set up: run `npm start` once, which does it");
  const prepared = prepareLocal(models, configFile, {
    config,
    tools,
    project,
    hasApiKey: apiKey !== undefined,
  });
  const all = [...problems, ...prepared.problems];
  if (all.length > 0) throw refusal(all);
  const { plan, notes, picture, advice } = prepared.value;
  for (const note of notes) await pulumi.log.info(note);
  if (picture.length > 0) await pulumi.log.info(picture.join("\n"));
  if (advice.length > 0) await pulumi.log.warn(formatAdvice(advice));
  new LocalPlatform("local", {
    plan,
    supervisorBin: path.dirname(tools.python),
    ...(apiKey === undefined ? {} : { apiKey }),
  });
  return { ...plan.description };
}

/** The stack's config as plain values by `namespace:key`. Structured values come as JSON, scalars as text. */
function stackConfig(): Record<string, unknown> {
  const entries = Object.entries(pulumi.runtime.allConfig()).map(([key, text]): [string, unknown] => [
    key,
    /^[[{]/.test(text) ? JSON.parse(text) : text,
  ]);
  return Object.fromEntries(entries);
}

function refusal(problems: readonly Problem[]): pulumi.RunError {
  return new pulumi.RunError(formatProblems(problems));
}
