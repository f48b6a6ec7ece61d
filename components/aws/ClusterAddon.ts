import { Addon } from "@pulumi/aws/eks/addon.js";
import * as pulumi from "@pulumi/pulumi";
import type { AddonPlan } from "../../core/aws/plan.ts";
import { PodRole, type OidcProvider } from "./PodRole.ts";

export interface ClusterAddonArgs {
  /** Name, version, configuration and the role of its pods; plain data, checked before. */
  plan: AddonPlan;
  clusterName: pulumi.Input<string>;
  oidcProvider: OidcProvider;
}

/**
 * One of EKS' own add-ons, with the role of its pods. What its configuration leaves out goes back to EKS' default.
 *
 * @example
 * ```ts
 * import { ClusterAddon } from "triton-platform/components";
 *
 * new ClusterAddon("vpc-cni", {
 *   plan: {
 *     name: "vpc-cni",
 *     version: "v1.22.4-eksbuild.3",
 *     configuration: { enableNetworkPolicy: "true" },
 *     needsNodes: false,
 *   },
 *   clusterName: "models",
 *   oidcProvider: {
 *     arn: "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF",
 *     issuer: "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF",
 *   },
 * });
 * ```
 */
export class ClusterAddon extends pulumi.ComponentResource {
  constructor(name: string, args: ClusterAddonArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:ClusterAddon", name, {}, opts);
    const { plan, clusterName, oidcProvider } = args;
    const inside = { parent: this };
    const role = plan.role && new PodRole(name, { plan: plan.role, oidcProvider }, inside);
    new Addon(
      `${name}-addon`,
      {
        clusterName,
        addonName: plan.name,
        addonVersion: plan.version,
        ...(plan.configuration === undefined
          ? {}
          : { configurationValues: JSON.stringify(plan.configuration) }),
        ...(role === undefined ? {} : { serviceAccountRoleArn: role.arn }),
        resolveConflictsOnCreate: "OVERWRITE",
        resolveConflictsOnUpdate: "OVERWRITE",
      },
      { ...inside, dependsOn: role === undefined ? [] : [role] },
    );
    this.registerOutputs();
  }
}
