import path from "node:path";
import * as z from "zod";
import { planBenchmark } from "../../../commands/bench-cluster.ts";
import type { PulumiOptions } from "../../../commands/ephemeral/pulumi-backend.ts";
import type { BenchmarkRun } from "../../../commands/ephemeral/run-benchmark.ts";
import { projectRoot } from "../tools.ts";

const folder = path.join(projectRoot, "test", "support", "aws");

/** The simulation's small program in place of the project's: network, cluster and nodes, and nothing on them. */
export const fixtureOptions: Pick<PulumiOptions, "main" | "providers"> = {
  main: path.join(folder, "fixture", "program.mjs"),
  providers: [{ name: "aws", path: folder }],
};

export const runOptionsSchema = z.object({
  id: z.string(),
  owner: z.string(),
  /** Of the simulated account. */
  account: z.string(),
  /** Folder of results, and of what a test and its process tell each other. */
  keep: z.string(),
});
export type RunOptions = z.output<typeof runOptionsSchema>;

/** Milliseconds. */
export const fixtureLifetime = 45 * 60_000;

export function fixtureRun({ id, owner, keep }: RunOptions): BenchmarkRun {
  const asked = { template: "bench", id, owner, lifetime: fixtureLifetime, createdAt: Date.now() };
  return { ...planBenchmark({ ...asked, ceiling: 200 }), secrets: {}, keep: [keep] };
}
