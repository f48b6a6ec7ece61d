/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import uPlot from "uplot";

/** Runs in a page: plots that are drawn when they are first seen, and again when the scheme or the width changes. */

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The colours of a line, of which there are eight. */
export function seriesColour(at: number): string {
  return colour(`--series-${String(at % 8)}`);
}

/** How an axis looks, whatever is on it. */
export function axisLooks(): Pick<uPlot.Axis, "stroke" | "grid" | "ticks" | "font"> {
  return {
    stroke: colour("--text"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui",
  };
}

/** A dashed line across a plot, where it is in sight. */
export function dashedLine(plot: uPlot, axis: "x" | "y", value: number, tone: string): void {
  const { ctx, bbox } = plot;
  const at = plot.valToPos(value, axis, true);
  const [from, length] = axis === "x" ? [bbox.left, bbox.width] : [bbox.top, bbox.height];
  if (at < from || at > from + length) return;
  ctx.save();
  ctx.strokeStyle = colour(tone);
  ctx.setLineDash([6, 6]);
  ctx.beginPath();
  ctx.moveTo(axis === "x" ? at : bbox.left, axis === "x" ? bbox.top : at);
  ctx.lineTo(axis === "x" ? at : bbox.left + bbox.width, axis === "x" ? bbox.top + bbox.height : at);
  ctx.stroke();
  ctx.restore();
}

/** What is in the page's element `data`. */
export function pageData(): unknown {
  return JSON.parse(document.getElementById("data")?.textContent ?? "null");
}

/** `draw` makes the plot of an element, or none where there is nothing to draw. */
export function drawWhenSeen(
  places: readonly HTMLElement[],
  height: number,
  draw: (place: HTMLElement) => uPlot | undefined,
): void {
  const plots = new Map<Element, uPlot>();
  const renew = (place: HTMLElement): void => {
    if (place.clientWidth === 0) return;
    plots.get(place)?.destroy();
    place.replaceChildren();
    const plot = draw(place);
    if (plot !== undefined) plots.set(place, plot);
  };
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting && target instanceof HTMLElement && !plots.has(target)) renew(target);
  });
  const resized = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries)
      if (contentRect.width > 0) plots.get(target)?.setSize({ width: contentRect.width, height });
  });
  for (const place of places) {
    seen.observe(place);
    resized.observe(place);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const place of places) if (plots.has(place)) renew(place);
  });
}

/** A link to a section opens it. */
export function openTargets(): void {
  const openTarget = (): void => {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", openTarget);
  openTarget();
}
