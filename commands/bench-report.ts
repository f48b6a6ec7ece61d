import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { compare, hasRegression, isComparable } from "../core/benchmark/comparison.ts";
import { htmlBenchmark } from "../core/benchmark/html.ts";
import { markdownBenchmark } from "../core/benchmark/markdown.ts";
import { readBenchmark } from "../core/benchmark/read.ts";
import { benchmarkReport, type BenchmarkReport } from "../core/benchmark/report.ts";
import type { Benchmark } from "../core/benchmark/result.ts";
import { textBenchmark } from "../core/benchmark/text.ts";
import {
  clusterFacts,
  clusterReportName,
  readClusterReport,
  type ClusterReport,
} from "../core/ephemeral/report.ts";
import { messageOf } from "../core/errors.ts";
import { present } from "../core/objects.ts";
import type { Parsed } from "../core/spec/parse.ts";
import { ProblemsError } from "../core/spec/problem.ts";
import { parsePercentage } from "../core/spec/units.ts";
import { replaceFile } from "./files/replace.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { pageParts } from "./page/parts.ts";
import { UserError } from "./setup/user-error.ts";

type Form = (report: BenchmarkReport) => string | Promise<string>;

const forms: Readonly<Record<string, Form>> = {
  text: textBenchmark,
  markdown: markdownBenchmark,
  html: async (report) => {
    const own = path.join(import.meta.dirname, "bench-report");
    return htmlBenchmark(report, await pageParts(path.join(own, "draw.ts"), path.join(own, "page.css")));
  },
  json: (report) => `${JSON.stringify(report, undefined, 2)}\n`,
};

/** What --out writes, by form. */
const files = [
  ["markdown", "report.md"],
  ["html", "report.html"],
  ["json", "report.json"],
] as const;

const help = `Reports on a benchmark: npm run bench:report -- <result.json, or its folder> [options]
  --against <other.json>   compares with an earlier run
  --limit <percentage>     how much worse a figure may be (default: 10%)
  --format <form>          text, markdown, html or json (default: text)
  --out <folder>           writes report.md, report.html and report.json there as well
Exit code 1: a regression beyond the limit that is not by chance; 2: a file is no result, or the runs cannot be compared.`;

/** `npm run bench:report`: what a benchmark found, and whether it is worse than another. */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      against: { type: "string" },
      limit: { type: "string", default: "10%" },
      format: { type: "string", default: "text" },
      out: { type: "string", short: "o" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  // Until there is a report; so that it is told apart from a regression.
  process.exitCode = 2;
  const { name, limit, form } = checked(positionals, values.limit, values.format);
  const file = resultFile(name);
  const benchmark = read(file);
  const cluster = clusterIn(path.dirname(file));
  const before = values.against === undefined ? undefined : read(resultFile(values.against));
  const comparison = before === undefined ? undefined : compare(benchmark, before, limit);
  const report = benchmarkReport(benchmark, present({ comparison, cluster }));
  console.log((await form(report)).trimEnd());
  if (values.out !== undefined) await writeReports(report, userPath(values.out));
  process.exitCode = comparison === undefined || isComparable(comparison) ? 0 : 2;
  if (comparison !== undefined && hasRegression(comparison)) process.exitCode = 1;
}

function checked(
  names: readonly string[],
  limitText: string,
  formName: string,
): { readonly name: string; readonly limit: number; readonly form: Form } {
  const [name] = names;
  if (name === undefined || names.length > 1)
    throw new UserError("One result is needed, as `npm run bench` writes it, or its folder", help);
  const limit = parsePercentage(limitText);
  if (limit === undefined || limit >= 1)
    throw new UserError(`\`--limit ${limitText}\` is no percentage below 100`, "write it like --limit 10%");
  const form = Object.hasOwn(forms, formName) ? forms[formName] : undefined;
  if (form === undefined)
    throw new UserError(`There is no form \`${formName}\``, `use one of: ${Object.keys(forms).join(", ")}`);
  return { name, limit, form };
}

async function writeReports(report: BenchmarkReport, folder: string): Promise<void> {
  await writingTo(folder, async () => {
    mkdirSync(folder, { recursive: true });
    for (const [form, file] of files)
      replaceFile(path.join(folder, file), (await forms[form]?.(report)) ?? "");
  });
  // Standard output may be read by a program.
  console.error(`${files.map(([, file]) => file).join(", ")} are in ${folder}`);
}

/** A result, or the only one in a folder, as `npm run bench:cluster` keeps it. */
function resultFile(given: string): string {
  const place = userPath(given);
  if (statSync(place, { throwIfNoEntry: false })?.isDirectory() !== true) return place;
  const others: readonly string[] = [clusterReportName, ...files.map(([, file]) => file)];
  const results = readdirSync(place)
    .filter((name) => name.endsWith(".json") && !others.includes(name))
    .map((name) => path.join(place, name));
  const [only] = results;
  if (only !== undefined && results.length === 1) return only;
  if (only !== undefined)
    throw new UserError(`${place} has more than one result`, `name one of them: ${results.join(", ")}`);
  const cluster = clusterIn(place);
  const facts = cluster === undefined ? [] : clusterFacts(cluster);
  throw new UserError(
    [`${place} has no result`, ...facts.map(([label, value]) => `  ${label}: ${value}`)].join("\n"),
    "name a result of `npm run bench`, or a folder with one",
  );
}

/** What `npm run bench:cluster` has written into a folder of results. */
function clusterIn(folder: string): ClusterReport | undefined {
  const file = path.join(folder, clusterReportName);
  if (!existsSync(file)) return undefined;
  return valueOf(readClusterReport(readFileOf(file), file));
}

function read(file: string): Benchmark {
  return valueOf(readBenchmark(readFileOf(file), file));
}

function valueOf<T>(parsed: Parsed<T>): T {
  if ("problems" in parsed) throw new ProblemsError(parsed.problems);
  return parsed.value;
}

function readFileOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = messageOf(error);
    throw new UserError(`${file} cannot be read: ${reason}`, "name a result of `npm run bench`", {
      cause: error,
    });
  }
}
