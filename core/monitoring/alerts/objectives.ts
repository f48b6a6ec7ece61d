import type { Alert } from "./alert.ts";
import type { MonitoredPlatform } from "../platform.ts";
import { select } from "../promql.ts";
import { budget, type windows } from "../recording.ts";

type WindowName = keyof typeof windows;

/**
 * An error budget that burns so fast, over a long window that says it matters and a short one that says it still goes on.
 * Of the budget of 30 days, 14.4 times as fast as allowed takes 2 % in an hour, 6 times 5 % in six; 3 times takes 10 % in a
 * day, and as fast as allowed 10 % in three. Source: Google's SRE Workbook, "Alerting on SLOs", table 5-8.
 */
type Burn = readonly [factor: number, long: WindowName, short: WindowName];

const pages: readonly Burn[] = [
  [14.4, "1h", "5m"],
  [6, "6h", "30m"],
];
const tickets: readonly Burn[] = [
  [3, "1d", "2h"],
  [1, "3d", "6h"],
];

/** Promises that are being broken. */
export function objectiveAlerts(platform: MonitoredPlatform): Alert[] {
  const { models } = platform;
  const isPromised = (promise: "availability" | "latency"): boolean =>
    models.some((model) => model[promise] !== undefined);
  return [
    ...(isPromised("availability")
      ? [
          {
            name: "TritonAvailabilityBurn",
            severity: "critical",
            expr: burns(platform, "availability", pages),
            summary:
              "{{ $labels.model }} on {{ $labels.server }} fails {{ $value | humanizePercentage }} of its calls: its error budget of 30 days is gone within days",
          } as const,
          {
            name: "TritonAvailabilityBurnSlow",
            severity: "warning",
            expr: burns(platform, "availability", tickets),
            summary:
              "{{ $labels.model }} on {{ $labels.server }} fails {{ $value | humanizePercentage }} of its calls: it will not keep its availability over 30 days",
          } as const,
        ]
      : []),
    ...(isPromised("latency")
      ? [
          {
            name: "TritonLatencyBurn",
            severity: "critical",
            expr: burns(platform, "latency", pages),
            summary:
              "At least {{ $value | humanizePercentage }} of the answers of {{ $labels.model }} on {{ $labels.server }} are slower than its objective, where 1% may be",
          } as const,
          {
            name: "TritonLatencyBurnSlow",
            severity: "warning",
            expr: burns(platform, "latency", tickets),
            summary:
              "At least {{ $value | humanizePercentage }} of the answers of {{ $labels.model }} on {{ $labels.server }} are slower than its objective, where 1% may be over 30 days",
          } as const,
        ]
      : []),
  ];
}

function burns(
  platform: MonitoredPlatform,
  promise: "availability" | "latency",
  windows: readonly Burn[],
): string {
  const exceeds = (window: WindowName, factor: number): string =>
    `${select(platform, `model:${promise}_errors:ratio_${window}`)} > on (server, model) ${factor === 1 ? "" : `${String(factor)} * `}${budget(platform, promise)}`;
  return windows
    .map(([factor, long, short]) => `(${exceeds(long, factor)} and ${exceeds(short, factor)})`)
    .join(" or ");
}
