import type { ObjectChange } from "./changes.ts";
import type { PlanReport, PolicyResult } from "./report.ts";
import { isObject } from "./resources.ts";
import {
  cents,
  changeCounts,
  consequences,
  costLines,
  effects,
  modelWords,
  ownChanges,
  policyCounts,
} from "./words.ts";

/** A report for a terminal. */
export function textReport(report: PlanReport): string {
  const { stack, target, environment, base } = report;
  return [
    `${stack} (${target}, ${environment})${base === undefined ? "" : `, compared with ${base}`}`,
    ...(base === undefined
      ? [`${String(report.objects)} objects`]
      : [
          "",
          `Models: ${modelWords(report)}`,
          `Changes: ${changeCounts(report)}`,
          ...ownChanges(report).flatMap(objectLines),
          ...following(report),
          ...fileLines(report),
        ]),
    ...section("Warnings", report.warnings),
    "",
    `Policies: ${policyCounts(report.policies)}`,
    ...report.policies.flatMap(policyLines),
    ...report.mended.map(({ rule, resource }) => `  mended: [${rule}] ${resource}`),
    ...report.undecided.map(
      ({ rule, resource, message }) => `  decided on up: ${resource}: ${message} [${rule}]`,
    ),
    "",
    "Cost:",
    ...costLines(report.cost).map((line) => `  ${line}`),
    ...report.cost.items.map(
      ({ kind, name, perMonth, assumption }) =>
        `    ${cents(perMonth).padStart(11)}  ${kind}: ${name} (${assumption})`,
    ),
    ...section("Capacity", report.picture),
    ...section(
      "Advice",
      report.advice.map(({ file, path, code, message }) => `${file}: ${path}: ${message} [${code}]`),
    ),
    "",
  ].join("\n");
}

function objectLines({ object, kind, effect, paths }: ObjectChange): string[] {
  const sign = { created: "+", changed: "~", deleted: "-" }[kind];
  return [
    `  ${sign} ${object}${effect === undefined ? "" : ` (${effects[effect]})`}`,
    ...paths.map(
      ({ path, before, after }) => `      ${path}: ${before ?? "nothing"} → ${after ?? "nothing"}`,
    ),
  ];
}

function following(report: PlanReport): string[] {
  const changes = consequences(report);
  return changes.length === 0 ? [] : ["  What follows from these:", ...changes.flatMap(objectLines)];
}

/** Manifests and resources are among the objects already. */
function fileLines({ changes }: PlanReport): string[] {
  const others = changes.files.filter(({ path }) => !isObject(path));
  return others.flatMap(({ path, kind, diff }) => [
    `  ${path} (${kind})`,
    ...(kind === "changed" ? diff.split("\n").map((line) => `      ${line}`) : []),
  ]);
}

function policyLines({ rule, level, resource, path, message, hint, isNew }: PolicyResult): string[] {
  const word = level === "advisory" ? "warning" : "refused";
  return [
    `  ${word}${isNew === true ? ", new" : ""}: ${resource}: ${path === "" ? "" : `${path}: `}${message} [${rule}]`,
    `    → ${hint}`,
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", `${title}:`, ...lines.map((line) => `  ${line}`)];
}
