import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import yaml from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { findProgram } from "../../commands/setup/find-program.ts";
import { benchmarkSchema } from "../../core/benchmark/result.ts";
import { readClusterReport } from "../../core/ephemeral/report.ts";
import { loadBalancer } from "../support/aws/cluster-life.ts";
import { nodeGroup } from "../support/aws/eks.ts";
import { isBefore } from "../support/aws/journal.ts";
import { AwsWorld, committedConfig, withConfig } from "../support/aws/world.ts";
import { clusterSuite, missingForSimulated } from "../support/cluster.ts";
import { Moto } from "../support/moto.ts";
import { projectRoot, venvPython } from "../support/tools.ts";

/**
 * `npm run bench:cluster` as it is typed: a whole cluster as Pulumi.bench.yaml has it, on a simulated AWS with a real Kubernetes,
 * measured by the real `npm run bench`. AWS' APIs that are asked for the caller and for leftovers are moto's, and have none of
 * the stack's resources. Nodes are simulated and run no pods: perf_analyzer is a stand-in on this machine (support/aws/pods).
 */

const missing = [
  ...missingForSimulated,
  ...(venvPython.program === undefined ? ["the project's Python"] : []),
];
const awsFolder = path.join(projectRoot, "test", "support", "aws");
const account = "111122223333";
const plantedKey = "sk-planted-in-a-test";
const callsSchema = z.array(z.string());

describe.skipIf(missing.length > 0)(
  clusterSuite("a benchmark cluster, from an empty account and back", missing),
  () => {
    const folder = mkdtempSync(path.join(tmpdir(), "tp-bench-"));
    const results = path.join(folder, "results");
    const keyFile = path.join(folder, "holysheep-key");
    let world: AwsWorld;
    let env: Readonly<Record<string, string>>;
    /** How to end what has started, the last first. */
    const endings: (() => unknown)[] = [];

    beforeAll(async () => {
      world = await AwsWorld.start("example-benchmarks");
      endings.unshift(() => world.stop());
      world.objects.also = new RegExp(`^triton-bench-\\w{8}-models-${account}-us-east-1$`);
      const moto = await Moto.start(account);
      endings.unshift(() => moto.stop());
      mkdirSync(path.join(folder, "state"));
      const config = withConfig(committedConfig("bench"), world.charts);
      writeFileSync(path.join(folder, "Pulumi.bench.yaml"), yaml.dump({ config }));
      writeFileSync(keyFile, `${plantedKey}\n`);
      const { PATH = "", ...ofWorld } = world.environment;
      env = {
        ...{ ...ofWorld, ...world.account.environment },
        // The engine finds the simulated provider on it.
        PATH: [path.join(awsFolder, "pods"), awsFolder, PATH].join(path.delimiter),
        REAL_KUBECTL: findProgram("kubectl") ?? "",
        AWS_ENDPOINT_URL: moto.endpoint,
        TRITON_PLATFORM_STACKS: folder,
        PULUMI_BACKEND_URL: `file://${path.join(folder, "state")}`,
        PULUMI_CONFIG_PASSPHRASE: "of a test",
        PULUMI_SKIP_UPDATE_CHECK: "true",
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      };
    });

    afterAll(async () => {
      for (const end of endings) await end();
      rmSync(folder, { recursive: true, force: true });
    });

    it("comes up, is measured, and is gone with all that its controllers made", async () => {
      const recorded = world.account.recording();
      const began = Date.now();
      const { exitCode, all } = await execa(
        process.execPath,
        [
          ...[path.join(projectRoot, "commands", "run.mjs"), "bench-cluster"],
          ...["--ttl", "2h", "--owner", "ml-platform", "--holysheep-key-file", keyFile],
          ...["--keep-results", results, "--keep-results", "s3://example-benchmarks/triton"],
          ...["--", "--model", "text-labels", "--concurrency", "2", "--batch-size", "1"],
          ...["--requests", "50", "--warm-up", "0"],
        ],
        { cwd: projectRoot, env, all: true, reject: false },
      );
      expect(exitCode, all).toBe(0);
      const [stack = "", ...others] = readdirSync(results);
      expect(others).toEqual([]);
      const kept = path.join(results, stack);
      const read = (name: string): string => readFileSync(path.join(kept, name), "utf8");
      const [result = "", clusterFile] = readdirSync(kept).sort();
      expect(clusterFile).toBe("cluster.json");

      const cluster = readClusterReport(read("cluster.json"), "cluster.json");
      expect(cluster).toMatchObject({
        value: { benchmark: { stack, account }, outcome: "complete", tearDown: "gone", remaining: [] },
      });
      const { environment, series } = benchmarkSchema.parse(JSON.parse(read(result)));
      expect(environment).toMatchObject({ target: "eks", stack, generator: { name: "perf_analyzer" } });
      expect(environment.generator.from).toMatch(/^node .*system/);
      expect(series.map(({ model, points }) => [model, points.length, points[0]?.requests])).toEqual([
        ["text-labels", 1, 50],
        ["text-labels", 1, 50],
      ]);
      expect(loadCalls().flatMap((call) => call[call.indexOf("-u") + 1] ?? [])).toEqual([
        ...["http://triton-balancer.triton.svc:8000", "triton-balancer.triton.svc:8001"],
      ]);
      for (const name of [result, "cluster.json"])
        expect(world.objects.objects.get(`triton/${stack}/${name}`)?.toString()).toBe(read(name));

      expect(world.account.resources().map(({ type, name }) => `${type} ${name}`)).toEqual([]);
      const [first, then] = [loadBalancer, nodeGroup];
      const journal = recorded();
      expect(isBefore(journal, { verb: "create", type: then }, { verb: "create", type: first })).toBe(true);
      expect(isBefore(journal, { verb: "delete", type: first }, { verb: "delete", type: then })).toBe(true);
      const { stdout } = await execa("pulumi", ["stack", "ls", "--all", "--json"], { cwd: projectRoot, env });
      expect(JSON.parse(stdout)).toEqual([]);
      expect(`${all}${read(result)}${read("cluster.json")}`).not.toContain(plantedKey);

      // For docs/benchmarks.md: what a machine of tests takes without the clouds' waits.
      const firstRequest = Date.parse(series[0]?.points[0]?.startedAt ?? "") - began;
      console.info(
        `${all.slice(all.indexOf("Cluster: "))}\nfirst request: ${String(firstRequest / 1_000)} s`,
      );
    });

    /** Arguments of each call of perf_analyzer. */
    function loadCalls(): readonly (readonly string[])[] {
      const lines = readFileSync(`${world.account.file}.load`, "utf8").trim().split("\n");
      return lines.map((line) => callsSchema.parse(JSON.parse(line)));
    }
  },
);
