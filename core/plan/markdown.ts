import { markdownTable } from "../markdown.ts";
import type { Problem } from "../spec/problem.ts";
import type { FileChange, ObjectChange } from "./changes.ts";
import { redact } from "./redact.ts";
import type { PlanReport, PolicyResult } from "./report.ts";
import {
  cents,
  changeCounts,
  consequences,
  costLines,
  difference,
  dollars,
  effects,
  modelWords,
  ownChanges,
  policyCounts,
} from "./words.ts";

/** By which the comment of a stack is found again. */
export function commentMarker(stack: string): string {
  return `<!-- triton-platform plan: ${stack} -->`;
}

/** Characters that GitHub takes in a comment. Source: GitHub's answer to a longer one, "body is too long (maximum is 65536 characters)". */
export const longestComment = 65_536;

/**
 * A report as a comment on a pull request: what matters first, everything else folded. Where it would be too long, diffs
 * are left out from the last on, and a line says how many.
 */
export function markdownReport(report: PlanReport, limit = longestComment): string {
  const head = headLines(report).join("\n");
  const following = consequences(report);
  const created = ownChanges(report).filter(isCreated);
  const tail = [
    ...fold(
      `Created (${String(created.length)})`,
      created.length > mostCreated ? created.map(objectLine) : [],
    ),
    ...fold(`What follows from the changes (${String(following.length)})`, following.map(objectLine)),
    ...fold(
      `Decided on up, when more is known (${String(report.undecided.length)})`,
      report.undecided.map(
        ({ rule, resource, message }) => `- **${escape(resource)}**: ${escape(message)} (\`${rule}\`)`,
      ),
    ),
    ...fold("Cost, item by item", [costTable(report)]),
    ...fold("GPUs and nodes", report.picture.length === 0 ? [] : [fence(report.picture.join("\n"))]),
    ...fold(`Advice (${String(report.advice.length)})`, adviceLines(report)),
  ].join("\n");
  const diffs = report.changes.files.map(diffOf);
  for (let shown = diffs.length; shown >= 0; shown--) {
    const rest = diffs.length - shown;
    const text = [
      head,
      ...fold(`Files (${String(diffs.length)})`, [
        ...diffs.slice(0, shown),
        ...(rest === 0
          ? []
          : [
              `${String(rest)} more ${rest === 1 ? "file is" : "files are"} not shown: too long for a comment.`,
            ]),
      ]),
      tail,
      "",
    ].join("\n");
    if (text.length <= limit) return text;
  }
  return `${head.slice(0, limit - cut.length)}${cut}`;
}

/** What is wrong with a stack of which there is no plan, as a comment. */
export function markdownProblems(
  stack: string,
  problems: readonly Problem[],
  limit = longestComment,
): string {
  const head = [
    commentMarker(stack),
    `### ❌ \`${stack}\` cannot be planned`,
    "",
    "Nothing is deployed before this is mended:",
    "",
  ];
  const items = problems.map(
    ({ file, path, message, hint }) =>
      `- ${escape(file)}${path === "" ? "" : `, \`${path}\``}: ${escape(redact(message))}<br>→ ${escape(hint)}`,
  );
  const text = [...head, ...items, ""].join("\n");
  return text.length <= limit ? text : `${text.slice(0, limit - cut.length)}${cut}`;
}

const cut = "\n\n… too long for a comment.\n";

function headLines(report: PlanReport): readonly string[] {
  const { stack, target, environment, base, policies, cost, warnings, mended } = report;
  const refused = policies.filter(({ level }) => level !== "advisory");
  const verdict = refused.length > 0 ? "❌" : policies.length + warnings.length > 0 ? "⚠️" : "✅";
  return [
    commentMarker(stack),
    `### ${verdict} Plan of \`${stack}\``,
    "",
    markdownTable(
      ["", ""],
      [
        ["Stack", `${stack}, target ${target}, environment ${environment}`],
        ["Compared with", base === undefined ? "nothing" : `\`${base}\``],
        ...(base === undefined ? [] : [["Models", escape(modelWords(report))]]),
        ["Objects", base === undefined ? `${String(report.objects)} in all` : changeCounts(report)],
        [
          "Policies",
          policyCounts(policies) + (mended.length === 0 ? "" : `, ${String(mended.length)} mended`),
        ],
        ["Cost a month", monthCell(cost)],
      ],
    ),
    ...section("Refused", refused.map(policyLine)),
    ...section("Warnings", [
      ...warnings.map((line) => `- ${escape(line)}`),
      ...policies.filter(({ level }) => level === "advisory").map(policyLine),
    ]),
    ...section(
      "Mended",
      mended.map(({ rule, resource }) => `- ${escape(resource)} (\`${rule}\`)`),
    ),
    ...section("Changes", base === undefined ? [] : changeLines(report)),
    "",
    "**Cost**",
    "",
    ...costLines(cost).map((line) => `- ${escape(line)}`),
    "",
  ];
}

