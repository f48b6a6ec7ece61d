import { metrics, metricsOf } from "./metrics.ts";

/** Fields that become labels of all others. */
const labels = { DCGM_FI_DRIVER_VERSION: "Driver version" } as const;

const help: Readonly<Record<string, string>> = {
  DCGM_FI_DEV_FB_USED: "Framebuffer memory used (in MiB)",
  DCGM_FI_DEV_FB_FREE: "Framebuffer memory free (in MiB)",
  DCGM_FI_DEV_GPU_TEMP: "GPU temperature (in C)",
  DCGM_FI_DEV_MEMORY_TEMP: "Memory temperature (in C)",
  DCGM_FI_DEV_POWER_USAGE: "Power draw (in W)",
  DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION: "Energy consumption since boot (in mJ)",
  DCGM_FI_DEV_SM_CLOCK: "SM clock frequency (in MHz)",
  DCGM_FI_DEV_GPU_UTIL: "GPU utilization (in %)",
  DCGM_FI_DEV_XID_ERRORS: "Number of the last XID error",
  DCGM_FI_DEV_POWER_VIOLATION: "Throttling for power (in ns)",
  DCGM_FI_DEV_THERMAL_VIOLATION: "Throttling for heat (in ns)",
  DCGM_FI_DEV_ECC_SBE_VOL_TOTAL: "Single-bit ECC errors since the driver was loaded",
  DCGM_FI_DEV_ECC_DBE_VOL_TOTAL: "Double-bit ECC errors since the driver was loaded",
  DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS: "Rows remapped for uncorrectable errors",
  DCGM_FI_DEV_ROW_REMAP_FAILURE: "Whether remapping of rows has failed",
  DCGM_FI_PROF_GR_ENGINE_ACTIVE: "Share of the time in which the graphics engine is active",
  DCGM_FI_PROF_PIPE_TENSOR_ACTIVE: "Share of the cycles in which the tensor pipe is active",
  DCGM_FI_PROF_DRAM_ACTIVE: "Share of the cycles in which device memory is sending or receiving",
};

/**
 * The counters file of DCGM's exporter: what this platform asks for, and no more. The exporter's own leaves out ECC errors
 * and throttling. Each line is a field, its type, and a help text without commas.
 * Source: NVIDIA/dcgm-exporter, README, "Changing Metrics".
 */
export function dcgmCounters(): string {
  const lines = [
    ...metricsOf("dcgm").map((name) => `${name}, ${metrics[name]?.type ?? ""}, ${help[name] ?? name}`),
    ...Object.entries(labels).map(([name, text]) => `${name}, label, ${text}`),
  ];
  return `${lines.join("\n")}\n`;
}
