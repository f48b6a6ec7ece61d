import { escapeHtml } from "../html.ts";
import type { Problem } from "../spec/problem.ts";
import type { FileChange, ObjectChange } from "./changes.ts";
import { redact } from "./redact.ts";
import type { PlanReport, PolicyResult } from "./report.ts";
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

/** What is wrong with a stack of which there is no plan, as such a page. */
export function htmlProblems(stack: string, problems: readonly Problem[]): string {
  return page(stack, [
    "<p>There is no plan before this is mended; nothing would be deployed.</p>",
    ...list(
      "Problems",
      problems.map(
        ({ file, path, message, hint }) =>
          `${escapeHtml(file)}${path === "" ? "" : `, <code>${escapeHtml(path)}</code>`}: ${escapeHtml(redact(message))}<br>→ ${escapeHtml(hint)}`,
      ),
      "bad",
    ),
  ]);
}

/** A report as a page that needs nothing else: no script, no picture, no other file. */
export function htmlReport(report: PlanReport): string {
  const { stack, target, environment, base, policies, mended, changes, cost, warnings } = report;
  const refused = policies.filter(({ level }) => level !== "advisory");
  const warned = policies.filter(({ level }) => level === "advisory");
  return page(stack, [
    `<p>Target ${escapeHtml(target)}, environment ${escapeHtml(environment)}${base === undefined ? "" : `, compared with <code>${escapeHtml(base)}</code>`}.</p>`,
    '<div class="tiles">',
    ...(base === undefined ? [] : [tile("Models", modelWords(report))]),
    tile("Objects", base === undefined ? `${String(report.objects)} in all` : changeCounts(report)),
    tile(
      "Policies",
      policyCounts(policies),
      refused.length > 0 ? "bad" : warned.length > 0 ? "doubtful" : "good",
    ),
    tile("Cost", costLines(cost)[0] ?? ""),
    "</div>",
    ...list("Refused", refused.map(policyItem), "bad"),
    ...list("Warnings", [...warnings.map(escapeHtml), ...warned.map(policyItem)], "doubtful"),
    ...list(
      "Mended",
      mended.map(({ rule, resource }) => `${escapeHtml(resource)} <code>${escapeHtml(rule)}</code>`),
      "good",
    ),
    ...list(
      "Decided on up, when more is known",
      report.undecided.map(
        ({ rule, resource, message }) =>
          `<b>${escapeHtml(resource)}</b>: ${escapeHtml(message)} <code>${escapeHtml(rule)}</code>`,
      ),
    ),
    ...(base === undefined ? [] : list("Changes", ownChanges(report).map(objectItem))),
    ...list("What follows from the changes", consequences(report).map(objectItem)),
    ...list("Cost", costLines(cost).map(escapeHtml)),
    costTable(report),
    ...(report.picture.length === 0
      ? []
      : ["<h2>GPUs and nodes</h2>", `<pre class="bars">${escapeHtml(report.picture.join("\n"))}</pre>`]),
    ...(changes.files.length === 0 ? [] : ["<h2>Files</h2>", ...changes.files.map(fileDetails)]),
    ...list(
      "Advice",
      report.advice.map(
        ({ file, path, code, message, hint }) =>
          `${escapeHtml(file)}, <code>${escapeHtml(path)}</code>: ${escapeHtml(message)} <code>${escapeHtml(code)}</code><br>→ ${escapeHtml(hint)}`,
      ),
    ),
  ]);
}

