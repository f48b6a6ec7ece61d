import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { prepareLocal } from "../components/local/prepare.ts";
import { readLocalTools } from "../components/local/tools.ts";
import { monitoredHere } from "../core/local/plan.ts";
import { grafanaDashboard } from "../core/monitoring/dashboards/grafana.ts";
import { dashboardsOf } from "../core/monitoring/dashboards/index.ts";
import type { MonitoredPlatform } from "../core/monitoring/platform.ts";
import { renderPage, type Report } from "../core/monitoring/report/page.ts";
import { loadModels } from "../core/spec/load.ts";
import { refuse } from "../core/spec/problem.ts";
import { parseDuration } from "../core/spec/units.ts";
import { collectReport } from "./dashboard/collect.ts";
import { Prometheus, type TimeRange } from "./dashboard/prometheus.ts";
import { userPath } from "./files/user-path.ts";
import { openHome, readLocalConfig } from "./local/home.ts";
import { findRunning } from "./local/running.ts";
import { pageParts } from "./page/parts.ts";
import { projectRoot } from "./setup/places.ts";
import { UserError } from "./setup/user-error.ts";

/**
 * `npm run dashboard [-- --since 3h] [--out file.html] [--grafana folder]`: the dashboards of the platform on this machine, with
 * the values of its Prometheus, as one HTML file that needs nothing else. With --grafana the same dashboards are written
 * for a Grafana to import.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      since: { type: "string", default: "1h" },
      out: { type: "string", short: "o" },
      grafana: { type: "string" },
    },
  });
  const running = findRunning();
  if (running === undefined) throw new UserError("Nothing runs", "npm start starts it");
  const platform = readPlatform();
  if (values.grafana !== undefined) {
    writeGrafana(platform, userPath(values.grafana));
    return;
  }
  const range = rangeOf(values.since, platform);
  const report = await collectReport(
    platform,
    new Prometheus(running.description.endpoints.prometheus),
    range,
  );
  const out =
    values.out === undefined ? path.join(running.directory, "run", "dashboard.html") : userPath(values.out);
  mkdirSync(path.dirname(out), { recursive: true });
  const own = path.join(import.meta.dirname, "dashboard");
  const parts = await pageParts(path.join(own, "draw.ts"), path.join(own, "page.css"));
  writeFileSync(out, renderPage(withLocalRunbooks(report), parts));
  console.log(`${String(report.sections.length)} dashboards of the last ${values.since} are in ${out}`);
  for (const { name, state, summary } of report.alerts) console.log(`  ${state}: ${name}: ${summary}`);
}

/** What runs, as its specs and config have it. */
function readPlatform(): MonitoredPlatform {
  const { config, hasApiKey, file } = readLocalConfig(openHome());
  const tools = readLocalTools(projectRoot);
  if (tools === undefined) throw new UserError("This machine is not set up", "npm start does it");
  const models = loadModels(path.resolve(projectRoot, config.models));
  const prepared = prepareLocal(models.value, file, { config, tools, project: projectRoot, hasApiKey });
  refuse([...models.problems, ...prepared.problems]);
  return monitoredHere(
    prepared.value.plan.servers.map(({ plan }) => plan),
    config,
  );
}

/** As many points as a plot has pixels to show, at times that are the same for each run of a step. */
function rangeOf(since: string, { target }: MonitoredPlatform): TimeRange {
  const seconds = (parseDuration(since) ?? 0) / 1e6;
  if (seconds < 60)
    throw new UserError(`${since} is no time to look back on`, "write at least 1m, like --since 3h");
  const step = Math.max(target.scrapeInterval, Math.ceil(seconds / 240));
  const end = Math.floor(Date.now() / 1000 / step) * step;
  return { start: end - Math.floor(seconds / step) * step, end, step };
}

/** Runbooks are files of this project where the config names no other place. */
function withLocalRunbooks(report: Report): Report {
  const alerts = report.alerts.map((alert) => ({
    ...alert,
    runbook: URL.canParse(alert.runbook)
      ? alert.runbook
      : pathToFileURL(path.resolve(projectRoot, alert.runbook)).href,
  }));
  return { ...report, alerts };
}

function writeGrafana(platform: MonitoredPlatform, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const plans = dashboardsOf(platform);
  for (const plan of plans)
    writeFileSync(
      path.join(folder, `${plan.id}.json`),
      `${JSON.stringify(grafanaDashboard(plan), null, 2)}\n`,
    );
  console.log(
    `${String(plans.length)} dashboards are in ${folder}: import them, or provision Grafana with the folder.`,
  );
}
