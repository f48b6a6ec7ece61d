import { prepareKubernetes, type PreparedKubernetes } from "../../components/kubernetes/prepare.ts";
import { ProblemsError, refuse } from "../../core/spec/problem.ts";
import { projectRoot } from "../setup/places.ts";
import type { StackConfig } from "./config.ts";
import { modelsOf } from "./models.ts";

/**
 * The plan of a stack with the target `kubernetes`, without credentials or a cluster. HolySheep's key is set where the
 * stack is deployed; a plan needs none. `models` are those of the stack, where they are loaded already. Throws all problems at once.
 */
export function planStack({ config, file }: StackConfig, models = modelsOf(config)): PreparedKubernetes {
  const prepared = prepareKubernetes(models.value, file, { config, project: projectRoot, hasApiKey: true });
  if ("problems" in prepared) throw new ProblemsError([...models.problems, ...prepared.problems]);
  refuse(models.problems);
  return prepared.value;
}
