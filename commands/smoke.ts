import { parseArgs } from "node:util";
import Table from "cli-table3";
import { sectionOf } from "../core/aws/workload.ts";
import type { PlatformDescription } from "../core/description.ts";
import { asksForApiKeys } from "../core/kubernetes/external-secrets.ts";
import type { PlatformConfig } from "../core/spec/platform.ts";
import { openHome, readLocalConfig, stackName } from "./local/home.ts";
import { findRunning } from "./local/running.ts";
import { smoke, type SmokeCase } from "./local/smoke.ts";
import { setUp } from "./setup/set-up.ts";
import { UserError } from "./setup/user-error.ts";
import { readAccess } from "./stack/access.ts";
import { readStack } from "./stack/config.ts";
import { planDockerStack } from "./stack/docker.ts";
import { addressesWith, endpointOptions } from "./stack/endpoint.ts";
import { modelsOf } from "./stack/models.ts";
import { readOutputs } from "./stack/outputs.ts";

/**
 * `npm run smoke [-- --stack <name>] [--http host:port] [--grpc host:port] [--api-key-file <file>] [--ca <file>] [--cert <file>
 * --key <file>]`: one small call to every model over HTTP and gRPC, through the balancer of this machine or of a stack. Exits
 * with 1 where one fails. The addresses are those of the stack's plan (a Docker host) or of its outputs (a cluster); those
 * of another machine's loopback address or of a forwarded port are told by --http and --grpc.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      stack: { type: "string", short: "s" },
      ...endpointOptions,
    },
  });
  const access = readAccess(values);
  const stack = stackOf(values.stack ?? stackName);
  if (stack.asksForKeys && access.apiKey === undefined && access.tls.certificate === undefined)
    throw new UserError(
      "The balancer takes calls with an API key alone, and none is given",
      "npm run api-key makes one: put it into a file, and name that by --api-key-file or TRITON_PLATFORM_API_KEY_FILE",
    );
  const description = await stack.describe();
  const endpoints = addressesWith(description.endpoints, values);
  const { python } = await setUp(["python"]);
  const results = await smoke(python.executable, endpoints, casesOf(description, stack.config), access);
  const table = new Table({
    head: ["server", "model", "protocol", "answer"],
    style: { head: [], border: [] },
  });
  for (const { server, model, protocol, milliseconds, error } of results)
    table.push([server, model, protocol, error ?? `ok ${milliseconds.toFixed(0)} ms`]);
  console.log(table.toString());
  if (results.every(({ error }) => error === null)) return;
  process.exitCode = 1;
  if (new URL(endpoints.http).hostname.endsWith(".svc")) console.log(fromOutside);
}

const fromOutside = `These addresses are inside the cluster. From outside:
  kubectl -n <namespace> port-forward svc/triton-balancer 8000 8001   and --http localhost:8000 --grpc localhost:8001`;

interface SmokedStack {
  /** Names the folder of the models' specs. */
  readonly config: Pick<PlatformConfig, "models">;
  /** Whether its balancer wants an API key. */
  readonly asksForKeys: boolean;
  readonly describe: () => Promise<PlatformDescription>;
}

function stackOf(name: string): SmokedStack {
  if (name === stackName) {
    const running = findRunning();
    if (running === undefined) throw new UserError("Nothing runs on this machine", "start with npm start");
    const { config } = readLocalConfig(openHome());
    return { config, asksForKeys: false, describe: () => Promise.resolve(running.description) };
  }
  const read = readStack(name);
  const { config } = read;
  if (config.target === "docker") {
    // Its ports are the config's: no login is needed.
    const { plan, docker } = planDockerStack(read);
    const describe = (): Promise<PlatformDescription> => Promise.resolve(plan.description);
    return { config, asksForKeys: docker.balancer.apiKeys !== undefined, describe };
  }
  const describe = async (): Promise<PlatformDescription> =>
    readOutputs((await setUp(["engine"])).engine, name);
  return { config, asksForKeys: asksForApiKeys(sectionOf(config)), describe };
}

/** A call for each model that is served; what it takes is in its spec. */
function casesOf({ servers }: PlatformDescription, config: SmokedStack["config"]): SmokeCase[] {
  const { value: models } = modelsOf(config);
  return servers.flatMap((server) =>
    server.models.map(({ name }) => {
      const model = models.find(({ spec }) => spec.name === name);
      if (model !== undefined) return { server: server.name, spec: model.spec };
      throw new UserError(
        `\`${server.name}\` serves \`${name}\`, and there is no such model here`,
        "check out what was deployed, or deploy what is here (pulumi up)",
      );
    }),
  );
}
