import type { Limit } from "./limit.ts";
import type { PolicyConfig } from "./config.ts";
import { resourceLabel } from "./resources.ts";
import type { Environment } from "./environment.ts";
import type { Level, PolicyResource, PolicyRule, RuleContext, Violation } from "./rule.ts";
import { Undecided } from "./value.ts";

/** What one rule has to say of one resource. */
export interface Verdict {
  readonly rule: PolicyRule;
  /** What it does: never `disabled`, and an undecided one is never more than a warning. */
  readonly level: Exclude<Level, "disabled">;
  /** As people know the resource: `Deployment triton/triton-gpu`. */
  readonly resource: string;
  /** What is wrong, or the path of what has to be known first. */
  readonly finding: Violation | { readonly undecided: string };
}

/** Where rules are applied, and what a policy config changes about them. */
export interface PolicySettings {
  readonly environment: Environment;
  readonly config: PolicyConfig;
}

/**
 * Holds the resources of a stack against the rules, in the order of the rules and then of the resources. Linear in both,
 * but for rules that compare resources with each other.
 */
export function evaluate(
  rules: readonly PolicyRule[],
  resources: readonly PolicyResource[],
  settings: PolicySettings,
): readonly Verdict[] {
  return rules.flatMap((rule) => {
    const level = levelOf(rule, settings);
    if (level === "disabled") return [];
    return resources
      .filter(({ type }) => rule.types.includes(type))
      .flatMap((resource) => verdictsOn(rule, level, resource, resources, settings));
  });
}

function verdictsOn(
  rule: PolicyRule,
  level: Verdict["level"],
  resource: PolicyResource,
  resources: readonly PolicyResource[],
  settings: PolicySettings,
): Verdict[] {
  const { violations, undecided } = check(rule, resource, contextOf(rule, resources, settings));
  const subject = { rule, resource: resourceLabel(resource) };
  return [
    ...violations.map((finding): Verdict => ({ ...subject, level, finding })),
    ...(undecided === undefined
      ? []
      : [{ ...subject, level: "advisory" as const, finding: { undecided: undecided.message } }]),
  ];
}

/** What a rule found before, perhaps, it came to what is not known yet. */
export interface Checked {
  readonly violations: readonly Violation[];
  readonly undecided?: Undecided;
}

export function check(rule: PolicyRule, resource: PolicyResource, context: RuleContext): Checked {
  const violations: Violation[] = [];
  try {
    for (const violation of rule.check(resource, context)) violations.push(violation);
  } catch (error) {
    if (!(error instanceof Undecided)) throw error;
    return { violations, undecided: error };
  }
  return { violations };
}

export function contextOf(
  { id }: PolicyRule,
  stack: readonly PolicyResource[],
  { environment, config }: PolicySettings,
): RuleContext {
  const values = config.get(id)?.values ?? {};
  return {
    environment,
    stack,
    limit: <T>({ name, read, defaults }: Limit<T>): T => read(values[name]) ?? defaults[environment],
  };
}

/** What the config says of the rule, of all rules, or the environment's own. */
export function levelOf({ id, levels }: PolicyRule, { environment, config }: PolicySettings): Level {
  return config.get(id)?.level ?? config.get("all")?.level ?? levels[environment];
}

/** A violation for people: the resource, the place, what is wrong; then what to do. */
export function formatViolation(resource: string, { path, message, hint }: Violation): string {
  return `${resource}: ${path === "" ? "" : `${path}: `}${message}\n→ ${hint}`;
}

/** Whether anything stops a deployment. */
export function hasFailed(verdicts: readonly Verdict[]): boolean {
  return verdicts.some(({ level, finding }) => level !== "advisory" && !("undecided" in finding));
}
