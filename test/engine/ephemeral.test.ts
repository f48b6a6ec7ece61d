import { execa } from "execa";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { OpenAccount } from "../../commands/ephemeral/account.ts";
import { PulumiBackend } from "../../commands/ephemeral/pulumi-backend.ts";
import { runBenchmark, type Load, type RunResult } from "../../commands/ephemeral/run-benchmark.ts";
import { sweep, type SweptStack } from "../../commands/ephemeral/sweep.ts";
import { findProgram } from "../../commands/setup/find-program.ts";
import { killMarked } from "../../components/local/marks.ts";
import { markVariable } from "../../core/local/mark.ts";
import { ownTags } from "../../core/ephemeral/leftovers.ts";
import { benchmarkTag, stackOf } from "../../core/ephemeral/stack.ts";
import { transact, type Stored } from "../support/aws/account.ts";
import { fixtureOptions, fixtureRun, type RunOptions } from "../support/aws/benchmark-fixture.ts";
import { loadBalancer } from "../support/aws/cluster-life.ts";
import { addInterfaces, networkInterface, subnet, vpc } from "../support/aws/ec2.ts";
import { cluster, nodeGroup } from "../support/aws/eks.ts";
import { deeds, isBefore } from "../support/aws/journal.ts";
import { LeftoverAccount, volume } from "../support/aws/leftover-account.ts";
import { logGroup } from "../support/aws/logs.ts";
import { SimulatedAccount } from "../support/aws/simulated-account.ts";
import { clusterSuite, waitFor } from "../support/cluster.ts";
import { projectRoot } from "../support/tools.ts";

/**
 * Benchmark clusters under the real engine on a simulated AWS: whatever ends them, they are gone in the end, and nothing else
 * is. All share one backend and one account, as teams do.
 */

const missing = ["pulumi", "pulumi-language-nodejs"].filter((name) => findProgram(name) === undefined);
const hour = 3_600_000;
const owner = "ml-platform";

