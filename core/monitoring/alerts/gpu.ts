import type { Alert } from "./alert.ts";
import type { MonitoredPlatform } from "../platform.ts";
import { minute, period, select, series } from "../promql.ts";

/**
 * GPUs, by DCGM's exporter: of the whole cluster, since a broken card is everybody's. A MIG slice is a series of its own
 * where DCGM has it (memory); health is the card's.
 */
export function gpuAlerts(platform: MonitoredPlatform): Alert[] {
  const { thresholds } = platform.config;
  if (platform.target.gpu === "none") return [];
  if (platform.target.gpu === "triton") return [memoryByTriton(platform)];
  const over = (metric: string, seconds: number): string => `${series(metric)}[${period(platform, seconds)}]`;
  return [
    {
      name: "TritonGpuMetricsDown",
      severity: "warning",
      expr: `${series("up", 'job="dcgm"')} == 0`,
      for: 5 * minute,
      summary:
        "DCGM's exporter on {{ $labels.node }} has given no metrics for five minutes: its GPUs are unseen",
    },
    {
      name: "TritonGpuMemory",
      severity: "warning",
      expr: `DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE) > ${String(thresholds.gpuMemory)}`,
      for: 5 * minute,
      summary: `{{ $value | humanizePercentage }} of the memory of ${gpu} is used`,
    },
    {
      name: "TritonGpuTemperature",
      severity: "warning",
      expr: `DCGM_FI_DEV_GPU_TEMP > ${String(thresholds.gpuTemperature)}`,
      for: 5 * minute,
      summary: `${gpu} has {{ $value | printf "%.0f" }} °C`,
    },
    {
      name: "TritonGpuXid",
      severity: "critical",
      // The metric is the last error's number, and stays: only a change is news.
      expr: `DCGM_FI_DEV_XID_ERRORS != 0 and changes(${over("DCGM_FI_DEV_XID_ERRORS", 10 * minute)}) > 0`,
      summary: `${gpu} reported XID {{ $value | printf "%.0f" }}`,
    },
    {
      name: "TritonGpuEcc",
      severity: "critical",
      expr: `increase(${over("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", 15 * minute)}) > 0 or DCGM_FI_DEV_ROW_REMAP_FAILURE > 0`,
      summary: `${gpu} had memory errors that could not be corrected, or has no rows left to put in their place ({{ $value | printf "%.0f" }})`,
    },
    {
      name: "TritonGpuThrottling",
      severity: "warning",
      // Nanoseconds.
      expr: `(rate(${over("DCGM_FI_DEV_THERMAL_VIOLATION", 5 * minute)}) + rate(${over("DCGM_FI_DEV_POWER_VIOLATION", 5 * minute)})) / 1e9 > ${String(thresholds.gpuThrottling)}`,
      for: 10 * minute,
      summary: `${gpu} is slowed down {{ $value | humanizePercentage }} of the time, for heat or for power`,
    },
  ];
}

const gpu =
  "GPU {{ $labels.gpu }}{{ if $labels.GPU_I_ID }} (MIG {{ $labels.GPU_I_PROFILE }} {{ $labels.GPU_I_ID }}){{ end }} of {{ $labels.node }}";

/** Without DCGM Triton tells memory itself, but nothing under MIG. */
function memoryByTriton(platform: MonitoredPlatform): Alert {
  const used = select(platform, "nv_gpu_memory_used_bytes");
  const total = select(platform, "nv_gpu_memory_total_bytes");
  return {
    name: "TritonGpuMemory",
    severity: "warning",
    expr: `${used} / ${total} > ${String(platform.config.thresholds.gpuMemory)}`,
    for: 5 * minute,
    summary:
      "{{ $value | humanizePercentage }} of the memory of GPU {{ $labels.gpu_uuid }} is used, by {{ $labels.replica }} or beside it",
  };
}
