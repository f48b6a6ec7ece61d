import { drawnPage, escapeHtml, type PageParts } from "../html.ts";
import { formatValue } from "../monitoring/report/values.ts";
import type { Verdict } from "./comparison.ts";
import { share } from "./levels.ts";
import { plotsOf, type Mark, type Plot } from "./plots.ts";
import { milliseconds, type Recommendation } from "./recommendation.ts";
import type { BenchmarkReport } from "./report.ts";
import {
  clusterTable,
  comparedLevelTable,
  comparisonTable,
  levelTable,
  pointTable,
  rateText,
  type Table,
} from "./tables.ts";
import {
  articleLines,
  comparisonLine,
  comparisonReasons,
  recommendationLine,
  settingsText,
} from "./words.ts";

/** A report as one HTML file that needs no network; all but the plots can be read without JavaScript. */
export function htmlBenchmark(report: BenchmarkReport, parts: PageParts): string {
  const { benchmark, environment, series, notes, recommendations } = report;
  const models = [...new Set(benchmark.series.map(({ model }) => model))];
  const plots: Plot[] = [];
  const sections = models.map((model, i) => modelSection(report, model, i < mostOpen, plots));
  const body = [
    "<header>",
    `<h1>Benchmark ${escapeHtml(benchmark.id)}</h1>`,
    `<p>${environment
      .slice(1, 6)
      .map(([label, value]) => `${label}: ${escapeHtml(value)}`)
      .join(" · ")}</p>`,
    `<nav aria-label="Models">${models.map((model) => `<a href="#${escapeHtml(`model-${model}`)}">${escapeHtml(model)}</a>`).join(" ")}</nav>`,
    "</header>",
    "<main>",
    ...(recommendations.length === 0
      ? []
      : [`<div class="tiles">${recommendations.map(recommendationTile).join("\n")}</div>`]),
    ...list("To know", notes),
    ...(report.cluster === undefined ? [] : ["<h2>Cluster</h2>", tableHtml(clusterTable(report))]),
    ...comparisonSection(report),
    ...sections,
    ...list("The article", articleLines(report)),
    "<h2>Environment</h2>",
    tableHtml({ head: ["", ""], rows: environment }),
    fold("Configuration", `<pre>${escapeHtml(JSON.stringify(benchmark.configuration, undefined, 2))}</pre>`),
    ...(series.some(({ levels }) => levels.length > 0)
      ? [fold("All points", tableHtml(pointTable(report)))]
      : []),
    "</main>",
  ].join("\n");
  return drawnPage({ title: `Benchmark ${benchmark.id}`, body, data: { plots } }, parts);
}

/** Models whose sections are open from the start. */
const mostOpen = 3;

function recommendationTile(own: Recommendation): string {
  const tone = { objective: "good", knee: "", unmet: "critical" }[own.basis];
  const objective = own.objectiveMs === undefined ? "" : ` of ${milliseconds(own.objectiveMs)}`;
  return `<div class="tile ${tone}"><b>${escapeHtml(own.model)}</b><output>${rateText(own.inferencesPerSecond)}<small> inferences/s</small></output><span>p99 ${milliseconds(own.p99Ms)}${objective}; ${settingsText(own)}</span></div>`;
}

const tones: Readonly<Record<Verdict, string>> = {
  regression: "critical",
  improvement: "good",
  same: "good",
  unclear: "warning",
  incomparable: "warning",
};

function comparisonSection({ comparison }: BenchmarkReport): string[] {
  if (comparison === undefined) return [];
  return [
    "<h2>Comparison</h2>",
    `<p>${escapeHtml(comparisonLine(comparison))}.</p>`,
    ...(comparison.series.length === 0
      ? []
      : [tableHtml(comparisonTable(comparison), (i) => tones[comparison.series[i]?.verdict ?? "unclear"])]),
    items([
      ...comparison.series.flatMap(({ name, reasons }) => reasons.map((reason) => `${name}: ${reason}`)),
      ...comparisonReasons(comparison),
    ]),
    ...comparison.series
      .filter(({ levels }) => levels.length > 0)
      .map((own) => fold(`${own.name} by callers`, tableHtml(comparedLevelTable(own)))),
    `<p>In brackets the 95 % confidence interval. A verdict is beyond the limit of ${share(comparison.limit)} with at most one chance in twenty that any of them is by noise.</p>`,
  ];
}

function modelSection(report: BenchmarkReport, model: string, isOpen: boolean, all: Plot[]): string {
  const own = report.series.filter((_, i) => report.benchmark.series[i]?.model === model);
  const recommendation = report.recommendations.find((candidate) => candidate.model === model);
  const figures = plotsOf(report, model).map((plot) => {
    all.push(plot);
    return figure(plot, all.length - 1);
  });
  return [
    `<details id="${escapeHtml(`model-${model}`)}"${isOpen ? " open" : ""}>`,
    `<summary><h2>${escapeHtml(model)}</h2> <span>${String(own.length)} series</span></summary>`,
    ...(recommendation === undefined
      ? ["<p>There is no load to recommend.</p>"]
      : [`<p>${escapeHtml(recommendationLine(recommendation))}.</p>`]),
    `<div class="panels">${figures.join("\n")}</div>`,
    ...own.flatMap((about) => [
      `<h3>${escapeHtml(about.name)}</h3>`,
      about.levels.length === 0 ? "<p>No point was measured.</p>" : tableHtml(levelTable(about)),
      items(about.hints),
    ]),
    "</details>",
  ].join("\n");
}

function figure(plot: Plot, at: number): string {
  const marks = plot.marks.map((mark) => `${mark.name} ${markValue(plot, mark)}`);
  const spoken = plot.series
    .slice(0, 5)
    .map(({ name, points }) => `${name} ${formatValue(points.at(-1)?.y ?? Number.NaN, plot.y.unit)}`);
  return `<figure class="plot"><figcaption><b>${escapeHtml(plot.title)}</b> <span>${escapeHtml(plot.description)}</span>${marks.length === 0 ? "" : `<span>Dashed: ${escapeHtml(marks.join(", "))}</span>`}</figcaption><div class="canvas" data-plot="${String(at)}" role="img" aria-label="${escapeHtml(`${plot.title}: ${spoken.join(", ")}`)}"></div></figure>`;
}

function markValue({ x, y }: Plot, { axis, value }: Mark): string {
  return formatValue(value, axis === "x" ? x.unit : y.unit);
}

function list(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`<h2>${title}</h2>`, items(lines)];
}

function items(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `<ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join("")}</ul>`;
}

function fold(title: string, html: string): string {
  return `<details><summary>${escapeHtml(title)}</summary>${html}</details>`;
}

/** `tone` is a class for each row. */
function tableHtml({ head, rows }: Table, tone: (row: number) => string = () => ""): string {
  const heads = head.every((cell) => cell === "")
    ? ""
    : `<thead><tr>${head.map((cell) => `<th>${escapeHtml(cell)}</th>`).join("")}</tr></thead>`;
  const lines = rows.map(
    (cells, i) =>
      `<tr class="${tone(i)}">${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`,
  );
  return `<div class="wide"><table>${heads}<tbody>${lines.join("")}</tbody></table></div>`;
}
