import { Release } from "@pulumi/kubernetes/helm/v3/release.js";
import type * as pulumi from "@pulumi/pulumi";
import { isFolder, type ChartRelease } from "../../core/kubernetes/charts.ts";

/** A chart as it is planned, installed as Helm would: with its hooks, and waiting until its pods are ready. */
export class HelmRelease extends Release {
  /** `values` are added to the plan's: what is not known before. */
  constructor(
    name: string,
    { name: releaseName, chart, version, repository, namespace, values: planned }: ChartRelease,
    opts: pulumi.CustomResourceOptions,
    values: Readonly<Record<string, pulumi.Input<string>>> = {},
  ) {
    // In a registry or a folder a chart is found by its place, in a repository by its name.
    const byPlace = repository.startsWith("oci://") || isFolder(repository);
    super(
      name,
      {
        name: releaseName,
        chart: byPlace ? `${repository}/${chart}` : chart,
        version,
        ...(byPlace ? {} : { repositoryOpts: { repo: repository } }),
        namespace,
        values: { ...planned, ...values },
      },
      opts,
    );
  }
}
