import * as z from "zod";

/** Whole microseconds: Triton's own unit for queue delays and timeouts. */
export type Microseconds = number;
/** Whole bytes. */
export type Bytes = number;

const durationUnits: Readonly<Record<string, number>> = {
  us: 1,
  // The micro sign, and the Greek letter that looks the same.
  "\u00b5s": 1,
  "\u03bcs": 1,
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};

const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

function patternOf(units: Readonly<Record<string, number>>): RegExp {
  return new RegExp(`^\\s*(\\d+(?:\\.\\d+)?)\\s*(${Object.keys(units).join("|")})\\s*$`);
}

const durationPattern = patternOf(durationUnits);
const sizePattern = patternOf(sizeUnits);
const percentagePattern = /^\s*(\d+(?:\.\d+)?)\s*%\s*$/;

/** Rounded to the smallest unit; undefined where that would make nothing out of something, or is no exact number. */
function quantity(
  text: string,
  pattern: RegExp,
  units: Readonly<Record<string, number>>,
): number | undefined {
  const [, digits, unit] = pattern.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const exact = Number(digits) * (units[unit] ?? Number.NaN);
  const value = Math.round(exact);
  return Number.isSafeInteger(value) && (value > 0 || exact === 0) ? value : undefined;
}

/** `"5ms"` → 5000; undefined where the text is no duration. Units: us, ms, s, m, h, d. */
export function parseDuration(text: string): Microseconds | undefined {
  return quantity(text, durationPattern, durationUnits);
}

/** `"420MiB"` → 440401920; undefined where the text is no size. Units: B, KiB … TiB and kB … TB. */
export function parseSize(text: string): Bytes | undefined {
  return quantity(text, sizePattern, sizeUnits);
}

/** `"99.9%"` → 0.999; undefined where the text is no percentage between 0 and 100. */
export function parsePercentage(text: string): number | undefined {
  const percent = Number(percentagePattern.exec(text)?.[1] ?? Number.NaN);
  // Rounded, since 99.9 / 100 is 0.9990000000000001 in binary.
  return percent >= 0 && percent <= 100 ? Number((percent / 100).toFixed(9)) : undefined;
}

/** The same duration in the largest unit that keeps it whole: 5000 → `"5ms"`. */
export function formatDuration(microseconds: Microseconds): string {
  return inLargestUnit(microseconds, ["d", "h", "m", "s", "ms"], "us", durationUnits);
}

/** The same size in the largest binary unit that keeps it whole: 440401920 → `"420MiB"`. */
export function formatSize(bytes: Bytes): string {
  return inLargestUnit(bytes, ["TiB", "GiB", "MiB", "KiB"], "B", sizeUnits);
}

function inLargestUnit(
  value: number,
  units: readonly string[],
  smallest: string,
  sizes: Readonly<Record<string, number>>,
): string {
  const unit = units.find((name) => value > 0 && value % (sizes[name] ?? 1) === 0) ?? smallest;
  return `${String(value / (sizes[unit] ?? 1))}${unit}`;
}

/** 0.999 → `"99.9%"`. */
function formatPercentage(fraction: number): string {
  return `${String(Number((fraction * 100).toFixed(7)))}%`;
}

interface Quantity {
  readonly what: string;
  /** Texts that are one, for messages and editors. */
  readonly examples: readonly [string, ...string[]];
  /** What an editor can check; `parse` has the last word. */
  readonly pattern: RegExp;
  readonly parse: (text: string) => number | undefined;
  readonly format: (value: number) => string;
}

/** Text with a unit in YAML, a plain number in the program; `z.encode` goes back. */
function quantitySchema({ what, examples, pattern, parse, format }: Quantity) {
  const error = `this is no ${what}: write it with a unit, like ${examples.join(", ")}`;
  return z.codec(z.string({ error }).regex(pattern, { error }).meta({ title: what, examples }), z.number(), {
    decode: (text, context) => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.issues.push({ code: "custom", input: text, message: error });
      return z.NEVER;
    },
    encode: format,
  });
}

/** A duration with its unit, as whole microseconds. */
export const duration = quantitySchema({
  what: "duration",
  examples: ["5ms", "1s", "2m"],
  pattern: durationPattern,
  parse: parseDuration,
  format: formatDuration,
});
/** A size with its unit, as whole bytes. */
export const size = quantitySchema({
  what: "size",
  examples: ["420MiB", "1.5GiB"],
  pattern: sizePattern,
  parse: parseSize,
  format: formatSize,
});
/** A percentage, as a fraction of 1. */
export const percentage = quantitySchema({
  what: "percentage",
  examples: ["99.9%"],
  pattern: percentagePattern,
  parse: parsePercentage,
  format: formatPercentage,
});

/** Bytes for people: `"420 MiB"`. */
export function formatBytes(bytes: Bytes): string {
  const unit = (["TiB", "GiB", "MiB", "KiB"] as const).find((name) => bytes >= (sizeUnits[name] ?? 1));
  return unit === undefined
    ? `${String(bytes)} B`
    : `${String(Number((bytes / (sizeUnits[unit] ?? 1)).toFixed(1)))} ${unit}`;
}
