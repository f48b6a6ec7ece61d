import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { findProgram } from "../../commands/setup/find-program.ts";
import { placesIn } from "../../commands/setup/places.ts";
import { readyTools } from "../../commands/setup/set-up.ts";
import { readOutputs } from "../../commands/stack/outputs.ts";
import { benchmarkSchema } from "../../core/benchmark/result.ts";
import { sha256 } from "../../core/spec/artifacts.ts";
import { clusterImage, clusterImageName } from "../support/cluster-image.ts";
import { clusterSuite, missingForReal, waitFor } from "../support/cluster.ts";
import { DockerHost, missingForDocker } from "../support/docker.ts";
import { writeModels, writeScale } from "../support/real-models.ts";
import { Load, type Counts } from "../support/real-load.ts";
import { TestStack } from "../support/stack.ts";
import { projectRoot, venvPython } from "../support/tools.ts";

const { engine } = readyTools(placesIn(projectRoot));

const missing = [
  ...new Set([
    ...missingForDocker,
    ...missingForReal,
    ...["pulumi", "pulumi-resource-docker", "prometheus", "promtool", "nsenter"].filter(
      (name) => findProgram(name) === undefined,
    ),
    ...(venvPython.program === undefined ? [venvPython.name] : []),
    ...(engine === undefined ? ["the engine"] : []),
  ]),
];

/** Of HolySheep, first and later. */
const keys = ["planted-holysheep-key", "another-holysheep-key"] as const;

/** Of who calls the balancer. */
const apiKey = "planted-api-key";

/** What `nvidia-smi -L` says on the host, once the toolkit is there. */
const cards = readFileSync(path.join(projectRoot, "test", "recorded", "nvidia-smi.txt"), "utf8");

const images = {
  triton: clusterImageName,
  /** Another image with the same in it. */
  nextTriton: "docker.io/local/triton-platform-test:2",
  prometheus: "docker.io/local/prometheus-test:1",
  dcgmExporter: "docker.io/local/dcgm-exporter-test:1",
} as const;

const containerSchema = z.object({
  Id: z.string(),
  RestartCount: z.number(),
  State: z.object({
    Pid: z.number(),
    Status: z.string(),
    Health: z.object({ Status: z.string() }).optional(),
  }),
  Config: z.object({ Labels: z.record(z.string(), z.string()) }),
  HostConfig: z.object({
    DeviceRequests: z
      .array(
        z.looseObject({
          DeviceIDs: z
            .array(z.string())
            .nullish()
            .transform((ids) => ids ?? undefined),
        }),
      )
      .nullable(),
  }),
});
type Inspected = z.output<typeof containerSchema>;

