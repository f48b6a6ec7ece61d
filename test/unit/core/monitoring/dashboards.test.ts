import { describe, expect, it } from "vitest";
import * as z from "zod";
import { grafanaDashboard } from "../../../../core/monitoring/dashboards/grafana.ts";
import { dashboardsOf } from "../../../../core/monitoring/dashboards/index.ts";
import { ruleFile } from "../../../../core/monitoring/rules.ts";
import { modelOf } from "../../../support/models.ts";
import { everything, onCluster, unknownIn, watched } from "../../../support/monitoring.ts";
import { parseQuery } from "../../../support/promql.ts";

/** What of Grafana's JSON the rules of grafana/dashboard-linter look at. */
const sourceSchema = z.object({ type: z.string(), uid: z.string() });
const variableSchema = z.looseObject({
  name: z.string(),
  type: z.string(),
  label: z.string(),
  query: z.string(),
  datasource: sourceSchema.optional(),
  multi: z.boolean().optional(),
  allValue: z.string().optional(),
  refresh: z.number().optional(),
});
const panelSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  description: z.string(),
  datasource: sourceSchema,
  targets: z.array(z.object({ expr: z.string(), legendFormat: z.string(), datasource: sourceSchema })).min(1),
  fieldConfig: z.object({ defaults: z.looseObject({ unit: z.string() }) }),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
});
const dashboardSchema = z.looseObject({
  uid: z.string(),
  title: z.string(),
  editable: z.boolean(),
  templating: z.object({ list: z.array(variableSchema) }),
  panels: z.array(z.union([z.object({ type: z.literal("row"), title: z.string() }), panelSchema])),
});

const plans = dashboardsOf(everything);
const recorded = new Set(
  ruleFile(everything).groups.flatMap(({ rules }) =>
    rules.flatMap((rule) => ("record" in rule ? [rule.record] : [])),
  ),
);

/** What Grafana puts in for its variables: dashboard-linter parses the same. */
function filledIn(expr: string): string {
  return expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(job|instance|model)/g, ".+");
}

describe.each(plans)("the dashboard $title", (plan) => {
  const dashboard = dashboardSchema.parse(JSON.parse(JSON.stringify(grafanaDashboard(plan))));
  const panels = dashboard.panels.flatMap((panel) => ("targets" in panel ? [panel] : []));
  const variable = (name: string) => dashboard.templating.list.find((found) => found.name === name);

  it("asks for metrics and labels that there are", () => {
    for (const { expr } of panels.flatMap(({ targets }) => targets))
      expect(unknownIn(filledIn(expr), everything), expr).toEqual([]);
  });

  it("shows in its legends labels that its queries have", () => {
    for (const { expr, legendFormat } of panels.flatMap(({ targets }) => targets)) {
      const grouped = parseQuery(filledIn(expr)).groupings;
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        if (grouped.length > 0 || !expr.startsWith("model:")) expect(grouped, expr).toContain(label);
        else expect(label).toBe("model");
      }
    }
  });

  it("template-datasource-rule, template-job-rule, template-instance-rule", () => {
    expect(variable("datasource")).toMatchObject({
      type: "datasource",
      query: "prometheus",
      label: "Data source",
    });
    for (const name of ["job", "instance"])
      expect(variable(name)).toMatchObject({
        type: "query",
        multi: true,
        allValue: ".+",
        datasource: { uid: "${datasource}" },
      });
    expect([variable("job")?.label, variable("instance")?.label]).toEqual(["Job", "Instance"]);
  });

  it("template-label-promql-rule, template-on-time-change-reload-rule", () => {
    for (const { type, query, refresh } of dashboard.templating.list) {
      if (type !== "query") continue;
      const [, selector = ""] = /^label_values\((.+), \w+\)$/.exec(query) ?? [];
      expect(unknownIn(filledIn(selector), everything)).toEqual([]);
      expect(refresh).toBe(2);
    }
  });

  it("panel-datasource-rule, panel-title-description-rule, panel-units-rule, panel-no-targets-rule", () => {
    for (const { title, description, datasource, targets, fieldConfig } of panels) {
      expect(title).not.toBe("");
      expect(description).not.toBe("");
      expect(datasource.uid).toBe("${datasource}");
      for (const target of targets) expect(target.datasource.uid).toBe("${datasource}");
      expect(fieldConfig.defaults.unit).toMatch(
        /^(short|none|percentunit|s|reqps|cps|bytes|mbytes|celsius|watt|hertz|currencyUSD)$/,
      );
    }
  });

  it("target-promql-rule, target-job-rule, target-instance-rule, but for recording rules and ALERTS", () => {
    for (const { expr } of panels.flatMap(({ targets }) => targets)) {
      for (const { metric, matchers } of parseQuery(expr.replaceAll("$__rate_interval", "5m")).selectors) {
        if (recorded.has(metric) || metric === "ALERTS") continue;
        for (const label of ["job", "instance"])
          expect(matchers, expr).toContainEqual({ label, operator: "=~", value: `$${label}` });
      }
    }
  });

  it("target-rate-interval-rule, target-counter-agg-rule", () => {
    for (const { expr } of panels.flatMap(({ targets }) => targets)) {
      // Nobody else writes a range of this length.
      const marked = expr.replaceAll("$__rate_interval", "4321s");
      for (const { metric, range, inside } of parseQuery(marked).selectors) {
        if (inside === "rate") expect(range, expr).toBe("4321s");
        if (metric.endsWith("_total")) expect(["rate", "increase"], expr).toContain(inside);
      }
    }
  });

  it("uneditable-dashboard; and panels do not lie upon each other", () => {
    expect(dashboard.editable).toBe(false);
    const places = panels.map(({ gridPos }) => gridPos);
    for (const [i, a] of places.entries())
      for (const b of places.slice(i + 1))
        expect(a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y).toBe(true);
  });
});

describe("the dashboards", () => {
  it("are those of what a platform has", () => {
    const ids = (platform: typeof everything): string[] => dashboardsOf(platform).map(({ id }) => id);
    expect(ids(everything)).toEqual([
      "triton-fleet",
      "triton-model",
      "triton-gpu",
      "triton-balancer",
      "triton-llm",
    ]);
    expect(ids(watched([modelOf("plain")]))).toEqual(["triton-fleet", "triton-model", "triton-balancer"]);
  });

  it("of two platforms in one Prometheus show each its own", () => {
    const other = watched([modelOf("plain")], { ...onCluster, scope: { namespace: "other" } });
    for (const { rows } of dashboardsOf(other))
      for (const { expr } of rows.flatMap(({ panels }) => panels).flatMap(({ queries }) => queries))
        for (const { metric, matchers } of parseQuery(filledIn(expr)).selectors)
          if (!metric.startsWith("DCGM_"))
            expect(matchers).toContainEqual({ label: "namespace", operator: "=", value: "other" });
  });

  it("have what was asked for: percentiles, throughput by model, hit ratios, queue time, GPU use and memory, cost", () => {
    const titles = plans.flatMap(({ rows }) =>
      rows.flatMap(({ panels }) => panels.map(({ title }) => title)),
    );
    expect(titles).toEqual(
      expect.arrayContaining([
        "Latency, P50, P95, P99",
        "Throughput",
        "Response cache, hit ratio",
        "Queue time",
        "Active",
        "Used share",
        "Cost, per hour",
        "Conversations found",
        "Retries, by reason",
        "Latency of one attempt, mean",
      ]),
    );
  });
});
