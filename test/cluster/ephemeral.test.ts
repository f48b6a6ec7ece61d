import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planBenchmark } from "../../commands/bench-cluster.ts";
import { PulumiBackend } from "../../commands/ephemeral/pulumi-backend.ts";
import { runBenchmark, summary } from "../../commands/ephemeral/run-benchmark.ts";
import { benchmarkTag, stackOf } from "../../core/ephemeral/stack.ts";
import { loadBalancer } from "../support/aws/cluster-life.ts";
import { nodeGroup } from "../support/aws/eks.ts";
import { isBefore } from "../support/aws/journal.ts";
import { LeftoverAccount } from "../support/aws/leftover-account.ts";
import { AwsWorld, withConfig } from "../support/aws/world.ts";
import { clusterSuite, missingForSimulated } from "../support/cluster.ts";
import { projectRoot } from "../support/tools.ts";

/** A whole benchmark cluster, as Pulumi.bench.yaml has it, on a simulated AWS with a real Kubernetes. */

describe.skipIf(missingForSimulated.length > 0)(
  clusterSuite("a benchmark cluster, from an empty account and back", missingForSimulated),
  () => {
    const id = "aaaaaaa1";
    const folder = mkdtempSync(path.join(tmpdir(), "tp-bench-"));
    let world: AwsWorld;
    /** How to end what has started, the last first. */
    const endings: (() => unknown)[] = [];

    beforeAll(async () => {
      world = await AwsWorld.start(`triton-${stackOf(id)}-models-111122223333-us-east-1`);
      endings.unshift(() => world.stop());
      mkdirSync(path.join(folder, "state"));
    });

    afterAll(async () => {
      for (const end of endings) await end();
      rmSync(folder, { recursive: true, force: true });
    });

    it("comes up, is measured, and is gone with all that its controllers made", async () => {
      const backend = new PulumiBackend({
        providers: [{ name: "aws", path: path.join(projectRoot, "test", "support", "aws") }],
        env: {
          ...world.environment,
          ...world.account.environment,
          PULUMI_BACKEND_URL: `file://${path.join(folder, "state")}`,
          PULUMI_CONFIG_PASSPHRASE: "of a test",
          PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
        },
      });
      endings.unshift(() => {
        backend.close();
      });
      const recorded = world.account.recording();
      const asked = {
        template: "bench",
        id,
        owner: "ml-platform",
        lifetime: 7_200_000,
        createdAt: Date.now(),
      };
      const planned = planBenchmark({ ...asked, ceiling: 200 });
      const never = new AbortController().signal;
      const result = await runBenchmark(
        {
          ...{ ...planned, config: withConfig(planned.config, world.charts), keep: [folder] },
          secrets: { "holysheep:apiKey": "sk-planted-in-a-test" },
        },
        {
          ...{ backend, account: new LeftoverAccount(world.account.file), say: () => undefined },
          ...{ pause: () => Promise.resolve(), interruption: { first: never, second: never } },
          load: () => {
            expect(world.account.resources(loadBalancer)).toHaveLength(1);
            return Promise.resolve(0);
          },
        },
      );
      expect(result.report, summary(result)).toMatchObject({ outcome: "complete", tearDown: "gone" });
      expect(result.exitCode).toBe(0);
      expect(world.account.resources().map(({ type, name }) => `${type} ${name}`)).toEqual([]);
      const [first, then] = [loadBalancer, nodeGroup];
      expect(isBefore(recorded(), { verb: "delete", type: first }, { verb: "delete", type: then })).toBe(
        true,
      );
      expect(await backend.tagged(benchmarkTag)).toEqual([]);
      const kept = readFileSync(path.join(folder, stackOf(id), "cluster.json"), "utf8");
      expect(kept).not.toContain("sk-planted-in-a-test");
      // For docs/benchmarks.md: what a machine of tests takes without the clouds' waits.
      console.info(summary(result));
    });
  },
);
