import { drawnPage, escapeHtml, type PageParts } from "../../html.ts";
import type { PanelPlan } from "../dashboards/plan.ts";
import { formatValue } from "./values.ts";

/** What one page shows: dashboards with the values they had. Plain data, with everything it needs in it. */
export interface Report {
  readonly title: string;
  /** Unix seconds of each value, ascending. */
  readonly times: readonly number[];
  readonly alerts: readonly ReportAlert[];
  readonly sections: readonly ReportSection[];
}

export interface ReportAlert {
  readonly name: string;
  readonly state: "firing" | "pending";
  readonly severity: string;
  readonly summary: string;
  /** Address of its runbook. */
  readonly runbook: string;
}

export interface ReportSection {
  /** Unique in the page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  /** Whether it is shown without being asked for. */
  readonly isOpen: boolean;
  readonly rows: readonly { readonly title: string; readonly panels: readonly ReportPanel[] }[];
}

export interface ReportPanel extends Pick<
  PanelPlan,
  "title" | "description" | "kind" | "unit" | "limits" | "max"
> {
  readonly series: readonly ReportSeries[];
  /** Why there is nothing to see, where there is not. */
  readonly empty?: string;
}

export interface ReportSeries {
  readonly name: string;
  /** One for each time; null where there was none. */
  readonly values: readonly (number | null)[];
}

/** One HTML file that needs no network. Numbers and alerts can be read without JavaScript; plots are drawn by it. */
export function renderPage(report: Report, parts: PageParts): string {
  const { title, sections, times } = report;
  const drawn: ReportPanel[] = [];
  const content = sections.map((section) => renderSection(section, drawn)).join("\n");
  const first = new Date((times[0] ?? 0) * 1000).toISOString();
  const last = new Date((times.at(-1) ?? 0) * 1000).toISOString();
  const body = `<header>
<h1>${escapeHtml(title)}</h1>
<p><time datetime="${first}">${first.slice(0, 16).replace("T", " ")}</time> to <time datetime="${last}">${last.slice(0, 16).replace("T", " ")}</time> UTC</p>
<nav aria-label="Dashboards">${sections.map(({ id, title: name }) => `<a href="#${escapeHtml(id)}">${escapeHtml(name)}</a>`).join(" ")}</nav>
</header>
<main>
${renderAlerts(report.alerts)}
${content}
</main>`;
  return drawnPage({ title, body, data: { times, panels: drawn } }, parts);
}

function renderAlerts(alerts: readonly ReportAlert[]): string {
  const items = alerts.map(
    ({ name, state, severity, summary, runbook }) =>
      `<li class="${escapeHtml(state === "firing" ? severity : state)}"><strong>${escapeHtml(name)}</strong> ${state === "pending" ? "(pending) " : ""}${escapeHtml(summary)} <a href="${escapeHtml(runbook)}">runbook</a></li>`,
  );
  return `<section id="alerts" aria-label="Alerts">${items.length === 0 ? '<p class="calm">No alert is firing.</p>' : `<ul>${items.join("\n")}</ul>`}</section>`;
}

function renderSection(section: ReportSection, drawn: ReportPanel[]): string {
  const rows = section.rows.map(
    ({ title, panels }) =>
      `<h3>${escapeHtml(title)}</h3>\n<div class="panels">${panels.map((panel) => renderPanel(panel, drawn)).join("\n")}</div>`,
  );
  return `<details id="${escapeHtml(section.id)}"${section.isOpen ? " open" : ""}>
<summary><h2>${escapeHtml(section.title)}</h2> <span>${escapeHtml(section.description)}</span></summary>
${rows.join("\n")}
</details>`;
}

function renderPanel(panel: ReportPanel, drawn: ReportPanel[]): string {
  const { title, description, empty } = panel;
  const caption = `<figcaption><b>${escapeHtml(title)}</b> <span>${escapeHtml(description)}</span></figcaption>`;
  if (empty !== undefined) return `<figure class="empty">${caption}<p>${escapeHtml(empty)}</p></figure>`;
  if (panel.kind === "number") return `<figure class="number">${caption}${renderNumbers(panel)}</figure>`;
  drawn.push(panel);
  return `<figure class="plot">${caption}<div class="canvas" data-panel="${String(drawn.length - 1)}" role="img" aria-label="${escapeHtml(`${title}: ${spoken(panel)}`)}"></div></figure>`;
}

function renderNumbers({ series, unit, limits }: ReportPanel): string {
  return series
    .map(({ name, values }) => {
      const value = lastOf(values);
      const level =
        limits === undefined ? "" : value >= limits[1] ? "critical" : value >= limits[0] ? "warning" : "good";
      const label = series.length === 1 ? "" : `<small>${escapeHtml(name)}</small>`;
      return `<output class="${level}">${escapeHtml(formatValue(value, unit))}${label}</output>`;
    })
    .join("");
}

/** For those who hear the page. */
function spoken({ series, unit }: ReportPanel): string {
  return series
    .slice(0, 5)
    .map(({ name, values }) => `${name} ${formatValue(lastOf(values), unit)}`)
    .join(", ");
}

function lastOf(values: ReportSeries["values"]): number {
  return values.findLast((value) => value !== null) ?? Number.NaN;
}
