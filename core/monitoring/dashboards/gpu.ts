import type { MonitoredPlatform } from "../platform.ts";
import { panel, Queries, type DashboardPlan, type PanelPlan } from "./plan.ts";

/**
 * GPUs, whole and in MIG slices. Under MIG utilization is not to be had, of Triton nor of NVML: what there is for a slice is
 * how long its engine was active (DCGM's profiling metrics).
 */
export function gpuDashboard(platform: MonitoredPlatform): DashboardPlan {
  const q = new Queries(platform);
  const { thresholds } = platform.config;
  const by = "node, gpu, GPU_I_ID, GPU_I_PROFILE";
  const legend = "{{node}} {{gpu}} {{GPU_I_PROFILE}} {{GPU_I_ID}}";
  const of = (
    title: string,
    description: string,
    unit: PanelPlan["unit"],
    expr: string,
    more = {},
  ): PanelPlan => panel(title, description, unit, expr, legend, { needs: "gpu", ...more });
  const max = (expr: string): string => `max by (${by}) (${expr})`;
  const used = q.shared("DCGM_FI_DEV_FB_USED");
  return {
    id: "triton-gpu",
    title: "Triton: GPUs",
    description: "Use, memory and health of GPUs and MIG slices, by DCGM",
    rows: [
      {
        title: "Use",
        panels: [
          of(
            "Active",
            "Share of the time in which something computed: of a GPU or a MIG slice",
            "percentunit",
            max(q.shared("DCGM_FI_PROF_GR_ENGINE_ACTIVE")),
            { max: 1 },
          ),
          of(
            "Tensor cores",
            "Share of the cycles in which they worked. Low while active: small batches, or no reduced precision",
            "percentunit",
            max(q.shared("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE")),
            { max: 1 },
          ),
          of(
            "Memory traffic",
            "Share of the cycles in which device memory moved data. Near 1, it is what limits",
            "percentunit",
            max(q.shared("DCGM_FI_PROF_DRAM_ACTIVE")),
            { max: 1 },
          ),
          of(
            "Utilization",
            "NVML's: whether anything ran at all. None under MIG",
            "percentunit",
            `${max(q.shared("DCGM_FI_DEV_GPU_UTIL"))} / 100`,
            { max: 1 },
          ),
        ],
      },
      {
        title: "Memory",
        panels: [
          of(
            "Used share",
            "Of a GPU's memory, or a MIG slice's",
            "percentunit",
            max(`${used} / (${used} + ${q.shared("DCGM_FI_DEV_FB_FREE")})`),
            { max: 1, limits: [thresholds.gpuMemory * 0.9, thresholds.gpuMemory] },
          ),
          panel(
            "Used, by pod",
            "Who holds it",
            "mbytes",
            `sum by (exported_pod) (${used})`,
            "{{exported_pod}}",
            { needs: "gpu" },
          ),
          panel(
            "Used, by Triton",
            "Where there is no DCGM; none under MIG",
            "bytes",
            `max by (replica, gpu_uuid) (${q.raw("nv_gpu_memory_used_bytes")})`,
            "{{replica}} {{gpu_uuid}}",
            { needs: "gpu" },
          ),
        ],
      },
      {
        title: "Health",
        panels: [
          of(
            "Temperature",
            "Cards slow down above 85 °C or so",
            "celsius",
            max(q.shared("DCGM_FI_DEV_GPU_TEMP")),
            {
              limits: [thresholds.gpuTemperature - 5, thresholds.gpuTemperature],
            },
          ),
          of("Power", "What it draws", "watt", max(q.shared("DCGM_FI_DEV_POWER_USAGE"))),
          of(
            "Slowed down",
            "Share of the time, for heat and for power",
            "percentunit",
            `max by (node, gpu, GPU_I_ID, GPU_I_PROFILE) (${q.sharedRate("DCGM_FI_DEV_THERMAL_VIOLATION")} + ${q.sharedRate("DCGM_FI_DEV_POWER_VIOLATION")}) / 1e9`,
            { max: 1, limits: [thresholds.gpuThrottling / 2, thresholds.gpuThrottling] },
          ),
          of("Clock", "Of its processors", "hertz", `1e6 * ${max(q.shared("DCGM_FI_DEV_SM_CLOCK"))}`),
          of(
            "Last XID",
            "The driver's last error; 0 is none. It stays: a change is what counts",
            "none",
            max(q.shared("DCGM_FI_DEV_XID_ERRORS")),
          ),
          {
            title: "Memory errors",
            description:
              "Uncorrectable ones since the driver was loaded, and rows that were replaced for them",
            kind: "lines",
            unit: "none",
            needs: "gpu",
            queries: [
              {
                expr: max(`increase(${q.shared("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL")}[1h])`),
                legend: `${legend} uncorrectable`,
              },
              {
                expr: max(q.shared("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS")),
                legend: `${legend} rows`,
              },
            ],
          },
        ],
      },
    ],
  };
}
