import { prepareEks, type PreparedEks } from "../../components/aws/prepare.ts";
import type { Model } from "../../core/spec/load.ts";
import { servesModels, type PlatformConfig } from "../../core/spec/platform.ts";
import { ProblemsError, refuse, type Checked } from "../../core/spec/problem.ts";
import { projectRoot } from "../setup/places.ts";
import type { NamedStack } from "./config.ts";
import { modelsOf } from "./models.ts";

/**
 * The plan of a stack with the target `eks`, without credentials: AWS is asked for nothing. HolySheep's key is set where the
 * stack is deployed; a plan needs none. `models` are those of the stack, where they are loaded already. Throws all problems at once.
 */
export function planEksStack(
  { config, file, stack }: NamedStack,
  models = servedModels(config),
): PreparedEks {
  const options = { config, project: projectRoot, stack, hasApiKey: true };
  const prepared = prepareEks(models.value, file, options);
  if ("problems" in prepared) throw new ProblemsError([...models.problems, ...prepared.problems]);
  refuse(models.problems);
  return prepared.value;
}

function servedModels(config: PlatformConfig): Checked<readonly Model[]> {
  return servesModels(config) ? modelsOf(config) : { value: [], problems: [] };
}
