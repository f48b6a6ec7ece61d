import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { clusterSuite, missingForSimulated, SimulatedCluster, waitFor } from "../support/cluster.ts";
import { defineCustomResources } from "../support/custom-resources.ts";
import { TestStack } from "../support/stack.ts";
import { projectRoot } from "../support/tools.ts";

/** The target under the real engine and providers, against a real API server, scheduler and controllers. */

const namespace = "serving";

const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.object({ nodeName: z.string().optional() }),
});
const listOf = <T>(item: z.ZodType<T>) => z.object({ items: z.array(item) });
type Pod = z.output<typeof podSchema>;

const config = {
  "triton-platform:target": "kubernetes",
  "triton-platform:servers": {
    gpu: { replicas: 2, accelerator: { gpu: "a100-80gb" } },
    llm: { models: ["llm-backend"], replicas: 2 },
  },
  "triton-platform:kubernetes": {
    context: "local",
    namespace,
    // Nothing is uploaded: what loads is simulated.
    repository: { source: "image", reference: "models.example.com/models:1" },
    dnsTtl: "1s",
    balancer: {
      deregistrationDelay: "1s",
      apiKeys: [
        { caller: "search", sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" },
      ],
    },
  },
};

describe.skipIf(missingForSimulated.length > 0)(
  clusterSuite("the kubernetes target on simulated nodes", missingForSimulated),
  () => {
    let cluster: SimulatedCluster;
    let stack: TestStack;
    const plantedKey = `sk-planted-${String(Date.now())}`;
    /** How to end what has started, the last first, however far `beforeAll` got. */
    const endings: (() => unknown)[] = [];

    beforeAll(async () => {
      cluster = await SimulatedCluster.start();
      endings.unshift(() => cluster.stop());
      const a100 = {
        instanceType: "p4de.24xlarge",
        gpus: 8,
        product: "NVIDIA-A100-SXM4-80GB",
        memoryMiB: 81_920,
      };
      await cluster.addGpuNode({ name: "gpu-1a", ...a100 });
      await cluster.addGpuNode({ name: "gpu-1b", ...a100 });
      // The wrong card: nothing of ours goes there.
      await cluster.addGpuNode({
        ...{ name: "gpu-2a", instanceType: "p4d.24xlarge", gpus: 8 },
        ...{ product: "NVIDIA-A100-SXM4-40GB", memoryMiB: 40_960 },
      });
      await defineCustomResources(cluster);
      for (const name of ["cpu-1a", "cpu-1b"])
        await cluster.addCpuNode({ name, instanceType: "m7i.2xlarge", cpus: 8, memoryGiB: 32 });
      stack = await TestStack.create(config, { KUBECONFIG: cluster.kubeconfig });
      endings.unshift(() => {
        stack.remove();
      });
      const models = path.join(stack.directory, "models");
      cpSync(path.join(projectRoot, "models"), models, { recursive: true });
      stack.configure({ "triton-platform:models": models });
      await stack.setSecret("holysheep:apiKey", plantedKey);
    });

    afterAll(async () => {
      for (const end of endings) await end();
    });

    /** Pods of a server group or, by another label, of the balancer; those on their way out are left out. */
    async function pods(selector: string): Promise<Pod[]> {
      const { items } = await cluster.read(
        listOf(podSchema),
        ...["get", "pods", "--namespace", namespace, "--selector", selector],
      );
      return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    }
    const ofServer = (name: string): string => `app.kubernetes.io/instance=${name}`;
    const hashes = async (server: string): Promise<string[]> =>
      (await pods(ofServer(server))).map(
        ({ metadata }) => metadata.annotations["triton-platform/repository"] ?? "",
      );

    async function up(...args: string[]): Promise<string> {
      const { code, text } = await stack.up(...args);
      expect(code, text).toBe(0);
      return text;
    }

    it("comes up from nothing, each pod on the nodes it is for", async () => {
      await up();
      const gpu = await pods(ofServer("gpu"));
      expect(gpu.map(({ spec }) => spec.nodeName).sort()).toEqual(["gpu-1a", "gpu-1b"]);
      const others = [
        ...(await pods(ofServer("llm"))),
        ...(await pods("app.kubernetes.io/name=triton-balancer")),
      ];
      expect(others).toHaveLength(4);
      for (const { spec } of others) expect(spec.nodeName).toMatch(/^cpu-/);
    });

    it("changes nothing when nothing changed", async () => {
      expect(await up("--expect-no-changes")).toContain("unchanged");
    });

    it("holds the key as a secret only", async () => {
      const files = await execa("grep", ["-rlaF", plantedKey, stack.directory], { reject: false });
      expect(files.stdout).toBe("");
      const everything = await cluster.kubectl(
        ...[
          "get",
          "deployments,pods,configmaps,replicasets,networkpolicies,services,events",
          "-A",
          "-o",
          "yaml",
        ],
      );
      expect(everything).not.toContain(plantedKey);
      const secret = await cluster.kubectl(
        ...["get", "secret", "holysheep", "-n", namespace, "-o", "jsonpath={.data.api-key}"],
      );
      expect(Buffer.from(secret, "base64").toString()).toBe(plantedKey);
    });

    it("rolls a changed model within the disruption budget, and back", async () => {
      const before = await hashes("gpu");
      const other = await hashes("llm");
      const file = path.join(stack.directory, "models", "embedding-model", "model.yaml");
      const text = readFileSync(file, "utf8");
      writeFileSync(file, text.replace(/maxQueueSize: \d+/, "maxQueueSize: 77"));
      await up();
      const after = await hashes("gpu");
      expect(new Set(after).size).toBe(1);
      expect(after[0]).not.toBe(before[0]);
      expect(await hashes("llm")).toEqual(other);

      const servers = config["triton-platform:servers"];
      stack.configure({
        "triton-platform:servers": {
          ...servers,
          gpu: { ...servers.gpu, rollback: before[0], resources: { disk: "2GiB" } },
        },
      });
      await up();
      expect(await hashes("gpu")).toEqual(before);

      stack.configure({ "triton-platform:servers": servers });
      writeFileSync(file, text);
      await up();
      expect(await hashes("gpu")).toEqual(before);
    });

    it("scales", async () => {
      const servers = config["triton-platform:servers"];
      stack.configure({ "triton-platform:servers": { ...servers, gpu: { ...servers.gpu, replicas: 3 } } });
      await up();
      expect(await pods(ofServer("gpu"))).toHaveLength(3);
      stack.configure({ "triton-platform:servers": servers });
      await up();
      await waitFor("two replicas", async () => (await pods(ofServer("gpu"))).length === 2);
    });

    it("leaves the replicas to an autoscaler, which begins with those there are", async () => {
      const servers = config["triton-platform:servers"];
      const kubernetes = config["triton-platform:kubernetes"];
      stack.configure({
        "triton-platform:servers": {
          ...servers,
          gpu: { ...servers.gpu, autoscaling: { minReplicas: 1, maxReplicas: 4 } },
        },
        "triton-platform:kubernetes": {
          ...kubernetes,
          autoscaler: { kind: "keda", prometheusUrl: "http://prometheus.monitoring.svc:9090" },
        },
      });
      await up();
      expect(await pods(ofServer("gpu"))).toHaveLength(2);
      // As the autoscaler does.
      await cluster.kubectl("scale", "deployment/triton-gpu", "--replicas=3", "--namespace", namespace);
      await waitFor("three replicas", async () => (await pods(ofServer("gpu"))).length === 3);
      await up();
      expect(await pods(ofServer("gpu"))).toHaveLength(3);
      stack.configure({ "triton-platform:servers": servers, "triton-platform:kubernetes": kubernetes });
      await up();
      await waitFor("two replicas", async () => (await pods(ofServer("gpu"))).length === 2);
    });

    it("takes a new key without replacing a pod", async () => {
      const before = (await pods(ofServer("llm"))).map(({ metadata }) => metadata.name).sort();
      const next = `${plantedKey}-next`;
      await stack.setSecret("holysheep:apiKey", next);
      await up();
      const secret = await cluster.kubectl(
        ...["get", "secret", "holysheep", "-n", namespace, "-o", "jsonpath={.data.api-key}"],
      );
      expect(Buffer.from(secret, "base64").toString()).toBe(next);
      expect((await pods(ofServer("llm"))).map(({ metadata }) => metadata.name).sort()).toEqual(before);
    });

    it("refuses models that are too big for the GPU before anything changes", async () => {
      const before = await hashes("gpu");
      const file = path.join(stack.directory, "models", "embedding-model", "model.yaml");
      const text = readFileSync(file, "utf8");
      writeFileSync(file, text.replace(/weights: \S+/, "weights: 90GiB"));
      const { code, text: said } = await stack.up();
      writeFileSync(file, text);
      expect(code).not.toBe(0);
      expect(said).toMatch(/a100-80gb|GPU/);
      expect(said).not.toMatch(/at .*\.ts:\d+/);
      expect(await hashes("gpu")).toEqual(before);
    });

    it("goes back after an update that failed halfway", async () => {
      const kubernetes = config["triton-platform:kubernetes"];
      const balancer = { ...kubernetes.balancer, maxBodySize: "1MiB" };
      // The API server refuses the Service, after the balancer's new config was made.
      const failing = { ...balancer, service: { annotations: { "no key": "of an annotation" } } };
      stack.configure({ "triton-platform:kubernetes": { ...kubernetes, balancer: failing } });
      const { code, text } = await stack.up();
      expect(code).not.toBe(0);
      expect(text).toContain("annotations");

      stack.configure({ "triton-platform:kubernetes": kubernetes });
      await up();
      await up("--expect-no-changes");
    });

    it("goes without leaving anything", async () => {
      const { code, text } = await stack.destroy();
      expect(code, text).toBe(0);
      expect(await cluster.kubectl("get", "namespace", namespace, "--ignore-not-found")).toBe("");
      expect(await cluster.kubectl("get", "priorityclasses", "-o", "name")).not.toContain("triton");
    });
  },
);
