import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import http2, { type IncomingHttpHeaders } from "node:http2";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import * as z from "zod";
import type { BalancedGroup, ClusterOptions } from "../../core/haproxy/plan.ts";
import {
  balancerPorts,
  frame,
  groupsOf,
  grpcCall,
  parseSeen,
  startBackend,
  startBalancer,
  startService,
  statusOf,
  until,
  type Backend,
  type Balancer,
  type Seen,
} from "../support/balancer.ts";
import { startDns } from "../support/dns.ts";
import { twoGroups } from "../support/local.ts";
import { freePorts } from "../support/platform.ts";
import { makeCertificate } from "../support/certificates.ts";
import { haproxy, needing, openssl } from "../support/tools.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const infer = "/v2/models/embedding-model/infer";

describe.skipIf(haproxy.program === undefined)(needing(haproxy, "the cluster's balancer"), () => {
  let folder = "";
  let backends: Backend[] = [];
  const running: Balancer[] = [];

  beforeAll(async () => {
    backends = await Promise.all(["gpu-0", "gpu-1", "llm-0"].map((name) => startBackend(name)));
  });
  afterAll(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
  });
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "balancer-"));
  });
  afterEach(async () => {
    for (const backend of backends) {
      backend.setReady(true);
      backend.setClosingKept(false);
    }
    await Promise.all(running.splice(0).map((balancer) => balancer.stop()));
    rmSync(folder, { recursive: true });
  });

  function replicasOf(group: string): BalancedGroup["replicas"] {
    return backends
      .filter(({ name }) => name.startsWith(group))
      .map(({ name, httpPort, grpcPort }) => ({ name, host: "127.0.0.1", httpPort, grpcPort }));
  }

  async function start(options: Partial<ClusterOptions> = {}, place = folder): Promise<Balancer> {
    const ports = await balancerPorts();
    const balancer = await startBalancer(
      place,
      ports,
      groupsOf(twoGroups, replicasOf, ports.firstServerGrpc),
      options,
    );
    running.push(balancer);
    return balancer;
  }

  /** Keys as the mounted Secret has them, replaced at once as the kubelet does it. */
  function keys(entries: Readonly<Record<string, string>>): NonNullable<ClusterOptions["apiKeys"]> {
    const file = path.join(folder, "api-keys");
    const lines = Object.entries(entries).map(([key, caller]) => `${sha256(key)} ${caller}\n`);
    writeFileSync(`${file}.new`, lines.join(""));
    renameSync(`${file}.new`, file);
    return { file, map: path.join(folder, "api-keys.map") };
  }

  const httpUrl = ({ ports }: Balancer, rest = infer): string =>
    `http://127.0.0.1:${String(ports.http)}${rest}`;
  const grpcUrl = ({ ports }: Balancer, group?: "gpu" | "llm"): string =>
    `http://127.0.0.1:${String(group === undefined ? ports.grpc : ports.firstServerGrpc + ["gpu", "llm"].indexOf(group))}`;

  async function call(
    balancer: Balancer,
    headers: Record<string, string> = {},
    rest = infer,
    body = "{}",
  ): Promise<{ status: number; text: string; headers: Headers; seen: () => Seen }> {
    const response = await fetch(httpUrl(balancer, rest), { method: "POST", headers, body });
    const text = await response.text();
    return { status: response.status, text, headers: response.headers, seen: () => parseSeen(text) };
  }

  const line = z.looseObject({ id: z.string().optional(), status: z.number(), path: z.string().optional() });

  it("routes HTTP by path, and gRPC by metadata and by port", async () => {
    const balancer = await start();
    expect((await call(balancer)).seen().server).toMatch(/^gpu-/);
    expect((await call(balancer, {}, "/v2/models/llm-backend/infer")).seen().server).toBe("llm-0");
    expect((await call(balancer, {}, "/v2")).seen().server).toMatch(/^gpu-/);
    expect((await grpcCall(grpcUrl(balancer))).seen?.server).toMatch(/^gpu-/);
    const named = await grpcCall(grpcUrl(balancer), "ModelInfer", { "x-triton-server": "llm" });
    expect(named.seen?.server).toBe("llm-0");
    expect((await grpcCall(grpcUrl(balancer, "llm"))).seen?.server).toBe("llm-0");
    expect((await grpcCall(grpcUrl(balancer), "ModelInfer", { "x-triton-server": "lmm" })).status).toBe("5");
    expect((await call(balancer, {}, "/v2/repository/models/x/unload")).status).toBe(403);
    expect((await grpcCall(grpcUrl(balancer), "RepositoryModelUnload")).status).toBe("7");
    for (const kind of ["system", "cuda"])
      for (const rest of ["status", "region/x/status", "region/x/register", "unregister"]) {
        const path = `/v2/${kind}sharedmemory/${rest}`;
        expect((await call(balancer, {}, path)).status).toBe(403);
        expect(await statusOf(httpUrl(balancer, path))).toBe(403);
      }
    for (const kind of ["System", "Cuda"])
      for (const what of ["Status", "Register", "Unregister"])
        for (const group of [undefined, "llm"] as const)
          expect((await grpcCall(grpcUrl(balancer, group), `${kind}SharedMemory${what}`)).status).toBe("7");
    expect(await statusOf(`http://127.0.0.1:${String(balancer.ports.metrics)}/metrics`)).toBe(200);
  });

  it("asks for a key, and tells servers the caller and never the key", async () => {
    const balancer = await start({ apiKeys: keys({ right: "alice" }) });
    for (const headers of [
      {},
      { "x-api-key": "wrong" },
      { "x-api-key": "" },
      { authorization: "Bearer wrong" },
    ]) {
      const refused = await call(balancer, headers);
      expect(refused.status).toBe(401);
      expect(JSON.parse(refused.text)).toEqual({ error: "this needs a valid API key" });
      expect((await grpcCall(grpcUrl(balancer), "ModelInfer", headers)).status).toBe("16");
    }
    for (const headers of [{ "x-api-key": "right" }, { authorization: "Bearer right" }]) {
      const claimed = { ...headers, "x-caller-id": "mallory" };
      const overHttp = (await call(balancer, claimed)).seen();
      const overGrpc = (await grpcCall(grpcUrl(balancer), "ModelInfer", claimed)).seen;
      for (const seen of [overHttp, overGrpc]) {
        expect(seen?.headers["x-caller-id"]).toBe("alice");
        expect(JSON.stringify(seen)).not.toContain("right");
      }
    }
    for (const health of ["/v2/health/live", "/v2/health/ready", "/healthz"])
      expect(await statusOf(httpUrl(balancer, health))).toBe(200);
    expect((await grpcCall(grpcUrl(balancer), "ServerLive", { "x-caller-id": "mallory" })).status).toBe("0");
    expect(await statusOf(httpUrl(balancer, "/v2/health/live/../../models/x"))).toBe(401);
    expect(await statusOf(httpUrl(balancer, "/v2"))).toBe(401);
  });

  it("follows the file of keys while calls run: the kept key never fails", async () => {
    const balancer = await start({ apiKeys: keys({ kept: "alice", old: "bob" }), threads: 2 });
    const agent = new http.Agent({ keepAlive: true });
    const statuses = new Map<string, number>();
    let isOver = false;
    const caller = async (ask: () => Promise<string>): Promise<void> => {
      while (!isOver) {
        const status = await ask();
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const callers = [
      caller(async () => `http ${String((await call(balancer, { "x-api-key": "kept" })).status)}`),
      caller(
        async () =>
          `grpc ${(await grpcCall(grpcUrl(balancer), "ModelInfer", { authorization: "Bearer kept" })).status}`,
      ),
    ];
    expect((await call(balancer, { "x-api-key": "old" })).status).toBe(200);
    keys({ kept: "alice", new: "bob" });
    await until(async () => (await call(balancer, { "x-api-key": "new" })).status === 200);
    expect((await call(balancer, { "x-api-key": "new" })).seen().headers["x-caller-id"]).toBe("bob");
    await until(async () => (await call(balancer, { "x-api-key": "old" })).status === 401);
    // A file that is away for a moment takes nobody's key.
    rmSync(path.join(folder, "api-keys"));
    keys({ kept: "carol" });
    await until(
      async () => (await call(balancer, { "x-api-key": "kept" })).seen().headers["x-caller-id"] === "carol",
    );
    isOver = true;
    await Promise.all(callers);
    agent.destroy();
    expect([...statuses.keys()].sort()).toEqual(["grpc 0", "http 200"]);
  });

  it("limits each caller for itself, and goes on after the period", async () => {
    const limit = { requests: 3, period: 2_000_000 };
    const balancer = await start({
      apiKeys: keys({ a: "alice", b: "bob", c: "carol" }),
      rateLimits: { everyone: limit, callers: { carol: { requests: 100, period: 60_000_000 } } },
    });
    const statuses = async (key: string, count: number): Promise<number[]> => {
      const got: number[] = [];
      for (let i = 0; i < count; i += 1) got.push((await call(balancer, { "x-api-key": key })).status);
      return got;
    };
    expect(await statuses("a", 5)).toEqual([200, 200, 200, 429, 429]);
    const refused = await call(balancer, { "x-api-key": "a" });
    expect(refused.headers.get("retry-after")).toBe("2");
    expect(JSON.parse(refused.text)).toHaveProperty("error");
    expect((await grpcCall(grpcUrl(balancer), "ModelInfer", { "x-api-key": "a" })).status).toBe("8");
    expect(await statusOf(httpUrl(balancer, "/v2/health/ready"))).toBe(200);
    expect(await statuses("b", 3)).toEqual([200, 200, 200]);
    expect(await statuses("c", 10)).toEqual(Array(10).fill(200));
    await until(async () => (await call(balancer, { "x-api-key": "a" })).status === 200);
  });

  it("refuses what is too large in the caller's language", async () => {
    const balancer = await start({ maxBodySize: 1_000 });
    expect((await call(balancer, {}, infer, "x".repeat(1_000))).status).toBe(200);
    const refused = await call(balancer, {}, infer, "x".repeat(1_001));
    expect(refused.status).toBe(413);
    expect(JSON.parse(refused.text)).toEqual({ error: "the request is larger than 1000 bytes" });
    const chunked = await new Promise<number | undefined>((resolve, reject) => {
      const request = http.request(httpUrl(balancer), { method: "POST" }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on("error", reject);
      request.write("{");
      request.end("}");
    });
    expect(chunked).toBe(411);
    expect(await http2Status(httpUrl(balancer), "POST", "x".repeat(1_000))).toBe(411);
    for (const method of ["POST", "PATCH", "GET", "DELETE"]) {
      expect(await http2Status(httpUrl(balancer), method, "x".repeat(100_000))).toBe(411);
      expect(await http2Status(httpUrl(balancer), method)).toBe(200);
    }
    for (const encoding of ["gzip", "deflate", "GZIP", "identity, gzip"]) {
      expect((await call(balancer, { "content-encoding": encoding })).status).toBe(415);
      const overGrpc = await grpcCall(grpcUrl(balancer), "ModelInfer", { "grpc-encoding": encoding });
      expect(overGrpc.status).toBe("12");
    }
    expect((await call(balancer, { "content-encoding": "identity" })).status).toBe(200);
    const twice = await new Promise<number | undefined>((resolve, reject) => {
      const encodings = ["content-encoding", "gzip", "content-encoding", "identity"];
      const headers = ["host", "x", "content-length", "2", ...encodings];
      const request = http.request(httpUrl(balancer), { method: "POST", headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on("error", reject);
      request.end("{}");
    });
    expect(twice).toBe(415);
    const plain = await grpcCall(grpcUrl(balancer), "ModelInfer", { "grpc-encoding": "identity" });
    expect(plain.status).toBe("0");
    const message = (bytes: number): Promise<{ status: string }> =>
      grpcCall(grpcUrl(balancer), "ModelInfer", {}, frame(Buffer.alloc(bytes)));
    expect((await message(1_000)).status).toBe("0");
    expect((await message(1_001)).status).toBe("8");
    expect((await message(100_000)).status).toBe("8");
  });

  it("logs each call as a line of JSON, with the id that caller and server know, and without secrets", async () => {
    const balancer = await start({ apiKeys: keys({ "the-secret": "alice" }) });
    const given = await call(
      balancer,
      { "x-api-key": "the-secret", "x-request-id": "given-1" },
      `/v2/models/embedding-model/infer?key=the-secret`,
      '{"the-body":1}',
    );
    expect(given.headers.get("x-request-id")).toBe("given-1");
    expect(given.seen().headers["x-request-id"]).toBe("given-1");
    const insane = await call(balancer, { authorization: "Bearer the-secret", "x-request-id": 'a"b{' });
    const made = insane.headers.get("x-request-id") ?? "";
    expect(made).toMatch(/^[0-9a-f-]{36}$/);
    expect(insane.seen().headers["x-request-id"]).toBe(made);
    expect((await call(balancer, {}, "/v2/models/%22%00%0a%ff\u00e9%5c/infer")).status).toBe(401);
    expect(
      (await call(balancer, { "x-api-key": "the-secret" }, "/v2/models/%22%00%0a%ff%5c/infer")).status,
    ).toBe(200);
    expect(
      (await call(balancer, { "x-api-key": "the-secret" }, `/v2/models/${'"'.repeat(5_000)}`)).status,
    ).toBe(200);
    const overGrpc = await grpcCall(grpcUrl(balancer), "ModelInfer", { "x-api-key": "wrong-secret" });
    await statusOf(httpUrl(balancer, "/healthz"));
    // Nonsense, and a connection without a word.
    for (const words of ["\u0000\u0001 nonsense\r\n\r\n", ""]) {
      await new Promise((resolve) => {
        const socket = net.connect(balancer.ports.http, "127.0.0.1", () => socket.end(words));
        socket.on("close", resolve);
        socket.on("error", resolve);
        socket.resume();
      });
    }
    await until(() => balancer.log.length >= 7);
    const lines = balancer.log.map((text) => line.parse(JSON.parse(text)));
    expect(lines.find(({ id }) => id === "given-1")).toMatchObject({
      caller: "alice",
      method: "POST",
      path: infer,
      model: "embedding-model",
      status: 200,
      client: "127.0.0.1",
      backend: "http-gpu",
    });
    expect(lines.find(({ id }) => id === made)).toMatchObject({ caller: "alice", status: 200 });
    expect(lines.find(({ id }) => id === overGrpc.headers["x-request-id"])).toMatchObject({
      path: "/inference.GRPCInferenceService/ModelInfer",
      protocol: "HTTP/2.0",
      grpcStatus: "16",
    });
    expect(lines.some(({ status }) => status === 400)).toBe(true);
    expect(lines.some(({ path: asked }) => asked === "/healthz")).toBe(false);
    expect([...balancer.log, ...balancer.errors].join("\n")).not.toMatch(/secret|the-body/);
  });

  it("is healthy only while the default server can serve, and alive anyway", async () => {
    const balancer = await start();
    const health = (name: string): string => `http://127.0.0.1:${String(balancer.ports.health)}/${name}`;
    expect(await statusOf(httpUrl(balancer, "/healthz"))).toBe(200);
    for (const backend of backends.filter(({ name }) => name.startsWith("gpu"))) backend.setReady(false);
    await until(async () => (await statusOf(httpUrl(balancer, "/healthz"))) === 503);
    expect((await call(balancer)).status).toBe(503);
    expect((await grpcCall(grpcUrl(balancer))).status).toBe("14");
    expect(await statusOf(health("live"))).toBe(200);
    for (const backend of backends) backend.setReady(true);
    await until(async () => (await statusOf(httpUrl(balancer, "/healthz"))) === 200);
    writeFileSync(path.join(folder, "draining"), "");
    expect(await statusOf(httpUrl(balancer, "/healthz"))).toBe(503);
    expect(await statusOf(health("ready"))).toBe(503);
    expect(await statusOf(health("live"))).toBe(200);
    expect((await call(balancer)).status).toBe(200);
  });

  it("loses no call on a connection that its server closes: it sends it again, or has not kept it", async () => {
    const balancer = await start();
    for (const backend of backends) backend.setClosingKept(true);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const post = (model: string, headers: http.OutgoingHttpHeaders): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const url = httpUrl(balancer, `/v2/models/${model}/infer`);
        const request = http.request(url, { method: "POST", agent, headers }, (response) => {
          response.on("end", () => {
            resolve(response.statusCode);
          });
          response.resume();
        });
        request.on("error", reject);
        request.end("{}");
      });
    // The same client's connection throughout: without one before it, HAProxy would say 502.
    for (let i = 0; i < 20; i += 1) {
      expect(await post("embedding-model", {})).toBe(200);
      expect(await post("llm-backend", {})).toBe(200);
      expect(await post("llm-backend", { "x-conversation-id": "holiday" })).toBe(200);
    }
    agent.destroy();
  });

  it("goes without losing a call", async () => {
    const [first, second] = [path.join(folder, "first"), path.join(folder, "second")].map((place) => {
      execFileSync("mkdir", [place]);
      return place;
    });
    const going = await start({ threads: 2 }, first);
    const staying = await start({ threads: 2 }, second);
    const service = await startService(going);
    const load = callers(service.httpPort, service.grpcPort);
    try {
      await until(() => load.counts.size === 2);
      // A call that is under way when the signal comes, and ends after it.
      const long = call(going, { "x-wait": "3000" });
      const longGrpc = grpcCall(grpcUrl(going), "ModelInfer", { "x-wait": "3000" });
      await until(() => going.log.length > 0);
      writeFileSync(path.join(first ?? "", "draining"), "");
      service.sendTo(staying);
      await until(
        async () => (await statusOf(`http://127.0.0.1:${String(going.ports.health)}/ready`)) === 503,
      );
      going.process.kill("SIGUSR1");
      expect((await long).status).toBe(200);
      expect((await longGrpc).status).toBe("0");
      expect(await going.ended).toBe(0);
      const before = staying.log.length;
      await until(() => staying.log.length > before + 20);
    } finally {
      await load.stop();
      service.close();
    }
    expect([...load.counts.keys()].sort()).toEqual(["grpc 0", "http 200"]);
  });

  it("tells servers the client's address by the PROXY protocol", async () => {
    const balancer = await start({ proxyProtocol: true });
    const text = await new Promise<string>((resolve, reject) => {
      let got = "";
      const socket = net.connect(balancer.ports.http, "127.0.0.1", () => {
        socket.write("PROXY TCP4 203.0.113.7 10.0.0.1 4000 8000\r\n");
        socket.write("GET /v2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
      });
      socket.on("data", (data) => (got += data.toString()));
      socket.on("close", () => {
        resolve(got);
      });
      socket.on("error", reject);
    });
    expect(text).toContain('"x-caller-id":"203.0.113.7"');
  });

  it("counts callers of IPv6 by their network, and those of IPv4 by their address", async () => {
    const limit = { requests: 1, period: 60_000_000 };
    const balancer = await start({
      proxyProtocol: true,
      rateLimits: { everyone: limit, callers: { "2001:db8:0:9::": { ...limit, requests: 2 } } },
    });
    const statusFrom = (family: "TCP4" | "TCP6", from: string, to: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let got = "";
        const socket = net.connect(balancer.ports.http, "127.0.0.1", () => {
          socket.write(`PROXY ${family} ${from} ${to} 4000 8000\r\n`);
          socket.write("GET /v2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        });
        socket.on("data", (data) => (got += data.toString()));
        socket.on("close", () => {
          resolve(got.slice(9, 12));
        });
        socket.on("error", reject);
      });
    const six = (from: string): Promise<string> => statusFrom("TCP6", from, "2001:db8::1");
    expect(await six("2001:db8:0:1::1")).toBe("200");
    expect(await six("2001:db8:0:1:ffff::2")).toBe("429");
    expect(await six("2001:db8:0:2::1")).toBe("200");
    for (const status of ["200", "200", "429"]) expect(await six(`2001:db8:0:9::${status}`)).toBe(status);
    expect(await statusFrom("TCP4", "203.0.113.7", "10.0.0.1")).toBe("200");
    expect(await statusFrom("TCP4", "203.0.113.8", "10.0.0.1")).toBe("200");
    expect(await statusFrom("TCP4", "203.0.113.7", "10.0.0.1")).toBe("429");
  });

  it("keeps a server that is slow to say that it is ready", async () => {
    const ports = await balancerPorts();
    const balancer = await startBalancer(
      folder,
      ports,
      groupsOf(twoGroups, replicasOf, ports.firstServerGrpc),
      {},
      (text) => text.replaceAll(" inter 1s ", " inter 200ms "),
    );
    running.push(balancer);
    const gpu = backends.filter(({ name }) => name.startsWith("gpu"));
    for (const backend of gpu) backend.setReadyDelay(500);
    try {
      // Two backends check each server: five times each.
      const enough = gpu.map(({ readyAnswers }) => readyAnswers() + 10);
      await until(async () => {
        expect((await call(balancer)).status).toBe(200);
        return gpu.every(({ readyAnswers }, i) => readyAnswers() >= (enough[i] ?? 0));
      });
    } finally {
      for (const backend of gpu) backend.setReadyDelay(0);
    }
  });

  it("finds servers by DNS, forgets those that DNS forgets, and keeps them while DNS is away", async () => {
    const hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    const [http = 0, grpc = 0] = await freePorts(2, 1);
    const found = await Promise.all(hosts.map((host) => startBackend(host, host, [http, grpc])));
    const dns = await startDns([]);
    const ports = await balancerPorts();
    const discovery = { hostname: "triton.test.svc.cluster.local", slots: 4, httpPort: http, grpcPort: grpc };
    const balancer = await startBalancer(
      folder,
      ports,
      groupsOf(twoGroups, () => discovery, ports.firstServerGrpc),
      { discovery: 2 },
      // This machine's own names are none of a cluster's.
      (text) => text.replace("parse-resolv-conf", `nameserver test 127.0.0.1:${String(dns.port)}`),
    );
    running.push(balancer);
    try {
      // Ready after a while without any server, as before the first deployment of one.
      expect(await statusOf(httpUrl(balancer, "/healthz"))).toBe(503);
      expect((await grpcCall(grpcUrl(balancer))).status).toBe("14");

      /** Who answers six calls of each protocol. */
      const answering = async (): Promise<string[]> => {
        const names = new Set<string>();
        for (let i = 0; i < 6; i += 1) {
          const overHttp = await call(balancer);
          names.add(overHttp.status === 200 ? overHttp.seen().server : String(overHttp.status));
          const overGrpc = await grpcCall(grpcUrl(balancer));
          names.add(overGrpc.seen?.server ?? overGrpc.status);
        }
        return [...names].sort();
      };
      const comesTo = (names: readonly string[]): Promise<void> =>
        until(async () => JSON.stringify(await answering()) === JSON.stringify(names));
      dns.answer = hosts.slice(0, 2);
      await comesTo(hosts.slice(0, 2));
      expect(await statusOf(httpUrl(balancer, "/healthz"))).toBe(200);
      dns.answer = hosts;
      await comesTo(hosts);
      dns.answer = hosts.slice(1);
      await comesTo(hosts.slice(1));
      // 2 is SERVFAIL.
      for (const hiccup of ["silence", 2, []] as const) {
        dns.answer = hiccup;
        const asked = balancer.log.length;
        const until_ = Date.now() + 3_500;
        while (Date.now() < until_) expect(await answering()).toEqual(hosts.slice(1));
        expect(balancer.log.length).toBeGreaterThan(asked);
      }
      dns.answer = hosts.slice(2);
      await comesTo(hosts.slice(2));
    } finally {
      await balancer.stop();
      await Promise.all([...found, dns].map((server) => server.close()));
    }
  });

  describe.skipIf(openssl.program === undefined)(needing(openssl, "under TLS"), () => {
    const at = (name: string): string => path.join(folder, name);

    function certificate(name: string, subject: string, authority?: string): void {
      makeCertificate(folder, name, subject, authority);
    }

    const secureUrl = (port: number): string => `https://127.0.0.1:${String(port)}`;
    const read = (name: string): Buffer => readFileSync(at(name));

    interface Secure {
      readonly ca: Buffer;
      readonly cert?: Buffer;
      readonly key?: Buffer;
    }

    async function secureCall(
      { ports }: Balancer,
      options: Secure,
      rest = "/v2",
    ): Promise<{ status: number; text: string; serial: string }> {
      return new Promise((resolve, reject) => {
        const request = https.request(
          `${secureUrl(ports.http)}${rest}`,
          { ...options, agent: false },
          (response) => {
            const { socket } = response;
            const serial = socket instanceof TLSSocket ? socket.getPeerCertificate().serialNumber : "";
            let text = "";
            response.on("data", (data: Buffer) => (text += data.toString()));
            response.on("end", () => {
              resolve({ status: response.statusCode ?? 0, text, serial });
            });
          },
        );
        request.on("error", reject);
        request.end();
      });
    }

    it("speaks HTTP/1.1, HTTP/2 and gRPC, and takes a new certificate without losing a connection", async () => {
      certificate("ca", "authority");
      certificate("tls", "balancer", "ca");
      const balancer = await start({ tls: { certificate: at("tls.crt") } });
      const ca = read("ca.crt");
      const before = await secureCall(balancer, { ca });
      expect(before.status).toBe(200);
      expect(
        (
          await grpcCall(secureUrl(balancer.ports.http), "ModelInfer", { "content-length": "6" }, undefined, {
            ca,
          })
        ).headers[":status"],
      ).toBe(200);
      for (const port of [balancer.ports.grpc, balancer.ports.firstServerGrpc])
        expect((await grpcCall(secureUrl(port), "ModelInfer", {}, undefined, { ca })).status).toBe("0");
      await expect(
        secureCall(balancer, { ca, ...{ maxVersion: "TLSv1.1", minVersion: "TLSv1" } }),
      ).rejects.toThrow();

      const kept = http2.connect(secureUrl(balancer.ports.grpc), { ca });
      certificate("next", "balancer", "ca");
      // First the certificate alone, which does not go with the old key.
      copyFileSync(at("next.crt"), at("tls.crt"));
      await until(() => balancer.errors.some((text) => text.includes("tls.crt is not taken")));
      expect((await secureCall(balancer, { ca })).serial).toBe(before.serial);
      copyFileSync(at("next.key"), at("tls.key"));
      await until(async () => (await secureCall(balancer, { ca })).serial !== before.serial);
      expect(kept.destroyed || kept.closed).toBe(false);
      kept.destroy();
    });

    it("knows callers by their certificates, follows the authorities, and takes keys besides", async () => {
      certificate("ca", "authority");
      certificate("tls", "balancer", "ca");
      certificate("clients", "old clients");
      certificate("more", "new clients");
      certificate("alice", "alice", "clients");
      certificate("bob", "bob", "more");
      certificate("odd", "two words", "clients");
      copyFileSync(at("clients.crt"), at("client-ca.crt"));
      const balancer = await start({
        tls: { certificate: at("tls.crt"), clientAuthorities: at("client-ca.crt") },
        apiKeys: keys({ key: "carol" }),
      });
      const ca = read("ca.crt");
      const as = (name: string): Secure => ({ ca, cert: read(`${name}.crt`), key: read(`${name}.key`) });
      expect((await secureCall(balancer, { ca })).status).toBe(401);
      expect((await secureCall(balancer, { ca }, "/healthz")).status).toBe(200);
      expect((await secureCall(balancer, as("alice"))).text).toContain('"x-caller-id":"alice"');
      expect((await secureCall(balancer, as("odd"))).status).toBe(401);
      await expect(secureCall(balancer, as("bob"))).rejects.toThrow();
      const grpc = secureUrl(balancer.ports.grpc);
      expect((await grpcCall(grpc, "ModelInfer", {}, undefined, { ca })).status).toBe("16");
      const overGrpc = await grpcCall(grpc, "ModelInfer", {}, undefined, as("alice"));
      expect(overGrpc.seen?.headers["x-caller-id"]).toBe("alice");
      const byKey = await grpcCall(grpc, "ModelInfer", { "x-api-key": "key" }, undefined, { ca });
      expect(byKey.seen?.headers["x-caller-id"]).toBe("carol");

      copyFileSync(at("more.crt"), at("client-ca.crt"));
      await until(() =>
        secureCall(balancer, as("bob")).then(
          ({ status }) => status === 200,
          () => false,
        ),
      );
      await expect(secureCall(balancer, as("alice"))).rejects.toThrow();
      expect(balancer.log.every((text) => line.safeParse(JSON.parse(text)).success)).toBe(true);
    });
  });
});

/** Status of a call over HTTP/2 that does not say the size of its body, which comes after its headers were read. */
async function http2Status(url: string, method: string, body?: string): Promise<number | undefined> {
  const { origin, pathname } = new URL(url);
  const session = http2.connect(origin);
  try {
    return await new Promise((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request(
        { ":method": method, ":path": pathname },
        { endStream: body === undefined },
      );
      stream.on("response", ({ ":status": status }) => {
        resolve(status);
      });
      stream.on("error", reject);
      stream.resume();
      if (body !== undefined)
        stream.on("ready", () => {
          session.ping(() => {
            stream.end(body);
          });
        });
    });
  } finally {
    session.destroy();
  }
}

interface Callers {
  /** By protocol and status, or error. */
  readonly counts: ReadonlyMap<string, number>;
  stop: () => Promise<void>;
}

/** Clients that keep their connections, and open another where one is told to go, as those of HTTP and gRPC do. */
function callers(httpPort: number, grpcPort: number): Callers {
  const counts = new Map<string, number>();
  const count = (what: string): void => {
    counts.set(what, (counts.get(what) ?? 0) + 1);
  };
  let isOver = false;
  const agent = new http.Agent({ keepAlive: true });
  const web = async (): Promise<void> => {
    while (!isOver) {
      await new Promise<void>((resolve) => {
        const request = http.get({ port: httpPort, host: "127.0.0.1", path: "/v2", agent }, (response) => {
          response.resume();
          response.on("end", () => {
            count(`http ${String(response.statusCode)}`);
            resolve();
          });
        });
        request.on("error", (error) => {
          count(`http ${error.message}`);
          resolve();
        });
      });
    }
  };
  const grpc = async (): Promise<void> => {
    let session = http2.connect(`http://127.0.0.1:${String(grpcPort)}`);
    session.on("error", () => undefined);
    while (!isOver) {
      if (session.closed || session.destroyed) {
        session = http2.connect(`http://127.0.0.1:${String(grpcPort)}`);
        session.on("error", () => undefined);
      }
      await new Promise<void>((resolve) => {
        const stream = session.request({
          ":method": "POST",
          ":path": "/x/ModelInfer",
          "content-type": "application/grpc",
        });
        let status = "";
        stream.on("trailers", (trailers: IncomingHttpHeaders) => (status = String(trailers["grpc-status"])));
        stream.on("response", (headers) => (status = String(headers["grpc-status"] ?? "")));
        stream.on("error", (error: Error) => (status = error.message));
        stream.on("close", () => {
          // REFUSED_STREAM: no server has seen it, and gRPC's clients send it again.
          if (stream.rstCode !== http2.constants.NGHTTP2_REFUSED_STREAM) count(`grpc ${status}`);
          resolve();
        });
        stream.resume();
        stream.end(frame(Buffer.from("x")));
      });
    }
    session.destroy();
  };
  const all = [web(), web(), grpc(), grpc()];
  return {
    counts,
    stop: async () => {
      isOver = true;
      await Promise.all(all);
      agent.destroy();
    },
  };
}
