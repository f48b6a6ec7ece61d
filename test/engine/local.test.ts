import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { smoke } from "../../commands/local/smoke.ts";
import { placesIn } from "../../commands/setup/places.ts";
import { readyTools } from "../../commands/setup/set-up.ts";
import { isFree } from "../../components/local/ports.ts";
import { supervisorctl } from "../../components/local/supervised.ts";
import { benchmarkSchema } from "../../core/benchmark/result.ts";
import type { ClusterOptions, Replica } from "../../core/haproxy/plan.ts";
import { sharedMemoryName } from "../../core/local/plan.ts";
import { loadModels } from "../../core/spec/load.ts";
import {
  balancerPorts,
  groupsOf,
  startBalancer,
  startService,
  until,
  type Balancer,
} from "../support/balancer.ts";
import { makeCertificate } from "../support/certificates.ts";
import { platformOf } from "../support/models.ts";
import { infer, root, TestPlatform, type Status } from "../support/platform.ts";
import { needing, openssl } from "../support/tools.ts";

const { python, triton, programs, engine } = readyTools(placesIn(root));
const missing = Object.entries({ python, triton, programs, engine }).flatMap(([name, tool]) =>
  tool === undefined ? [name] : [],
);

/** Process numbers by replica, as in `gpu-0`. */
function pids(status: Status): Record<string, number | null> {
  return Object.fromEntries(
    status.servers.map(({ name, replica, pid }) => [`${name}-${String(replica)}`, pid]),
  );
}

const loadSchema = z.object({
  http: z.record(z.string(), z.number()),
  grpc: z.record(z.string(), z.number()),
});

