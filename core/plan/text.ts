import type { ObjectChange } from "./changes.ts";
import type { PlanReport, PolicyResult } from "./report.ts";
import { cents, changeCounts, costLines, effects, modelWords, policyCounts } from "./words.ts";

/** A report for a terminal. */
export function textReport(report: PlanReport): string {
  const { stack, target, environment, base, changes } = report;
  return [
    `${stack} (${target}, ${environment})${base === undefined ? "" : `, compared with ${base}`}`,
    ...(base === undefined
      ? [`${String(report.objects)} objects`]
      : [
          "",
          `Models: ${modelWords(report)}`,
          `Changes: ${changeCounts(report)}`,
          ...changes.objects.flatMap(objectLines),
          ...fileLines(report),
        ]),
    ...section("Warnings", report.warnings),
    "",
    `Policies: ${policyCounts(report.policies)}`,
    ...report.policies.flatMap(policyLines),
    ...report.mended.map(({ rule, resource }) => `  mended: [${rule}] ${resource}`),
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

/** Manifests are among the objects already. */
function fileLines({ changes }: PlanReport): string[] {
  const others = changes.files.filter(({ path }) => !path.startsWith("manifests/"));
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
