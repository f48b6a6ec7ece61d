import path from "node:path";
import type { Run } from "../../commands/plan/record.ts";
import { readStack } from "../../commands/stack/config.ts";
import { loadModels } from "../../core/spec/load.ts";
import { servesModels } from "../../core/spec/platform.ts";
import { awsStandIns, type ApiServer } from "./aws-mocks.ts";
import { register } from "./stack-mocks.ts";
import { projectRoot } from "./tools.ts";

/** What a committed stack on AWS comes to, on an account that has what it needs. */
export function runOf(stack: string, { endpoint }: ApiServer): Promise<Run> {
  const { config, file } = readStack(stack);
  return register(async () => {
    const { target } = await import("../../components/aws/target.ts");
    const models = servesModels(config) ? loadModels(path.resolve(projectRoot, config.models)).value : [];
    const prepared = target.prepare(models, { config, project: projectRoot, file, stack });
    if ("problems" in prepared) throw new Error(JSON.stringify(prepared.problems, undefined, 2));
    return prepared.value.build();
  }, awsStandIns(endpoint));
}
