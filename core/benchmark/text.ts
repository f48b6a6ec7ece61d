import CliTable from "cli-table3";
import {
  clusterTable,
  comparedLevelTable,
  comparisonTable,
  levelTable,
  recommendationTable,
  type Table,
} from "./tables.ts";
import type { BenchmarkReport } from "./report.ts";
import { articleLines, comparisonLine, comparisonReasons, recommendationLine } from "./words.ts";

/** A report for a terminal. */
export function textBenchmark(report: BenchmarkReport): string {
  const { benchmark, environment, series, notes, recommendations, comparison } = report;
  return [
    `Benchmark ${benchmark.id}`,
    ...[...environment, ...clusterTable(report).rows].map(
      ([label = "", value = ""]) => `  ${label.padEnd(9)} ${value}`,
    ),
    ...section("To know", notes),
    ...(comparison === undefined
      ? []
      : [
          "",
          comparisonLine(comparison),
          ...(comparison.series.length === 0 ? [] : [textTable(comparisonTable(comparison))]),
          ...comparisonReasons(comparison).map((line) => `  ${line}`),
          ...comparison.series.flatMap((own) => [
            ...own.reasons.map((reason) => `  ${own.name}: ${reason}`),
            ...(own.levels.length === 0 ? [] : [textTable(comparedLevelTable(own))]),
          ]),
        ]),
    ...(recommendations.length === 0
      ? []
      : [
          "",
          "Recommended",
          textTable(recommendationTable(report)),
          ...recommendations.map((own) => `  ${recommendationLine(own)}`),
        ]),
    ...series.flatMap((own) => [
      "",
      own.name,
      ...(own.levels.length === 0 ? [] : [textTable(levelTable(own))]),
      ...own.hints.map((hint) => `  ${hint}`),
    ]),
    ...section("The article", articleLines(report)),
    "",
  ].join("\n");
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];
}

export function textTable({ head, rows }: Table): string {
  const made = new CliTable({ head: [...head], style: { head: [], border: [], compact: true } });
  for (const row of rows) made.push([...row]);
  return made.toString();
}
