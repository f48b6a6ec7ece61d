import path from "node:path";
import { grafanaDashboards, grafanaEnvironment, grafanaProvisioning } from "../monitoring/grafana.ts";
import type { MonitoredPlatform } from "../monitoring/platform.ts";
import { sha256 } from "../spec/artifacts.ts";
import type { LocalConfig } from "../spec/platform.ts";
import { markVariable } from "./mark.ts";
import type { FilePlan, ProcessPlan } from "./plan.ts";

/** How Grafana runs on this machine, as setup found it. */
export type GrafanaTool = GrafanaProgram | GrafanaContainer;

export interface GrafanaProgram {
  readonly kind: "program";
  /** The executable by its absolute path, and what makes a server of it. */
  readonly command: readonly string[];
  /** Folder with Grafana's own pages and defaults. */
  readonly home: string;
}

export interface GrafanaContainer {
  readonly kind: "container";
  /** Docker's command line, by its absolute path. */
  readonly docker: string;
  /** Address of this machine's own Docker. */
  readonly host: string;
  /**
   * Number of whoever owns the platform's files: the container's process is theirs too. Without a group, since the image's
   * files are its own group's. Source: Grafana, "Run Grafana Docker image", bind mounts.
   */
  readonly user: string;
}

export interface GrafanaPlan {
  readonly files: readonly FilePlan[];
  readonly process: ProcessPlan;
  readonly url: string;
}

const address = "127.0.0.1";

/** Grafana beside the local Prometheus: on the loopback address alone, where whoever is on this machine may look. */
export function planGrafana(
  platform: MonitoredPlatform,
  tool: GrafanaTool,
  directory: string,
  { grafana: { port, image }, prometheusPort }: LocalConfig,
): GrafanaPlan {
  const folder = path.join(directory, "run", "grafana");
  const provisioning = grafanaProvisioning(folder, `http://${address}:${String(prometheusPort)}`);
  const environment = {
    ...grafanaEnvironment(folder),
    GF_SERVER_HTTP_ADDR: address,
    GF_SERVER_HTTP_PORT: String(port),
    // A folder that is there: the image makes no parents.
    GF_PATHS_DATA: folder,
    GF_PATHS_LOGS: path.join(folder, "log"),
    GF_PATHS_PLUGINS: path.join(folder, "plugins"),
    GF_LOG_MODE: "console",
  };
  const url = `http://${address}:${String(port)}`;
  return {
    files: [...provisioning, ...grafanaDashboards(platform)].map(({ path: file, content }) => ({
      name: `grafana-${path.basename(file, path.extname(file))}`,
      path: path.join(folder, file),
      content,
    })),
    process: {
      name: "grafana",
      command:
        tool.kind === "program"
          ? programCommand(tool)
          : containerCommand(tool, image, folder, Object.keys(environment)),
      environment,
      after: [],
      ports: [port],
      readyUrl: `${url}/api/health`,
      // Its first start makes the tables of its database, one by one.
      startTimeout: 180,
      stopTimeout: 15,
      configHash: sha256(provisioning.map(({ content }) => content).join("\n")),
    },
    url,
  };
}

/** An empty config, since a custom.ini in its home would be another Grafana's. */
function programCommand({ command, home }: GrafanaProgram): string[] {
  return [...command, "--homepath", home, "--config", "/dev/null"];
}

/**
 * In the foreground, so that Docker passes on the signal that stops it; on the host's network, where Prometheus is. The
 * container's process has the mark of this platform, by which it ends even where Docker's command line was killed.
 */
function containerCommand(
  { docker, host, user }: GrafanaContainer,
  image: string,
  folder: string,
  variables: readonly string[],
): string[] {
  return [
    ...[docker, "--host", host, "run", "--rm", "--pull", "never", "--network", "host", "--user", user],
    ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m"],
    // What it says is in this platform's own log. Files of this machine have no label of a container's under SELinux.
    ...["--log-driver", "none", "--security-opt", "label=disable"],
    ...["--mount", `type=bind,source=${folder},target=${folder}`],
    ...[markVariable, ...variables].flatMap((name) => ["--env", name]),
    image,
  ];
}
