import { randomBytes } from "node:crypto";
import path from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { awsNames } from "../core/aws/names.ts";
import { costOf } from "../core/cost/cost.ts";
import { eksCostItems } from "../core/cost/eks.ts";
import { prices } from "../core/cost/prices.ts";
import { benchmarkConfig } from "../core/ephemeral/config.ts";
import { parseLifetime } from "../core/ephemeral/lifetime.ts";
import { expectedSpend, spendProblem, usualCeiling } from "../core/ephemeral/spend.ts";
import { benchmarkId, stackOf, type Benchmark } from "../core/ephemeral/stack.ts";
import { eksOf, parsePlatform } from "../core/spec/platform.ts";
import { ProblemsError } from "../core/spec/problem.ts";
import type { Account } from "./ephemeral/account.ts";
import { interruptible, outliveOutput, pauseUntil } from "./ephemeral/interruption.ts";
import { PulumiBackend } from "./ephemeral/pulumi-backend.ts";
import {
  announcement,
  howToReap,
  runBenchmark,
  summary,
  type BenchmarkRun,
  type Load,
} from "./ephemeral/run-benchmark.ts";
import { userPath } from "./files/user-path.ts";
import { projectRoot } from "./setup/places.ts";
import { UserError } from "./setup/user-error.ts";
import { fileOf, stackValues } from "./stack/config.ts";
import { planEksStack } from "./stack/eks.ts";

const usage = `npm run bench:cluster -- --ttl 2h --owner <who> [options] [-- options of npm run bench]
  --ttl <time>            how long the cluster may live: 45m to 72h; the benchmark is cut off then
  --owner <who>           who answers for it: the tag \`owner\`
  --max-cost <dollars>    refuses what may cost more. Default: ${String(usualCeiling)}
  --keep-results <place>  a folder, or s3://bucket/prefix; more than one may be given. Default: benchmarks
  --template <stack>      whose config the cluster has: Pulumi.<stack>.yaml. Default: bench
  --secrets-provider <p>  of the stack, as \`pulumi stack init\` takes it. Default: the backend's own
  --dry-run               shows what it would cost, and makes nothing`;

/**
 * `npm run bench:cluster`: a cluster made for one benchmark, and gone afterwards. HolySheep's key, where models call its API,
 * is taken from HOLYSHEEP_API_KEY.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ttl: { type: "string" },
      owner: { type: "string" },
      "max-cost": { type: "string", default: String(usualCeiling) },
      "keep-results": { type: "string", multiple: true },
      template: { type: "string", default: "bench" },
      "secrets-provider": { type: "string" },
      "dry-run": { type: "boolean", default: false },
    },
  });
  const { ttl, owner } = values;
  if (ttl === undefined || owner === undefined)
    throw new UserError("--ttl and --owner are needed: a cluster costs money until somebody ends it", usage);
  const lifetime = lifetimeFrom(ttl);
  const ceiling = ceilingFrom(values["max-cost"]);
  const apiKey = process.env.HOLYSHEEP_API_KEY;
  const asked = { template: values.template, id: benchmarkId(randomBytes(8)), owner, lifetime };
  const keep = (values["keep-results"] ?? ["benchmarks"]).map((place) =>
    place.startsWith("s3://") ? place : path.resolve(userPath(place)),
  );
  const plan = (createdAt: number): BenchmarkRun => ({
    ...planBenchmark({ ...asked, createdAt, ceiling }),
    secrets: apiKey === undefined ? {} : { "holysheep:apiKey": apiKey },
    keep,
  });
  // Before AWS is asked for anything: it may be refused.
  const first = plan(Date.now());
  console.log(announcement(first, lifetime, ceiling));
  if (values["dry-run"]) return;

  const account = await openAccount(first.benchmark);
  const run = plan(await account.now());
  const { stack } = run.benchmark;
  const say = (line: string): void => {
    console.log(line);
  };
  outliveOutput();
  const backend = new PulumiBackend({ secretsProvider: values["secrets-provider"], onLine: say });
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
          load: benchCommand(positionals, backend.folder),
        });
      },
    );
    console.log(summary(result));
    process.exitCode = result.exitCode;
  } finally {
    backend.close();
  }
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

/** Checks and prices a benchmark's stack, without AWS. Throws all problems at once, and refuses what may cost too much. */
export function planBenchmark({
  template,
  id,
  owner,
  lifetime,
  createdAt,
  ceiling,
}: AskedBenchmark): Pick<BenchmarkRun, "benchmark" | "config" | "spend"> {
  const stack = stackOf(id);
  const file = fileOf(template);
  const times = {
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(createdAt + lifetime).toISOString(),
  };
  const given = { name: `triton-${stack}`, owner, expiresAt: times.expiresAt };
  const values = stackValues(template);
  const target = values["triton-platform:target"];
  if (target !== "eks")
    throw new UserError(
      `${file} is of the target ${String(target)}, or not there; a cluster that comes and goes is of eks`,
      "name another stack with --template",
    );
  const config = benchmarkConfig(values, given, lifetime);
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
    config,
    spend,
  };
}

function lifetimeFrom(text: string): number {
  const parsed = parseLifetime(text);
  if ("problem" in parsed) throw new UserError(`--ttl: ${parsed.problem}`, usage);
  return parsed.value;
}

function ceilingFrom(text: string): number {
  const ceiling = Number(text);
  if (!(ceiling > 0)) throw new UserError(`--max-cost ${text}: this is no amount of dollars`, usage);
  return ceiling;
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