function page(stack: string, lines: readonly string[]): string {
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
    `<title>Plan of ${escapeHtml(stack)}</title>`,
    `<style>${style}</style>`,
    "</head>",
    "<body>",
    "<main>",
    `<h1>Plan of ${escapeHtml(stack)}</h1>`,
    ...lines,
    "</main>",
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

const style = [
  ":root{color-scheme:light dark;--ink:#1d2330;--back:#fff;--soft:#f3f4f7;--line:#d5d9e2;--good:#1a7f4b;--doubtful:#9a6700;--bad:#c0262d}",
  "@media(prefers-color-scheme:dark){:root{--ink:#e4e7ee;--back:#14171d;--soft:#1f242d;--line:#373e4b;--good:#4cc38a;--doubtful:#e0b25a;--bad:#ff7b80}}",
  "body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}",
  "main{max-width:72rem;margin:auto;padding:1.5rem}",
  "h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem}",
  "code,pre{font:13px/1.45 ui-monospace,monospace}",
  "pre{overflow-x:auto;background:var(--soft);padding:.75rem;border-radius:6px;margin:.5rem 0}",
  ".bars{line-height:1.2}",
  ".tiles{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr))}",
  ".tile{background:var(--soft);border-left:4px solid var(--line);border-radius:6px;padding:.6rem 1rem}",
  ".tile b{display:block;font-size:.85rem;font-weight:600}",
  ".good{border-color:var(--good)}.doubtful{border-color:var(--doubtful)}.bad{border-color:var(--bad)}",
  "ul.good,ul.doubtful,ul.bad{border-left-style:solid;border-left-width:4px;padding-left:2rem}.good{border-left-color:var(--good)}.doubtful{border-left-color:var(--doubtful)}.bad{border-left-color:var(--bad)}",
  ".wide{overflow-x:auto}li,p,summary{overflow-wrap:anywhere}",
  "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}",
  "td.number{text-align:right;white-space:nowrap}",
  "summary{cursor:pointer}.added{color:var(--good)}.removed{color:var(--bad)}",
].join("");

function tile(title: string, text: string, tone = ""): string {
  return `<div class="tile ${tone}"><b>${title}</b>${escapeHtml(text)}</div>`;
}

function list(title: string, items: readonly string[], tone = ""): readonly string[] {
  return items.length === 0
    ? []
    : [`<h2>${title}</h2>`, `<ul class="${tone}">`, ...items.map((item) => `<li>${item}</li>`), "</ul>"];
}

function policyItem({ rule, resource, path, message, hint, isNew }: PolicyResult): string {
  const place = path === "" ? "" : ` at <code>${escapeHtml(path)}</code>`;
  return `${isNew === true ? "<b>new</b> " : ""}<b>${escapeHtml(resource)}</b>${place}: ${escapeHtml(message)} <code>${escapeHtml(rule)}</code><br>→ ${escapeHtml(hint)}`;
}

function objectItem({ object, kind, effect, paths }: ObjectChange): string {
  const lines = paths.map(
    ({ path, before = "nothing", after = "nothing" }) =>
      `<li><code>${escapeHtml(path)}</code>: <code>${escapeHtml(before)}</code> → <code>${escapeHtml(after)}</code></li>`,
  );
  return `${kind} <b>${escapeHtml(object)}</b>${effect === undefined ? "" : `, ${effects[effect]}`}${lines.length === 0 ? "" : `<ul>${lines.join("")}</ul>`}`;
}

function costTable({ cost }: PlanReport): string {
  if (cost.items.length === 0) return "";
  const rows = cost.items.map(
    ({ kind, name, perMonth, mostPerMonth, assumption }) =>
      `<tr><td>${escapeHtml(kind)}</td><td>${escapeHtml(name)}</td><td class="number">${cents(perMonth)}</td><td class="number">${cents(mostPerMonth)}</td><td>${escapeHtml(assumption)}</td></tr>`,
  );
  return `<div class="wide"><table><thead><tr><th></th><th></th><th>a month</th><th>scaled out</th><th>assumed</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

function fileDetails({ path, kind, diff, added, removed }: FileChange): string {
  const lines = diff.split("\n").map((line) => {
    const tone = line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : undefined;
    return tone === undefined ? escapeHtml(line) : `<span class="${tone}">${escapeHtml(line)}</span>`;
  });
  return `<details><summary><code>${escapeHtml(path)}</code> ${kind}, +${String(added)} −${String(removed)}</summary><pre>${lines.join("\n")}</pre></details>`;
}
