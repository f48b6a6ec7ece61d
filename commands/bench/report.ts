import { readFileSync } from "node:fs";
import os from "node:os";
import Table from "cli-table3";
import { medianOf, ratioOf, type Ratio, type Summary } from "./statistics.ts";

/** A cell: text, a figure, or a ratio over several rounds. */
export type Cell = string | number | Ratio;

/** One table. All rows have the same keys, which are the heads of its columns. */
export interface Section {
  readonly title: string;
  readonly notes: readonly string[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
}

/** A row per contestant of a race; the first is what the others are compared with, under the heading `against`. */
export function raceRows(
  names: readonly string[],
  results: readonly (readonly Summary[])[],
  against: string,
): Record<string, Cell>[] {
  const reference = results[0] ?? [];
  return results.map((rounds, i) => ({
    way: names[i] ?? "",
    ...figures(medianOf(rounds)),
    [against]: i === 0 ? "1" : ratioOf(rounds, reference),
  }));
}

/** The figures of one summary as columns. */
export function figures({ perSecond, p50, p99, errors }: Summary): Record<string, Cell> {
  return { "requests/s": perSecond, "p50 ms": p50, "p99 ms": p99, errors };
}

export function formatCell(cell: Cell): string {
  if (typeof cell === "string") return cell;
  if (typeof cell === "number") return formatNumber(cell);
  return `${cell.median.toFixed(2)} (${cell.least.toFixed(2)}–${cell.most.toFixed(2)})`;
}

function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "-";
  if (value === 0 || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

export function formatSection({ title, notes, rows }: Section): string {
  const head = Object.keys(rows[0] ?? {});
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const row of rows) table.push(head.map((key) => formatCell(row[key] ?? "")));
  return [title, table.toString(), ...notes.map((note) => `  ${note}`)].join("\n");
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  /** Mean number of runnable processes in the minute before: what others did. */
  readonly loadBefore: number;
}

/** Nothing that names a host, a user or a folder. */
export function thisMachine(): Machine {
  return {
    processor: processorName(readFileSync("/proc/cpuinfo", "utf8")),
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release().replace(/[-+].*/, "")}`,
    node: process.versions.node,
    loadBefore: os.loadavg()[0] ?? NaN,
  };
}

/** The model name in /proc/cpuinfo; Arm's has none. */
export function processorName(cpuinfo: string): string {
  return /^model name\s*:\s*(.+)$/m.exec(cpuinfo)?.[1]?.trim() ?? os.arch();
}

export function formatMachine({ processor, cores, memoryGiB, kernel, node, loadBefore }: Machine): string {
  return `${processor}, ${String(cores)} cores, ${String(memoryGiB)} GiB; ${kernel}, Node.js ${node}; load before the start ${loadBefore.toFixed(1)}`;
}
