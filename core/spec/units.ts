import { z } from "zod";

/** Whole microseconds: Triton's own unit for queue delays and timeouts. */
export type Microseconds = number;
/** Whole bytes. */
export type Bytes = number;

const durationUnits: Readonly<Record<string, number>> = {
  us: 1,
  µs: 1,
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

function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-zµ]+)\s*$/.exec(text);
  const unit = units[match?.[2] ?? ""];
  if (match?.[1] === undefined || unit === undefined) return undefined;
  const value = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `"5ms"` → 5000; undefined where the text is no duration. Units: us, ms, s, m, h, d. */
export function parseDuration(text: string): Microseconds | undefined {
  return quantity(text, durationUnits);
}

/** `"420MiB"` → 440401920; undefined where the text is no size. Units: B, KiB … TiB and kB … TB. */
export function parseSize(text: string): Bytes | undefined {
  return quantity(text, sizeUnits);
}

/** `"99.9%"` → 0.999; undefined where the text is no percentage between 0 and 100. */
export function parsePercentage(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(text);
  const percent = Number(match?.[1] ?? Number.NaN);
  // Rounded, since 99.9 / 100 is 0.9990000000000001 in binary.
  return percent >= 0 && percent <= 100 ? Number((percent / 100).toFixed(9)) : undefined;
}

function unitSchema(parse: (text: string) => number | undefined, what: string, example: string) {
  return z
    .string({
      error: (issue) => `${JSON.stringify(issue.input)} is no ${what}: write it with a unit, like ${example}`,
    })
    .transform((text, context) => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.addIssue({
        code: "custom",
        message: `${JSON.stringify(text)} is no ${what}: write it like ${example}`,
      });
      return z.NEVER;
    });
}

/** A duration with its unit, as whole microseconds. */
export const duration = unitSchema(parseDuration, "duration", "5ms, 1s or 2m");
/** A size with its unit, as whole bytes. */
export const size = unitSchema(parseSize, "size", "420MiB or 1.5GiB");
/** A percentage, as a fraction of 1. */
export const percentage = unitSchema(parsePercentage, "percentage", "99.9%");

/** Bytes for people: `"420 MiB"`. */
export function formatBytes(bytes: Bytes): string {
  const unit = (["TiB", "GiB", "MiB", "KiB"] as const).find((name) => bytes >= (sizeUnits[name] ?? 1));
  return unit === undefined
    ? `${String(bytes)} B`
    : `${String(Number((bytes / (sizeUnits[unit] ?? 1)).toFixed(1)))} ${unit}`;
}
