import { parseArgs } from "node:util";
import Table from "cli-table3";
import { smoke } from "./local/smoke.ts";
import { setUp } from "./setup/set-up.ts";
import { UserError } from "./setup/user-error.ts";
import { readDockerStack } from "./stack/docker.ts";

/**
 * `npm run smoke -- --stack <name> [--http host:port] [--grpc host:port]`: one small call to every model over HTTP and gRPC,
 * through the balancer of a Docker host. Exits with 1 where one fails. The addresses are those of the stack's plan; of
 * another machine's loopback address, those that `ssh -L` makes here.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      stack: { type: "string", short: "s" },
      http: { type: "string" },
      grpc: { type: "string" },
    },
  });
  if (values.stack === undefined)
    throw new UserError("No stack is named", "write it like npm run smoke -- --stack gpu-host");
  const { plan } = readDockerStack(values.stack);
  const { endpoints, servers } = plan.description;
  const { python } = await setUp(["python"]);
  const results = await smoke(
    python.executable,
    {
      http: values.http === undefined ? endpoints.http : `http://${values.http}`,
      grpc: values.grpc ?? endpoints.grpc,
    },
    plan.servers.map((server) => ({ plan: server })),
  );
  const table = new Table({
    head: ["server", "model", "protocol", "answer"],
    style: { head: [], border: [] },
  });
  for (const { model, protocol, milliseconds, error } of results) {
    const server = servers.find(({ models }) => models.some(({ name }) => name === model))?.name ?? "";
    table.push([server, model, protocol, error ?? `ok ${milliseconds.toFixed(0)} ms`]);
  }
  console.log(table.toString());
  if (results.some(({ error }) => error !== null)) process.exitCode = 1;
}
