import type { MeasuredRate } from "../benchmark/rates.ts";
import { costOf, hoursOfMonth, perMillionInferences, type Cost } from "../cost/cost.ts";
import { tokenCost, type TokenCost } from "../cost/tokens.ts";
import { evaluate, type PolicySettings, type Verdict } from "../policy/evaluate.ts";
import type { Level, PolicyRule, Severity } from "../policy/rule.ts";
import {
  fileChanges,
  modelChanges,
  objectChanges,
  type FileChange,
  type ModelChange,
  type ObjectChange,
} from "./changes.ts";
import type { PlannedStack } from "./planned.ts";
import { redact } from "./redact.ts";
import { resourceChanges } from "./resource-changes.ts";
import { isObject } from "./resources.ts";
import { replacementWarning } from "./warnings.ts";

/** All that `npm run plan` says of a stack, for people and machines; plan.json is this. */
export interface PlanReport {
  /** Of this form; another number is another form. */
  readonly format: 1;
  readonly stack: string;
  readonly target: string;
  readonly environment: string;
  /** What it is compared with; undefined where it is not. */
  readonly base?: string;
  /** Objects that there are. */
  readonly objects: number;
  readonly changes: {
    readonly models: readonly ModelChange[];
    readonly objects: readonly ObjectChange[];
    readonly files: readonly FileChange[];
  };
  readonly picture: readonly string[];
  readonly cost: CostReport;
  readonly policies: readonly PolicyResult[];
  /** Rules that look at what is known on `up` alone, and are decided there. */
  readonly undecided: readonly UndecidedRule[];
  /** Of the base, those that are no more. */
  readonly mended: readonly PolicyResult[];
  readonly warnings: readonly string[];
  readonly advice: readonly {
    readonly file: string;
    readonly path: string;
    readonly code: string;
    readonly message: string;
    readonly hint: string;
  }[];
}

export interface CostReport extends Omit<Cost, "items"> {
  readonly items: readonly {
    readonly kind: string;
    readonly name: string;
    /** Undefined where no price is known. */
    readonly perMonth?: number;
    readonly mostPerMonth?: number;
    readonly assumption: string;
  }[];
  /** USD, where the config says how many there are a second. */
  readonly perMillionInferences?: number;
  readonly inferencesPerSecond?: number;
  /** Of each model by itself, as a benchmark measured it. */
  readonly measured?: {
    readonly rates: readonly (MeasuredRate & { readonly perMillion: number })[];
    readonly left: readonly string[];
  };
  readonly tokens?: TokenCost;
  /** Of the base. */
  readonly before?: {
    readonly perMonth: number;
    readonly mostPerMonth: number;
    readonly perMillionInferences?: number;
  };
}

export interface PolicyResult {
  readonly rule: string;
  readonly severity: Severity;
  readonly level: Exclude<Level, "disabled">;
  readonly resource: string;
  readonly path: string;
  readonly message: string;
  readonly hint: string;
  /** Whether the base has it too; undefined where there is no base to ask. */
  readonly isNew?: boolean;
}

export interface UndecidedRule {
  readonly rule: string;
  readonly resource: string;
  /** Why: the place of what is not known. */
  readonly message: string;
}

/** What a plan is compared with. */
export interface PlanBase {
  /** For people: `main`, or a folder. */
  readonly label: string;
  readonly files: ReadonlyMap<string, string>;
  /** Undefined where it is not known: a base of before there were reports, or no such stack. */
  readonly report?: Pick<PlanReport, "cost" | "policies">;
}

export interface ReportOptions extends PolicySettings {
  readonly rules: readonly PolicyRule[];
  readonly base?: PlanBase;
  /** Said beside the cost: old prices, prices of another region. */
  readonly priceNotes: readonly string[];
}

export function planReport(planned: PlannedStack, options: ReportOptions): PlanReport {
  const { base, rules, priceNotes } = options;
  const verdicts = evaluate(rules, planned.resources, options);
  const all = verdicts.flatMap(resultsOf);
  const known = new Set(base?.report?.policies.map(keyOf));
  const policies =
    base?.report === undefined ? all : all.map((result) => ({ ...result, isNew: !known.has(keyOf(result)) }));
  const now = new Set(policies.map(keyOf));
  const before = base?.files ?? planned.files;
  const objects = [...resourceChanges(before, planned.files), ...objectChanges(before, planned.files)];
  return {
    format: 1,
    stack: planned.stack,
    target: planned.target,
    environment: planned.environment,
    ...(base === undefined ? {} : { base: base.label }),
    objects: [...planned.files.keys()].filter(isObject).length,
    changes: {
      models: modelChanges(before, planned.files),
      objects,
      files: fileChanges(before, planned.files),
    },
    picture: planned.picture,
    cost: costReport(planned, base),
    policies,
    undecided: verdicts.flatMap(undecidedOf),
    mended: base?.report?.policies.filter((result) => !now.has(keyOf(result))) ?? [],
    warnings: [...planned.warnings, ...objects.flatMap(replacementWarning), ...priceNotes].map(redact),
    advice: planned.advice.map(({ file, path, code, message, hint }) => ({
      file,
      path,
      code,
      message,
      hint,
    })),
  };
}

/** Whether a policy refuses the plan. */
export function isRefused({ policies }: Pick<PlanReport, "policies">): boolean {
  return policies.some(({ level }) => level !== "advisory");
}

function resultsOf({ rule, level, resource, finding }: Verdict): PolicyResult[] {
  if ("undecided" in finding) return [];
  const about = { rule: rule.id, severity: rule.severity, level, resource };
  return [{ ...about, ...finding, message: redact(finding.message) }];
}

function undecidedOf({ rule, resource, finding }: Verdict): UndecidedRule[] {
  return "undecided" in finding ? [{ rule: rule.id, resource, message: finding.undecided }] : [];
}

/** Values in messages may change without the violation being another. */
function keyOf({ rule, resource, path }: PolicyResult): string {
  return `${rule} ${resource} ${path}`;
}

function costReport({ costItems, usage }: PlannedStack, base: PlanBase | undefined): CostReport {
  const cost = costOf(costItems);
  const { inferencesPerSecond, measured, tokensPerMonth, tokenPrice, tokenReference } = usage;
  const each =
    inferencesPerSecond === undefined ? undefined : perMillionInferences(cost.perHour, inferencesPerSecond);
  const before = base?.report?.cost;
  return {
    ...cost,
    items: cost.items.map(({ kind, name, unitPrice, perHour, mostPerHour, assumption }) => ({
      ...{ kind, name, assumption },
      ...(unitPrice === undefined
        ? {}
        : { perMonth: perHour * hoursOfMonth, mostPerMonth: mostPerHour * hoursOfMonth }),
    })),
    ...(each === undefined ? {} : { perMillionInferences: each }),
    ...(inferencesPerSecond === undefined ? {} : { inferencesPerSecond }),
    ...(measured === undefined
      ? {}
      : {
          measured: {
            rates: measured.rates.map((rate) => ({
              ...rate,
              perMillion: perMillionInferences(cost.perHour, rate.inferencesPerSecond) ?? 0,
            })),
            left: measured.left,
          },
        }),
    ...(tokensPerMonth === undefined
      ? {}
      : { tokens: tokenCost(tokensPerMonth, tokenPrice, tokenReference) }),
    ...(before === undefined
      ? {}
      : {
          before: {
            perMonth: before.perMonth,
            mostPerMonth: before.mostPerMonth,
            ...(before.perMillionInferences === undefined
              ? {}
              : { perMillionInferences: before.perMillionInferences }),
          },
        }),
  };
}
