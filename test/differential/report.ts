import { deliberateReasons } from "./exceptions.ts";
import type { Compared, Comparison } from "./compare.ts";

/**
 * A comparison for people: how many, which differences with the shortest config of each kind, which rules fired and
 * how often, what brought a server down.
 */
export function formatComparison(comparison: Comparison): string {
  const { tooLax, tooStrict, acceptedByBoth, refusedByBoth, ofThisMachine } = comparison;
  const all = everything(comparison);
  const { seed, seconds } = comparison;
  const fatal = all.filter(({ result }) => result.outcome === "crashed" || result.outcome === "hung");
  return [
    `${String(all.length)} configs in ${seconds.toFixed(0)} s (${(all.length / Math.max(1, seconds)).toFixed(1)} a second), seed ${String(seed)}`,
    `  accepted by both          ${String(acceptedByBoth.length)}`,
    `  refused by both           ${String(refusedByBoth.length)}`,
    `  refused here on purpose   ${String(comparison.deliberate.length)}`,
    `  refused by this machine   ${String(ofThisMachine.length)}`,
    `  ACCEPTED HERE, NOT THERE  ${String(tooLax.length)}`,
    `  REFUSED HERE, NOT THERE   ${String(tooStrict.length)}`,
    ...section("Accepted here, not there", groups(tooLax, messageOf)),
    ...section("Refused here, not there", groups(tooStrict, rulesOf)),
    ...section("Refused here on purpose", groups(comparison.deliberate, purposeOf)),
    ...section("What brought a server down", groups(fatal, fateOf)),
    ...table("Rules that fired", counts(all.flatMap(({ verdict }) => [...new Set(verdict.rules)]))),
    ...table("Mutations, and how many of them were not loaded", mutationCounts(all)),
  ].join("\n");
}

function everything(comparison: Comparison): Compared[] {
  const { acceptedByBoth, refusedByBoth, tooLax, tooStrict, deliberate, ofThisMachine } = comparison;
  return [...acceptedByBoth, ...refusedByBoth, ...tooLax, ...tooStrict, ...deliberate, ...ofThisMachine];
}

/** What the server says, without what differs from model to model. */
function messageOf({ result }: Compared): string {
  if (result.outcome === "loaded") return "";
  if (result.outcome !== "refused") return `the server ${result.outcome}`;
  return result.error
    .replaceAll(/candidate-\d+/g, "M")
    .replaceAll(/\/\S*\/models\//g, "")
    .replace(/^load failed for model 'M': (version \d+ is at UNAVAILABLE state: )?/, "")
    .trim();
}

function rulesOf({ verdict }: Compared): string {
  return [...new Set(verdict.rules)].sort().join(", ");
}

function purposeOf({ verdict, candidate }: Compared): string {
  return [...new Set(deliberateReasons(verdict.rules, candidate.config))].sort().join("; ");
}

function fateOf({ result, candidate }: Compared): string {
  return `${result.outcome} (${candidate.mutations.join(", ")})`;
}

interface Group {
  readonly title: string;
  readonly count: number;
  readonly shortest: Compared;
}

/** The most frequent first. */
function groups(all: readonly Compared[], titleOf: (compared: Compared) => string): Group[] {
  const byTitle = new Map<string, Compared[]>();
  for (const compared of all) {
    const title = titleOf(compared);
    byTitle.set(title, [...(byTitle.get(title) ?? []), compared]);
  }
  return [...byTitle]
    .map(([title, members]) => ({
      title,
      count: members.length,
      shortest: members.reduce((least, one) => (one.text.length < least.text.length ? one : least)),
    }))
    .sort((a, b) => b.count - a.count);
}

function section(title: string, found: readonly Group[]): string[] {
  if (found.length === 0) return [];
  return [
    "",
    `── ${title} ──`,
    ...found.flatMap(({ title, count, shortest: { text, candidate, verdict, result } }) => [
      `${String(count)} × ${title}`,
      ...(candidate.mutations.length === 0 ? [] : [`  mutations: ${candidate.mutations.join(", ")}`]),
      ...(verdict.accepted ? [] : [`  rules: ${verdict.rules.join(", ")}`]),
      ...(result.outcome === "loaded" ? [] : [`  server: ${lastLine(result.error)}`]),
      `  files: ${Object.keys(candidate.files).join(" ")}`,
      ...text
        .trimEnd()
        .split("\n")
        .map((line) => `  | ${line}`),
    ]),
  ];
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

function table(title: string, rows: readonly (readonly [string, string])[]): string[] {
  if (rows.length === 0) return [];
  const width = Math.max(...rows.map(([name]) => name.length));
  return ["", `── ${title} ──`, ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`)];
}

function counts(names: readonly string[]): [string, string][] {
  const byName = new Map<string, number>();
  for (const name of names) byName.set(name, (byName.get(name) ?? 0) + 1);
  return [...byName].sort(([, a], [, b]) => b - a).map(([name, count]) => [name, String(count)]);
}

function mutationCounts(all: readonly Compared[]): [string, string][] {
  const byName = new Map<string, { total: number; refused: number }>();
  for (const { candidate, result } of all) {
    for (const name of new Set(candidate.mutations)) {
      const { total, refused } = byName.get(name) ?? { total: 0, refused: 0 };
      byName.set(name, { total: total + 1, refused: refused + (result.outcome === "loaded" ? 0 : 1) });
    }
  }
  return [...byName].map(([name, { total, refused }]) => [name, `${String(refused)} of ${String(total)}`]);
}
