import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { formatLifetime } from "../../core/ephemeral/lifetime.ts";
import { clusterFacts, clusterReportName, type ClusterReport } from "../../core/ephemeral/report.ts";
import { actualSpend, type Spend } from "../../core/ephemeral/spend.ts";
import { stackTagsOf, type Benchmark } from "../../core/ephemeral/stack.ts";
import { messageOf } from "../../core/errors.ts";
import { cents } from "../../core/plan/words.ts";
import { UserError } from "../setup/user-error.ts";
import type { Account } from "./account.ts";
import type { Backend, Outcome } from "./backend.ts";
import type { Interruption } from "./interruption.ts";
import { keepResults } from "./results.ts";
import { formatTearDown, tearDown, type TearDown } from "./tear-down.ts";
import type { Surroundings } from "./surroundings.ts";

/** What a cluster was made for: the load, as a program of its own. Returns its exit code. */
export type Load = (run: {
  readonly stack: string;
  /** Empty folder for what it finds. */
  readonly out: string;
  readonly signal: AbortSignal;
}) => Promise<number>;

export interface BenchmarkRun {
  readonly benchmark: Benchmark;
  readonly config: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly spend: Spend;
  /** Folders and `s3://bucket/prefix`; each gets a folder of the stack's name. */
  readonly keep: readonly string[];
}

export interface Parts {
  readonly backend: Backend;
  readonly account: Account;
  readonly load: Load;
  readonly interruption: Interruption;
  readonly pause: Surroundings["pause"];
  readonly say: Surroundings["say"];
}

/** How it came out: what a command ends with. */
export interface RunResult {
  readonly report: ClusterReport;
  /** Where results are. */
  readonly kept: readonly string[];
  readonly exitCode: number;
}

/**
 * Makes a benchmark's stack, runs its load and takes the stack down again, whatever happens in between: a failure, Ctrl-C, the
 * end of its time. Results are kept before it is taken down, and the report of it afterwards as well.
 */
export async function runBenchmark(run: BenchmarkRun, parts: Parts): Promise<RunResult> {
  const { benchmark, spend } = run;
  const { backend, account, say } = parts;
  const { stack } = benchmark;
  const deadline = AbortSignal.timeout(Math.max(0, Date.parse(benchmark.expiresAt) - (await account.now())));
  // Where this fails, nothing is there yet.
  await backend.create(stack, run.config, run.secrets);
  const out = mkdtempSync(path.join(tmpdir(), `${stack}-results-`));
  const { isUnsure, exitCode, ...measured } = await measure(run, parts, { out, deadline });
  const report: ClusterReport = {
    ...{ format: "triton-platform/benchmark-cluster/1", benchmark, cost: spend, remaining: [] },
    ...measured,
  };
  await store(out, report, run, say);

  say(`Destroying ${stack}`);
  const down = await timed(() => takeDown(benchmark, parts, isUnsure));
  const destroyedAt = new Date(await account.now().catch(() => Date.now())).toISOString();
  const isGone = down.value.kind === "gone";
  const whole: ClusterReport = {
    ...report,
    seconds: { ...report.seconds, tearDown: down.seconds },
    cost: { ...spend, actual: actualSpend(benchmark.pricePerHour, benchmark.createdAt, destroyedAt) },
    tearDown: down.value.kind,
    remaining: down.value.kind === "left" ? down.value.names : [],
    ...(isGone ? { destroyedAt } : {}),
  };
  const kept = await store(out, whole, run, say);
  rmSync(out, { recursive: true, force: true });
  say(formatTearDown(stack, down.value));
  return { report: whole, kept, exitCode: isGone ? exitCode : 1 };
}

interface Measured extends Pick<ClusterReport, "outcome" | "reason" | "seconds"> {
  readonly exitCode: number;
  /** Whether something was cut off, so that nobody knows what is there. */
  readonly isUnsure: boolean;
}

