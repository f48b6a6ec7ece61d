import type { DashboardPlan, PanelPlan, QueryPlan } from "../../core/monitoring/dashboards/plan.ts";
import { dashboardsOf } from "../../core/monitoring/dashboards/index.ts";
import type { MonitoredPlatform } from "../../core/monitoring/platform.ts";
import type {
  Report,
  ReportAlert,
  ReportPanel,
  ReportSection,
  ReportSeries,
} from "../../core/monitoring/report/page.ts";
import type { Prometheus, Series, TimeRange } from "./prometheus.ts";

/** The dashboards of a platform with the values of its Prometheus. */
export async function collectReport(
  platform: MonitoredPlatform,
  prometheus: Prometheus,
  range: TimeRange,
): Promise<Report> {
  const times = Array.from(
    { length: Math.floor((range.end - range.start) / range.step) + 1 },
    (_, i) => range.start + i * range.step,
  );
  const sections: ReportSection[] = [];
  for (const dashboard of dashboardsOf(platform))
    for (const chosen of choices(dashboard, platform))
      sections.push(await collectSection(dashboard, chosen, { platform, prometheus, range, times }));
  const alerts = (await prometheus.alerts()).flatMap(({ state, labels, annotations }): ReportAlert[] =>
    state === "inactive"
      ? []
      : [
          {
            name: labels.alertname ?? "",
            state,
            severity: labels.severity ?? "warning",
            summary: annotations.summary ?? "",
            runbook: annotations.runbook_url ?? "",
          },
        ],
  );
  return { title: "Triton on this machine", times, alerts, sections };
}

interface Asked {
  readonly platform: MonitoredPlatform;
  readonly prometheus: Prometheus;
  readonly range: TimeRange;
  readonly times: readonly number[];
}

/** The models that a dashboard of one model is shown of; one without a choice is shown once. */
function choices({ ofOneModel }: DashboardPlan, { models }: MonitoredPlatform): (string | undefined)[] {
  return ofOneModel === true ? models.map(({ name }) => name) : [undefined];
}

async function collectSection(
  { id, title, description, rows }: DashboardPlan,
  model: string | undefined,
  asked: Asked,
): Promise<ReportSection> {
  const shown: { title: string; panels: ReportPanel[] }[] = [];
  for (const row of rows) {
    const panels = await Promise.all(row.panels.map((panel) => collectPanel(panel, model, asked)));
    shown.push({ title: row.title, panels });
  }
  return {
    id: model === undefined ? id : `${id}-${model}`,
    title: model === undefined ? title : `${title} ${model}`,
    description,
    isOpen: model === undefined,
    rows: shown,
  };
}

/** More lines than this nobody tells apart. */
const mostSeries = 16;

async function collectPanel(panel: PanelPlan, model: string | undefined, asked: Asked): Promise<ReportPanel> {
  const { title, description, kind, unit } = panel;
  const series = (await Promise.all(panel.queries.map((query) => collectQuery(query, model, asked)))).flat();
  const most = series
    .map((one) => ({ one, last: one.values.findLast((value) => value !== null) ?? 0 }))
    .sort((a, b) => b.last - a.last)
    .slice(0, mostSeries);
  const kept = new Set(most.map(({ one }) => one));
  return {
    ...{ title, description, kind, unit },
    ...(panel.limits === undefined ? {} : { limits: panel.limits }),
    ...(panel.max === undefined ? {} : { max: panel.max }),
    series: series.filter((one) => kept.has(one)),
    ...(series.length === 0 ? { empty: reasonFor(panel) } : {}),
  };
}

function reasonFor({ needs }: PanelPlan): string {
  if (needs === "gpu") return "Nothing to see here: this machine has no GPU that is measured.";
  if (needs === "cluster") return "Nothing to see here: the server of this machine does not tell it.";
  return "No data in this time.";
}

async function collectQuery(
  { expr, legend }: QueryPlan,
  model: string | undefined,
  { platform, prometheus, range, times }: Asked,
): Promise<ReportSeries[]> {
  const found = await prometheus.range(fillIn(expr, platform, range, model), range);
  return found.flatMap((series) => {
    const values = valuesAt(times, series);
    return values.every((value) => value === null) ? [] : [{ name: nameOf(legend, series), values }];
  });
}

/** What Grafana puts in for its variables. */
export function fillIn(
  expr: string,
  { target }: MonitoredPlatform,
  { step }: Pick<TimeRange, "step">,
  model: string | undefined,
): string {
  // Grafana, "$__rate_interval": at least four scrapes, and one more than a step.
  const rateInterval = Math.max(4 * target.scrapeInterval, step + target.scrapeInterval);
  return expr
    .replaceAll("$__rate_interval", `${String(rateInterval)}s`)
    .replaceAll("$job", ".+")
    .replaceAll("$instance", ".+")
    .replaceAll(
      "$model",
      model === undefined ? ".+" : model.replace(/[\\.+*?()|[\]{}^$]/g, String.raw`\\$&`),
    );
}

/** Prometheus leaves out what it has not, and says NaN of what cannot be counted. */
function valuesAt(times: readonly number[], { values }: Series): (number | null)[] {
  const byTime = new Map(values);
  return times.map((time) => {
    const value = byTime.get(time);
    return value === undefined || !Number.isFinite(value) ? null : value;
  });
}

function nameOf(legend: string, { labels }: Series): string {
  return legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? "").trim();
}
