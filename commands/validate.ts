import { parseArgs } from "node:util";
import { capacityPicture } from "../core/capacity/check.ts";
import { planPlatform } from "../core/platform.ts";
import { locate } from "../core/spec/load.ts";
import { servesModels } from "../core/spec/platform.ts";
import { formatAdvice, refuse } from "../core/spec/problem.ts";
import { openHome, readLocalConfig, stackName } from "./local/home.ts";
import { readStack } from "./stack/config.ts";
import { planEksStack } from "./stack/eks.ts";
import { planDockerStack } from "./stack/docker.ts";
import { planStack } from "./stack/kubernetes.ts";
import { modelsOf } from "./stack/models.ts";

/**
 * `npm run validate [-- --stack <name>]`: checks every spec and the stack's config (this machine's where none is named),
 * and shows advice and how full GPUs and nodes are. Starts nothing and needs nothing but npm's packages; exit code 1 where
 * something is refused.
 */
export function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { stack: { type: "string", short: "s" } } });
  const named =
    values.stack === undefined || values.stack === stackName ? undefined : readStack(values.stack);
  const stack = named ?? readLocalConfig(openHome());
  const { config, file } = stack;
  if (named !== undefined && !servesModels(config)) {
    planEksStack(named);
    console.log(`${file} is as it should be, as far as AWS need not be asked. It serves no models.`);
    return Promise.resolve();
  }
  const models = modelsOf(config);
  const { value: plan, problems } = planPlatform(models.value, config, file);
  const picture = capacityPicture(plan.capacity);
  if (picture.length > 0) console.log(`${picture.join("\n")}\n`);
  if (plan.advice.length > 0) console.log(`${formatAdvice(locate(plan.advice, models.value))}\n`);
  // What the target has against it comes on top, all at once.
  if (config.target === "kubernetes") planStack(stack, models);
  if (named?.config.target === "eks") planEksStack(named, models);
  if (config.target === "docker") planDockerStack(stack, models);
  refuse([...models.problems, ...locate(problems, models.value)]);
  const servers = plan.servers
    .map(({ name, models: served }) => `${name} (${String(served.length)})`)
    .join(", ");
  console.log(
    `${String(models.value.length)} models are as Triton ${config.tritonRelease} wants them. Servers: ${servers}.`,
  );
  return Promise.resolve();
}
