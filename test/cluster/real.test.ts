import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import { execa } from "execa";
import type { IRole, IRoleBinding } from "kubernetes-models/rbac.authorization.k8s.io/v1";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podReplicas } from "../../commands/bench/load/container-hosts.ts";
import { withContainers } from "../../commands/bench/load/container-replicas.ts";
import { benchmarkSchema } from "../../core/benchmark/result.ts";
import { clusterImageName } from "../support/cluster-image.ts";
import { clusterSuite, missingForReal, waitFor } from "../support/cluster.ts";
import { Load, type Counts } from "../support/real-load.ts";
import { writeScale } from "../support/real-models.ts";
import { RealPlatform, sha256, type Answer, type Key } from "../support/real-platform.ts";

/** The user `reader` may look at pods, and do nothing in them. */
function mayRead(namespace: string): [IRole, IRoleBinding] {
  const metadata = { name: "reader", namespace };
  const apiGroup = "rbac.authorization.k8s.io";
  return [
    {
      ...{ apiVersion: `${apiGroup}/v1`, kind: "Role", metadata },
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }],
    },
    {
      ...{ apiVersion: `${apiGroup}/v1`, kind: "RoleBinding", metadata },
      roleRef: { apiGroup, kind: "Role", name: "reader" },
      subjects: [{ apiGroup, kind: "User", name: "reader" }],
    },
  ];
}

/** The target under the real engine and providers on a real node: real pods, real models, real calls. */

const server = (instance: string) => ({ name: "triton-server", instance });
const balancer = { name: "triton-balancer" };

const run = String(Date.now());
const planted = {
  holysheepKey: `sk-planted-${run}`,
  deployersStoreSecret: `deployer-planted-${run}`,
  podsStoreSecret: `pods-planted-${run}`,
};
const search: Key = { caller: "search", key: `tp-search-${run}` };
const searchNext: Key = { caller: "search", key: `tp-search-next-${run}` };
const batch: Key = { caller: "batch", key: `tp-batch-${run}` };
const nextHolysheepKey = `sk-next-${run}`;

