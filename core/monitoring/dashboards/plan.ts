import type { MonitoredPlatform } from "../platform.ts";
import { select, series } from "../promql.ts";

/**
 * Dashboards as plain data: what Grafana shows (grafana.ts) and what the report of this machine shows (commands/dashboard)
 * are the same panels with the same queries. Queries are PromQL with Grafana's variables.
 */
export interface DashboardPlan {
  /** Of its file, and of its address in Grafana. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  /** Whether one model is chosen, by the variable `model`. */
  readonly ofOneModel?: boolean;
  readonly rows: readonly RowPlan[];
}

export interface RowPlan {
  readonly title: string;
  readonly panels: readonly PanelPlan[];
}

export interface PanelPlan {
  readonly title: string;
  /** What it means, and what to do about it where it is not plain. */
  readonly description: string;
  /** `number`: the last value, large. `lines`: values over time. `areas`: parts of a whole over time. */
  readonly kind: "number" | "lines" | "areas";
  readonly unit: Unit;
  readonly queries: readonly QueryPlan[];
  /** Values from which on it is amber, and red. */
  readonly limits?: readonly [warning: number, critical: number];
  /** From 0, for shares that would look like more than they are. */
  readonly max?: number;
  /** What it shows nothing without. */
  readonly needs?: "gpu" | "cluster";
}

export interface QueryPlan {
  readonly expr: string;
  /** Labels in double braces, as Grafana writes them. */
  readonly legend: string;
}

/** Grafana's names of units. Source: grafana/grafana, packages/grafana-data/src/valueFormats/categories.ts. */
export type Unit =
  | "short"
  | "percentunit"
  | "s"
  | "reqps"
  | "ops"
  | "cps"
  | "bytes"
  | "mbytes"
  | "celsius"
  | "watt"
  | "hertz"
  | "currencyUSD"
  | "none";

/** Builds the queries of one platform's panels. */
export class Queries {
  constructor(private readonly platform: MonitoredPlatform) {}

  /** Series as they were scraped: of the jobs and instances that are chosen. */
  raw(metric: string, ...matchers: readonly string[]): string {
    return select(this.platform, metric, ...chosen, ...matchers);
  }

  /** The same of what many platforms share: GPUs of the cluster. */
  shared(metric: string, ...matchers: readonly string[]): string {
    return series(metric, ...chosen, ...matchers);
  }

  /** Per second, over as long as the resolution asks for. */
  rate(metric: string, ...matchers: readonly string[]): string {
    return `rate(${this.raw(metric, ...matchers)}[$__rate_interval])`;
  }

  sharedRate(metric: string, ...matchers: readonly string[]): string {
    return `rate(${this.shared(metric, ...matchers)}[$__rate_interval])`;
  }

  /** Series of the recording rules, which have no job and no instance. */
  recorded(metric: string, ...matchers: readonly string[]): string {
    return select(this.platform, metric, ...matchers);
  }
}

const chosen = ['job=~"$job"', 'instance=~"$instance"'] as const;

/** A panel with one query. */
export function panel(
  title: string,
  description: string,
  unit: Unit,
  expr: string,
  legend: string,
  more: Partial<PanelPlan> = {},
): PanelPlan {
  return { title, description, unit, kind: "lines", queries: [{ expr, legend }], ...more };
}
