import yaml from "js-yaml";
import { grafanaDashboard } from "./dashboards/grafana.ts";
import { dashboardsOf } from "./dashboards/index.ts";
import type { MonitoredPlatform } from "./platform.ts";

/** A Grafana that shows what files say and nothing else: whoever reaches it may look, and nobody logs in. */

export interface GrafanaFile {
  /** Below the folder that Grafana is given. */
  readonly path: string;
  readonly content: string;
}

const places = {
  provisioning: "provisioning",
  datasource: "provisioning/datasources/prometheus.yaml",
  provider: "provisioning/dashboards/triton-platform.yaml",
  dashboards: "dashboards",
} as const;

/** Variables of a Grafana whose files are in `folder`. Source: Grafana, "Configure Grafana". */
export function grafanaEnvironment(folder: string): Readonly<Record<string, string>> {
  return {
    GF_PATHS_PROVISIONING: `${folder}/${places.provisioning}`,
    GF_AUTH_ANONYMOUS_ENABLED: "true",
    GF_AUTH_ANONYMOUS_ORG_ROLE: "Viewer",
    GF_AUTH_DISABLE_LOGIN_FORM: "true",
    GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: "true",
    GF_ANALYTICS_REPORTING_ENABLED: "false",
    GF_ANALYTICS_CHECK_FOR_UPDATES: "false",
    GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: "false",
    // It would fetch apps that nothing here uses, at each start.
    GF_PLUGINS_PREINSTALL_DISABLED: "true",
    // What a page without a dashboard's name shows.
    GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: `${folder}/${places.dashboards}/triton-fleet.json`,
  };
}

/** What Grafana reads at its start alone. Source: Grafana, "Provision Grafana", dashboards and data sources. */
export function grafanaProvisioning(folder: string, prometheusUrl: string): readonly GrafanaFile[] {
  const datasources = {
    apiVersion: 1,
    datasources: [
      {
        name: "Prometheus",
        uid: "prometheus",
        type: "prometheus",
        access: "proxy",
        url: prometheusUrl,
        isDefault: true,
        editable: false,
      },
    ],
  };
  const providers = {
    apiVersion: 1,
    providers: [
      {
        name: "triton-platform",
        type: "file",
        // A dashboard whose file is gone goes too.
        disableDeletion: false,
        allowUiUpdates: false,
        updateIntervalSeconds: 10,
        options: { path: `${folder}/${places.dashboards}` },
      },
    ],
  };
  return [
    { path: places.datasource, content: yaml.dump(datasources) },
    { path: places.provider, content: yaml.dump(providers) },
  ];
}

/** The dashboards as Grafana imports them; it looks by itself whether they have changed. */
export function grafanaDashboards(platform: MonitoredPlatform): readonly GrafanaFile[] {
  return dashboardsOf(platform).map((plan) => ({
    path: `${places.dashboards}/${plan.id}.json`,
    content: `${JSON.stringify(grafanaDashboard(plan), null, 2)}\n`,
  }));
}
