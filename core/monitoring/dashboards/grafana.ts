import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
// Schema 1, which every Grafana from 9 on reads from a file and dashboard-linter knows; 2 is for Grafana 13 and its API.
/* eslint-disable @typescript-eslint/no-deprecated */
import type * as grafana from "@grafana/grafana-foundation-sdk/dashboard";
import type { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import type { PanelBuilder as TimeseriesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import { grafanaSdk } from "./grafana-sdk.ts";
import type { DashboardPlan, PanelPlan } from "./plan.ts";

/**
 * Dashboards in Grafana's own JSON. They keep the rules of grafana/dashboard-linter, but for panels of recording rules,
 * which have no job and no instance.
 */
export function grafanaDashboard(plan: DashboardPlan): grafana.Dashboard {
  const { DashboardBuilder, DashboardLinkBuilder, DashboardLinkType, RowBuilder } = grafanaSdk().dashboard;
  const builder = new DashboardBuilder(plan.title)
    .uid(plan.id)
    .description(plan.description)
    .tags(["triton"])
    .readonly()
    .timezone("browser")
    .refresh("30s")
    .time({ from: "now-3h", to: "now" })
    .link(
      new DashboardLinkBuilder("Triton")
        .type(DashboardLinkType.Dashboards)
        .tags(["triton"])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    );
  for (const variable of variables(plan)) builder.withVariable(variable);
  for (const row of plan.rows) {
    builder.withRow(new RowBuilder(row.title));
    for (const panel of row.panels) builder.withPanel(panelOf(panel));
  }
  return builder.build();
}

/** By which every panel's source can be chosen; the first is Grafana's default. */
const datasource = { type: "prometheus", uid: "${datasource}" } as const;

function variables({ ofOneModel }: DashboardPlan): Builder<grafana.VariableModel>[] {
  const { DatasourceVariableBuilder } = grafanaSdk().dashboard;
  return [
    new DatasourceVariableBuilder("datasource").label("Data source").type("prometheus"),
    query("job", "Job", "label_values(up, job)"),
    query("instance", "Instance", 'label_values(up{job=~"$job"}, instance)'),
    ...(ofOneModel === true
      ? [
          query(
            "model",
            "Model",
            'label_values(nv_inference_request_success{job=~"$job",instance=~"$instance"}, model)',
          ),
        ]
      : []),
  ];
}

function query(name: string, label: string, text: string): grafana.QueryVariableBuilder {
  const { QueryVariableBuilder, VariableRefresh, VariableSort } = grafanaSdk().dashboard;
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(datasource)
    .query(text)
    .definition(text)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue(".+")
    .current({ text: "All", value: "$__all" });
}

function panelOf(plan: PanelPlan): Builder<grafana.Panel> {
  const { DataqueryBuilder } = grafanaSdk().prometheus;
  const builder = plan.kind === "number" ? numberPanel(plan) : linesPanel(plan);
  builder.title(plan.title).description(plan.description).unit(plan.unit).datasource(datasource);
  if (plan.max !== undefined) builder.min(0).max(plan.max);
  if (plan.limits !== undefined) builder.thresholds(thresholds(plan.limits));
  for (const { expr, legend } of plan.queries)
    builder.withTarget(new DataqueryBuilder().datasource(datasource).expr(expr).legendFormat(legend));
  return builder;
}

function numberPanel(plan: PanelPlan): StatBuilder {
  const { common, stat } = grafanaSdk();
  return new stat.PanelBuilder()
    .height(4)
    .span(6)
    .graphMode(common.BigValueGraphMode.Area)
    .colorMode(plan.limits === undefined ? common.BigValueColorMode.None : common.BigValueColorMode.Value)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]));
}

function linesPanel(plan: PanelPlan): TimeseriesBuilder {
  const { common, timeseries } = grafanaSdk();
  const builder = new timeseries.PanelBuilder()
    .height(8)
    .span(12)
    .lineWidth(1)
    .fillOpacity(plan.kind === "areas" ? 30 : 5)
    .showPoints(common.VisibilityMode.Never)
    .axisSoftMin(0)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi));
  if (plan.kind === "areas")
    builder.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
  if (plan.limits !== undefined)
    builder.thresholdsStyle(
      new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed),
    );
  return builder;
}

function thresholds([warning, critical]: readonly [number, number]): grafana.ThresholdsConfigBuilder {
  const { ThresholdsConfigBuilder, ThresholdsMode } = grafanaSdk().dashboard;
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([
    { value: null, color: "green" },
    { value: warning, color: "orange" },
    { value: critical, color: "red" },
  ]);
}
