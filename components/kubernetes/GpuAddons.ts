import { Release } from "@pulumi/kubernetes/helm/v3/release.js";
import * as pulumi from "@pulumi/pulumi";
import type { INamespace } from "kubernetes-models/v1";
import type { ChartRelease } from "../../core/kubernetes/charts.ts";
import { KubernetesObject } from "./KubernetesObject.ts";

export interface GpuAddonsArgs {
  /** Charts, each pinned by config. */
  charts: readonly ChartRelease[];
  /** Where they go; left out where there is no chart. */
  namespace?: INamespace;
}

/** What makes GPUs schedulable and measurable, from NVIDIA's charts. */
export class GpuAddons extends pulumi.ComponentResource {
  constructor(name: string, args: GpuAddonsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:kubernetes:GpuAddons", name, {}, opts);
    const place =
      args.namespace === undefined
        ? []
        : [new KubernetesObject(`${name}-namespace`, args.namespace, { parent: this })];
    for (const { name: chartName, chart, version, repository, namespace, values } of args.charts) {
      const oci = repository.startsWith("oci://");
      new Release(
        `${name}-${chartName}`,
        {
          name: chartName,
          chart: oci ? `${repository}/${chart}` : chart,
          version,
          ...(oci ? {} : { repositoryOpts: { repo: repository } }),
          namespace,
          values: { ...values },
        },
        { parent: this, dependsOn: place },
      );
    }
    this.registerOutputs();
  }
}