describe.skipIf(missing.length > 0)(
  `the local target under the real engine${missing.length > 0 ? ` (no ${missing.join(", ")})` : ""}`,
  () => {
    let platform: TestPlatform;
    const plantedKey = `sk-planted-${String(Date.now())}`;

    beforeAll(async () => {
      platform = await TestPlatform.create();
    });

    afterAll(async () => {
      await platform.remove();
    });

    /** Every file below the platform's folders that holds a text. */
    async function filesHolding(text: string): Promise<string[]> {
      const { stdout } = await execa("grep", ["-rlaF", text, platform.home], { reject: false });
      return stdout.split("\n").filter((line) => line !== "");
    }

    /** Runs work while clients call, and returns what they got. */
    async function underLoad(
      work: () => Promise<void>,
      { httpPort, grpcPort }: { readonly httpPort?: number; readonly grpcPort?: number } = platform.ports,
    ): Promise<z.output<typeof loadSchema>> {
      const load = execa(python?.executable ?? "", [
        path.join(root, "test", "support", "load.py"),
        ...[httpPort, grpcPort].map((port) => `127.0.0.1:${String(port)}`),
      ]);
      const lines = load.iterable()[Symbol.asyncIterator]();
      expect((await lines.next()).value).toBe("ready");
      await work();
      load.stdin.write("stop\n");
      return loadSchema.parse(JSON.parse(String((await lines.next()).value)));
    }

    it("comes up with one command and answers every model over HTTP and gRPC", async () => {
      const { code, text } = await platform.run("start");
      expect(code, text).toBe(0);
      expect(text).toMatch(/gpu × 2 │ embedding-model │ 1 +│ ok/);
      expect(text).toMatch(/llm × 1 │ llm-backend +│ 1 +│ ok \d+ ms +│ ok/);
      expect(text).toContain("simulator");
      expect(text).toContain("npm run dashboard draws them   (no Grafana: local.grafana.enabled is false)");

      const status = await platform.status();
      expect(status.servers.map(({ name, replica, ready }) => [name, replica, ready])).toEqual([
        ["gpu", 0, true],
        ["gpu", 1, true],
        ["llm", 0, true],
      ]);
      expect(status.servers[0]?.models).toContain("text-analysis");
      expect(status.servers[2]?.models).toEqual(["llm-backend"]);
      expect(status.endpoints?.http).toBe(platform.url(""));
    });

    it("is called by npm run smoke", async () => {
      const { code, text } = await platform.run("smoke");
      expect(code, text).toBe(0);
      for (const [server, model] of Object.entries({ gpu: "embedding-model", llm: "llm-backend" }))
        for (const protocol of ["http", "grpc"])
          expect(text).toMatch(new RegExp(`│ ${server} +│ ${model} +│ ${protocol} +│ ok \\d+ ms`));
    });

    /** Calls every model at these ports, and holds the answers against onnxruntime and torch. */
    async function expectRightNumbers(balancer: {
      readonly http: number | undefined;
      readonly grpc: number | undefined;
      readonly llmGrpc: number;
    }): Promise<void> {
      const at = (port: number | undefined): string => `127.0.0.1:${String(port)}`;
      const result = await execa(
        python?.executable ?? "",
        ["-m", "pytest", "-p", "no:cacheprovider", path.join(root, "test", "engine")],
        {
          cwd: root,
          env: {
            PLATFORM_HTTP: at(balancer.http),
            PLATFORM_GRPC: at(balancer.grpc),
            PLATFORM_METRICS: [2, 5]
              .map((offset) => at((platform.ports.replicaPorts ?? 0) + offset))
              .join(","),
            PLATFORM_LLM_GRPC: at(balancer.llmGrpc),
          },
          reject: false,
          all: true,
        },
      );
      expect(result.exitCode, result.all).toBe(0);
      expect(result.all).toMatch(/\d+ passed/);
    }

    it("gives the right numbers through the balancer", async () => {
      const { httpPort, grpcPort, serverGrpcPorts = 0 } = platform.ports;
      await expectRightNumbers({ http: httpPort, grpc: grpcPort, llmGrpc: serverGrpcPorts + 1 });
    });

    describe("behind the balancer of a cluster", () => {
      let folder = "";
      const running: Balancer[] = [];

      beforeEach(() => {
        folder = mkdtempSync(path.join(tmpdir(), "tp-balancer-"));
      });
      afterEach(async () => {
        await Promise.all(running.splice(0).map((balancer) => balancer.stop()));
        rmSync(folder, { recursive: true });
      });

      /** HAProxy as a cluster has it, before this platform's Tritons. */
      async function start(name: string, options: Partial<ClusterOptions> = {}): Promise<Balancer> {
        const place = path.join(folder, name);
        mkdirSync(place);
        const ports = await balancerPorts();
        const config = platformOf({ servers: { gpu: { replicas: 2 }, llm: { models: ["llm-backend"] } } });
        const { value: models } = loadModels(platform.models);
        // Thirty ports for each server, of which a replica takes three.
        const { replicaPorts = 0 } = platform.ports;
        const replica = (name: string, httpPort: number): Replica => ({
          ...{ name, host: "127.0.0.1", httpPort, grpcPort: httpPort + 1 },
        });
        const replicas: Readonly<Record<string, Replica[]>> = {
          gpu: [replica("gpu-0", replicaPorts), replica("gpu-1", replicaPorts + 3)],
          llm: [replica("llm-0", replicaPorts + 30)],
        };
        const groups = groupsOf({ models, config }, (name) => replicas[name] ?? [], ports.firstServerGrpc);
        const balancer = await startBalancer(place, ports, groups, options);
        running.push(balancer);
        return balancer;
      }

      it("answers every model over HTTP and gRPC", async () => {
        const { ports } = await start("one");
        await expectRightNumbers({ ...ports, llmGrpc: ports.firstServerGrpc + 1 });
      });

      it("asks for keys, and refuses what is too large or too much", async () => {
        const file = path.join(folder, "api-keys");
        const digest = createHash("sha256").update("right").digest("hex");
        writeFileSync(file, `${digest} alice\n`);
        const { ports } = await start("one", {
          apiKeys: { file, map: path.join(folder, "one", "api-keys.map") },
          maxBodySize: 1_000,
          rateLimits: { callers: { alice: { requests: 3, period: 60_000_000 } } },
        });
        const url = `http://127.0.0.1:${String(ports.http)}/v2/models/embedding-model/infer`;
        const statusWith = async (key: string, text: string): Promise<number> =>
          (await infer(url, "input_text", text, { "x-api-key": key })).status;
        expect(await statusWith("wrong", "hello")).toBe(401);
        expect(await statusWith("right", "x".repeat(2_000))).toBe(413);
        expect([await statusWith("right", "hello"), await statusWith("right", "hello")]).toEqual([200, 200]);
        expect(await statusWith("right", "hello")).toBe(429);
      });

      it.skipIf(openssl.program === undefined)(
        needing(openssl, "is called by npm run smoke under TLS, with a key or a client's certificate"),
        async () => {
          const at = (name: string): string => path.join(folder, name);
          makeCertificate(folder, "ca", "authority");
          makeCertificate(folder, "tls", "balancer", "ca");
          makeCertificate(folder, "alice", "alice", "ca");
          const file = at("api-keys");
          writeFileSync(file, `${createHash("sha256").update("right").digest("hex")} bob\n`);
          const { ports } = await start("one", {
            tls: { certificate: at("tls.crt"), clientAuthorities: at("ca.crt") },
            apiKeys: { file, map: path.join(folder, "one", "api-keys.map") },
          });
          const cases = loadModels(platform.models)
            .value.filter(({ spec }) => ["embedding-model", "llm-backend"].includes(spec.name))
            .map(({ spec }) => ({ server: spec.name === "llm-backend" ? "llm" : "gpu", spec }));
          const endpoints = {
            http: `https://127.0.0.1:${String(ports.http)}`,
            grpc: `127.0.0.1:${String(ports.grpc)}`,
          };
          const ca = at("ca.crt");
          const [withKey, withCertificate, withWrongKey] = await Promise.all(
            [
              { apiKey: "right", tls: { ca } },
              { tls: { ca, certificate: at("alice.crt"), key: at("alice.key") } },
              { apiKey: "wrong", tls: { ca } },
            ].map((access) => smoke(python?.executable ?? "", endpoints, cases, access)),
          );
          for (const results of [withKey, withCertificate])
            expect(results?.map(({ error }) => error)).toEqual([null, null, null, null]);
          for (const { error } of withWrongKey ?? []) expect(error).toContain("this needs a valid API key");
        },
      );

      it("loses no call when one of two balancers goes", async () => {
        const [going, staying] = [await start("going"), await start("staying")];
        const service = await startService(going);
        try {
          const counts = await underLoad(async () => {
            service.sendTo(staying);
            going.process.kill("SIGUSR1");
            expect(await going.ended).toBe(0);
            const before = staying.log.length;
            await until(() => staying.log.length > before + 20);
          }, service);
          expect(Object.keys(counts.http)).toEqual(["200"]);
          expect(Object.keys(counts.grpc)).toEqual(["ok"]);
        } finally {
          service.close();
        }
      });
    });

    it("is measured: by callers over HTTP, and by Triton's own counters of both replicas", async () => {
      const out = path.join(platform.home, "benchmarks");
      const { code, text } = await platform.run(
        "bench",
        ...["--model", "text-labels", "--protocol", "http", "--generator", "bundled"],
        ...["--concurrency", "1,4", "--seconds", "0.5", "--warm-up", "0.2", "--out", out],
      );
      expect(code, text).toBe(0);
      const [file = ""] = readdirSync(out);
      expect(text).toContain(`npm run bench:report -- ${path.join(out, file)}`);
      const { series, environment } = benchmarkSchema.parse(
        JSON.parse(readFileSync(path.join(out, file), "utf8")),
      );
      expect(environment).toMatchObject({ target: "local", generator: { name: "vegeta" } });
      expect(series).toMatchObject([{ model: "text-labels", server: "gpu", replicas: 2, instances: 1 }]);
      expect(series[0]?.points.map(({ concurrency }) => concurrency)).toEqual([1, 4]);
      for (const { requests, failures, latency, server } of series[0]?.points ?? []) {
        expect(failures).toEqual({});
        expect(requests).toBeGreaterThan(0);
        expect(server?.requests).toBeGreaterThan(0);
        expect(latency.maxMs).toBeGreaterThanOrEqual(latency.p50Ms);
      }
    });

    it("is scraped: every Triton, the balancer and Prometheus itself are up", async () => {
      await expect
        .poll(
          async () => {
            const response = await fetch(
              `http://127.0.0.1:${String(platform.ports.prometheusPort)}/api/v1/query?query=up`,
            );
            const body = z
              .object({
                data: z.object({
                  result: z.array(
                    z.object({
                      metric: z.object({ job: z.string() }),
                      value: z.tuple([z.number(), z.string()]),
                    }),
                  ),
                }),
              })
              .parse(await response.json());
            return body.data.result.map(({ metric, value }) => `${metric.job} ${value[1]}`).sort();
          },
          { timeout: 30_000, interval: 500 },
        )
        .toEqual(["haproxy 1", "prometheus 1", "triton 1", "triton 1", "triton 1"]);
    });

    it("changes nothing when nothing changed", async () => {
      const before = pids(await platform.status());
      const { code, text } = await platform.run("start");
      expect(code, text).toBe(0);
      expect(text).toContain("Nothing changed");
      expect(pids(await platform.status())).toEqual(before);
    });

    it("previews a changed model without touching anything", async () => {
      const before = pids(await platform.status());
      platform.edit("embedding-model/model.yaml", (text) =>
        text.replace("maxQueueDelay: 5ms", "maxQueueDelay: 4ms"),
      );
      const { code, text } = await platform.run("preview");
      expect(code, text).toBe(0);
      expect(text).toMatch(/localhost:index:ModelRepository: \(replace\)/);
      expect(text).toMatch(/configHash/);
      expect(pids(await platform.status())).toEqual(before);
    });

    it("rolls a changed model one replica after the other, and no call fails", async () => {
      const before = pids(await platform.status());
      const ready: string[] = [];
      const counts = await underLoad(async () => {
        const { code, text } = await platform.run("start");
        expect(code, text).toBe(0);
        ready.push(...text.split("\n").filter((line) => /updating gpu|gpu-\d: done/.test(line)));
      });
      expect(Object.keys(counts.http)).toEqual(["200"]);
      expect(Object.keys(counts.grpc)).toEqual(["ok"]);
      expect(ready.map((line) => line.replace(/ \(.*| …/g, "").trim())).toEqual([
        "updating gpu-0",
        "gpu-0: done",
        "updating gpu-1",
        "gpu-1: done",
      ]);
      const after = pids(await platform.status());
      expect(after["gpu-0"]).not.toBe(before["gpu-0"]);
      expect(after["gpu-1"]).not.toBe(before["gpu-1"]);
      expect(after["llm-0"]).toBe(before["llm-0"]);
      const config = await fetch(platform.url("/v2/models/embedding-model/config"));
      expect(await config.json()).toMatchObject({ dynamic_batching: { max_queue_delay_microseconds: 4000 } });
      // The old repository is gone, and blobs no repository needs with it.
      expect(readdirSync(path.join(platform.directory, "repositories", "gpu"))).toHaveLength(1);
    });

    it("scales a server up and down, and touches no other", async () => {
      const before = pids(await platform.status());
      const servers = { gpu: { replicas: 3 }, llm: { models: ["llm-backend"], replicas: 1 } };
      platform.configure({ "triton-platform:servers": servers });
      const counts = await underLoad(async () => {
        const up = await platform.run("start");
        expect(up.code, up.text).toBe(0);
        const more = pids(await platform.status());
        expect(Object.keys(more)).toEqual(["gpu-0", "gpu-1", "gpu-2", "llm-0"]);
        expect(more).toMatchObject(before);
        platform.configure({ "triton-platform:servers": { ...servers, gpu: { replicas: 2 } } });
        const down = await platform.run("start");
        expect(down.code, down.text).toBe(0);
      });
      expect(Object.keys(counts.http)).toEqual(["200"]);
      expect(Object.keys(counts.grpc)).toEqual(["ok"]);
      expect(pids(await platform.status())).toEqual(before);
    });

    it("survives a killed replica: no call fails, and it comes back by itself", async () => {
      const before = pids(await platform.status());
      const counts = await underLoad(async () => {
        process.kill(before["gpu-1"] ?? 0, "SIGKILL");
        await expect
          .poll(async () => (await platform.status()).servers[1]?.ready, { timeout: 60_000, interval: 500 })
          .toBe(true);
      });
      expect(Object.keys(counts.http)).toEqual(["200"]);
      expect(Object.keys(counts.grpc)).toEqual(["ok"]);
      const after = pids(await platform.status());
      expect(after["gpu-1"]).not.toBe(before["gpu-1"]);
      expect(after["gpu-0"]).toBe(before["gpu-0"]);
    });

    it("notices what has died and starts it again", async () => {
      // The supervisor alone: what it watched is left without it, and holds every port.
      const supervisor = Number(
        readFileSync(path.join(platform.directory, "run", "supervisord.pid"), "utf8"),
      );
      process.kill(supervisor, "SIGKILL");
      const { code, text } = await platform.run("start");
      expect(code, text).toBe(0);
      expect(text).toContain("creating gpu-0");
      const status = await platform.status();
      expect(status.servers.every(({ ready }) => ready)).toBe(true);
    });

    it("refuses broken specs at once, all of them, and what runs keeps running", async () => {
      const before = pids(await platform.status());
      const classifier = readFileSync(path.join(platform.models, "text-classifier", "model.yaml"), "utf8");
      const labels = readFileSync(path.join(platform.models, "text-labels", "model.yaml"), "utf8");
      platform.edit("text-classifier/model.yaml", (text) => text.replace("maxBatchSize", "maxBatchSiz"));
      platform.edit("text-labels/model.yaml", (text) => text.replace(/dataType: STRING/, "dataType: STRNG"));
      const { code, text } = await platform.run("start");
      writeFileSync(path.join(platform.models, "text-classifier", "model.yaml"), classifier);
      writeFileSync(path.join(platform.models, "text-labels", "model.yaml"), labels);
      expect(code).toBe(1);
      expect(text).toContain("did you mean `maxBatchSize`?");
      expect(text).toContain("did you mean `STRING`?");
      expect(text).not.toMatch(/^\s+at /m);
      expect(pids(await platform.status())).toEqual(before);
    });

    it("keeps the old replica where a model does not load, and says why", async () => {
      const artifact = path.join(platform.models, "embedding-model", "1", "model.onnx");
      const good = readFileSync(artifact);
      writeFileSync(artifact, "no model");
      const { code, text } = await platform.run("start");
      expect(code).toBe(1);
      expect(text).toContain("The previous gpu-0 is running again");
      expect(text).not.toMatch(/^\s+at .*\.ts/m);
      writeFileSync(artifact, good);
      const answer = await infer(
        platform.url("/v2/models/embedding-model/infer"),
        "input_text",
        "still here",
      );
      expect(answer.status).toBe(200);
      const mended = await platform.run("start");
      expect(mended.code, mended.text).toBe(0);
      // The failed change left the removal of this very repository to do.
      expect(readdirSync(path.join(platform.directory, "repositories", "gpu"))).toHaveLength(1);
    });

    it("moves its Tritons to other ports and back, and the other settings stay", async () => {
      const { local } = platform;
      const before = await platform.status();
      for (const replicaPorts of [(platform.ports.replicaPorts ?? 0) + 12, platform.ports.replicaPorts]) {
        platform.configure({ "triton-platform:local": { ...local, replicaPorts } });
        const { code, text } = await platform.run("start");
        expect(code, text).toBe(0);
        const answer = await infer(platform.url("/v2/models/llm-backend/infer"), "prompt", "hello");
        expect(answer.status).toBe(200);
      }
      expect((await platform.status()).endpoints).toEqual(before.endpoints);
    });

    it("notices a frozen replica", async () => {
      const before = pids(await platform.status());
      process.kill(before["gpu-1"] ?? 0, "SIGSTOP");
      const { code, text } = await platform.run("start");
      expect(code, text).toBe(0);
      expect(text).toContain("creating gpu-1");
      expect((await platform.status()).servers.every(({ ready }) => ready)).toBe(true);
    });

    it("names a taken port and its setting, and changes nothing", async () => {
      const server = net.createServer();
      await new Promise<void>((resolve) => {
        server.listen(0, "127.0.0.1", resolve);
      });
      const address = server.address();
      const taken = typeof address === "object" && address !== null ? address.port : 0;
      const before = pids(await platform.status());
      const { local } = platform;
      platform.configure({ "triton-platform:local": { ...local, prometheusPort: taken } });
      // The running Prometheus is its own; one that has to start anew finds the port taken.
      const { code, text } = await platform.run("start");
      platform.configure({ "triton-platform:local": local });
      await new Promise((resolve) => {
        server.close(resolve);
      });
      expect(code).toBe(1);
      expect(text).toContain(`port ${String(taken)}`);
      expect(pids(await platform.status())).toEqual(before);
      const again = await platform.run("start");
      expect(again.code, again.text).toBe(0);
    });

    it("answers unknown models and wrong shapes with clean errors", async () => {
      const unknown = await infer(platform.url("/v2/models/nope/infer"), "input_text", "x");
      expect(unknown.status).toBe(404);
      expect(await unknown.text()).toMatch(/^\{"error":".*nope.*"\}$/);
      const wrong = await fetch(platform.url("/v2/models/embedding-model/infer"), {
        method: "POST",
        body: JSON.stringify({
          inputs: [{ name: "input_text", datatype: "BYTES", shape: [1, 2], data: ["a", "b"] }],
        }),
      });
      expect(wrong.status).toBe(400);
      expect(await wrong.text()).toMatch(/^\{"error":".*shape.*"\}$/);
      expect(
        (await fetch(platform.url("/v2/repository/models/embedding-model/unload"), { method: "POST" }))
          .status,
      ).toBe(403);
      const verbose = { method: "POST", body: '{"log_verbose_level":1}' };
      expect((await fetch(platform.url("/v2/logging"), verbose)).status).toBe(403);
      expect((await fetch(platform.url("/v2/health/ready"))).status).toBe(200);
      expect((await fetch(platform.url("/healthz"))).status).toBe(200);
    });

    it("tells callers of a server without a replica so, in their own protocol", async () => {
      const place = { directory: platform.directory, bin: python?.bin ?? "" };
      await supervisorctl(place, "stop", "llm-0");
      const url = platform.url("/v2/models/llm-backend/infer");
      await expect.poll(async () => (await infer(url, "prompt", "x")).status).toBe(503);
      expect(await (await infer(url, "prompt", "x")).text()).toBe(
        '{"error":"no replica of this server is ready"}',
      );
      const script =
        "import sys, tritonclient.grpc as g\n" +
        "try: g.InferenceServerClient(sys.argv[1]).is_server_ready()\n" +
        "except Exception as e: print(e.status(), e.message())";
      const address = `127.0.0.1:${String((platform.ports.serverGrpcPorts ?? 0) + 1)}`;
      const { stdout } = await execa(python?.executable ?? "", ["-c", script, address]);
      expect(stdout).toBe("StatusCode.UNAVAILABLE no replica of this server is ready");
      // The other server knows nothing of it.
      expect((await fetch(platform.url("/healthz"))).status).toBe(200);
    });

    it("uses the real API as soon as a key is set, and the key is nowhere to be read but in its file", async () => {
      // A stand-in for the API, of the platform's own simulator on another port, that takes this key alone.
      const port = (platform.ports.replicaPorts ?? 0) + 20;
      const keyFile = path.join(platform.home, "expected-key");
      writeFileSync(keyFile, plantedKey, { mode: 0o600 });
      const api = execa(
        python?.executable ?? "",
        [
          path.join(root, "components", "local", "llm_simulator"),
          "--host",
          "127.0.0.1",
          "--port",
          String(port),
          "--api-key-file",
          keyFile,
        ],
        { reject: false },
      );
      try {
        platform.configure({ "holysheep:baseUrl": `http://127.0.0.1:${String(port)}/v1` });
        const set = await platform.run("pulumi", "config", "set", "--secret", "holysheep:apiKey", plantedKey);
        expect(set.code, set.text).toBe(0);
        const { code, text } = await platform.run("start");
        expect(code, text).toBe(0);
        expect(text).not.toContain("talks to the simulator");
        expect(text).not.toContain(plantedKey);
        const answer = await infer(platform.url("/v2/models/llm-backend/infer"), "prompt", "hello");
        expect(answer.status).toBe(200);

        const secret = path.join(platform.directory, "run", "secrets", "holysheep-api-key");
        expect((await filesHolding(plantedKey)).sort()).toEqual([keyFile, secret].sort());
        expect(statSync(secret).mode & 0o777).toBe(0o600);
        const { stdout: processes } = await execa("ps", ["axeww", "-o", "args"]);
        expect(processes).not.toContain(plantedKey);
        const preview = await platform.run("preview");
        expect(preview.text).not.toContain(plantedKey);
      } finally {
        api.kill();
        await api;
      }
    });

    const languageHost =
      engine !== undefined &&
      existsSync(path.join(path.dirname(engine.executable), "pulumi-language-nodejs"));
    it.skipIf(!languageHost)(
      `is the same program under plain pulumi up${languageHost ? "" : " (no language host)"}`,
      async () => {
        const { code, text } = await platform.run(
          "pulumi",
          "up",
          "--yes",
          "--skip-preview",
          "--non-interactive",
          "--expect-no-changes",
        );
        expect(code, text).toBe(0);
      },
    );

    it("goes without a trace, even where its supervisor was killed", async () => {
      process.kill(
        Number(readFileSync(path.join(platform.directory, "run", "supervisord.pid"), "utf8")),
        "SIGKILL",
      );
      const { code, text } = await platform.run("stop");
      expect(code, text).toBe(0);
      expect(existsSync(platform.directory) ? readdirSync(platform.directory) : []).toEqual([]);
      const { replicaPorts = 0 } = platform.ports;
      for (const port of [...Object.values(platform.ports), replicaPorts + 3, replicaPorts + 30]) {
        expect(await isFree(port), String(port)).toBe(true);
      }
      const { stdout } = await execa("pgrep", ["-fc", platform.directory], { reject: false });
      expect(stdout).toBe("0");
      const shared = readdirSync("/dev/shm").filter((name) =>
        name.startsWith(sharedMemoryName(platform.directory)),
      );
      expect(shared).toEqual([]);
      expect((await platform.run("status")).text).toContain("Nothing runs");
    });
  },
);
