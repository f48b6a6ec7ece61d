import * as pulumi from "@pulumi/pulumi";
import { RandomPassword } from "@pulumi/random/randomPassword.js";
import { grafanaAdmin, type MonitoringObjects } from "../../core/kubernetes/monitoring.ts";
import { HelmRelease } from "./HelmRelease.ts";
import { KubernetesObject, KubernetesSecret } from "./KubernetesObject.ts";

export interface MonitoringArgs {
  /** What watches the platform; plain data, checked before. */
  objects: MonitoringObjects;
}

/** Prometheus, Alertmanager and Grafana where they are not there yet, and what they are to look at. */
export class Monitoring extends pulumi.ComponentResource {
  constructor(name: string, args: MonitoringArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:kubernetes:Monitoring", name, {}, opts);
    const { namespaceObject, grafanaAdminSecret, chart, ...watched } = args.objects;
    const before: pulumi.Resource[] = [];
    if (namespaceObject !== undefined)
      before.push(new KubernetesObject(`${name}-namespace`, namespaceObject, { parent: this }));
    if (grafanaAdminSecret !== undefined) {
      // Kept in the state as a secret; another one only where this resource is replaced.
      const { result } = new RandomPassword(
        `${name}-grafana-password`,
        { length: 32, special: false },
        { parent: this },
      );
      const values = { [grafanaAdmin.userKey]: "admin", [grafanaAdmin.passwordKey]: result };
      before.push(
        new KubernetesSecret(`${name}-grafana-admin`, grafanaAdminSecret, values, {
          parent: this,
          dependsOn: [...before],
        }),
      );
    }
    // The chart brings the kinds that the rest is of.
    if (chart !== undefined)
      before.push(new HelmRelease(`${name}-${chart.name}`, chart, { parent: this, dependsOn: [...before] }));
    const after = { parent: this, dependsOn: before };
    for (const monitor of [...watched.serviceMonitors, ...watched.podMonitors])
      new KubernetesObject(`${name}-${monitor.metadata?.name ?? ""}`, monitor, after);
    if (watched.prometheusRule !== undefined)
      new KubernetesObject(`${name}-rules`, watched.prometheusRule, after);
    for (const dashboard of watched.dashboards)
      new KubernetesObject(`${name}-${dashboard.metadata?.name ?? ""}`, dashboard, after);
    this.registerOutputs();
  }
}
