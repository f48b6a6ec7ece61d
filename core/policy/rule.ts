import type { Environment } from "./environment.ts";
import type { Limit } from "./limit.ts";
import type { Value } from "./value.ts";

/** Pulumi's words for what a violation does: nothing, a warning, a failure, or a repair before the check. */
export const levels = ["disabled", "advisory", "mandatory", "remediate"] as const;
export type Level = (typeof levels)[number];

/** Pulumi's words for how bad a violation is. */
export type Severity = "low" | "medium" | "high" | "critical";

/**
 * One thing that is asked of what a stack makes. Rules are plain functions of plain data: the same list makes the policy
 * pack of the engine, the results of `npm run plan`, and docs/policies.md.
 */
export interface PolicyRule {
  /** Its name in messages and in policy configs: kebab-case, never changed once released. */
  readonly id: string;
  /** What is asked, in a sentence. */
  readonly title: string;
  /** What happens otherwise. */
  readonly why: string;
  readonly severity: Severity;
  /** What a violation does where no policy config says otherwise. */
  readonly levels: Readonly<Record<Environment, Level>>;
  /** The same demand elsewhere: `Checkov CKV_AWS_21`, `Security Hub S3.14`, `CIS EKS 5.3.1`, `Kyverno disallow-latest-tag`. */
  readonly references: readonly string[];
  /** Types of resources that it looks at; no other is touched. */
  readonly types: readonly string[];
  /** Whether it looks at one resource alone, or at one among all of the stack. */
  readonly scope: "resource" | "stack";
  /** What a policy config may set. */
  readonly limits: readonly Limit<unknown>[];
  /** Called with each resource of its types; reading what is not known yet ends it, and what came before counts. */
  readonly check: (resource: PolicyResource, context: RuleContext) => Iterable<Violation>;
  /** What would mend it without a loss. Asked for only under the level `remediate`. */
  readonly remedy?: (resource: PolicyResource, context: RuleContext) => readonly Patch[];
}

/** A resource with its inputs, wherever it comes from. */
export interface PolicyResource {
  /** Pulumi's type token: `aws:s3/bucket:Bucket`. */
  readonly type: string;
  /** Pulumi's name, or an object's own. */
  readonly name: string;
  readonly props: Value;
  /** Whether Pulumi refuses to delete it; undefined where that is not known. */
  readonly isProtected?: boolean;
  /** Inputs of its provider; undefined where they are not known. */
  readonly provider?: Value;
  /** Names of the resources that an input is made of, by input: what joins resources whose names are not known yet. */
  readonly dependencies?: Readonly<Record<string, readonly ResourceName[]>>;
}

export type ResourceName = Pick<PolicyResource, "type" | "name">;

export interface RuleContext {
  readonly environment: Environment;
  /** All resources of the stack, for rules of that scope; else the resource alone. */
  readonly stack: readonly PolicyResource[];
  /** A limit as the policy config or the environment has it. */
  readonly limit: <T>(limit: Limit<T>) => T;
}

export interface Violation {
  /** Path inside the inputs; empty where the whole resource is meant. */
  readonly path: string;
  /** What is wrong, with the value that is wrong, which is never a secret. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/** A value to put in at a path of a resource's inputs. */
export interface Patch {
  readonly path: readonly (string | number)[];
  readonly value: string | number | boolean;
}

/** A violation at the place of a value. */
export function violation(value: Value, message: string, hint: string): Violation {
  return { path: value.place, message, hint };
}

type Levels = PolicyRule["levels"];

/** Unsafe anywhere. */
export const everywhere: Levels = {
  dev: "mandatory",
  staging: "mandatory",
  prod: "mandatory",
  bench: "mandatory",
};

/** A must for what users depend on; a reminder where people try things out. */
export const strictInProd: Levels = {
  dev: "advisory",
  staging: "mandatory",
  prod: "mandatory",
  bench: "advisory",
};

/** Costs more than it is worth anywhere else. */
export const onlyInProd: Levels = {
  dev: "disabled",
  staging: "advisory",
  prod: "mandatory",
  bench: "disabled",
};

/** For people to think about; stops nothing. */
export const reminder: Levels = {
  dev: "advisory",
  staging: "advisory",
  prod: "advisory",
  bench: "advisory",
};

/** Of clusters that must not be forgotten. */
export const onlyInBench: Levels = {
  dev: "disabled",
  staging: "disabled",
  prod: "disabled",
  bench: "mandatory",
};
