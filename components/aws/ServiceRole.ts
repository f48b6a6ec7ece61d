import { Role } from "@pulumi/aws/iam/role.js";
import { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
import { RolePolicyAttachment } from "@pulumi/aws/iam/rolePolicyAttachment.js";
import * as pulumi from "@pulumi/pulumi";
import type { PolicyStatement, ServiceRolePlan } from "../../core/aws/plan.ts";

export interface ServiceRoleArgs {
  /** Its name, who takes it and its policies; plain data, checked before. */
  plan: ServiceRolePlan;
  /** What it may do besides, known only now. Default: nothing. */
  statements?: pulumi.Input<readonly PolicyStatement[]>;
}

/**
 * A role of IAM that one of AWS' services takes.
 *
 * @example
 * ```ts
 * import { ServiceRole } from "triton-platform/components";
 *
 * const role = new ServiceRole("nodes", {
 *   plan: {
 *     roleName: "models-nodes",
 *     roleArn: "arn:aws:iam::111122223333:role/models-nodes",
 *     trust: {
 *       Version: "2012-10-17",
 *       Statement: [{ Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" }],
 *     },
 *     managedPolicyArns: ["arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"],
 *   },
 * });
 *
 * export const { arn } = role;
 * ```
 */
export class ServiceRole extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: ServiceRoleArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:ServiceRole", name, {}, opts);
    const { plan, statements } = args;
    this.arn = iamRole(name, { ...plan, statements }, { parent: this });
    this.registerOutputs({ arn: this.arn });
  }
}

interface IamRole extends Omit<ServiceRolePlan, "roleArn" | "trust"> {
  readonly description?: string;
  readonly trust: pulumi.Input<ServiceRolePlan["trust"]>;
  readonly statements: ServiceRoleArgs["statements"] | undefined;
}

/** Registers a role with its policies below a component, and returns its ARN. */
export function iamRole(
  name: string,
  { roleName, description, trust, managedPolicyArns, policy, statements }: IamRole,
  opts: { readonly parent: pulumi.Resource },
): pulumi.Output<string> {
  const role = new Role(
    `${name}-role`,
    {
      name: roleName,
      ...(description === undefined ? {} : { description }),
      assumeRolePolicy: pulumi.jsonStringify(trust),
      // A policy whose attachment was cut off is in no state, and would hold the role for ever.
      forceDetachPolicies: true,
    },
    opts,
  );
  for (const policyArn of managedPolicyArns) {
    const policyName = policyArn.split("/").at(-1) ?? "";
    new RolePolicyAttachment(`${name}-${policyName}`, { role: role.name, policyArn }, opts);
  }
  if (policy !== undefined || statements !== undefined) {
    const document = pulumi
      .output(statements ?? [])
      .apply((more) =>
        JSON.stringify({ Version: "2012-10-17", Statement: [...(policy?.Statement ?? []), ...more] }),
      );
    new RolePolicy(`${name}-policy`, { role: role.name, policy: document }, opts);
  }
  return role.arn;
}
