import { randomBytes } from "node:crypto";
import path from "node:path";
import { execa } from "execa";
import { awsNames } from "../core/aws/names.ts";
import { callsUpstream } from "../core/upstream.ts";
import { commandLine as benchLine } from "../core/benchmark/load-options.ts";
import { costOf } from "../core/cost/cost.ts";
import { eksCostItems } from "../core/cost/eks.ts";
import { prices } from "../core/cost/prices.ts";
import { benchmarkConfig } from "../core/ephemeral/config.ts";
import { expectedSpend, spendProblem } from "../core/ephemeral/spend.ts";
import { benchmarkId, stackOf, type Benchmark } from "../core/ephemeral/stack.ts";
import { eksOf, parsePlatform } from "../core/spec/platform.ts";
import { ProblemsError } from "../core/spec/problem.ts";
import { plannedBench } from "./bench/load/asked.ts";
import type { Account } from "./ephemeral/account.ts";
import { interruptible, outliveOutput, pauseUntil } from "./ephemeral/interruption.ts";
import { PulumiBackend } from "./ephemeral/pulumi-backend.ts";
import {
  commandLine,
  gathering,
  help,
  problemsIn,
  readRequest,
  type BenchmarkRequest,
} from "./ephemeral/request.ts";
import { checkBuckets } from "./ephemeral/results.ts";
import {
  announcement,
  howToReap,
  runBenchmark,
  summary,
  type BenchmarkRun,
  type Load,
} from "./ephemeral/run-benchmark.ts";
import { spoken } from "./files/spoken.ts";
import { projectRoot } from "./setup/places.ts";
import { UserError } from "./setup/user-error.ts";
import { readStack, stackValues } from "./stack/config.ts";
import { planEksStack } from "./stack/eks.ts";

/** `npm run bench:cluster`: a cluster made for one benchmark, and gone afterwards. */
export async function main(args: string[]): Promise<void> {
  const request = readRequest(args);
  if (request.isHelp) {
    console.log(help);
    return;
  }
  const { lifetime, ceiling, keep, apiKey, secretsProvider } = request;
  const id = benchmarkId(randomBytes(8));
  const plan = (createdAt: number) => ({
    ...planBenchmark({ ...request, id, createdAt }),
    secrets: apiKey === undefined ? {} : { "holysheep:apiKey": apiKey },
    keep,
  });
  // Before AWS is asked for anything: it may be refused.
  const first = await accepted(request, () => plan(Date.now()));
  console.log(announcement(first, lifetime, ceiling));
  if (request.isDryRun) return;

  const account = await openAccount(first.benchmark);
  const run = plan(await account.now());
  await spoken(() => checkBuckets(keep));
  const { stack } = run.benchmark;
  const say = (line: string): void => {
    console.log(line);
  };
  outliveOutput();
  const backend = new PulumiBackend({ secretsProvider, onLine: say });
  try {
    const result = await interruptible(
      () => {
        say(`\nStopping: ${stack} is being taken down. Ctrl-C again leaves it as it is.`);
      },
      (interruption) => {
        interruption.second.addEventListener("abort", () => {
          say(`\nLeft as it is. ${howToReap(run.benchmark)}`);
        });
        const pause = pauseUntil(interruption.second);
        return runBenchmark(run, {
          ...{ backend, account, interruption, pause, say },
          load: benchCommand(request.benchArgs, backend.folder),
        });
      },
    );
    console.log(summary(result));
    process.exitCode = result.exitCode;
  } finally {
    backend.close();
  }
}

/**
 * The plan of a request. Throws, all at once, what is wrong with the command line, the template, the stack and what is measured in
 * it: a cluster costs money before it shows any of that.
 */
