import { suggest, type Problem } from "../spec/problem.ts";
import { levels, type Level, type PolicyRule } from "./rule.ts";

/** What a policy config says of a rule, by the rule's id; `all` is for those that are not named. */
export type PolicyConfig = ReadonlyMap<string, RuleConfig>;

export interface RuleConfig {
  readonly level?: Level;
  /** By the names of the rule's limits. */
  readonly values: Readonly<Record<string, unknown>>;
}

export const noConfig: PolicyConfig = new Map();

/**
 * Reads a policy config in Pulumi's own form: by rule a level, or an object with `enforcementLevel` and the rule's limits.
 * The same file is for `pulumi up --policy-pack-config` and for `npm run plan -- --policy-config`. `file` names it in
 * problems.
 */
export function readPolicyConfig(
  document: unknown,
  rules: readonly PolicyRule[],
  file: string,
): { readonly config: PolicyConfig; readonly problems: readonly Problem[] } {
  if (!isObject(document)) {
    const message = "this is no policy config";
    const hint = 'write an object: { "image-digest": "advisory", "cost-ceiling": { "maxHourlyCost": 40 } }';
    return { config: noConfig, problems: [{ file, path: "", message, hint }] };
  }
  const config = new Map<string, RuleConfig>();
  const problems: Problem[] = [];
  for (const [id, said] of Object.entries(document)) {
    const rule = rules.find((candidate) => candidate.id === id);
    if (rule === undefined && id !== "all") {
      const ids = rules.map((candidate) => candidate.id);
      problems.push({ file, path: id, message: "there is no such rule", hint: suggest(id, ids) });
      continue;
    }
    const { enforcementLevel, ...values } = isObject(said) ? said : { enforcementLevel: said };
    const level = levels.find((candidate) => candidate === enforcementLevel);
    if (enforcementLevel !== undefined && level === undefined)
      problems.push({
        file,
        path: isObject(said) ? `${id}.enforcementLevel` : id,
        message: `${JSON.stringify(enforcementLevel)} is no level`,
        hint: `use one of: ${levels.join(", ")}`,
      });
    problems.push(...limitProblems(id, rule?.limits ?? [], values, file));
    config.set(id, { values, ...(level === undefined ? {} : { level }) });
  }
  return { config, problems };
}

function limitProblems(
  id: string,
  limits: PolicyRule["limits"],
  values: Readonly<Record<string, unknown>>,
  file: string,
): Problem[] {
  return Object.entries(values).flatMap(([name, value]) => {
    const limit = limits.find((candidate) => candidate.name === name);
    const path = `${id}.${name}`;
    if (limit === undefined) {
      const names = limits.map((candidate) => candidate.name);
      return [{ file, path, message: "the rule has no such limit", hint: suggest(name, names) }];
    }
    return limit.read(value) === undefined
      ? [
          {
            file,
            path,
            message: `${JSON.stringify(value)} is not of its kind`,
            hint: `write ${kindOf[limit.schema.type]}`,
          },
        ]
      : [];
  });
}

const kindOf = {
  number: "a number that is at least 0",
  array: "a list of texts",
  object: "texts by key",
} as const;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
