import { createRequire } from "node:module";
import type * as Common from "@grafana/grafana-foundation-sdk/common";
import type * as Dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import type * as Prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import type * as Stat from "@grafana/grafana-foundation-sdk/stat";
import type * as Timeseries from "@grafana/grafana-foundation-sdk/timeseries";

/** Grafana's builders: a fifteenth of a program's time to load, so loaded for a program that has dashboards only. */
export interface GrafanaSdk {
  readonly common: typeof Common;
  readonly dashboard: typeof Dashboard;
  readonly prometheus: typeof Prometheus;
  readonly stat: typeof Stat;
  readonly timeseries: typeof Timeseries;
}

const require: <Name extends keyof GrafanaSdk>(
  name: `@grafana/grafana-foundation-sdk/${Name}`,
) => GrafanaSdk[Name] = createRequire(import.meta.url);

let loaded: GrafanaSdk | undefined;

export function grafanaSdk(): GrafanaSdk {
  loaded ??= {
    common: require("@grafana/grafana-foundation-sdk/common"),
    dashboard: require("@grafana/grafana-foundation-sdk/dashboard"),
    prometheus: require("@grafana/grafana-foundation-sdk/prometheus"),
    stat: require("@grafana/grafana-foundation-sdk/stat"),
    timeseries: require("@grafana/grafana-foundation-sdk/timeseries"),
  };
  return loaded;
}
