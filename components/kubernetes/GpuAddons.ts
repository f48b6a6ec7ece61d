import * as pulumi from "@pulumi/pulumi";
import type { IConfigMap, INamespace } from "kubernetes-models/v1";
import type { ChartRelease } from "../../core/kubernetes/charts.ts";
import { HelmRelease } from "./HelmRelease.ts";
import { KubernetesObject } from "./KubernetesObject.ts";

export interface GpuAddonsArgs {
  /** Charts, each pinned by config. */
  charts: readonly ChartRelease[];
  /** Where they go; left out where there is no chart. */
  namespace?: INamespace;
  /** What the GPU operator's exporter measures. */
  dcgmCounters?: IConfigMap;
}

/**
 * What makes GPUs schedulable and measurable, from NVIDIA's charts.
 *
 * @example
 * ```ts
 * import { GpuAddons } from "triton-platform/components";
 *
 * new GpuAddons("gpu-addons", {
 *   charts: [
 *     {
 *       name: "nvidia-device-plugin",
 *       namespace: "kube-system",
 *       repository: "https://nvidia.github.io/k8s-device-plugin",
 *       chart: "nvidia-device-plugin",
 *       version: "0.18.2",
 *       values: { gfd: { enabled: true } },
 *     },
 *   ],
 * });
 * ```
 */
export class GpuAddons extends pulumi.ComponentResource {
  constructor(name: string, args: GpuAddonsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:kubernetes:GpuAddons", name, {}, opts);
    const { charts, namespace, dcgmCounters } = args;
    const before: pulumi.Resource[] = [];
    if (namespace !== undefined)
      before.push(new KubernetesObject(`${name}-namespace`, namespace, { parent: this }));
    if (dcgmCounters !== undefined)
      before.push(
        new KubernetesObject(`${name}-dcgm-counters`, dcgmCounters, { parent: this, dependsOn: [...before] }),
      );
    for (const chart of charts)
      new HelmRelease(`${name}-${chart.name}`, chart, { parent: this, dependsOn: before });
    this.registerOutputs();
  }
}
