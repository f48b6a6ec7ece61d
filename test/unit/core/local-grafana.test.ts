import path from "node:path";
import yaml from "js-yaml";
import { describe, expect, it } from "vitest";
import type { GrafanaTool } from "../../../core/local/grafana.ts";
import { portConflicts, type LocalPlan } from "../../../core/local/plan.ts";
import { fileOf, localPlanOf, tools, twoGroups } from "../../support/local.ts";
import { platformOf } from "../../support/models.ts";
import type { Platform } from "../../support/platform-arbitraries.ts";

const program: GrafanaTool = {
  kind: "program",
  command: ["/opt/grafana/bin/grafana", "server"],
  home: "/opt/grafana",
};
const container: GrafanaTool = {
  kind: "container",
  docker: "/usr/bin/docker",
  host: "unix:///var/run/docker.sock",
  user: "1000",
};

function planOf(grafana: GrafanaTool | undefined, local: object = {}): LocalPlan {
  const { servers } = twoGroups.config;
  const platform: Platform = { ...twoGroups, config: { ...platformOf({ local }), servers } };
  return localPlanOf(platform, {
    tools: grafana === undefined ? tools : { ...tools, grafana },
  });
}

function grafanaOf(plan: LocalPlan) {
  const process = plan.processes.find(({ name }) => name === "grafana");
  if (process === undefined) throw new Error("the plan has no Grafana");
  return process;
}

describe("Grafana on this machine", () => {
  it("listens on the loopback address, where everybody may look and nobody logs in", () => {
    const plan = planOf(program);
    const { environment, ports, readyUrl, command } = grafanaOf(plan);
    expect(plan.description.endpoints.grafana).toBe("http://127.0.0.1:3080");
    expect(readyUrl).toBe("http://127.0.0.1:3080/api/health");
    expect(ports).toEqual([3080]);
    expect(command).toEqual([...program.command, "--homepath", program.home, "--config", "/dev/null"]);
    expect(environment).toMatchObject({
      GF_SERVER_HTTP_ADDR: "127.0.0.1",
      GF_SERVER_HTTP_PORT: "3080",
      GF_AUTH_ANONYMOUS_ORG_ROLE: "Viewer",
      GF_AUTH_DISABLE_LOGIN_FORM: "true",
      GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: "true",
    });
  });

  it("finds where it looks its Prometheus and the dashboards of what runs here", () => {
    const plan = planOf(program, { prometheusPort: 9191 });
    const { environment } = grafanaOf(plan);
    const folder = "/project/.local/run/grafana";
    const files = plan.files.filter(({ name }) => name.startsWith("grafana-"));
    expect(files.map((file) => path.relative(folder, file.path)).sort()).toEqual([
      "dashboards/triton-balancer.json",
      "dashboards/triton-fleet.json",
      "dashboards/triton-llm.json",
      "dashboards/triton-model.json",
      "provisioning/dashboards/triton-platform.yaml",
      "provisioning/datasources/prometheus.yaml",
    ]);
    expect(environment.GF_PATHS_PROVISIONING).toBe(`${folder}/provisioning`);
    expect(files.map((file) => file.path)).toContain(environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH);
    expect(yaml.load(fileOf(plan, "grafana-prometheus"))).toMatchObject({
      datasources: [{ type: "prometheus", url: "http://127.0.0.1:9191" }],
    });
    expect(yaml.load(fileOf(plan, "grafana-triton-platform"))).toMatchObject({
      providers: [{ type: "file", options: { path: `${folder}/dashboards` } }],
    });
  });

  it("starts again for another data source, and not for other dashboards, which it looks for itself", () => {
    const { models } = twoGroups;
    const config = platformOf({ servers: { gpu: {} } });
    const without = localPlanOf(
      { models: models.slice(0, 1), config },
      { tools: { ...tools, grafana: program } },
    );
    expect(grafanaOf(without).configHash).toBe(grafanaOf(planOf(program)).configHash);
    const moved = planOf(program, { prometheusPort: 9191 });
    expect(grafanaOf(moved).configHash).not.toBe(grafanaOf(planOf(program)).configHash);
  });

  it("in a container is on this machine's network, as this user, with its folder and nothing else", () => {
    const { command, environment } = grafanaOf(planOf(container, { grafana: { image: "g/g:1" } }));
    const line = command.join(" ");
    expect(line).toMatch(
      /^\/usr\/bin\/docker --host unix:\/\/\/var\/run\/docker.sock run --rm --pull never /,
    );
    expect(line).toContain(" --network host --user 1000 --cap-drop ALL ");
    expect(command.filter((word) => word.startsWith("type=bind"))).toEqual([
      "type=bind,source=/project/.local/run/grafana,target=/project/.local/run/grafana",
    ]);
    expect(command.at(-1)).toBe("g/g:1");
    // Docker takes the values from its own environment: by their names alone, the mark of the process among them.
    const passed = command.filter((_, i) => command[i - 1] === "--env");
    expect(passed).toEqual(["TRITON_PLATFORM_PROCESS", ...Object.keys(environment)]);
  });

  it("is not there where no Grafana is, or none is wanted", () => {
    for (const plan of [planOf(undefined), planOf(program, { grafana: { enabled: false } })]) {
      expect(plan.processes.map(({ name }) => name)).not.toContain("grafana");
      expect(plan.files.filter(({ name }) => name.startsWith("grafana-"))).toEqual([]);
      expect(plan.description.endpoints).not.toHaveProperty("grafana");
    }
  });

  it("must have a port of its own", () => {
    const [conflict] = portConflicts(planOf(program, { grafana: { port: 9090 } }), "Pulumi.local.yaml");
    expect(conflict?.message).toBe("port 9090 is wanted by prometheus and by grafana");
  });
});
