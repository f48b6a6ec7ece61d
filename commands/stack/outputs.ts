import { execa } from "execa";
import * as z from "zod";
import type { PlatformDescription } from "../../core/description.ts";
import type { Engine } from "../setup/set-up.ts";
import { UserError } from "../setup/user-error.ts";
import { stacksFolder } from "./config.ts";

/** Of the outputs of any target, what they have in common. */
export const outputsSchema: z.ZodType<PlatformDescription> = z.object({
  endpoints: z.object({
    http: z.string(),
    grpc: z.string(),
    metrics: z.string().exactOptional(),
    prometheus: z.string().exactOptional(),
    grafana: z.string().exactOptional(),
  }),
  servers: z.array(
    z.object({
      name: z.string(),
      grpc: z.string().exactOptional(),
      repositoryHash: z.string(),
      replicas: z.array(z.object({ name: z.string(), http: z.string().exactOptional() })).exactOptional(),
      models: z.array(z.object({ name: z.string(), versions: z.array(z.number()) })),
    }),
  ),
});

/**
 * What a stack's outputs say of the platform that runs, as its last `pulumi up` left them. Pulumi's state is asked: the
 * login and the passphrase are the user's own.
 */
export async function readOutputs(engine: Engine, stack: string): Promise<PlatformDescription> {
  const outputs = outputsSchema.safeParse(await outputsOf(engine, stack));
  if (outputs.success) return outputs.data;
  throw new UserError(
    `The stack \`${stack}\` serves no models`,
    "deploy it first (pulumi up), or name the stack that has the models",
  );
}

const clusterSchema = z.object({ cluster: z.object({ kubeconfig: z.string() }) });

/** The kubeconfig of the cluster that a stack on AWS has made, as text; there is no secret in it. */
export async function readKubeconfig(engine: Engine, stack: string): Promise<string> {
  const outputs = clusterSchema.safeParse(await outputsOf(engine, stack));
  if (outputs.success) return outputs.data.cluster.kubeconfig;
  throw new UserError(`The stack \`${stack}\` has no cluster`, "deploy it first: pulumi up");
}

async function outputsOf(engine: Engine, stack: string): Promise<unknown> {
  const { stdout, stderr, exitCode } = await execa(
    engine.executable,
    ["stack", "output", "--json", "--stack", stack, "--non-interactive"],
    { cwd: stacksFolder(), env: engine.env, reject: false },
  );
  if (exitCode !== 0)
    throw new UserError(
      `The outputs of \`${stack}\` cannot be read: ${stderr.trim()}`,
      `log in where its state is (pulumi login), and see that pulumi stack output --stack ${stack} answers`,
    );
  return JSON.parse(stdout);
}