describe.skipIf(missing.length > 0)(
  clusterSuite("the docker target on a real Docker, over ssh:// and with stand-ins for GPUs", missing),
  () => {
    let docker: DockerHost;
    let stack: TestStack;
    let models: string;
    /** How to end what has started, the last first, however far `beforeAll` got. */
    const endings: (() => unknown)[] = [];

    beforeAll(async () => {
      const home = mkdtempSync(path.join(tmpdir(), "docker-target-"));
      endings.unshift(() => {
        rmSync(home, { recursive: true, force: true });
      });
      models = path.join(home, "models");
      writeModels(models);
      docker = await DockerHost.start();
      endings.unshift(() => docker.stop());
      await docker.docker(["load", "--input", await clusterImage(process.env.TRITON_TOOLCHAIN ?? "")]);
      await docker.build(images.nextTriton, images.triton);
      await docker.build(
        images.prometheus,
        images.triton,
        {
          "/usr/bin/prometheus": findProgram("prometheus") ?? "",
          "/usr/bin/promtool": findProgram("promtool") ?? "",
        },
        { "/prometheus": 65_534 },
      );
      await docker.build(images.dcgmExporter, images.triton, {
        "/usr/bin/dcgm-exporter": path.join(projectRoot, "test", "support", "dcgm_exporter.py"),
        "/usr/share/dcgm.txt": path.join(projectRoot, "test", "recorded", "metrics", "dcgm.txt"),
      });
      stack = await TestStack.create(config(), {
        DOCKER_CONFIG: docker.env.DOCKER_CONFIG,
        PATH: [docker.standInForSsh(), process.env.PATH ?? ""].join(path.delimiter),
      });
      endings.unshift(() => {
        stack.remove();
      });
      await stack.setSecret("holysheep:apiKey", keys[0]);
    });

    afterAll(async () => {
      for (const end of endings) await end();
    });

    function config(docker: object = {}): Readonly<Record<string, unknown>> {
      return {
        "triton-platform:target": "docker",
        "triton-platform:models": models,
        "triton-platform:tritonRelease": "24.10",
        "triton-platform:defaultServer": "gpu",
        "triton-platform:servers": {
          gpu: { replicas: 2, accelerator: { gpu: "a100-80gb", count: 2 } },
          llm: { models: ["llm-backend"], resources: { cpu: 1 } },
        },
        "holysheep:baseUrl": "http://llm-simulator:18900/v1",
        "triton-platform:docker": dockerConfig(docker),
      };
    }

    function dockerConfig(fields: object = {}): object {
      return {
        host: "ssh://deploy@gpu-host.example.com",
        images: imagesWith(images.triton),
        gpus: { gpu: [3, 1, 0, 2] },
        balancer: balancerWith({}),
        // Nobody may raise the limit of locked memory here.
        ulimits: { stack: 67_108_864 },
        sharedMemory: "256MiB",
        monitoring: { grafana: false },
        retain: 0,
        ...fields,
      };
    }

    function imagesWith(triton: string): object {
      const { prometheus, dcgmExporter } = images;
      return { triton, haproxy: images.triton, prometheus, dcgmExporter };
    }

    function balancerWith(fields: object): object {
      return { apiKeys: [{ caller: "tests", sha256: sha256(apiKey) }], ...fields };
    }

    /** From the second deployment on. */
    function current(fields: object = {}): ReturnType<typeof config> {
      return config({ images: imagesWith(images.nextTriton), ...fields });
    }

    async function listed(
      labels: Readonly<Record<string, string>>,
      ...more: readonly string[]
    ): Promise<string[]> {
      const filters = Object.entries({ stack: "test", ...labels }).flatMap(([key, value]) => [
        "--filter",
        `label=triton-platform.${key}=${value}`,
      ]);
      const ids = await docker.docker(["ps", "--all", "--quiet", "--no-trunc", ...filters, ...more]);
      return ids.split("\n").filter(Boolean);
    }

    async function inspect(labels: Readonly<Record<string, string>>): Promise<Inspected[]> {
      const ids = await listed(labels);
      if (ids.length === 0) return [];
      return z.array(containerSchema).parse(JSON.parse(await docker.docker(["inspect", ...ids])));
    }

    /** A shell's answer in a container of an image of the test that sees the models. */
    function inModels(script: string): Promise<string> {
      return docker
        .docker(["volume", "ls", "--quiet", "--filter", "name=triton-models"])
        .then((volume) =>
          docker.docker([
            "run",
            "--rm",
            `--volume=${volume.trim()}:/models`,
            images.triton,
            "sh",
            "-c",
            script,
          ]),
        );
    }

    /** Looks from now on; the answer is the most containers that ran at once until it is asked for. */
    function mostRunning(labels: Readonly<Record<string, string>>): () => Promise<number> {
      const end = new AbortController();
      const looking = (async () => {
        let most = 0;
        while (!end.signal.aborted) {
          most = Math.max(most, (await listed(labels, "--filter", "status=running")).length);
        }
        return most;
      })();
      return () => {
        end.abort();
        return looking;
      };
    }

    function startLoad(): Promise<Load> {
      return Load.start({ host: "127.0.0.1" }, apiKey, docker.inside);
    }

    /** Calls that came to something else than one of these. */
    function others(counts: Counts, ...expected: readonly string[]): Record<string, number> {
      const all = Object.values(counts).flatMap((outcomes) => Object.entries(outcomes));
      return Object.fromEntries(all.filter(([outcome]) => !expected.includes(outcome)));
    }

    it("says all that the host has against it, and changes nothing", async () => {
      const taken = await docker.docker([
        "run",
        "--detach",
        "--publish=127.0.0.1:8001:1",
        images.triton,
        "sleep",
        "600",
      ]);
      stack.configure(config({ images: imagesWith("nothing.invalid/triton:1") }));
      const { code, text } = await stack.up();
      expect(code).not.toBe(0);
      expect(text).toMatch(
        /docker\.images\.triton: nothing\.invalid\/triton:1 is not on the host, and cannot be had/,
      );
      expect(text).toMatch(
        /docker\.gpus: Docker on \S+ gives no GPUs to containers, and `gpu`, `dcgm-exporter` need some/,
      );
      expect(text).toContain(
        "docker.ports.grpc: port 8001 on 127.0.0.1 of the host is taken by another program",
      );
      expect(text).not.toContain("node_modules");
      await docker.docker(["rm", "--force", taken.trim()]);
      stack.configure(config({ host: "unix:///nowhere/docker.sock" }));
      const silent = await stack.preview();
      expect(silent.code).not.toBe(0);
      expect(silent.text).toContain("docker.host: Docker on unix:///nowhere/docker.sock does not answer");
      expect(await docker.docker(["ps", "--all", "--quiet"])).toBe("");
      expect(await docker.docker(["volume", "ls", "--quiet"])).toBe("");
    });

    it("says which GPUs the host does not have", async () => {
      await docker.installToolkit(cards);
      stack.configure(config({ gpus: { gpu: [0, 1, 2, 7] } }));
      const { code, text } = await stack.preview();
      expect(code).not.toBe(0);
      expect(text).toContain(
        "docker.gpus.gpu: the host has no GPU 7: it has 0 (NVIDIA A100-SXM4-80GB), 1 (NVIDIA A100-SXM4-80GB)",
      );
    });

    it("comes up, and serves every model over HTTP and gRPC", async () => {
      stack.configure(config());
      const { code, text } = await stack.up();
      expect(text).toContain("http://127.0.0.1:8000");
      expect(code, text).toBe(0);
      const [network] = (
        await docker.docker(["network", "ls", "--filter", "name=triton-outside", "--format", "{{.Name}}"])
      ).split("\n");
      await docker.docker([
        ...["run", "--detach", "--network", network ?? "", "--name=llm-simulator", images.triton],
        ...["python3", "/opt/llm_simulator", "--host", "0.0.0.0", "--port", "18900"],
      ]);
      const load = await startLoad();
      const counts = await load.stop();
      expect(others(counts, "x2", "ok")).toEqual({});
    });

    it("gives each replica its GPUs, and no other container any", async () => {
      const of = async (labels: Readonly<Record<string, string>>) => {
        const [container] = await inspect(labels);
        return (container?.HostConfig.DeviceRequests ?? []).map((request) => ({
          ...request,
          DeviceIDs: request.DeviceIDs?.toSorted(),
        }));
      };
      const request = { Driver: "nvidia", Capabilities: [["gpu"]] };
      const first = { ...request, Count: 0, DeviceIDs: ["1", "3"] };
      expect(await of({ server: "gpu", replica: "0" })).toMatchObject([first]);
      expect(await of({ server: "gpu", replica: "1" })).toMatchObject([{ ...first, DeviceIDs: ["0", "2"] }]);
      expect(await of({ service: "dcgm-exporter" })).toMatchObject([{ ...request, Count: -1 }]);
      for (const labels of [{ server: "llm" }, { service: "balancer" }]) expect(await of(labels)).toEqual([]);
      const [replica] = await listed({ server: "gpu", replica: "1" });
      const seen = await docker.docker(["exec", replica ?? "", "nvidia-smi", "-L"]);
      const uuids = [...cards.matchAll(/UUID: (\S+)\)/g)].map(([, uuid]) => uuid);
      expect([...seen.matchAll(/UUID: (\S+)\)/g)].map(([, uuid]) => uuid)).toEqual([uuids[0], uuids[2]]);
    });

    it("is seen and called by npm run status, logs and smoke", async () => {
      const keyFile = path.join(path.dirname(models), "api-key");
      writeFileSync(keyFile, `${apiKey}\n`);
      // `up` waits for servers and balancer; of the rest the first health check may be yet to come.
      const status = await waitFor("all to be healthy", async () => {
        const seen = await stack.command("status");
        if (seen.code !== 0) throw new Error(seen.text);
        return seen;
      });
      const [logs, unnamed, smoke] = await Promise.all([
        stack.command("logs", ["gpu-1", "-n", "200"]),
        stack.command("smoke", [], docker.inside),
        stack.command("smoke", ["--api-key-file", keyFile], docker.inside),
      ]);
      for (const name of ["balancer", "gpu-0", "gpu-1", "llm-0", "dcgm-exporter", "prometheus"])
        expect(status.text).toMatch(new RegExp(`│ ${name} +│ [0-9a-f]{12} │ Up [^│]+\\(healthy\\) +│ yes `));
      expect(status.text).toMatch(/http +http:\/\/127\.0\.0\.1:8000/);
      expect(logs.code, logs.text).toBe(0);
      expect(logs.text).toMatch(/==> gpu-1 <==[^]*successfully loaded 'scale'/);
      expect(logs.text).not.toContain("llm-backend");
      expect(unnamed.code).toBe(1);
      expect(unnamed.text).toContain("The balancer takes calls with an API key alone, and none is given");
      expect(smoke.code, smoke.text).toBe(0);
      for (const [server = "", model = ""] of [
        ["gpu", "scale"],
        ["llm", "llm-backend"],
      ])
        for (const protocol of ["http", "grpc"])
          expect(smoke.text).toMatch(new RegExp(`│ ${server} +│ ${model} +│ ${protocol} +│ ok \\d+ ms`));
    });

    it("is measured by npm run bench", async () => {
      const folder = path.dirname(models);
      const out = path.join(folder, "benchmarks");
      const args = ["--model", "scale", "--protocol", "http", "--generator", "bundled", "--out", out];
      const { code, text } = await stack.command(
        "bench",
        [...args, "--concurrency", "1,2", "--seconds", "1", "--api-key-file", path.join(folder, "api-key")],
        docker.inside,
      );
      expect(code, text).toBe(0);
      const [file = ""] = readdirSync(out);
      const written = readFileSync(path.join(out, file), "utf8");
      const { environment, series } = benchmarkSchema.parse(JSON.parse(written));
      expect(environment).toMatchObject({ target: "docker", stack: stack.name });
      expect(series).toMatchObject([{ model: "scale", server: "gpu", replicas: 2 }]);
      const points = series.flatMap((each) => each.points);
      expect(points.map(({ concurrency, failures }) => [concurrency, failures])).toEqual([
        [1, {}],
        [2, {}],
      ]);
      for (const { requests, latency, server } of points) {
        expect(requests).toBeGreaterThan(10);
        // Both replicas' counters: the balancer gives each every other call.
        expect(server?.requests).toBeGreaterThan(requests * 0.6);
        const {
          queueMs = NaN,
          computeInputMs = NaN,
          computeInferMs = NaN,
          computeOutputMs = NaN,
        } = server ?? {};
        expect(queueMs).toBeGreaterThan(0);
        expect(queueMs + computeInputMs + computeInferMs + computeOutputMs).toBeLessThan(latency.maxMs);
      }
      expect(written).not.toContain(apiKey);
      expect(text).not.toContain("cannot be read");
      const processes = await execa("ps", ["axww", "-o", "args"]);
      expect(processes.stdout).not.toMatch(/docker .* exec --interactive/);
    });

    it("leaves outputs that commands read from Pulumi's state", async () => {
      if (engine === undefined) throw new Error("the engine is looked for before");
      for (const [name, value] of Object.entries(stack.env)) vi.stubEnv(name, value);
      try {
        const { endpoints, servers } = await readOutputs(engine, stack.name);
        expect(endpoints).toMatchObject({
          http: "http://127.0.0.1:8000",
          prometheus: "http://127.0.0.1:9090",
        });
        expect(
          servers.map((server) => [
            server.name,
            server.replicas?.length,
            server.models.map(({ name }) => name),
          ]),
        ).toEqual([
          ["gpu", 2, ["scale"]],
          ["llm", 1, ["llm-backend"]],
        ]);
        await expect(readOutputs(engine, "nobody")).rejects.toThrow("The outputs of `nobody` cannot be read");
      } finally {
        vi.unstubAllEnvs();
      }
    });

    it("changes nothing where nothing has changed", async () => {
      const { code, text } = await stack.up("--refresh", "--expect-no-changes");
      expect(code, text).toBe(0);
    });

    it("replaces one replica after the other for another model and image, and no call fails", async () => {
      const before = await inspect({ server: "gpu" });
      const llm = await inspect({ server: "llm" });
      const load = await startLoad();
      writeScale(models, 3);
      stack.configure(current());
      const { code, text } = await stack.up();
      expect(code, text).toBe(0);
      const counts = await load.stop();
      expect(others(counts, "x2", "x3", "ok")).toEqual({});
      expect(counts.http.x3).toBeGreaterThan(0);
      expect(counts.grpc.x3).toBeGreaterThan(0);
      const after = await inspect({ server: "gpu" });
      expect(after).toHaveLength(2);
      expect(before.filter(({ Id }) => after.some((other) => other.Id === Id))).toEqual([]);
      expect(await inspect({ server: "llm" })).not.toEqual(llm);
      // Of both servers, the current one alone.
      const hashes = new Set(
        [...after, ...(await inspect({ server: "llm" }))].map(
          ({ Config }) => Config.Labels["triton-platform.repository"],
        ),
      );
      expect(new Set((await inModels("ls /models/trees")).trim().split("\n"))).toEqual(hashes);
    });

    it("stops a replica that does not get ready, with its own words, while the others serve on", async () => {
      const before = await inspect({ server: "gpu" });
      const load = await startLoad();
      writeScale(models, "broken");
      const { code, text } = await stack.up();
      expect(code).not.toBe(0);
      expect(text).toMatch(
        /gpu's new replica ended before it was ready, and is stopped\. Its last words:[^]*expected ':'/,
      );
      expect(others(await load.stop(), "x3", "ok")).toEqual({});
      const states = new Map((await inspect({ server: "gpu" })).map(({ Id, State }) => [Id, State.Status]));
      expect(before.map(({ Id }) => states.get(Id))).toEqual(["running", "running"]);
      expect([...states.values()].sort()).toEqual(["exited", "running", "running"]);
      const status = await stack.command("status");
      expect(status.code).toBe(1);
      expect(status.text).toMatch(/│ gpu-0 +│ [0-9a-f]{12} │ Exited \(\d+\) [^│]+│ NO /);

      writeScale(models, 3);
      const mended = await stack.up();
      expect(mended.code, mended.text).toBe(0);
      expect((await inspect({ server: "gpu" })).map(({ State }) => State.Status)).toEqual([
        "running",
        "running",
      ]);
    });

    it("lets one replica go before the next comes where the host does not hold two, and no call fails", async () => {
      const load = await startLoad();
      writeScale(models, 4);
      stack.configure({
        ...current(),
        "triton-platform:nodes": {
          host: { allocatable: { cpu: 8, memory: "14GiB", disk: "50GiB", gpu: "a100-80gb", gpus: 4 } },
        },
      });
      const most = mostRunning({ server: "gpu" });
      const { code, text } = await stack.up();
      expect(code, text).toBe(0);
      expect(others(await load.stop(), "x3", "x4", "ok")).toEqual({});
      expect(await most()).toBe(2);
      expect((await inspect({ server: "gpu" })).map(({ State }) => State.Status)).toEqual([
        "running",
        "running",
      ]);
    });

    it("starts a killed replica again, and no call fails that may be sent twice", async () => {
      const replicas = await inspect({ server: "gpu", replica: "0" });
      const victim = replicas.find(({ State }) => State.Status === "running");
      const load = await startLoad();
      await docker.kill(victim?.State.Pid ?? 0);
      await waitFor("the replica", async () => {
        const [again] = await inspect({ server: "gpu", replica: "0" });
        return again?.RestartCount === 1 && again.State.Health?.Status === "healthy";
      });
      expect(others(await load.stop(), "x4", "ok")).toEqual({});
    });

    it("follows its config and a new key without touching a replica, and no call fails", async () => {
      const before = await inspect({});
      const load = await startLoad();
      stack.configure(current({ balancer: balancerWith({ rateLimit: { requests: 1_000_000 } }) }));
      await stack.setSecret("holysheep:apiKey", keys[1]);
      const { code, text } = await stack.up();
      expect(code, text).toBe(0);
      const [balancer] = await inspect({ service: "balancer" });
      // The new worker's calls, and the end of the old one's: process 1 has one child again.
      await waitFor("one worker", async () => {
        const children = await docker.docker(["exec", balancer?.Id ?? "", "cat", "/proc/1/task/1/children"]);
        return children.trim().split(" ").length === 1;
      });
      expect(others(await load.stop(), "x4", "ok")).toEqual({});
      expect((await inspect({})).map(({ Id }) => Id)).toEqual(before.map(({ Id }) => Id));
      const [llm] = await inspect({ server: "llm" });
      expect(await docker.docker(["exec", llm?.Id ?? "", "cat", "/run/secrets/holysheep/api-key"])).toBe(
        keys[1],
      );
      const config = await docker.docker([
        "exec",
        balancer?.Id ?? "",
        "cat",
        "/etc/triton-balancer/haproxy.cfg",
      ]);
      expect(config).toContain("rate-1000ms");
    });

    it("scrapes every replica, the balancer and the GPUs", async () => {
      const [prometheus] = await inspect({ service: "prometheus" });
      const ask = [
        "exec",
        prometheus?.Id ?? "",
        "promtool",
        "query",
        "instant",
        "http://127.0.0.1:9090",
        "up",
      ];
      await waitFor("all targets", async () => {
        const answer = await docker.docker(ask);
        return (answer.match(/=> 1 @/g) ?? []).length === 6;
      });
    });

    it("keeps keys out of what Docker tells, of logs and of the state", async () => {
      const containers = await inspect({});
      const told = await docker.docker(["inspect", ...containers.map(({ Id }) => Id)]);
      const logs = await Promise.all(containers.map(({ Id }) => docker.docker(["logs", Id])));
      const state = await execa(
        "grep",
        [
          "--recursive",
          "--files-with-matches",
          ...[...keys, apiKey].map((key) => `--regexp=${key}`),
          stack.state,
        ],
        { reject: false },
      );
      for (const key of [...keys, apiKey])
        expect([told, ...logs].filter((text) => text.includes(key))).toEqual([]);
      expect(state.stdout).toBe("");
    });

    it("leaves nothing when it is destroyed", async () => {
      await docker.docker(["rm", "--force", "llm-simulator"]);
      const { code, text } = await stack.destroy();
      expect(code, text).toBe(0);
      expect(await inspect({})).toEqual([]);
      for (const what of ["volume", "network"])
        expect(await docker.docker([what, "ls", "--quiet", "--filter", "label=triton-platform.stack"])).toBe(
          "",
        );
    });
  },
);
