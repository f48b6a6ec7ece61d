import type { Unit } from "../dashboards/plan.ts";

/** A value for people, in its unit: `"23 ms"`, `"1.2 k/s"`, `"99.9 %"`. Runs in the page too. */
export function formatValue(value: number, unit: Unit): string {
  if (!Number.isFinite(value)) return "–";
  switch (unit) {
    case "percentunit":
      return `${short(value * 100)} %`;
    case "s":
      return time(value);
    case "reqps":
    case "ops":
    case "cps":
      return `${thousands(value, 1000, ["", "k", "M", "G"])}/s`;
    case "bytes":
      return `${thousands(value, 1024, ["", "Ki", "Mi", "Gi", "Ti"])}B`;
    case "mbytes":
      return `${thousands(value * 1024 ** 2, 1024, ["", "Ki", "Mi", "Gi", "Ti"])}B`;
    case "hertz":
      return `${thousands(value, 1000, ["", "k", "M", "G"])}Hz`;
    case "celsius":
      return `${short(value)} °C`;
    case "watt":
      return `${short(value)} W`;
    case "currencyUSD":
      return `$${value !== 0 && Math.abs(value) < 0.01 ? value.toExponential(1) : value.toFixed(2)}`;
    case "short":
    case "none":
      return thousands(value, 1000, ["", "k", "M", "G"]).trimEnd();
  }
}

function time(seconds: number): string {
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 0.001) return `${short(seconds * 1e6)} µs`;
  if (size < 1) return `${short(seconds * 1e3)} ms`;
  return size < 120 ? `${short(seconds)} s` : `${short(seconds / 60)} min`;
}

function thousands(value: number, base: number, prefixes: readonly string[]): string {
  let rest = value;
  let step = 0;
  while (Math.abs(rest) >= base && step < prefixes.length - 1) {
    rest /= base;
    step += 1;
  }
  return `${short(rest)} ${prefixes[step] ?? ""}`;
}

/** Three digits that count. */
function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