describe.skipIf(missingForReal.length > 0)(
  clusterSuite("the kubernetes target with real pods", missingForReal),
  () => {
    let platform: RealPlatform;
    const endings: (() => unknown)[] = [];

    beforeAll(async () => {
      platform = await RealPlatform.start(planted, [search, batch], (end) => endings.unshift(end));
    });

    afterAll(async () => {
      for (const end of endings) await end();
    });

    async function up(...args: string[]): Promise<string> {
      const { code, text } = await platform.stack.up(...args);
      expect(code, text).toBe(0);
      return text;
    }

    /** Runs work while clients call, and returns what they got. */
    async function underLoad(work: () => Promise<unknown>, { key } = batch): Promise<Counts> {
      const load = await Load.start(await platform.entrance(), key);
      try {
        await work();
      } catch (error) {
        await load.stop();
        throw error;
      }
      return load.stop();
    }

    /** Every call was answered, and the model multiplied by one of these numbers. */
    function expectNoneLost(counts: Counts, factors: readonly number[]): void {
      const answers = factors.map((factor) => `x${String(factor)}`).sort();
      const all = JSON.stringify(counts);
      expect(Object.keys(counts.http).sort(), all).toEqual(answers);
      expect(Object.keys(counts.grpc).sort(), all).toEqual(answers);
      expect(Object.keys(counts.llm), all).toEqual(["ok"]);
      expect(Object.keys(counts["llm-grpc"]), all).toEqual(["ok"]);
    }

    function scale(key?: string, host?: string): Promise<Answer> {
      const tensor = { name: "x", datatype: "FP32", shape: [1, 2], data: [1, 10] };
      return platform.call("/v2/models/scale/infer", {
        body: { inputs: [tensor] },
        ...(key === undefined ? {} : { key }),
        ...(host === undefined ? {} : { host }),
      });
    }

    /** Waits until each balancer answers calls with this key by this status. */
    async function keyMeets({ key }: Key, status: number): Promise<void> {
      await platform.hurrySecrets(balancer);
      const pods = await platform.pods(balancer);
      await waitFor(`${String(status)} from every balancer`, async () => {
        const answers = await Promise.all(pods.map(({ address }) => scale(key, address)));
        return answers.every((answer) => answer.status === status);
      });
    }

    const names = async (labels: { name: string }): Promise<string[]> =>
      (await platform.pods(labels)).map(({ name }) => name);

    it("comes up from nothing, and answers over HTTP and gRPC", async () => {
      await up();
      for (const labels of [server("cpu"), server("llm"), balancer]) await platform.settled(labels, 2);
      const { status, text } = await scale(search.key);
      expect(status, text).toBe(200);
      expect(JSON.parse(text)).toMatchObject({ outputs: [{ name: "y", data: [2, 20] }] });
      expectNoneLost(await underLoad(() => Promise.resolve()), [2]);
    });

    it("changes nothing when nothing changed", async () => {
      expect(await up("--expect-no-changes")).toContain("unchanged");
    });

    it("refuses who has no key, or a wrong one", async () => {
      expect((await scale()).status).toBe(401);
      expect((await scale("tp-wrong")).status).toBe(401);
      const counts = await underLoad(() => Promise.resolve(), { caller: "nobody", key: "tp-wrong" });
      expect(Object.keys(counts.grpc)).toEqual([expect.stringContaining("UNAUTHENTICATED")]);
    });

    it("says by /healthz, without a key, that it serves", async () => {
      expect((await platform.call("/healthz")).status).toBe(200);
    });

    it("has each caller's conversations with the LLM apart", async () => {
      const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
      const say = async (prompt: string, { key }: Key): Promise<string> => {
        const tensor = { name: "prompt", datatype: "BYTES", shape: [1, 1], data: [prompt] };
        const { status, text } = await platform.call("/v2/models/llm-backend/infer", {
          ...{ key, agent, headers: { "x-conversation-id": "holiday" } },
          body: { inputs: [tensor] },
        });
        expect(status, text).toBe(200);
        return text;
      };
      expect(await say("Where to?", search)).toContain("Message 1 of this conversation: Where to?");
      expect(await say("And when?", search)).toContain("Message 3 of this conversation: And when?");
      expect(await say("And I?", batch)).toContain("Message 1 of this conversation: And I?");
      agent.destroy();
    });

    it("is measured by npm run bench from inside, by a Job that goes afterwards", async () => {
      const folder = path.dirname(platform.models);
      const keyFile = path.join(folder, "api-key");
      writeFileSync(keyFile, `${batch.key}\n`);
      const out = path.join(folder, "benchmarks");
      const { tls } = await platform.entrance();
      const { code, text } = await platform.stack.command("bench", [
        ...["--in-cluster", "--image", clusterImageName, "--cpu", "0.1", "--out", out],
        ...["--model", "scale", "--concurrency", "1,2", "--seconds", "1"],
        ...["--api-key-file", keyFile, "--ca", tls.authorities],
      ]);
      expect(code, text).toBe(0);
      const [file = ""] = readdirSync(out);
      const written = readFileSync(path.join(out, file), "utf8");
      const { environment, series } = benchmarkSchema.parse(JSON.parse(written));
      expect(environment.generator.name).toBe("perf_analyzer");
      expect(environment.generator.from).toMatch(/^node ./);
      // As Triton says it, and not the config.
      expect(environment.triton.version).toMatch(/^2\.\d+\.\d+$/);
      expect(series.map(({ model, protocol }) => `${model} ${protocol}`)).toEqual([
        "scale http",
        "scale grpc",
      ]);
      for (const { points } of series) {
        expect(points.map(({ concurrency, failures }) => [concurrency, failures])).toEqual([
          [1, {}],
          [2, {}],
        ]);
        for (const { requests, latency, server } of points) {
          expect(requests).toBeGreaterThan(10);
          expect(latency.p99Ms).toBeGreaterThanOrEqual(latency.p50Ms);
          expect(server?.requests).toBeGreaterThan(requests * 0.5);
          expect(server?.queueMs).toBeGreaterThan(0);
          expect(server?.computeInferMs).toBeLessThan(latency.maxMs);
        }
      }
      expect(written).not.toContain(batch.key);
      const processes = await execa("ps", ["axww", "-o", "args"]);
      expect(processes.stdout).not.toMatch(/kubectl .* exec --stdin/);
      await waitFor("the Job and what is its to go", async () => {
        const kinds = "jobs,pods,secrets,networkpolicies";
        const selector = "--selector=app.kubernetes.io/name=triton-benchmark";
        const there = await platform.cluster.kubectl(
          ...["get", kinds, selector, "--namespace", platform.namespace, "--output=name"],
        );
        return there.trim() === "";
      });
    });

    it("is measured without Triton's counters, and says why, where a user may not execute in pods", async () => {
      const { cluster, namespace } = platform;
      const kubeconfig = path.join(path.dirname(platform.models), "reader");
      const own = readFileSync(cluster.kubeconfig, "utf8");
      writeFileSync(kubeconfig, own.replace("{token: admin-token}", "{token: admin-token, as: reader}"));
      const notes: string[] = [];
      const asked = (): Promise<number> =>
        withContainers(
          podReplicas({ namespace, kubeconfig }),
          ["cpu", "llm"],
          (text) => notes.push(text),
          (replicas) => Promise.resolve(["cpu", "llm"].flatMap((name) => replicas.of(name)).length),
        );
      expect(await asked()).toBe(0);
      expect(notes.splice(0)).toEqual([
        expect.stringMatching(/of cpu, llm .*User "reader" cannot list resource "pods"/),
      ]);
      await cluster.apply(...mayRead(namespace));
      expect(await asked()).toBe(0);
      expect(notes.splice(0)).toEqual([
        expect.stringMatching(
          /of cpu, llm .*User "reader" cannot (get|create) resource "pods\/exec"[^]*create pods\/exec/,
        ),
      ]);
      await cluster.kubectl("delete", "role,rolebinding", "reader", "--namespace", namespace);
    });

    it("serves on while a new version of a model does not come up", async () => {
      const counts = await underLoad(async () => {
        writeScale(platform.models, "broken");
        const { code, text } = await platform.stack.upDuring(() =>
          waitFor("a new server that has failed", async () =>
            (await platform.pods(server("cpu"))).some(({ restarts }) => restarts > 0),
          ),
        );
        expect(code, text).not.toBe(0);
      });
      expectNoneLost(counts, [2]);
    });

    it("rolls a changed model without losing a call", async () => {
      const counts = await underLoad(async () => {
        writeScale(platform.models, 3);
        await up();
        await platform.settled(server("cpu"), 2);
      });
      expectNoneLost(counts, [2, 3]);
      expect((await scale(search.key)).text).toContain("[3.0,30.0]");
    });

    it("loses no call when a server's pod is deleted", async () => {
      const counts = await underLoad(async () => {
        await Promise.all(
          [server("cpu"), server("llm")].map(async (labels) => {
            const [name = ""] = await names(labels);
            await platform.cluster.kubectl("delete", "pod", "--namespace", platform.namespace, name);
            await platform.settled(labels, 2);
          }),
        );
      });
      expectNoneLost(counts, [3]);
    });

    it("loses no call when a balancer is drained", async () => {
      const counts = await underLoad(async () => {
        const [name = ""] = await names(balancer);
        await platform.cluster.kubectl("delete", "pod", "--namespace", platform.namespace, name);
        await platform.settled(balancer, 2);
      });
      expectNoneLost(counts, [3]);
    });

    it("changes an API key without losing a call or replacing a pod", async () => {
      const before = await names(balancer);
      const withOld = await underLoad(async () => {
        platform.setKeys([search, searchNext, batch]);
        await up();
        await keyMeets(searchNext, 200);
      }, search);
      expectNoneLost(withOld, [3]);
      const withNew = await underLoad(async () => {
        platform.setKeys([searchNext, batch]);
        await up();
        await keyMeets(search, 401);
      }, searchNext);
      expectNoneLost(withNew, [3]);
      expect(await names(balancer)).toEqual(before);
    });

    it("takes a new key of HolySheep's without losing a call or replacing a pod", async () => {
      const before = await names(server("llm"));
      const counts = await underLoad(async () => {
        await platform.stack.setSecret("holysheep:apiKey", nextHolysheepKey);
        await up();
        await platform.hurrySecrets(server("llm"));
        const digest = sha256(nextHolysheepKey);
        await waitFor(
          "no call with the old key",
          async () => {
            const seen = await platform.upstreamKeys();
            return seen.length > 10 && seen.every((key) => key === digest);
          },
          { interval: 2_000 },
        );
      });
      expectNoneLost(counts, [3]);
      expect(await names(server("llm"))).toEqual(before);
    });

    it("scales out under load", async () => {
      const counts = await underLoad(async () => {
        platform.setReplicas(3);
        await up();
        await platform.settled(server("cpu"), 3);
      });
      expectNoneLost(counts, [3]);
    });

    it("shows its secrets nowhere", async () => {
      const secrets = [...platform.secrets, search.key, searchNext.key, batch.key, nextHolysheepKey];
      const kinds = await platform.cluster.kubectl(
        ...["api-resources", "--verbs=list", "--output=name", "--cached"],
      );
      const all = kinds.split("\n").filter((kind) => kind !== "secrets");
      const places = {
        manifests: await platform.cluster.kubectl("get", all.join(","), "-A", "-o", "yaml"),
        logs: await platform.logs(),
        processes: (await execa("ps", ["axww", "-o", "args"])).stdout,
      };
      expect(places.logs).toContain("repository");
      expect(places.processes).toContain("tritonserver");
      for (const secret of secrets) {
        expect(secret.length).toBeGreaterThan(10);
        for (const [place, text] of Object.entries(places))
          expect(text.includes(secret), `a secret in the ${place}`).toBe(false);
        const files = await execa("grep", ["-rlaF", "-e", secret, platform.stack.directory], {
          reject: false,
        });
        expect(files.stdout).toBe("");
      }
    });

    it("goes without leaving anything", async () => {
      expect((await platform.stored()).filter((key) => key.includes("/manifests/"))).toHaveLength(4);
      const { code, text } = await platform.stack.destroy();
      expect(code, text).toBe(0);
      const { cluster, namespace } = platform;
      const kinds =
        "pods,deployments,replicasets,services,configmaps,secrets,serviceaccounts,networkpolicies,pdb";
      const left = await cluster.kubectl("get", kinds, "--namespace", namespace, "--output=name");
      // What was there before, and what every namespace has.
      expect(left.split("\n").sort()).toEqual([
        "configmap/kube-root-ca.crt",
        "secret/model-store",
        "secret/triton-tls",
        "serviceaccount/default",
      ]);
      expect(await cluster.kubectl("get", "priorityclasses", "-o", "name")).not.toContain("triton");
      expect(await platform.stored()).toEqual([]);
    });
  },
);
