/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import uPlot from "uplot";
import type { ReportPanel } from "../../core/monitoring/report/page.ts";
import { formatValue } from "../../core/monitoring/report/values.ts";

/**
 * Runs in the page: draws each panel when it is first seen, in the colours of the page's scheme, and again when the scheme
 * or the width changes.
 */

interface Data {
  readonly times: number[];
  readonly panels: readonly ReportPanel[];
}

function isData(value: unknown): value is Data {
  return typeof value === "object" && value !== null && "times" in value && "panels" in value;
}

const data: unknown = JSON.parse(document.getElementById("data")?.textContent ?? "null");
if (!isData(data)) throw new Error("the page has no data");
const { times, panels } = data;
const plots = new Map<Element, uPlot>();

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw(place: HTMLElement): void {
  const panel = panels[Number(place.dataset.panel)];
  if (panel === undefined || place.clientWidth === 0) return;
  plots.get(place)?.destroy();
  place.replaceChildren();
  const values = panel.kind === "areas" ? stacked(panel) : panel.series.map(({ values: own }) => [...own]);
  const axis = {
    stroke: colour("--text"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const drawLimits = (drawn: uPlot): void => {
    limits(drawn, panel);
  };
  const plot = new uPlot(
    {
      width: place.clientWidth,
      height: 190,
      padding: [8, 8, 0, 0],
      cursor: { y: false, points: { size: 6 } },
      legend: { live: true },
      scales: { y: { range: (_, low, high) => range(panel, low, high) } },
      axes: [
        {
          ...axis,
          size: 28,
          font: "11px system-ui",
          values: (_, splits) => splits.map(clock),
        },
        {
          ...axis,
          size: 64,
          font: "11px system-ui",
          values: (_, splits) => splits.map((split) => formatValue(split, panel.unit)),
        },
      ],
      series: [
        {
          label: "time",
          value: (_, at: number | null) => (at === null ? "–" : clock(at)),
        },
        ...panel.series.map(({ name, values: own }, i) => ({
          label: name,
          stroke: colour(`--series-${String(i % 8)}`),
          width: 1.5,
          spanGaps: false,
          points: { show: own.filter((value) => value !== null).length < 3 },
          ...(panel.kind === "areas" ? { fill: `${colour(`--series-${String(i % 8)}`)}33` } : {}),
          value: (_: uPlot, __: number, ___: number, at: number | null) => {
            const value = at === null ? own.findLast((known) => known !== null) : own[at];
            return value === null || value === undefined ? "–" : formatValue(value, panel.unit);
          },
        })),
      ],
      hooks: { draw: [drawLimits] },
    },
    [times, ...values],
    place,
  );
  plots.set(place, plot);
}

/** UTC, as the page's head has it. */
function clock(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 16);
}

/** Each upon those before it. */
function stacked({ series }: ReportPanel): (number | null)[][] {
  const below = times.map(() => 0);
  return series.map(({ values }) =>
    values.map((value, i) => {
      if (value === null) return null;
      below[i] = (below[i] ?? 0) + value;
      return below[i] ?? null;
    }),
  );
}

/** From 0, unless there is less; what is near its greatest shows all of it, and what is nothing where it would be serious. */
function range(
  { max, limits: known }: ReportPanel,
  low: number | null,
  high: number | null,
): [number, number] {
  const top = Math.max(high ?? 0, 0);
  const bottom = Math.min(low ?? 0, 0);
  if (top === 0) return [bottom, (known?.[1] ?? 0.9) * 1.1];
  return [bottom, max !== undefined && top > max * 0.6 ? Math.max(max, top) : top * 1.1];
}

/** Dashed lines where it becomes serious, as far as they are in sight. */
function limits(plot: uPlot, panel: ReportPanel): void {
  const { ctx, bbox } = plot;
  panel.limits?.forEach((value, i) => {
    const y = plot.valToPos(value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) return;
    ctx.save();
    ctx.strokeStyle = colour(i === 0 ? "--warning" : "--critical");
    ctx.setLineDash([6, 6]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  });
}

const places = [...document.querySelectorAll<HTMLElement>("[data-panel]")];
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries)
    if (isIntersecting && target instanceof HTMLElement && !plots.has(target)) draw(target);
});
const resized = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries)
    if (contentRect.width > 0) plots.get(target)?.setSize({ width: contentRect.width, height: 190 });
});
for (const place of places) {
  seen.observe(place);
  resized.observe(place);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const place of places) if (plots.has(place)) draw(place);
});
/** A link to a section opens it. */
function openTarget(): void {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
