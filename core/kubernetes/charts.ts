import { dcgmCounters } from "../monitoring/dcgm-counters.ts";
import type { ChartConfig, KubernetesConfig } from "../spec/kubernetes.ts";
import type { Problem } from "../spec/problem.ts";

/** A Helm chart to install, with all that decides on what it makes. */
export interface ChartRelease {
  readonly name: string;
  readonly namespace: string;
  /** URL of a chart repository, `oci://…`, or a folder. */
  readonly repository: string;
  readonly chart: string;
  readonly version: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Whether charts lie unpacked in a folder, each in one of its name: without the internet, or in tests. */
export function isFolder(repository: string): boolean {
  return /^\.{0,2}\//.test(repository);
}

/**
 * The charts that make GPUs schedulable, label their nodes and read their metrics, as far as the config asks for them.
 * What the config says under `values` goes over the values here: maps are merged, all else is replaced, as Helm does it.
 * All of them need rights that only a namespace with the pod security standard `privileged` gives.
 */
export function gpuCharts(gpu: GpuConfig): ChartRelease[] {
  const release = (name: string, chart: ChartConfig, values: Values): ChartRelease =>
    chartRelease(name, gpu.namespace, chart, values);
  return [
    ...(gpu.addon === "device-plugin"
      ? [release("nvidia-device-plugin", gpu.devicePlugin, devicePluginValues(gpu))]
      : []),
    ...(gpu.addon === "gpu-operator"
      ? [release("gpu-operator", gpu.gpuOperator, gpuOperatorValues(gpu))]
      : []),
    ...(gpu.dcgmExporter ? [release("dcgm-exporter", gpu.dcgm, dcgmExporterValues())] : []),
  ];
}

/** A chart as the config has it, with its values over these: maps are merged, all else is replaced, as Helm does it. */
export function chartRelease(
  name: string,
  namespace: string,
  { repository, chart, version, values: above }: ChartConfig,
  values: Values,
): ChartRelease {
  return { name, namespace, repository, chart, version, values: merge(values, above) };
}

/** What is wrong with the choice of charts and their place. `file` names the stack's config. */
export function chartProblems(
  { gpu, namespace }: Pick<KubernetesConfig, "gpu" | "namespace">,
  file: string,
): Problem[] {
  const { addon, dcgmExporter } = gpu;
  const report = (field: string, message: string, hint: string): Problem => ({
    file,
    path: `triton-platform:kubernetes.gpu.${field}`,
    message,
    hint,
  });
  return [
    ...(addon === "gpu-operator" && dcgmExporter
      ? [
          report(
            "dcgmExporter",
            "true, and the GPU operator brings DCGM's exporter as well: each metric would be there twice",
            "remove it, or take another addon; the operator's exporter is set in gpu.gpuOperator.values.dcgmExporter",
          ),
        ]
      : []),
    ...(gpu.namespace === namespace && gpuCharts(gpu).length > 0
      ? [
          report(
            "namespace",
            `\`${namespace}\` is the servers' namespace, which has the restricted pod standard, and the add-ons need the privileged one`,
            "name another one, or leave it out: gpu-addons",
          ),
        ]
      : []),
  ];
}

type GpuConfig = KubernetesConfig["gpu"];
type Values = Readonly<Record<string, unknown>>;

/** An add-on belongs on each GPU node, whatever keeps other pods away from it. */
const everywhere = [{ operator: "Exists" }] as const;

/**
 * With GPU feature discovery, since servers choose nodes by its labels, and with node feature discovery, by whose label
 * both find the GPU nodes. The latter's worker would by itself run on no node whose taint has another value than
 * `present`.
 * Keys: deployments/helm/nvidia-device-plugin/values.yaml of NVIDIA/k8s-device-plugin, v0.18.0 to v0.20.0.
 */
function devicePluginValues({ migStrategy }: GpuConfig): Values {
  return {
    migStrategy,
    tolerations: everywhere,
    gfd: { enabled: true },
    nfd: { enabled: true, worker: { tolerations: everywhere } },
  };
}

/**
 * The driver and the container toolkit stay the operator's own affair, as on machines of one's own; where nodes have both
 * (EKS' NVIDIA images) the config switches them off: `gpuOperator.values: {driver: {enabled: false}, toolkit: {enabled:
 * false}}`. MIG slices are cut by its MIG manager, from the node's label `nvidia.com/mig.config`.
 * Keys: deployments/gpu-operator/values.yaml of NVIDIA/gpu-operator, v25.10.0 to v26.7.0.
 */
function gpuOperatorValues({ migStrategy }: GpuConfig): Values {
  return {
    mig: { strategy: migStrategy },
    daemonsets: { tolerations: everywhere },
    // Its own list lacks ECC errors and throttling. Source: GPU Operator, "Customizing the DCGM Exporter's metrics".
    dcgmExporter: {
      enabled: true,
      config: { name: dcgmCountersName },
      env: [{ name: "DCGM_EXPORTER_COLLECTORS", value: "/etc/dcgm-exporter/dcgm-metrics.csv" }],
    },
    "node-feature-discovery": { worker: { tolerations: everywhere } },
  };
}

/** ConfigMap with the counters file of the GPU operator's exporter. */
export const dcgmCountersName = "dcgm-counters";

/**
 * On GPU nodes alone: elsewhere it finds no NVML and crashes. The chart's ServiceMonitor is off, since it is refused where
 * the Prometheus operator is not; a Prometheus that looks for annotations finds the pods by theirs. The chart's own list of
 * metrics lacks ECC errors and throttling.
 * Keys: deployment/values.yaml of NVIDIA/dcgm-exporter, 4.6.0 to 4.8.2.
 */
function dcgmExporterValues(): Values {
  return {
    nodeSelector: { "nvidia.com/gpu.present": "true" },
    tolerations: everywhere,
    podAnnotations: { "prometheus.io/scrape": "true", "prometheus.io/port": "9400" },
    serviceMonitor: { enabled: false },
    customMetrics: dcgmCounters(),
  };
}

/** Helm's way with values of several sources: maps key by key, anything else by replacing it. */
export function merge(below: Values, above: Values): Values {
  const merged = new Map(Object.entries(below));
  for (const [key, value] of Object.entries(above)) {
    const other = merged.get(key);
    merged.set(key, isMap(other) && isMap(value) ? merge(other, value) : value);
  }
  return Object.fromEntries(merged);
}

function isMap(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
