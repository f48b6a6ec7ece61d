import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { withKnownHashes } from "../components/hash-cache.ts";
import { prepareLocal, type PreparedLocal } from "../components/local/prepare.ts";
import type { LocalPlan } from "../core/local/plan.ts";
import { loadModels } from "../core/spec/load.ts";
import { formatAdvice, refuse, type Problem } from "../core/spec/problem.ts";
import { buildMissing } from "./local/build.ts";
import { openHome, readLocalConfig, stackName, type LocalHome } from "./local/home.ts";
import { portProblems } from "./local/ports.ts";
import { smoke, type SmokeResult } from "./local/smoke.ts";
import { openStack, Progress, uninterrupted } from "./local/stack.ts";
import { prepareMachine } from "./local/tools.ts";
import { projectRoot } from "./setup/places.ts";
import { UserError } from "./setup/user-error.ts";

/** `npm start`: sets this machine up, brings the local stack up, and calls every model once. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { yes: { type: "boolean", short: "y", default: false } } });
  const started = Date.now();
  const home = openHome();
  const { config, hasApiKey } = readLocalConfig(home);
  const { tools, engine, noGrafana } = await prepareMachine(config.local, { yes: values.yes });
  const folder = path.resolve(projectRoot, config.models);
  await buildMissing(folder, tools.python);

  // Everything that can be wrong is found before anything changes.
  const file = `Pulumi.${stackName}.yaml`;
  const models = withKnownHashes(projectRoot, (known) => loadModels(folder, known));
  const prepared = prepareLocal(models.value, file, {
    config,
    tools,
    project: projectRoot,
    hasApiKey,
  });
  const { plan } = prepared.value;
  refuse([...models.problems, ...prepared.problems]);
  refuse(movedProblems(plan, home, file));
  refuse(await portProblems(plan, config.local, file));
  writeFileSync(home.runningFile, plan.directory);

  const progress = new Progress((line) => {
    console.log(line);
  });
  const stack = await openStack(home, engine);
  try {
    // Refreshed, so that a process that has died since is started again.
    await uninterrupted(() =>
      stack.up({
        refresh: true,
        onEvent: progress.onEvent,
        onOutput: () => undefined,
        suppressProgress: true,
      }),
    );
  } catch (error) {
    throw progress.explain("The platform is not as planned", error);
  }

  const cases = plan.servers.flatMap(({ plan: server }) =>
    server.models.map(({ spec }) => ({ server: server.name, spec })),
  );
  const results = await smoke(tools.python, plan.description.endpoints, cases);
  console.log(summary(prepared.value, results, noGrafana, progress.changes, Date.now() - started));
  const failed = results.filter(({ error }) => error !== null);
  if (failed.length > 0) {
    throw new UserError(
      `The platform is up, but not every model answers:\n${failed.map(({ model, protocol, error }) => `  ${model} (${protocol}): ${error ?? ""}`).join("\n")}`,
      "see npm run logs",
    );
  }
}

/** A platform that runs in another folder would be taken apart and built up at once, on the same ports. */
function movedProblems({ directory }: LocalPlan, { runningFile }: LocalHome, file: string): Problem[] {
  const running = existsSync(runningFile) ? readFileSync(runningFile, "utf8") : directory;
  if (running === directory) return [];
  const message = `the platform runs in ${running}, and ${directory} is set now`;
  return [{ file, path: "triton-platform:local.directory", message, hint: "npm stop first, then npm start" }];
}

function summary(
  { plan, notes, picture, advice }: PreparedLocal,
  results: readonly SmokeResult[],
  noGrafana: string | undefined,
  changes: number,
  ms: number,
): string {
  const { endpoints, servers } = plan.description;
  const table = new Table({
    head: ["server", "model", "versions", "HTTP", "gRPC"],
    style: { head: [], border: [] },
  });
  for (const server of servers) {
    const replicas = `${server.name} × ${String(server.replicas.length)}`;
    for (const { name, versions } of server.models) {
      const times = (["http", "grpc"] as const).map((protocol) =>
        answer(results.find((r) => r.model === name && r.protocol === protocol)),
      );
      table.push([replicas, name, versions.join(", "), ...times]);
    }
  }
  return [
    "",
    table.toString(),
    "",
    `HTTP        ${endpoints.http}   (POST /v2/models/<model>/infer)`,
    `gRPC        ${endpoints.grpc}   (metadata x-triton-server: <server>; or by port: ${servers.map(({ name, grpc }) => `${name} ${grpc}`).join(", ")})`,
    `metrics     ${endpoints.metrics}   statistics ${endpoints.metrics.replace("/metrics", "/stats")}`,
    `Prometheus  ${endpoints.prometheus}`,
    endpoints.grafana === undefined
      ? `dashboards  npm run dashboard draws them   (no Grafana: ${noGrafana ?? "none is planned"})`
      : `Grafana     ${endpoints.grafana}   (dashboards; npm run dashboard draws them into a file)`,
    `logs        ${path.join(plan.directory, "logs")}   (npm run logs)`,
    ...(notes.length === 0 ? [] : ["", "Note:", ...notes.map((note) => `  - ${note}`)]),
    ...(picture.length === 0 ? [] : ["", ...picture]),
    ...(advice.length === 0 ? [] : ["", formatAdvice(advice)]),
    "",
    `${changes === 0 ? "Nothing changed" : `${String(changes)} resource${changes === 1 ? "" : "s"} changed`}; up after ${(ms / 1000).toFixed(1)} s. Stop with npm stop.`,
  ].join("\n");
}

function answer(result: SmokeResult | undefined): string {
  if (result === undefined) return "";
  return result.error === null ? `ok ${result.milliseconds.toFixed(0)} ms` : "FAILED";
}