describe.skipIf(missing.length > 0)(clusterSuite("benchmark clusters under the engine", missing), () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tp-ephemeral-"));
  let account: SimulatedAccount;
  let backend: PulumiBackend;
  /** What the account had before, and must have at the end of each test. */
  let foreign: readonly Stored[];
  let env: Readonly<Record<string, string>>;
  const opened: PulumiBackend[] = [];

  beforeAll(async () => {
    account = new SimulatedAccount({ patience: 200 });
    mkdirSync(path.join(folder, "state"));
    env = {
      ...account.environment,
      PULUMI_BACKEND_URL: `file://${path.join(folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "of a test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      [markVariable]: folder,
    };
    backend = open();
    await backend.create(
      "neighbour",
      {
        "triton-platform:eks": { name: "neighbour", tags: { owner } },
        // Its state has what says to be another stack's: a tag that somebody has copied.
        "triton-platform:stackTag": stackOf("aaaaaaa1"),
      },
      {},
    );
    expect(await backend.up("neighbour")).toEqual({ ok: true });
    put(vpc, "vpc-of-others", { ...ownTags({ stack: stackOf("aaaaaaa1"), owner: "others" }) });
    put(vpc, "vpc-of-another-stack", { ...ownTags({ stack: stackOf("zzzzzzz9"), owner }) });
    put(vpc, "vpc-without-a-stack", { owner });
    foreign = account.resources();
  });

  afterAll(async () => {
    await killMarked(folder);
    for (const one of opened) one.close();
    account.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    account.configure({ delays: {} });
    expect(account.resources()).toEqual(foreign);
    expect(await backend.tagged(benchmarkTag)).toEqual([]);
  });

  function open(): PulumiBackend {
    const one = new PulumiBackend({ ...fixtureOptions, env });
    opened.push(one);
    return one;
  }

  function put(type: string, id: string, tagsAll: Readonly<Record<string, string>>): void {
    transact(account.file, (there) => {
      there.put({
        type,
        id,
        name: id,
        properties: { arn: arnOf(type, id), tagsAll, cidrBlock: "10.9.0.0/16" },
      });
    });
  }

  /** What a cluster's controllers make, and what an engine had begun that was killed. */
  function leaveBehind(id: string): void {
    const own = ownTags({ stack: stackOf(id), owner });
    put(loadBalancer, `lb-${id}`, own);
    put(volume, `vol-${id}`, own);
    put(logGroup, `/aws/containerinsights/${id}`, own);
    put(vpc, `vpc-${id}`, own);
    transact(account.file, (there) => {
      const inStack = there
        .all(subnet)
        .filter(({ properties }) => JSON.stringify(properties).includes(stackOf(id)));
      addInterfaces(
        there,
        `lb-${id}`,
        inStack.map((one) => one.id),
      );
    });
  }

  function options(id: string): RunOptions {
    const keep = path.join(folder, "results", id);
    mkdirSync(keep, { recursive: true });
    return { id, owner, account: account.file, keep };
  }

  /** `bench:cluster` in this process. */
  async function bench(id: string, load: Load, signal = new AbortController().signal): Promise<RunResult> {
    return runBenchmark(fixtureRun(options(id)), {
      backend: open(),
      account: new LeftoverAccount(account.file),
      interruption: { first: signal, second: new AbortController().signal },
      ...{ load, pause: () => Promise.resolve(), say: () => undefined },
    });
  }

  /** `bench:cluster` in a process of its own, in which everything carries a mark. */
  function start(id: string) {
    const script = path.join(projectRoot, "test", "support", "aws", "run-benchmark.ts");
    return execa(process.execPath, ["--import", "tsx", script, JSON.stringify(options(id))], {
      // What it leaves when it is killed goes with the folder.
      ...{ cwd: projectRoot, env: { ...env, TMPDIR: folder }, reject: false },
    });
  }

  /** As a machine that goes: the process, the engine and its providers, all at once. */
  async function kill(running: PromiseLike<unknown>): Promise<void> {
    await killMarked(folder);
    await running;
  }

  /** The sweep, so many hours from now. */
  function reap(hours: number): Promise<readonly SweptStack[]> {
    const openAccount: OpenAccount = () => new LeftoverAccount(account.file, () => hours * hour);
    return sweep(open(), openAccount, {
      ...{ destroys: true, pause: () => Promise.resolve(), say: () => undefined },
    });
  }

  const states = (swept: readonly SweptStack[]): string[] => swept.map(({ state }) => state);

  it("run, keep their results, and go, with what their cluster has made and in the right order", async () => {
    const recorded = account.recording();
    account.fail("delete", loadBalancer, "api error TooManyRequests: later", { times: 2 });
    const { report, exitCode, kept } = await bench("aaaaaaa1", ({ out }) => {
      leaveBehind("aaaaaaa1");
      writeFileSync(path.join(out, "benchmark.json"), "{}");
      return Promise.resolve(0);
    });
    expect(report).toMatchObject({ outcome: "complete", tearDown: "gone", remaining: [] });
    expect(report.cost.actual).toBeGreaterThan(0);
    expect(exitCode).toBe(0);
    expect(kept).toEqual([path.join(folder, "results", "aaaaaaa1", stackOf("aaaaaaa1"))]);
    for (const name of ["benchmark.json", "cluster.json"])
      expect(existsSync(path.join(String(kept[0]), name)), name).toBe(true);
    const journal = recorded();
    for (const [first, then] of [
      [nodeGroup, cluster],
      [cluster, subnet],
      [loadBalancer, subnet],
    ] as const)
      expect(isBefore(journal, { verb: "delete", type: first }, { verb: "delete", type: then })).toBe(true);
  });

  it("go when they do not come up, and when somebody stops them", async () => {
    account.fail("create", cluster, "api error ServiceUnavailable: try again later");
    const failed = await bench("aaaaaaa1", () => Promise.resolve(0));
    expect(failed.report).toMatchObject({ outcome: "failed", tearDown: "gone" });
    expect(failed.report.reason).toContain("ServiceUnavailable");
    expect(failed.exitCode).toBe(1);

    const stop = new AbortController();
    account.configure({ delays: { [`create ${cluster}`]: 2_000 } });
    const stopped = bench("aaaaaaa2", () => Promise.resolve(0), stop.signal);
    await waitFor("the cluster's creation", () => Promise.resolve(begun("create", cluster)));
    stop.abort();
    expect((await stopped).report).toMatchObject({ outcome: "interrupted", tearDown: "gone" });
  });

  it("are found after a kill while they come up: not before the lock is old, then all of it goes", async () => {
    account.configure({ delays: { [`create ${nodeGroup}`]: 60_000 } });
    const running = start("aaaaaaa1");
    await waitFor("the node group's creation", () => Promise.resolve(begun("create", nodeGroup)));
    await kill(running);
    leaveBehind("aaaaaaa1");
    expect(states(await reap(0))).toEqual(["alive"]);
    expect(states(await reap(1))).toEqual(["locked"]);
    expect(states(await reap(5))).toEqual(["gone"]);
  });

  it("are found after a kill while they run, once by two sweeps at a time", async () => {
    const running = start("aaaaaaa1");
    await waitFor("the load", () =>
      Promise.resolve(existsSync(path.join(folder, "results", "aaaaaaa1", "running"))),
    );
    await kill(running);
    leaveBehind("aaaaaaa1");
    const recorded = account.recording();
    const both = [...(await Promise.all([reap(1), reap(1)]))].flat();
    expect(states(both)).toContain("gone");
    expect(deeds(recorded(), { verb: "delete", type: cluster })).toHaveLength(1);
  });

  it("go when a connection is lost; after a kill then they are found, and where AWS refuses some of it", async () => {
    account.configure({ delays: { [`delete ${cluster}`]: 60_000 } });
    rmSync(path.join(options("aaaaaaa1").keep, "running"), { force: true });
    const running = start("aaaaaaa1");
    await waitFor("the load", () =>
      Promise.resolve(existsSync(path.join(folder, "results", "aaaaaaa1", "running"))),
    );
    // As a terminal that goes: nobody reads any more, and the process is told.
    running.stdout.destroy();
    running.stderr.destroy();
    running.kill("SIGHUP");
    await waitFor("the cluster's deletion", () => Promise.resolve(begun("delete", cluster)), {
      timeout: 120_000,
    });
    await kill(running);
    account.configure({ delays: {} });
    account.fail("delete", cluster, "api error ResourceInUseException: later", { times: 2 });
    expect(states(await reap(5))).toEqual(["gone"]);
  });

  it("stay with their names where credentials are no more, and go with new ones", async () => {
    const { report, exitCode } = await bench("aaaaaaa1", () => {
      account.fail(
        "delete",
        cluster,
        "api error ExpiredToken: The security token included in the request is expired",
        {
          times: 100,
        },
      );
      return Promise.resolve(0);
    });
    expect(exitCode).toBe(1);
    expect(report.tearDown).toBe("left");
    const [stack] = await backend.tagged(benchmarkTag);
    expect(stack?.stack).toBe(stackOf("aaaaaaa1"));
    const kept = readFileSync(
      path.join(folder, "results", "aaaaaaa1", stackOf("aaaaaaa1"), "cluster.json"),
      "utf8",
    );
    expect(kept).toContain('"outcome": "complete"');
    transact(account.file, (there) => {
      while (there.takeFault("delete", cluster, "main") !== undefined);
    });
    expect(states(await reap(1))).toEqual(["gone"]);
  });

  function begun(verb: "create" | "delete", type: string): boolean {
    return account.journal.some(
      (entry) => entry.verb === verb && entry.type === type && entry.ended === undefined,
    );
  }
});

function arnOf(type: string, id: string): string {
  const resource = new Map([
    [loadBalancer, `elasticloadbalancing:us-east-1:111122223333:loadbalancer/net/${id}/0123`],
    [volume, `ec2:us-east-1:111122223333:volume/${id}`],
    [logGroup, `logs:us-east-1:111122223333:log-group:${id}`],
    [networkInterface, `ec2:us-east-1:111122223333:network-interface/${id}`],
  ]).get(type);
  return `arn:aws:${resource ?? `ec2:us-east-1:111122223333:vpc/${id}`}`;
}
