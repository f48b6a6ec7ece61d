import { parseArgs } from "node:util";
import Table from "cli-table3";
import { shortName } from "../core/ephemeral/stack.ts";
import { cents } from "../core/plan/words.ts";
import type { OpenAccount } from "./ephemeral/account.ts";
import { interruptible, outliveOutput, pauseUntil } from "./ephemeral/interruption.ts";
import { PulumiBackend } from "./ephemeral/pulumi-backend.ts";
import { sweep, type SweptStack } from "./ephemeral/sweep.ts";
import { UserError } from "./setup/user-error.ts";

const usage = `npm run reap [-- --yes] [--stack bench-<id>] [--format text|json]
  --yes             destroys what is past its time; without it nothing is touched
  --stack <stack>   only this one, whether its time is over or not
  --format json     for programs`;

const formats = ["text", "json"] as const;

/**
 * `npm run reap`: what is left of benchmark clusters, in the backend that Pulumi is logged in to. Exit code 1: something is
 * still there that should not be; 2: a dry run found what it would destroy.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      yes: { type: "boolean", default: false },
      stack: { type: "string", short: "s" },
      format: { type: "string", default: "text" },
    },
  });
  const format = formats.find((known) => known === values.format);
  if (format === undefined) throw new UserError(`There is no form \`${values.format}\``, usage);
  // What a program reads is alone on standard output.
  const say = (line: string): void => {
    console.error(line);
  };
  outliveOutput();
  const backend = new PulumiBackend({ onLine: say });
  // AWS' SDK is loaded by whoever goes to AWS.
  const { AwsAccount } = await import("./ephemeral/aws-account.ts");
  const openAccount: OpenAccount = (place) => new AwsAccount(place);
  try {
    const swept = await interruptible(
      () => {
        say("\nStopping once the engine has ended what it is at.");
      },
      ({ first }) =>
        sweep(backend, openAccount, {
          ...{ destroys: values.yes, only: values.stack, pause: pauseUntil(first), say, signal: first },
        }),
    );
    if (values.stack !== undefined && swept.length === 0)
      throw new UserError(
        `There is no benchmark \`${values.stack}\` in this backend`,
        "`npm run reap` lists what there is; `pulumi whoami --verbose` says which backend this is",
      );
    console.log(format === "json" ? JSON.stringify(swept, undefined, 2) : formatSwept(swept));
    process.exitCode = exitCodeOf(swept);
  } finally {
    backend.close();
  }
}

export function exitCodeOf(swept: readonly SweptStack[]): number {
  if (swept.some(({ state }) => state === "left" || state === "unclear")) return 1;
  return swept.some(({ state }) => state === "expired") ? 2 : 0;
}

const words: Readonly<Record<SweptStack["state"], string>> = {
  alive: "alive",
  kept: "kept",
  locked: "in use",
  expired: "would go",
  gone: "gone",
  left: "STILL THERE",
  unclear: "UNCLEAR",
};

export function formatSwept(swept: readonly SweptStack[]): string {
  if (swept.length === 0) return "There is no benchmark cluster.";
  const table = new Table({
    head: ["stack", "owner", "state", "spent", "why"],
    style: { head: [], border: [] },
    colWidths: [null, null, null, null, 70],
    wordWrap: true,
  });
  for (const { stack, owner = "", state, spent, reason } of swept)
    table.push([shortName(stack), owner, words[state], spent === undefined ? "" : cents(spent), reason]);
  const remaining = swept.flatMap((one) =>
    one.remaining.map((name) => `  - ${shortName(one.stack)}: ${name}`),
  );
  const isDry = swept.some(({ state }) => state === "expired");
  return [
    table.toString(),
    ...(remaining.length === 0
      ? []
      : ["Still there, and paid for (docs/benchmark-clusters.md says how to get rid of it):", ...remaining]),
    ...(isDry ? ["Nothing was touched: --yes destroys what is past its time."] : []),
  ].join("\n");
}
