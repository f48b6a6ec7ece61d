import { arn, roleName, type AwsNames } from "./names.ts";
import type { PodRolePlan, PolicyDocument, ServiceRolePlan } from "./plan.ts";
import { managedPolicyArn } from "./policies.ts";
import { present } from "../objects.ts";

/** Roles of IAM, as plans. */

interface Rights {
  /** Names of AWS' own policies. */
  readonly managed?: readonly string[];
  readonly policy?: PolicyDocument;
}

/** `part` is the end of the role's name; ServiceAccounts are `namespace:name`. */
export function podRole(
  names: AwsNames,
  part: string,
  serviceAccounts: readonly string[],
  rights: Rights,
): PodRolePlan {
  return { ...role(names, part, rights), serviceAccounts };
}

export function serviceRole(
  names: AwsNames,
  part: string,
  trust: PolicyDocument,
  rights: Rights,
): ServiceRolePlan {
  return { ...role(names, part, rights), trust };
}

function role(
  names: AwsNames,
  part: string,
  { managed = [], policy }: Rights,
): Pick<PodRolePlan, "roleName" | "roleArn" | "managedPolicyArns" | "policy"> {
  const name = roleName(names, part);
  return {
    roleName: name,
    roleArn: arn(names, "iam", `role/${name}`),
    managedPolicyArns: managed.map((policyName) => managedPolicyArn(names, policyName)),
    ...present({ policy }),
  };
}
