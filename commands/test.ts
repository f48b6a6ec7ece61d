import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import * as z from "zod";
import { placesIn, projectRoot } from "./setup/places.ts";
import { readyTools, setUp, type Need } from "./setup/set-up.ts";
import { UserError } from "./setup/user-error.ts";

/** What one tier of tests came to. */
interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Names, each with what is missing. */
  readonly skipped: readonly string[];
}

/** A tier: its name, and how it is run in this environment. */
interface Tier {
  readonly name: string;
  readonly run: (scratch: string, env: Readonly<Record<string, string>>) => Promise<Outcome>;
}

const nothing: Outcome = { passed: 0, failed: 0, skipped: [] };

/** Quick enough for the inner loop: no server is started, and few processes. */
const quickTiers: readonly Tier[] = [
  { name: "check", run: check },
  { name: "unit", run: (scratch, env) => vitest("unit", scratch, env) },
  { name: "program", run: (scratch, env) => vitest("program", scratch, env) },
  {
    name: "python",
    run: (scratch, env) => pytest("python", ["-m", "not server and not build"], scratch, env),
  },
];

/** Commands as processes, models that are built, the real servers, the real engine and real Kubernetes. */
const slowTiers: readonly Tier[] = [
  { name: "commands", run: (scratch, env) => vitest("commands", scratch, env) },
  {
    name: "python-slow",
    run: (scratch, env) => pytest("python-slow", ["-m", "server or build"], scratch, env),
  },
  { name: "examples", run: (scratch, env) => vitest("examples", scratch, env) },
  { name: "rules", run: (scratch, env) => vitest("rules", scratch, env) },
  { name: "differential", run: (scratch, env) => vitest("differential", scratch, env) },
  { name: "engine", run: (scratch, env) => vitest("engine", scratch, env) },
  { name: "cluster", run: (scratch, env) => vitest("cluster", scratch, env) },
];

/**
 * `npm test`: sets up what is missing and runs every tier whose tools are there; what is skipped is listed by name.
 * `--quick` runs the tiers that start no server, and properties with fewer values. The last line counts all of them together.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { quick: { type: "boolean", default: false } },
  });
  const all = [...quickTiers, ...slowTiers];
  const unknown = positionals.find((name) => !all.some((tier) => tier.name === name));
  if (unknown !== undefined)
    throw new UserError(
      `There is no tier \`${unknown}\``,
      `tiers: ${all.map(({ name }) => name).join(", ")}`,
    );
  const tiers =
    positionals.length > 0
      ? all.filter(({ name }) => positionals.includes(name))
      : values.quick
        ? quickTiers
        : all;

  const { env, missing } = await prepare(values.quick);
  const scratch = mkdtempSync(path.join(tmpdir(), "triton-platform-test-"));
  const outcomes: Outcome[] = [];
  try {
    for (const { name, run } of tiers) {
      console.log(`\n── ${name} ──`);
      const started = Date.now();
      const outcome = await run(scratch, env);
      outcomes.push(outcome);
      console.log(`${name}: ${count(outcome)} in ${((Date.now() - started) / 1000).toFixed(0)} s`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const skipped = [...missing, ...outcomes.flatMap((outcome) => outcome.skipped)];
  if (skipped.length > 0) console.log(`\nSkipped:\n${skipped.map((name) => `  ${name}`).join("\n")}`);
  const total = { passed: sum(outcomes, "passed"), failed: sum(outcomes, "failed"), skipped };
  console.log(`\n${count(total)}`);
  if (total.failed > 0) process.exitCode = 1;
}

function sum(outcomes: readonly Outcome[], key: "passed" | "failed"): number {
  return outcomes.reduce((total, outcome) => total + outcome[key], 0);
}

function count({ passed, failed, skipped }: Outcome): string {
  const rest = skipped.length === 0 ? "" : `, ${String(skipped.length)} skipped`;
  return `${String(passed)} passed, ${String(failed)} failed${rest}`;
}

interface Prepared {
  readonly env: Readonly<Record<string, string>>;
  /** Tools that could not be had, as skipped tests name them. */
  readonly missing: readonly string[];
}

/** What this machine lacks is installed where it can be; tests of what cannot be had are skipped, by name. */
async function prepare(quick: boolean): Promise<Prepared> {
  const folder = process.env.TRITON_TOOLCHAIN;
  const bin = folder === undefined ? undefined : (await execa(path.join(folder, "unpack"))).stdout.trim();
  // First on PATH, so that setup finds this engine and builds none.
  if (bin !== undefined) process.env.PATH = `${bin}${path.delimiter}${process.env.PATH ?? ""}`;
  const missing: string[] = [];
  for (const need of needsOf(quick, folder !== undefined)) {
    try {
      await setUp([need], { yes: process.env.CI !== undefined });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      missing.push(`everything that needs ${need}: ${error.message} (${error.hint})`);
    }
  }
  // What test/support/fewer-runs.ts goes by.
  const pace = quick ? { TEST_QUICK: "yes" } : {};
  return { env: { PATH: process.env.PATH ?? "", ...pace }, missing };
}

