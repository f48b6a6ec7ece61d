import { readdirSync, readFileSync, statSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import yaml from "js-yaml";
import * as z from "zod";

/**
 * A stand-in for Grafana, which is in no registry: started as `grafana server` is, it reads its settings from GF_… variables
 * and what is provisioned from files, and answers the same HTTP API. Stricter than Grafana: a key that its documentation
 * ("Provision Grafana", "Configure Grafana") does not have ends it.
 */

const datasourceSchema = z.strictObject({
  name: z.string(),
  type: z.literal("prometheus"),
  access: z.enum(["proxy", "direct"]),
  uid: z.string(),
  url: z.url(),
  isDefault: z.boolean(),
  editable: z.boolean(),
});
const datasourcesSchema = z.strictObject({
  apiVersion: z.literal(1),
  datasources: z.array(datasourceSchema),
});
const providersSchema = z.strictObject({
  apiVersion: z.literal(1),
  providers: z.array(
    z.strictObject({
      name: z.string(),
      type: z.literal("file"),
      disableDeletion: z.boolean(),
      updateIntervalSeconds: z.number(),
      allowUiUpdates: z.boolean(),
      options: z.strictObject({ path: z.string() }),
    }),
  ),
});
const settingsSchema = z.strictObject({
  GF_PATHS_PROVISIONING: z.string(),
  GF_PATHS_DATA: z.string(),
  GF_PATHS_LOGS: z.string(),
  GF_PATHS_PLUGINS: z.string(),
  GF_LOG_MODE: z.literal("console"),
  GF_SERVER_HTTP_ADDR: z.string(),
  GF_SERVER_HTTP_PORT: z.coerce.number(),
  GF_AUTH_ANONYMOUS_ENABLED: z.literal("true"),
  GF_AUTH_ANONYMOUS_ORG_ROLE: z.literal("Viewer"),
  GF_AUTH_DISABLE_LOGIN_FORM: z.literal("true"),
  GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: z.literal("true"),
  GF_ANALYTICS_REPORTING_ENABLED: z.literal("false"),
  GF_ANALYTICS_CHECK_FOR_UPDATES: z.literal("false"),
  GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: z.literal("false"),
  GF_PLUGINS_PREINSTALL_DISABLED: z.literal("true"),
  GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: z.string(),
});
const dashboardSchema = z.looseObject({ uid: z.string(), title: z.string() });

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { homepath: { type: "string" }, config: { type: "string" } },
});
if (positionals.join(" ") !== "server") throw new Error(`not a server's: ${positionals.join(" ")}`);
statSync(path.join(values.homepath ?? "", "conf", "defaults.ini"));
if (readFileSync(values.config ?? "", "utf8") !== "") throw new Error("settings come as variables");

const settings = settingsSchema.parse(
  Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("GF_"))),
);
const datasources = provisioned("datasources", datasourcesSchema).flatMap((file) => file.datasources);
const providers = provisioned("dashboards", providersSchema).flatMap((file) => file.providers);

function provisioned<T>(kind: string, schema: z.ZodType<T>): T[] {
  const folder = path.join(settings.GF_PATHS_PROVISIONING, kind);
  return readdirSync(folder).map((name) =>
    schema.parse(yaml.load(readFileSync(path.join(folder, name), "utf8"))),
  );
}

/** Read at each call: Grafana does so now and then. */
function dashboards() {
  return providers.flatMap(({ options }) =>
    readdirSync(options.path)
      .filter((name) => name.endsWith(".json"))
      .map((name) => dashboardSchema.parse(readJson(path.join(options.path, name)))),
  );
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}

async function answer(url: URL): Promise<unknown> {
  const [, api, kind, ...rest] = url.pathname.split("/");
  if (api !== "api") return undefined;
  if (kind === "health") return { database: "ok" };
  if (kind === "search") return dashboards().map(({ uid, title }) => ({ uid, title, type: "dash-db" }));
  if (kind === "dashboards" && rest[0] === "home")
    return { dashboard: readJson(settings.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH) };
  if (kind === "dashboards" && rest[0] === "uid") {
    const dashboard = dashboards().find(({ uid }) => uid === rest[1]);
    return dashboard && { dashboard, meta: { provisioned: true } };
  }
  if (kind !== "datasources") return undefined;
  if (rest.length === 0) return datasources;
  const source = datasources.find(({ uid }) => rest[0] === "proxy" && rest[1] === "uid" && rest[2] === uid);
  if (source === undefined) return undefined;
  return (await fetch(`${source.url}/${rest.slice(3).join("/")}${url.search}`)).json();
}

const server = http.createServer((request, response) => {
  void answer(new URL(request.url ?? "/", "http://grafana")).then(
    (body) => {
      response.statusCode = body === undefined ? 404 : 200;
      response.end(JSON.stringify(body ?? { message: "Not found" }));
    },
    (error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    },
  );
});
process.on("SIGTERM", () => {
  process.exit(0);
});
server.listen(settings.GF_SERVER_HTTP_PORT, settings.GF_SERVER_HTTP_ADDR, () => {
  console.log(`HTTP Server Listen address=${settings.GF_SERVER_HTTP_ADDR}`);
});
