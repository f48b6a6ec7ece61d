/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import uPlot from "uplot";
import type { Mark, Plot, PlotSeries } from "../../core/benchmark/plots.ts";
import { formatValue } from "../../core/monitoring/report/values.ts";
import {
  axisLooks,
  colour,
  dashedLine,
  drawWhenSeen,
  openTargets,
  pageData,
  seriesColour,
} from "../page/plots.ts";

/** Runs in the page: draws what depends on the number of callers, or on the latency that they see. */

interface Data {
  readonly plots: readonly Plot[];
}

function isData(value: unknown): value is Data {
  return typeof value === "object" && value !== null && "plots" in value;
}

const data = pageData();
if (!isData(data)) throw new Error("the page has no data");
const plots = data.plots.map(onScale);
const height = 250;

/** Where steps are doublings, x is its logarithm from here on, and `xText` turns it back. */
function onScale(plot: Plot): Plot {
  if (plot.x.isLog !== true) return plot;
  const series = plot.series.map((own) => ({
    ...own,
    points: own.points.map((point) => ({ ...point, x: Math.log2(point.x) })),
  }));
  return { ...plot, series };
}

function xText({ x }: Plot, value: number): string {
  return formatValue(x.isLog === true ? 2 ** value : value, x.unit);
}

function draw(place: HTMLElement): uPlot | undefined {
  const plot = plots[Number(place.dataset.plot)];
  if (plot === undefined) return undefined;
  const xs = [...new Set(plot.series.flatMap(({ points }) => points.map(({ x }) => x)))].sort(
    (a, b) => a - b,
  );
  const own = plot.series.filter(({ isReference }) => isReference !== true);
  const ownXs = own.flatMap(({ points }) => points.map(({ x }) => x));
  const columns = plot.kind === "areas" ? stacked(plot, xs) : plot.series.map((series) => column(series, xs));
  const top = topOf(plot, columns.slice(0, own.length).flat());
  const xRange = xRangeOf(plot, ownXs);
  const axis = axisLooks();
  const drawOver = (drawn: uPlot): void => {
    if (plot.kind === "lines") for (const [i, series] of plot.series.entries()) drawLine(drawn, series, i);
    for (const mark of plot.marks) drawMark(drawn, mark);
  };
  return new uPlot(
    {
      width: place.clientWidth,
      height,
      padding: [10, 12, 0, 0],
      cursor: { y: false, points: { size: 6 } },
      legend: { live: true },
      scales: {
        x: { time: false, range: () => xRange },
        y: { range: () => [0, top] },
      },
      axes: [
        {
          ...axis,
          size: 24,
          label: plot.x.label,
          labelSize: 16,
          labelFont: axis.font ?? "",
          ...(plot.x.isLog === true ? { splits: () => [...new Set(ownXs)].sort((a, b) => a - b) } : {}),
          values: (_, splits) => splits.map((split) => xText(plot, split)),
        },
        {
          ...axis,
          size: 64,
          ...(plot.y.unit === "bytes" ? { incrs: Array.from({ length: 50 }, (_, i) => 2 ** i) } : {}),
          values: (_, splits) => splits.map((split) => formatValue(split, plot.y.unit)),
        },
      ],
      series: [
        {
          label: plot.x.label,
          value: (_, at: number | null) => (at === null ? "–" : xText(plot, at)),
        },
        ...plot.series.map((series, i) => seriesOptions(plot, series, i, xs)),
      ],
      // Each area ends where the one below it begins.
      bands: plot.kind === "areas" ? plot.series.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })) : [],
      hooks: { draw: [drawOver] },
    },
    [xs, ...columns],
    place,
  );
}

function seriesOptions(plot: Plot, series: PlotSeries, i: number, xs: readonly number[]): uPlot.Series {
  const stroke = toneOf(series, i);
  return {
    label: series.name,
    stroke,
    width: 1.5,
    spanGaps: true,
    points: { show: true, size: 5, fill: stroke },
    // Lines go by the order of the load, which uPlot does not know: they are drawn over it.
    ...(plot.kind === "areas" ? { fill: `${stroke}66` } : { paths: () => null }),
    value: (_: uPlot, __: number, ___: number, at: number | null) => {
      const x = at === null ? undefined : xs[at];
      const point = x === undefined ? series.points.at(-1) : series.points.find((known) => known.x === x);
      if (point === undefined) return "–";
      return `${formatValue(point.y, plot.y.unit)}${point.note === undefined ? "" : `, ${point.note}`}`;
    },
  };
}

