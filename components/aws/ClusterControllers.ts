import * as pulumi from "@pulumi/pulumi";
import type { ControllerPlan } from "../../core/aws/plan.ts";
import { namespaceObject } from "../../core/kubernetes/plan.ts";
import { HelmRelease } from "../kubernetes/HelmRelease.ts";
import { KubernetesObject } from "../kubernetes/KubernetesObject.ts";
import { PodRole, type OidcProvider } from "./PodRole.ts";

export interface ClusterControllersArgs {
  /** Charts and the roles of their pods; plain data, checked before. */
  controllers: readonly ControllerPlan[];
  /** VPC of the cluster, which pods cannot find out by themselves. */
  vpcId: pulumi.Input<string>;
  oidcProvider: OidcProvider;
}

/**
 * What acts on a cluster's objects and on AWS for them: load balancers, nodes, secrets, autoscaling. Whatever has such
 * objects is to depend on this component, and nodes are to outlive it: else finalizers wait for ever where it is destroyed.
 * Its providers are those of AWS and of the cluster.
 */
export class ClusterControllers extends pulumi.ComponentResource {
  constructor(name: string, args: ClusterControllersArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:ClusterControllers", name, {}, opts);
    const { controllers, vpcId, oidcProvider } = args;
    const inside = { parent: this };
    const namespaces = new Set(controllers.map(({ chart }) => chart.namespace));
    const places = [...namespaces]
      .filter((namespace) => namespace !== "kube-system")
      .map(
        (namespace) =>
          new KubernetesObject(`${name}-${namespace}`, namespaceObject(namespace, "restricted"), inside),
      );
    for (const { chart, role, vpcIdValue } of controllers) {
      const podRole =
        role === undefined
          ? []
          : [new PodRole(`${name}-${chart.name}`, { plan: role, oidcProvider }, inside)];
      new HelmRelease(
        `${name}-${chart.name}-release`,
        chart,
        { ...inside, dependsOn: [...places, ...podRole] },
        vpcIdValue === undefined ? {} : { [vpcIdValue]: vpcId },
      );
    }
    this.registerOutputs();
  }
}
