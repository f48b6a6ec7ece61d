import type { MonitoredPlatform } from "./platform.ts";

/** Pieces of PromQL that rules and dashboards are made of. */

export const minute = 60;
export const hour = 60 * minute;
export const day = 24 * hour;

/**
 * A selector of the platform's own series. `matchers` are as PromQL has them: `reason!="CANCELED"`.
 */
export function select(platform: MonitoredPlatform, metric: string, ...matchers: readonly string[]): string {
  return series(metric, ...scopeMatchers(platform), ...matchers);
}

/** A selector of series whoever they belong to. */
export function series(metric: string, ...matchers: readonly string[]): string {
  return matchers.length === 0 ? metric : `${metric}{${matchers.join(",")}}`;
}

export function scopeMatchers({ target }: MonitoredPlatform): string[] {
  return Object.entries(target.scope).map(([label, value]) => `${label}=${quoted(value)}`);
}

/** A string of PromQL: Go's, of which JSON's are part. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** A matcher for one of several values, or for none of them; the pattern is RE2's and covers the whole value. */
export function oneOf(label: string, values: readonly string[]): string {
  return `${label}=~${quoted(pattern(values))}`;
}

export function noneOf(label: string, values: readonly string[]): string {
  return `${label}!~${quoted(pattern(values))}`;
}

function pattern(values: readonly string[]): string {
  return values.map((value) => value.replace(/[\\.+*?()|[\]{}^$]/g, String.raw`\$&`)).join("|");
}

/** Seconds as Prometheus writes them, shortened by the config's `speedUp`. */
export function period({ config }: MonitoredPlatform, seconds: number): string {
  return formatPeriod(seconds / config.speedUp);
}

/** How often a group is evaluated that needs it every so many seconds: not more often than there are samples. */
export function interval({ config, target }: MonitoredPlatform, seconds: number): string {
  return formatPeriod(Math.max(seconds / config.speedUp, target.scrapeInterval));
}

/** What is a minute in the names of recorded rates: never shorter than four scrapes, which a rate needs to be steady. */
export function rateWindow({ config, target }: MonitoredPlatform): string {
  return formatPeriod(Math.max(minute / config.speedUp, 4 * target.scrapeInterval));
}

function formatPeriod(seconds: number): string {
  const units = [
    ["d", day],
    ["h", hour],
    ["m", minute],
    ["s", 1],
  ] as const;
  const unit = units.find(([, size]) => seconds >= size && seconds % size === 0);
  return unit === undefined
    ? `${String(Math.max(1, Math.round(seconds * 1000)))}ms`
    : `${String(seconds / unit[1])}${unit[0]}`;
}
