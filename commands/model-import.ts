import { mkdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { loadModels, locate } from "../core/spec/load.ts";
import { formatAdvice, formatProblems, refuse, type Problem } from "../core/spec/problem.ts";
import { formatBytes } from "../core/spec/units.ts";
import { newestRelease } from "../core/triton/releases.ts";
import { checkModels, type Judgement } from "../core/triton/rules/index.ts";
import type { ServerFacts } from "../core/triton/rules/rule.ts";
import { endingCleanly } from "./files/ending.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { importModel, type Imported, type ImportOptions } from "./import/model.ts";
import { findSources, type Source } from "./import/sources.ts";
import type { Report } from "./setup/run-program.ts";
import { runSteps } from "./setup/steps.ts";
import { UserError } from "./setup/user-error.ts";

/**
 * `npm run model:import -- <repositories, model folders or pbtxt files> --out <models folder>`: turns config.pbtxt files
 * into specs, and copies the models' files beside them. Of a pbtxt file, and with `--config-only`, only the spec is
 * written. What is there is kept, but for `--force`. Rules of meaning stop nothing here: they are reported beside.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      out: { type: "string" },
      "config-only": { type: "boolean", default: false },
      force: { type: "boolean", default: false },
    },
  });
  if (positionals.length === 0 || values.out === undefined) {
    throw new UserError(
      "What to import and --out are needed",
      "npm run model:import -- <repository, model folder or pbtxt files> --out <models folder> [--config-only] [--force]",
    );
  }
  const options = { out: userPath(values.out), configOnly: values["config-only"], force: values.force };
  const { value: sources, problems } = findSources(positionals.map(userPath));
  if (sources.length > 0) await writingTo(options.out, () => mkdirSync(options.out, { recursive: true }));
  const { imported, refused } = await importAll(sources, options);

  if (imported.length > 0) showImported(imported, judge(options.out, imported));
  if (problems.length + refused.length > 0) console.error("\nNot imported:");
  refuse([...problems, ...refused]);
}

async function importAll(
  sources: readonly Source[],
  options: ImportOptions,
): Promise<{ readonly imported: readonly Imported[]; readonly refused: readonly Problem[] }> {
  const imported: Imported[] = [];
  const refused: Problem[] = [];
  const title = `Importing ${String(sources.length)} model${sources.length === 1 ? "" : "s"}`;
  const run = async (report: Report): Promise<void> => {
    for (const source of sources) {
      const result = await importModel(source, options, imported, report);
      if ("problems" in result) refused.push(...result.problems);
      else imported.push(result);
    }
  };
  const ended = (): string => `${String(imported.length)} of ${String(sources.length)} models were imported`;
  if (sources.length > 0) await endingCleanly(ended, () => runSteps([{ title, run }]));
  return { imported, refused };
}

/** The rules that imported models are judged by: their owner's own server is not known here. */
const server: ServerFacts = { release: newestRelease, customBackends: [], customAgents: [] };

/** What the rules say of the imported models, among all that are in the models folder. */
function judge(out: string, imported: readonly Imported[]): Judgement {
  const { value: models, problems } = loadModels(out);
  const byName = new Map(models.map((model) => [model.spec.name, model]));
  const folders = imported.map(({ spec }) => path.join(path.basename(path.resolve(out)), spec.name));
  const names = new Set(imported.map(({ spec }) => spec.name));
  const brought = models.filter(({ spec }) => names.has(spec.name));
  const { problems: meaning, advice } = checkModels(brought, byName, () => server);
  const own = problems.filter(({ file }) => folders.some((folder) => `${file}/`.startsWith(`${folder}/`)));
  return { problems: locate([...own, ...meaning], models), advice: locate(advice, models) };
}

function showImported(imported: readonly Imported[], { problems, advice }: Judgement): void {
  console.log(summary(imported));
  console.log(`Judged by the rules for Triton ${server.release}.`);
  const notes = imported.flatMap((model) => model.notes);
  if (notes.length > 0) console.error(`\nWorth knowing:\n${notes.map(noteText).join("\n")}`);
  if (advice.length > 0) console.error(`\n${formatAdvice(advice)}`);
  if (problems.length > 0) console.error(`\nImported; these would be refused. ${formatProblems(problems)}`);
}

function noteText({ file, message, hint }: Problem): string {
  return `  ${file}: ${message}\n    → ${hint}`;
}

function summary(imported: readonly Imported[]): string {
  const table = new Table({
    head: ["model", "backend", "versions", "files"],
    style: { head: [], border: [] },
  });
  for (const { spec, versions, bytes } of imported) {
    const backend =
      spec.ensemble === undefined ? (spec.backend ?? spec.platform ?? "by its files") : "ensemble";
    table.push([spec.name, backend, versions.join(", "), bytes === 0 ? "" : formatBytes(bytes)]);
  }
  return table.toString();
}
