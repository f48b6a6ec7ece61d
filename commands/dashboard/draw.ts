/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import uPlot from "uplot";
import type { ReportPanel } from "../../core/monitoring/report/page.ts";
import { formatValue } from "../../core/monitoring/report/values.ts";
import { axisLooks, dashedLine, drawWhenSeen, openTargets, pageData, seriesColour } from "../page/plots.ts";

/** Runs in the page: draws its panels over time. */

interface Data {
  readonly times: number[];
  readonly panels: readonly ReportPanel[];
}

function isData(value: unknown): value is Data {
  return typeof value === "object" && value !== null && "times" in value && "panels" in value;
}

const data = pageData();
if (!isData(data)) throw new Error("the page has no data");
const { times, panels } = data;
const height = 190;

function draw(place: HTMLElement): uPlot | undefined {
  const panel = panels[Number(place.dataset.panel)];
  if (panel === undefined) return undefined;
  const values = panel.kind === "areas" ? stacked(panel) : panel.series.map(({ values: own }) => [...own]);
  const axis = axisLooks();
  const drawLimits = (drawn: uPlot): void => {
    limits(drawn, panel);
  };
  return new uPlot(
    {
      width: place.clientWidth,
      height,
      padding: [8, 8, 0, 0],
      cursor: { y: false, points: { size: 6 } },
      legend: { live: true },
      scales: { y: { range: (_, low, high) => range(panel, low, high) } },
      axes: [
        {
          ...axis,
          size: 28,
          values: (_, splits) => splits.map(clock),
        },
        {
          ...axis,
          size: 64,
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
          stroke: seriesColour(i),
          width: 1.5,
          spanGaps: false,
          points: { show: own.filter((value) => value !== null).length < 3 },
          ...(panel.kind === "areas" ? { fill: `${seriesColour(i)}33` } : {}),
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

/** Where it becomes serious. */
function limits(plot: uPlot, panel: ReportPanel): void {
  panel.limits?.forEach((value, i) => {
    dashedLine(plot, "y", value, i === 0 ? "--warning" : "--critical");
  });
}

drawWhenSeen([...document.querySelectorAll<HTMLElement>("[data-panel]")], height, draw);
openTargets();
