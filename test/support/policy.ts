import { evaluate, type Verdict } from "../../core/policy/evaluate.ts";
import { resourceOfObject, stackType } from "../../core/policy/resources.ts";
import { policyRules } from "../../core/policy/rules/index.ts";
import { readPolicyConfig } from "../../core/policy/config.ts";
import type { Environment } from "../../core/policy/environment.ts";
import type { PolicyResource, PolicyRule } from "../../core/policy/rule.ts";
import { unknown, Value } from "../../core/policy/value.ts";

/** Resources and verdicts; a case is a good resource and what is changed about it. */

export { unknown };

type Path = readonly (string | number)[];

/** A value at a path of the inputs of the first resource; undefined takes what is there away. */
export type Change = readonly [path: Path, value: unknown];

export interface RuleCases {
  readonly rule: string;
  /** Where the rule is looked at. Default: prod. */
  readonly environment?: Environment;
  /** Fails nothing; the first resource is the one that is changed. */
  readonly good: readonly PolicyResource[];
  /** Other changes that are good too. */
  readonly alsoGood?: readonly Change[];
  readonly bad: readonly (readonly [change: Change, message: RegExp])[];
  /** A value that is not known in the preview, and whether that is enough, too little, or decides against it. */
  readonly unknown: readonly (readonly [path: Path, answer: "undecided" | "enough" | RegExp])[];
  /** A policy config, a change, and what then is wrong; undefined for nothing. */
  readonly config?: readonly (readonly [
    values: Readonly<Record<string, unknown>>,
    change: Change,
    message: RegExp | undefined,
  ])[];
}

export const nothing: Change = [[], undefined];

export function aws(type: string, props: object, more: Partial<PolicyResource> = {}): PolicyResource {
  return { type: `aws:${type}`, name: "example", props: new Value(props), ...more };
}

export function object(
  apiVersion: string,
  kind: string,
  name: string,
  fields: object,
  metadata: object = {},
): PolicyResource {
  return resourceOfObject({
    apiVersion,
    kind,
    metadata: { name, namespace: "triton", ...metadata },
    ...fields,
  });
}

export const stack: PolicyResource = { type: stackType, name: "test", props: new Value({}) };

export function ruleOf(id: string): PolicyRule {
  const rule = policyRules.find((candidate) => candidate.id === id);
  if (rule === undefined) throw new Error(`there is no rule ${id}`);
  return rule;
}

/** Verdicts of one rule under one config, as mandatory so that the level does not matter. */
export function judged(
  id: string,
  resources: readonly PolicyResource[],
  environment: Environment = "prod",
  values: Readonly<Record<string, unknown>> = {},
): readonly Verdict[] {
  const rule = ruleOf(id);
  const document = { [id]: { enforcementLevel: "mandatory", ...values } };
  const { config, problems } = readPolicyConfig(document, policyRules, "policy.json");
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return evaluate([rule], resources, { environment, config });
}

/** Verdicts as lines: `path: message`, or `undecided: …`. */
export function linesOf(verdicts: readonly Verdict[]): readonly string[] {
  return verdicts.map(({ finding }) =>
    "undecided" in finding ? `undecided: ${finding.undecided}` : `${finding.path}: ${finding.message}`,
  );
}

export function changed(
  resources: readonly PolicyResource[],
  [path, value]: Change,
): readonly PolicyResource[] {
  const [first, ...rest] = resources;
  if (first === undefined || (path.length === 0 && value === undefined)) return resources;
  return [{ ...first, props: new Value(put(first.props.raw, path, value)) }, ...rest];
}

function put(target: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  const inside: unknown =
    typeof target === "object" && target !== null ? Reflect.get(target, key) : undefined;
  const changedInside = put(inside, rest, value);
  if (Array.isArray(target) || (target === undefined && typeof key === "number")) {
    const list: unknown[] = Array.isArray(target) ? Array.from<unknown>(target) : [];
    list[Number(key)] = changedInside;
    return list;
  }
  const entries = Object.entries(typeof target === "object" && target !== null ? target : {});
  const others = entries.filter(([other]) => other !== String(key));
  return Object.fromEntries(changedInside === undefined ? others : [...others, [String(key), changedInside]]);
}