/** Of a stack that is new, or half of one, nobody reads each line: those are folded. */
const mostCreated = 20;

function isCreated({ kind }: ObjectChange): boolean {
  return kind === "created";
}

function changeLines(report: PlanReport): readonly string[] {
  const changes = ownChanges(report);
  const created = changes.filter(isCreated);
  if (created.length <= mostCreated) return changes.map(objectLine);
  return [
    `- created: ${String(created.length)} objects, listed below`,
    ...changes.filter((change) => !isCreated(change)).map(objectLine),
  ];
}

function monthCell({ before, perMonth, items }: PlanReport["cost"]): string {
  if (items.length === 0) return "not known";
  return before === undefined
    ? dollars(perMonth)
    : `${dollars(before.perMonth)} → **${dollars(perMonth)}**, ${difference(before.perMonth, perMonth)}`;
}

function policyLine({ rule, resource, path, message, hint, isNew }: PolicyResult): string {
  const place = path === "" ? "" : ` at \`${path}\``;
  return `- ${isNew === true ? "**new** " : ""}**${escape(resource)}**${place}: ${escape(message)} (\`${rule}\`)<br>→ ${escape(hint)}`;
}

/** Of many paths the first ones: all of them are in the diff. */
const mostPaths = 6;

function objectLine({ object, kind, effect, paths }: ObjectChange): string {
  const head = `- ${kind} **${escape(object)}**${effect === undefined ? "" : `, ${effects[effect]}`}`;
  const lines = paths
    .slice(0, mostPaths)
    .map(({ path, before, after }) => `  - \`${path}\`: ${code(before)} → ${code(after)}`);
  const rest = paths.length - lines.length;
  return [head, ...lines, ...(rest > 0 ? [`  - and ${String(rest)} more`] : [])].join("\n");
}

function diffOf({ path, kind, diff, added, removed }: FileChange): string {
  const head = `\`${path}\` (${kind}, +${String(added)} −${String(removed)})\n`;
  return diff === "" ? head : `${head}\n${fence(diff, "diff")}\n`;
}

function costTable({ cost }: PlanReport): string {
  return cost.items.length === 0
    ? "Nothing here has a known price."
    : markdownTable(
        ["", "", "a month", "scaled out", "assumed"],
        cost.items.map(({ kind, name, perMonth, mostPerMonth, assumption }) => [
          ...[kind, name, cents(perMonth), cents(mostPerMonth), assumption].map(escape),
        ]),
      );
}

function adviceLines({ advice }: PlanReport): readonly string[] {
  return advice.map(
    ({ file, path, code: rule, message, hint }) =>
      `- ${escape(file)}, \`${path}\`: ${escape(message)} (\`${rule}\`)<br>→ ${escape(hint)}`,
  );
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ["", `**${title}**`, "", ...lines];
}

function fold(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0
    ? []
    : [`<details><summary>${title}</summary>`, "", ...lines, "", "</details>", ""];
}

/** In more backticks than there are in the text. */
function fence(text: string, language = ""): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const ticks = "`".repeat(longest + 1);
  return `${ticks}${language}\n${text}\n${ticks}`;
}

function code(text: string | undefined): string {
  return text === undefined ? "nothing" : `\`${text.replaceAll("`", "'")}\``;
}

/** What people write is text here, no markup: no image is fetched, nobody is mentioned. */
function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(/([\\*_[\]#~`])/g, String.raw`\$1`)
    .replaceAll("@", "@\u200B");
}