/** Brings the stack up and runs the load. What goes wrong is said, not thrown: there is something to take down. */
async function measure(
  { benchmark }: BenchmarkRun,
  { backend, load, interruption, say }: Parts,
  { out, deadline }: { readonly out: string; readonly deadline: AbortSignal },
): Promise<Measured> {
  const { stack } = benchmark;
  const signal = AbortSignal.any([interruption.first, deadline]);
  let [seconds, isUnsure]: [ClusterReport["seconds"], boolean] = [{}, true];
  try {
    for (const [key, value] of Object.entries(stackTagsOf(benchmark)))
      await backend.setTag(stack, key, value);
    say(`Creating ${stack}: it is to be gone by ${benchmark.expiresAt}`);
    const up = await timed(() => backend.up(stack, { signal }));
    seconds = { up: up.seconds };
    const failure = failureOf(up.value, interruption, deadline);
    if (failure !== undefined) return { ...failure, seconds, isUnsure, exitCode: 1 };
    isUnsure = false;
    say(`${stack} is up after ${up.seconds.toFixed(1)} s; measuring`);
    const { value: code, seconds: ofLoad } = await timed(() => load({ stack, out, signal }));
    seconds = { ...seconds, load: ofLoad };
    const end = endOf(code, interruption, deadline);
    return { ...end, seconds, isUnsure, exitCode: end.outcome === "complete" ? 0 : code === 0 ? 1 : code };
  } catch (error) {
    return { outcome: "failed", reason: reasonOf(error), seconds, isUnsure, exitCode: 1 };
  }
}

/** Writes the report beside the results, and all of it where it is to be kept. A full disk lets no cluster run on. */
async function store(
  out: string,
  report: ClusterReport,
  { benchmark, keep }: BenchmarkRun,
  say: Parts["say"],
): Promise<readonly string[]> {
  try {
    writeFileSync(path.join(out, clusterReportName), `${JSON.stringify(report, undefined, 2)}\n`);
    return await keepResults(out, keep, benchmark.stack, say);
  } catch (error) {
    say(`Results are not kept: ${reasonOf(error)}`);
    return [];
  }
}

async function takeDown(
  benchmark: Benchmark,
  { backend, account, interruption, pause, say }: Parts,
  isUnsure: boolean,
): Promise<TearDown> {
  try {
    return await tearDown(benchmark, backend, account, { pause, say, signal: interruption.second, isUnsure });
  } catch (error) {
    return { kind: "left", names: [], reason: reasonOf(error) };
  }
}

type End = Pick<ClusterReport, "outcome"> & { readonly reason?: string };

/** Undefined where it is up. */
function failureOf(outcome: Outcome, interruption: Interruption, deadline: AbortSignal): End | undefined {
  if (outcome.ok) return undefined;
  const cut = cutOff(interruption, deadline);
  return cut ?? { outcome: "failed", reason: `it did not come up: ${outcome.text.trim().slice(-2_000)}` };
}

function endOf(code: number, interruption: Interruption, deadline: AbortSignal): End {
  const cut = cutOff(interruption, deadline);
  if (cut !== undefined) return cut;
  return code === 0
    ? { outcome: "complete" }
    : { outcome: "failed", reason: `the benchmark ended with code ${String(code)}` };
}

function cutOff({ first }: Interruption, deadline: AbortSignal): End | undefined {
  if (first.aborted) return { outcome: "interrupted", reason: "it was stopped" };
  return deadline.aborted ? { outcome: "expired", reason: "its time was over" } : undefined;
}

/** What the command ends with, as people read it. */
export function summary({ report, kept }: RunResult): string {
  return [
    ...clusterFacts(report).map(([label, value]) => `${label}: ${value}`),
    `Results: ${kept.length === 0 ? "none" : kept.join(", ")}`,
    ...(report.tearDown === "gone" ? [] : ["", howToReap(report.benchmark)]),
  ].join("\n");
}

/** What is to be done about a stack that is still there. */
export function howToReap({ stack, expiresAt }: Pick<Benchmark, "stack" | "expiresAt">): string {
  return (
    `The stack ${stack} keeps its tags: \`npm run reap -- --yes\` destroys it once its time is over (${expiresAt}), ` +
    `\`npm run reap -- --yes --stack ${stack}\` at once; by hand: docs/benchmark-clusters.md`
  );
}

export function announcement({ benchmark, spend }: BenchmarkRun, lifetime: number, ceiling: number): string {
  return (
    `${benchmark.stack} in ${benchmark.account}, ${benchmark.region}, for ${formatLifetime(lifetime)}: ` +
    `${cents(spend.perHour)} an hour at most, ${cents(spend.expected)} in all (ceiling ${cents(ceiling)})`
  );
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly seconds: number }> {
  const began = performance.now();
  const value = await work();
  return { value, seconds: (performance.now() - began) / 1_000 };
}

function reasonOf(error: unknown): string {
  if (error instanceof UserError) return `${error.message}\n  → ${error.hint}`;
  return messageOf(error);
}