function toneOf({ isReference }: PlotSeries, i: number): string {
  return isReference === true ? colour("--soft") : seriesColour(i);
}

function column({ points }: PlotSeries, xs: readonly number[]): (number | null)[] {
  const known = new Map(points.map(({ x, y }) => [x, y]));
  return xs.map((x) => known.get(x) ?? null);
}

/** Each upon those before it. */
function stacked(plot: Plot, xs: readonly number[]): (number | null)[][] {
  const below = xs.map(() => 0);
  return plot.series.map((series) =>
    column(series, xs).map((value, i) => {
      if (value === null) return null;
      below[i] = (below[i] ?? 0) + value;
      return below[i] ?? null;
    }),
  );
}

/** All that was measured, and what it should be where that is near. */
function topOf(plot: Plot, values: readonly (number | null)[]): number {
  const highs = plot.series
    .filter(({ isReference }) => isReference !== true && plot.kind === "lines")
    .flatMap(({ points }) => points.map(({ y, high = y }) => Math.min(high, 2 * y)));
  const most = Math.max(0, ...values.map((value) => value ?? 0), ...highs);
  return withMarks(plot, "y", most === 0 ? 1 : most) * 1.08;
}

function xRangeOf(plot: Plot, xs: readonly number[]): [number, number] {
  const [least, most] = [Math.min(...xs), Math.max(...xs)];
  if (plot.x.isLog === true) return [least, most];
  return [0, withMarks(plot, "x", most) * 1.05];
}

function withMarks({ marks }: Plot, axis: Mark["axis"], most: number): number {
  return Math.max(
    most,
    ...marks.filter((mark) => mark.axis === axis && mark.value <= 2 * most).map(({ value }) => value),
  );
}

/** The line from point to point, and how sure each of them is. */
function drawLine(plot: uPlot, series: PlotSeries, i: number): void {
  const { ctx, bbox } = plot;
  const at = ({ x, y }: { readonly x: number; readonly y: number }): [number, number] => [
    plot.valToPos(x, "x", true),
    plot.valToPos(y, "y", true),
  ];
  if (plot.series[i + 1]?.show === false) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.strokeStyle = toneOf(series, i);
  ctx.lineWidth = 1.5 * devicePixelRatio;
  if (series.isReference === true) ctx.setLineDash([3, 5]);
  ctx.beginPath();
  for (const [j, point] of series.points.entries()) {
    if (j === 0) ctx.moveTo(...at(point));
    else ctx.lineTo(...at(point));
  }
  ctx.stroke();
  ctx.lineWidth = devicePixelRatio;
  for (const { x, low, high } of series.points) {
    if (low === undefined || high === undefined) continue;
    ctx.beginPath();
    ctx.moveTo(...at({ x, y: low }));
    ctx.lineTo(...at({ x, y: high }));
    ctx.stroke();
  }
  ctx.restore();
}

function drawMark(plot: uPlot, { axis, value, name, tone }: Mark): void {
  dashedLine(plot, axis, value, tone === "objective" ? "--critical" : "--soft");
  const { ctx, bbox } = plot;
  const [x, y] = [
    axis === "x" ? plot.valToPos(value, "x", true) : bbox.left,
    axis === "y" ? plot.valToPos(value, "y", true) : bbox.top,
  ];
  if (x < bbox.left || x > bbox.left + bbox.width || y < bbox.top || y > bbox.top + bbox.height) return;
  ctx.save();
  ctx.fillStyle = colour(tone === "objective" ? "--critical" : "--soft");
  ctx.font = `${String(11 * devicePixelRatio)}px system-ui`;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "left";
  const gap = 4 * devicePixelRatio;
  if (axis === "x") {
    // Upwards beside the line, the two kinds on either side: they may be the same.
    const isLeft = tone === "objective";
    ctx.translate(isLeft ? x - gap : x + 3 * gap, bbox.top + bbox.height - gap);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText(name, 0, 0);
  } else ctx.fillText(name, x + gap, y - gap);
  ctx.restore();
}

drawWhenSeen([...document.querySelectorAll<HTMLElement>("[data-plot]")], height, draw);
openTargets();
