import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import * as z from "zod";
import { PulumiBackend } from "../../../commands/ephemeral/pulumi-backend.ts";
import { interruptible, outliveOutput } from "../../../commands/ephemeral/interruption.ts";
import { runBenchmark } from "../../../commands/ephemeral/run-benchmark.ts";
import { until } from "../../../components/local/supervised.ts";
import { fixtureOptions, fixtureRun, runOptionsSchema } from "./benchmark-fixture.ts";
import { LeftoverAccount } from "./leftover-account.ts";

/**
 * `bench:cluster` on the simulated account, as a process that a test kills: its load says that it runs, in `<keep>/running`,
 * and waits for `<keep>/enough`.
 */
const options = runOptionsSchema.parse(JSON.parse(z.string().parse(process.argv[2])));
outliveOutput();
const backend = new PulumiBackend({ ...fixtureOptions, onLine: console.log });
const result = await interruptible(
  () => undefined,
  (interruption) =>
    runBenchmark(fixtureRun(options), {
      ...{ backend, interruption, say: console.log, pause: () => Promise.resolve() },
      account: new LeftoverAccount(options.account),
      load: async ({ out, signal }) => {
        writeFileSync(path.join(out, "benchmark.json"), "{}");
        writeFileSync(path.join(options.keep, "running"), "");
        await until(120, () =>
          Promise.resolve(existsSync(path.join(options.keep, "enough")) || signal.aborted || undefined),
        );
        return 0;
      },
    }),
);
backend.close();
process.exitCode = result.exitCode;
