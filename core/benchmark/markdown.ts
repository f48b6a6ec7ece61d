import { markdownTable } from "../markdown.ts";
import type { BenchmarkReport } from "./report.ts";
import {
  clusterTable,
  comparedLevelTable,
  comparisonTable,
  levelTable,
  pointTable,
  recommendationTable,
  type Table,
} from "./tables.ts";
import { articleLines, comparisonLine, comparisonReasons, recommendationLine } from "./words.ts";

/** A report for a pull request or a file; raw points and the configuration are folded. */
export function markdownBenchmark(report: BenchmarkReport): string {
  const { benchmark, environment, series, notes, recommendations, comparison } = report;
  return [
    `# Benchmark ${benchmark.id}`,
    "",
    table({ head: ["", ""], rows: [...environment, ...clusterTable(report).rows] }),
    ...list("To know", notes),
    ...(comparison === undefined
      ? []
      : [
          ...heading("Comparison"),
          `**${comparisonLine(comparison)}**`,
          ...(comparison.series.length === 0 ? [] : ["", table(comparisonTable(comparison))]),
          ...bullets([
            ...comparisonReasons(comparison),
            ...comparison.series.flatMap(({ name, reasons }) =>
              reasons.map((reason) => `${name}: ${reason}`),
            ),
          ]),
          ...comparison.series
            .filter(({ levels }) => levels.length > 0)
            .flatMap((own) => fold(`${own.name} by callers`, table(comparedLevelTable(own)))),
        ]),
    ...(recommendations.length === 0
      ? []
      : [
          ...heading("Recommended"),
          table(recommendationTable(report)),
          ...bullets(recommendations.map(recommendationLine)),
        ]),
    ...series.flatMap((own) => [
      ...heading(own.name),
      own.levels.length === 0 ? "No point was measured." : table(levelTable(own)),
      ...bullets([
        ...(own.queueFrom === undefined
          ? []
          : [`queueing takes more time than computing from ${String(own.queueFrom)} callers on`]),
        ...own.hints,
      ]),
    ]),
    ...list("The article", articleLines(report)),
    ...(benchmark.series.some(({ points }) => points.length > 0)
      ? fold("All points", table(pointTable(report)))
      : []),
    ...fold("Configuration", `\`\`\`json\n${JSON.stringify(benchmark.configuration, undefined, 2)}\n\`\`\``),
    "",
  ].join("\n");
}

function heading(title: string): string[] {
  return ["", `## ${title}`, ""];
}

function list(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [...heading(title), ...lines.map((line) => `- ${line}`)];
}

function bullets(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", ...lines.map((line) => `- ${line}`)];
}

function fold(title: string, text: string): string[] {
  return ["", "<details>", `<summary>${title}</summary>`, "", text, "", "</details>"];
}

function table({ head, rows }: Table): string {
  return markdownTable(head, rows);
}
