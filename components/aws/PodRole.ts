import * as pulumi from "@pulumi/pulumi";
import type { PodRolePlan, PolicyStatement } from "../../core/aws/plan.ts";
import { podTrustPolicy } from "../../core/aws/policies.ts";
import { iamRole } from "./ServiceRole.ts";

/** By which a cluster's tokens are known to AWS. */
export interface OidcProvider {
  arn: pulumi.Input<string>;
  /** URL of who signs them. */
  issuer: pulumi.Input<string>;
}

export interface PodRoleArgs {
  /** Its name, ServiceAccounts and policies; plain data, checked before. */
  plan: PodRolePlan;
  oidcProvider: OidcProvider;
  /** What it may do besides, known only now. Default: nothing. */
  statements?: pulumi.Input<readonly PolicyStatement[]>;
}

/**
 * A role of IAM that pods of certain ServiceAccounts take by their tokens (IRSA), and nobody else.
 *
 * @example
 * ```ts
 * import { PodRole } from "triton-platform/components";
 *
 * const role = new PodRole("reader", {
 *   plan: {
 *     roleName: "models-reader",
 *     roleArn: "arn:aws:iam::111122223333:role/models-reader",
 *     serviceAccounts: ["triton:triton-gpu"],
 *     managedPolicyArns: [],
 *     policy: {
 *       Version: "2012-10-17",
 *       Statement: [{ Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::example-models/*" }],
 *     },
 *   },
 *   oidcProvider: {
 *     arn: "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF",
 *     issuer: "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF",
 *   },
 * });
 *
 * export const { arn } = role;
 * ```
 */
export class PodRole extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: PodRoleArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:PodRole", name, {}, opts);
    const { plan, oidcProvider, statements } = args;
    const { serviceAccounts } = plan;
    this.arn = iamRole(
      name,
      {
        ...plan,
        description: `Of the ServiceAccounts ${serviceAccounts.join(", ")}`,
        trust: pulumi.output(oidcProvider).apply((provider) => podTrustPolicy(provider, serviceAccounts)),
        statements,
      },
      { parent: this },
    );
    this.registerOutputs({ arn: this.arn });
  }
}
