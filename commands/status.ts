import { parseArgs } from "node:util";
import Table from "cli-table3";
import * as z from "zod";
import { programStatuses } from "../components/local/supervised.ts";
import type { Endpoints } from "../core/description.ts";
import { stackName } from "./local/home.ts";
import { findRunning, type Running } from "./local/running.ts";
import { describeDockerStatus, dockerStatus } from "./stack/docker-status.ts";

/** What `npm run status -- --json` prints. */
export interface Status {
  /** Null where nothing runs. */
  readonly endpoints: Endpoints | null;
  readonly servers: readonly ServerStatus[];
}

/** One replica of a server group. */
export interface ServerStatus {
  /** The server group. */
  readonly name: string;
  /** Number of the replica, from 0. */
  readonly replica: number;
  /** Null where its process does not run. */
  readonly pid: number | null;
  /** Whether Triton says so. */
  readonly ready: boolean;
  /** Names of the models that are loaded and ready. */
  readonly models: readonly string[];
}

/**
 * `npm run status [-- --stack <name>]`: every replica of this machine, or every container of a Docker host, as it is now.
 * Exits with 1 where one of them is not ready.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { json: { type: "boolean", default: false }, stack: { type: "string", short: "s" } },
  });
  if (values.stack !== undefined && values.stack !== stackName) {
    const status = await dockerStatus(values.stack);
    console.log(values.json ? JSON.stringify(status, null, 2) : describeDockerStatus(status));
    if (status.containers.some(({ ready }) => !ready)) process.exitCode = 1;
    return;
  }
  const running = findRunning();
  const status = running === undefined ? { endpoints: null, servers: [] } : await statusOf(running);
  console.log(values.json ? JSON.stringify(status, null, 2) : describe(status));
  if (status.servers.length === 0 || status.servers.some(({ ready }) => !ready)) process.exitCode = 1;
}

async function statusOf(running: Running): Promise<Status> {
  const programs = await programStatuses(running);
  const replicas = running.description.servers.flatMap((server) =>
    server.replicas.map(async ({ name, http }, replica): Promise<ServerStatus> => {
      const models = await readyModels(http);
      return {
        name: server.name,
        replica,
        pid: programs.find((program) => program.name === name)?.pid ?? null,
        ready: models !== undefined,
        models: models ?? [],
      };
    }),
  );
  return { endpoints: running.description.endpoints, servers: await Promise.all(replicas) };
}

const indexSchema = z.array(z.object({ name: z.string(), state: z.string().optional() }));

/** Names of the models a Triton serves; undefined where it is not ready. */
async function readyModels(http: string): Promise<string[] | undefined> {
  try {
    const signal = AbortSignal.timeout(5_000);
    const ready = await fetch(`${http}/v2/health/ready`, { signal });
    if (!ready.ok) return undefined;
    const index = await fetch(`${http}/v2/repository/index`, { method: "POST", body: "{}", signal });
    return indexSchema
      .parse(await index.json())
      .filter(({ state }) => state === "READY")
      .map(({ name }) => name)
      .sort();
  } catch {
    return undefined;
  }
}

function describe({ endpoints, servers }: Status): string {
  if (endpoints === null) return "Nothing runs. Start with npm start.";
  const table = new Table({
    head: ["server", "replica", "process", "ready", "models"],
    style: { head: [], border: [] },
  });
  for (const { name, replica, pid, ready, models } of servers) {
    table.push([name, replica, pid ?? "-", ready ? "yes" : "NO", models.join("\n")]);
  }
  const urls = Object.entries(endpoints).map(([name, url]) => `${name.padEnd(11)}${String(url)}`);
  return [table.toString(), "", ...urls].join("\n");
}
