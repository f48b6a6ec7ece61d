import { Release } from "@pulumi/kubernetes/helm/v3/release.js";
import type * as pulumi from "@pulumi/pulumi";
import type { ChartRelease } from "../../core/kubernetes/charts.ts";

/** Installs a chart, from a repository or a registry. */
export function installChart(
  name: string,
  { name: release, chart, version, repository, namespace, values }: ChartRelease,
  opts: pulumi.CustomResourceOptions,
): Release {
  const oci = repository.startsWith("oci://");
  return new Release(
    name,
    {
      name: release,
      chart: oci ? `${repository}/${chart}` : chart,
      version,
      ...(oci ? {} : { repositoryOpts: { repo: repository } }),
      namespace,
      values: { ...values },
    },
    opts,
  );
}
