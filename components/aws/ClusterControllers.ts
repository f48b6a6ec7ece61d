import * as pulumi from "@pulumi/pulumi";
import { controllerNamespaces } from "../../core/aws/controller-namespaces.ts";
import type { ControllerPlan } from "../../core/aws/plan.ts";
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
 *
 * @example
 * ```ts
 * import { Provider as AwsProvider } from "@pulumi/aws/provider.js";
 * import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider.js";
 * import { ClusterControllers } from "triton-platform/components";
 *
 * const cluster = new KubernetesProvider("models", { context: "models" });
 * new ClusterControllers(
 *   "controllers",
 *   {
 *     controllers: [
 *       {
 *         chart: {
 *           name: "external-secrets",
 *           namespace: "external-secrets",
 *           repository: "https://charts.external-secrets.io",
 *           chart: "external-secrets",
 *           version: "2.9.0",
 *           values: {},
 *         },
 *       },
 *     ],
 *     vpcId: "vpc-0123456789abcdef0",
 *     oidcProvider: {
 *       arn: "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF",
 *       issuer: "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF",
 *     },
 *   },
 *   { providers: [new AwsProvider("aws", { region: "us-east-1" }), cluster] },
 * );
 * ```
 */
export class ClusterControllers extends pulumi.ComponentResource {
  constructor(name: string, args: ClusterControllersArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:ClusterControllers", name, {}, opts);
    const { controllers, vpcId, oidcProvider } = args;
    const inside = { parent: this };
    const places = controllerNamespaces(controllers).map(
      (namespace) => new KubernetesObject(`${name}-${namespace.metadata?.name ?? ""}`, namespace, inside),
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