async function accepted(
  { problems, bench, isDryRun, apiKey }: BenchmarkRequest,
  plan: () => BenchmarkRun & Pick<PlannedBenchmark, "needsApiKey">,
): Promise<BenchmarkRun> {
  const all = [...problems];
  const isWrong = (option: string): boolean => problems.some(({ path }) => path === option);
  const planned = isWrong("--template") ? undefined : gathering(all, { file: commandLine, path: "" }, plan);
  const keyFile = "--holysheep-key-file";
  if (planned?.needsApiKey === true && apiKey === undefined && !isDryRun && !isWrong(keyFile))
    all.push({
      ...{ file: commandLine, path: keyFile },
      message: "missing, and models call HolySheep's API",
      hint: "name a file that holds its key, or a template without these models",
    });
  if (planned !== undefined && bench !== undefined)
    try {
      const { notes } = await plannedBench(bench);
      if (all.length === 0) for (const note of notes) console.log(`Note: ${note}`);
    } catch (error) {
      all.push(...problemsIn(error, { file: benchLine, path: "" }));
    }
  if (planned === undefined || all.length > 0) throw new ProblemsError(all);
  return planned;
}

/** AWS' SDK is loaded by whoever goes to AWS. */
export async function openAccount(place: Pick<Benchmark, "account" | "region">): Promise<Account> {
  const { AwsAccount } = await import("./ephemeral/aws-account.ts");
  return new AwsAccount(place);
}

export interface AskedBenchmark {
  readonly template: string;
  readonly id: string;
  readonly owner: string;
  /** Milliseconds. */
  readonly lifetime: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** USD. */
  readonly ceiling: number;
}

export interface PlannedBenchmark extends Pick<BenchmarkRun, "benchmark" | "config" | "spend"> {
  /** Whether its models call HolySheep's API. */
  readonly needsApiKey: boolean;
}

/** Checks and prices a benchmark's stack, without AWS. Throws all problems at once, and refuses what may cost too much. */
export function planBenchmark({
  template,
  id,
  owner,
  lifetime,
  createdAt,
  ceiling,
}: AskedBenchmark): PlannedBenchmark {
  const stack = stackOf(id);
  const {
    file,
    config: { target },
  } = readStack(template);
  if (target !== "eks")
    throw new UserError(
      `${file} is of the target ${target}; a cluster that comes and goes is of eks`,
      "name another stack with --template",
    );
  const times = {
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(createdAt + lifetime).toISOString(),
  };
  const given = { name: `triton-${stack}`, owner, expiresAt: times.expiresAt };
  const config = benchmarkConfig(stackValues(template), given, lifetime);
  const parsed = parsePlatform(config, file);
  if ("problems" in parsed) throw new ProblemsError(parsed.problems);
  const { plan } = planEksStack({ config: parsed.value, file, stack, hasApiKey: true });
  const cost = costOf(eksCostItems(plan, prices).items);
  const spend = expectedSpend(cost, lifetime);
  const problem = spendProblem(cost, spend, ceiling);
  if (problem !== undefined) throw new UserError(problem.message, problem.hint);
  const { account, region, name } = awsNames(eksOf(parsed.value), stack);
  return {
    benchmark: { id, stack, owner, account, region, name, ...times, pricePerHour: spend.perHour },
    ...{ config, spend },
    needsApiKey: plan.workload !== undefined && callsUpstream(plan.workload.platform.servers),
  };
}

/**
 * `npm run bench` against the stack, by a Job inside its cluster: the balancer has no address outside of the VPC. Its file is
 * where the stack's is, which is not in the checkout.
 */
function benchCommand(args: readonly string[], stackFolder: string): Load {
  return async ({ stack, out, signal }) => {
    const command = path.join(projectRoot, "commands", "run.mjs");
    const { exitCode } = await execa(
      process.execPath,
      [command, "bench", "--target", stack, "--in-cluster", "--out", out, ...args],
      {
        cwd: projectRoot,
        env: { TRITON_PLATFORM_STACKS: stackFolder },
        stdio: ["ignore", "inherit", "inherit"],
        reject: false,
        // Asked to end as by Ctrl-C, so that it writes what it has.
        ...{ cancelSignal: signal, killSignal: "SIGINT", forceKillAfterDelay: 60_000, detached: true },
      },
    );
    return exitCode ?? 1;
  };
}
