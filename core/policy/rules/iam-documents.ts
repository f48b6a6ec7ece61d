import type { Value } from "../value.ts";

/** Statements of an IAM policy, from its text or as they are: one may stand without a list. */
export function statementsOf(policy: Value): readonly Value[] {
  const statements = policy.json.at("Statement");
  if (!statements.isPresent) return [];
  return Array.isArray(statements.raw) ? statements.items : [statements];
}
