import type { ShapeProblem } from "./shapes.ts";
import { isRecord, type Properties } from "./values.ts";

/**
 * Whether a text is a policy of IAM's language.
 * Source: IAM user guide, "Grammar of the IAM JSON policy language" and "IAM JSON policy elements reference".
 */
export type PolicyKind =
  /** Of a role or user: says no Principal. */
  | "identity"
  /** Of a bucket, key, repository or secret: each statement says whom it is about. */
  | "resource"
  /** Who may take a role: Principal, and no Resource. */
  | "trust";

export function policyProblems(
  property: string,
  policy: string | undefined,
  kind: PolicyKind,
  maxLength: number,
): readonly ShapeProblem[] {
  if (policy === undefined) return [];
  const bad = (reason: string): ShapeProblem => ({ property, reason });
  // Source: IAM and STS character limits; blanks are not counted.
  const length = policy.replaceAll(/\s/g, "").length;
  const tooLong =
    length > maxLength ? [bad(`${String(length)} characters, of ${String(maxLength)} at most`)] : [];
  const document = parsed(policy);
  if (!isRecord(document)) return [...tooLong, bad("MalformedPolicyDocument: this is no JSON object")];
  return [
    ...tooLong,
    ...(document.Version === "2012-10-17" || document.Version === "2008-10-17"
      ? []
      : [bad('MalformedPolicyDocument: Version must be "2012-10-17"')]),
    ...Object.keys(document)
      .filter((key) => !["Version", "Id", "Statement"].includes(key))
      .map((key) => bad(`MalformedPolicyDocument: a policy has no ${key}`)),
    ...statementsOf(document).flatMap((statement, index) =>
      statementReasons(statement, kind).map((reason) =>
        bad(`MalformedPolicyDocument: Statement[${String(index)}]: ${reason}`),
      ),
    ),
    ...(statementsOf(document).length === 0 ? [bad("MalformedPolicyDocument: there is no Statement")] : []),
  ];
}

export function statementsOf(document: Properties): readonly Properties[] {
  const { Statement } = document;
  const items: readonly unknown[] = Array.isArray(Statement) ? Statement : [Statement];
  return items.filter(isRecord);
}

const elements = [
  ...[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
  ],
];

function statementReasons(statement: Properties, kind: PolicyKind): string[] {
  const has = (...names: string[]): boolean => names.some((name) => statement[name] !== undefined);
  const reasons = Object.keys(statement)
    .filter((key) => !elements.includes(key))
    .map((key) => `a statement has no ${key}`);
  if (statement.Effect !== "Allow" && statement.Effect !== "Deny")
    reasons.push("Effect must be Allow or Deny");
  if (!has("Action", "NotAction")) reasons.push("Action is missing");
  for (const action of list(statement.Action))
    if (action !== "*" && !/^[a-z0-9-]+:[A-Za-z0-9*?]+$/.test(action))
      reasons.push(`"${action}" is no action, as in s3:GetObject`);
  if (kind !== "trust" && !has("Resource", "NotResource")) reasons.push("Resource is missing");
  if (kind === "trust" && has("Resource", "NotResource"))
    reasons.push("Has prohibited field Resource: a trust policy is about its role");
  if (kind === "identity" && has("Principal", "NotPrincipal"))
    reasons.push("Policy document should not specify a principal");
  if (kind !== "identity" && !has("Principal", "NotPrincipal"))
    reasons.push("Missing required field Principal");
  for (const resource of list(statement.Resource))
    if (resource !== "*" && !/^arn:aws[\w-]*:[a-z0-9-]+:[^:]*:[^:]*:\S+$/.test(resource))
      reasons.push(`Resource "${resource}" must be in ARN format or "*"`);
  // Source: IAM, "Policy elements: Sid": letters and digits; other services' policies may have more.
  if (kind !== "resource" && typeof statement.Sid === "string" && !/^[A-Za-z0-9]*$/.test(statement.Sid))
    reasons.push(`Sid "${statement.Sid}": only letters and digits`);
  return reasons;
}

function list(value: unknown): readonly string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return items.filter((item) => typeof item === "string");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