/** Kubernetes comes from the toolchain alone: without it, nothing is installed for a cluster. */
function needsOf(quick: boolean, hasToolchain: boolean): readonly Need[] {
  if (quick) return ["python"];
  return [
    "python",
    "triton",
    "programs",
    "engine",
    "testPrograms",
    ...(hasToolchain ? (["cluster"] as const) : []),
  ];
}

/** Types, style and formatting: each program that complains is one failure. */
async function check(): Promise<Outcome> {
  const { python } = readyTools(placesIn(projectRoot));
  const node = (name: string, ...args: string[]): string[] => [
    path.join(projectRoot, "node_modules", ".bin", name),
    ...args,
  ];
  const ruff = python === undefined ? undefined : path.join(python.bin, "ruff");
  // What did not change since the last run is not looked at again; a clean checkout has no cache.
  const cache = path.join(projectRoot, ".local", "cache");
  const programs = [
    [
      // TypeScript 7 is the compiler as a native program; 5 is a library, which typescript-eslint needs.
      path.join(projectRoot, "node_modules", "typescript7", "bin", "tsc"),
      ...["-p", ".", "--incremental", "--tsBuildInfoFile", path.join(cache, "types.json")],
    ],
    node(
      "eslint",
      ".",
      "--cache",
      "--cache-strategy",
      "content",
      "--cache-location",
      path.join(cache, "eslint"),
    ),
    node(
      "prettier",
      ...["--check", "--log-level", "warn", "."],
      ...["--cache", "--cache-strategy", "content", "--cache-location", path.join(cache, "prettier")],
    ),
    ...(ruff === undefined
      ? []
      : [
          [ruff, "check", "--quiet", "."],
          [ruff, "format", "--check", "--quiet", "."],
        ]),
  ];
  // Side by side, each with its own output: they share no files.
  const results = await Promise.all(
    programs.map(([program = "", ...args]) =>
      execa(program, args, { cwd: projectRoot, reject: false, all: true }),
    ),
  );
  const failed = results.filter(({ exitCode }) => exitCode !== 0);
  for (const { command, all } of failed) console.log(`FAILED: ${command}\n${all}`);
  return {
    passed: results.length - failed.length,
    failed: failed.length,
    skipped: ruff === undefined ? ["ruff (no Python environment)"] : [],
  };
}

const vitestSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numFailedTestSuites: z.number(),
  testResults: z.array(
    z.object({ assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })) }),
  ),
});

async function vitest(
  project: string,
  scratch: string,
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  if (!existsSync(path.join(projectRoot, "test", project))) return nothing;
  const report = path.join(scratch, `${project}.json`);
  const program = path.join(projectRoot, "node_modules", "vitest", "vitest.mjs");
  const args = [
    program,
    "run",
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ];
  await execa(process.execPath, args, {
    cwd: projectRoot,
    stdio: ["ignore", "inherit", "inherit"],
    env,
    reject: false,
  });
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: [] };
  const result = vitestSchema.parse(JSON.parse(readFileSync(report, "utf8")));
  const skipped = result.testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status !== "passed" && status !== "failed")
    .map(({ fullName }) => `${project}: ${fullName}`);
  // A file that cannot be loaded has no tests, and has failed.
  const broken = result.numFailedTests === 0 ? result.numFailedTestSuites : 0;
  return { passed: result.numPassedTests, failed: result.numFailedTests + broken, skipped };
}

async function pytest(
  tier: string,
  selection: readonly string[],
  scratch: string,
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const { python } = readyTools(placesIn(projectRoot));
  if (python === undefined) return { passed: 0, failed: 0, skipped: [`${tier} (no Python environment)`] };
  const report = path.join(scratch, `${tier}.json`);
  const plugin = path.join(projectRoot, "test", "support");
  await execa(python.executable, ["-m", "pytest", "-p", "report_plugin", ...selection], {
    cwd: projectRoot,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...env, PYTHONPATH: plugin, PYTEST_REPORT: report, PYTHONDONTWRITEBYTECODE: "1" },
    reject: false,
  });
  if (!existsSync(report)) return { passed: 0, failed: 1, skipped: [] };
  const result = pytestSchema.parse(JSON.parse(readFileSync(report, "utf8")));
  return { ...result, skipped: result.skipped.map((name) => `${tier}: ${name}`) };
}

const pytestSchema = z.object({ passed: z.number(), failed: z.number(), skipped: z.array(z.string()) });
