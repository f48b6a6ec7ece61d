import { spawn, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import { balancerScript, renderHaproxyConfig } from "../../core/haproxy/config.ts";
import type { BalancedGroup, BalancerPlan, ClusterOptions } from "../../core/haproxy/plan.ts";
import { planPlatform } from "../../core/platform.ts";
import { refuse } from "../../core/spec/problem.ts";
import { freePorts } from "./platform.ts";
import { haproxy } from "./tools.ts";
import type { Platform } from "./platform-arbitraries.ts";

/** The cluster's balancer as a process of this machine, with small servers behind it. */

/** What a server behind the balancer saw of a call. */
export type Seen = Readonly<z.output<typeof seenSchema>>;

const seenSchema = z.object({
  server: z.string(),
  path: z.string(),
  headers: z.record(z.string(), z.unknown()),
});

export interface Backend {
  readonly name: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Whether it says that it is ready. */
  setReady: (ready: boolean) => void;
  /** Milliseconds after which it says so. */
  setReadyDelay: (delay: number) => void;
  /** How often it has said whether it is ready. */
  readyAnswers: () => number;
  /** Whether it closes an HTTP connection that was kept just as another call comes on it, as one that is to go does. */
  setClosingKept: (closes: boolean) => void;
  close: () => Promise<void>;
}

/**
 * A server that is always ready and answers every call with what it saw of it, over HTTP as JSON, over gRPC in the header
 * `seen`. The header `x-wait` has it answer that many milliseconds later.
 */
export async function startBackend(name: string, host = "127.0.0.1", ports = [0, 0]): Promise<Backend> {
  let isReady = true;
  let readyDelay = 0;
  let readyAnswers = 0;
  let isClosingKept = false;
  const used = new WeakSet<Socket>();
  const seen = (path = "", headers: object): string => JSON.stringify({ server: name, path, headers });
  const web = http.createServer((request, response) => {
    const asksForHealth = request.url === "/v2/health/ready";
    if (isClosingKept && used.has(request.socket)) {
      request.socket.destroy();
      return;
    }
    used.add(request.socket);
    request.resume();
    request.on("end", () => {
      setTimeout(
        () => {
          if (asksForHealth) readyAnswers += 1;
          response.statusCode = asksForHealth && !isReady ? 400 : 200;
          response.setHeader("content-type", "application/json");
          response.end(seen(request.url, request.headers));
        },
        asksForHealth ? readyDelay : Number(request.headers["x-wait"] ?? 0),
      );
    });
  });
  const sessions = new Set<http2.Http2Session>();
  const grpc = http2.createServer();
  grpc.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => undefined);
  });
  grpc.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    stream.resume();
    stream.on("end", () => {
      setTimeout(
        () => {
          if (stream.destroyed) return;
          stream.respond(
            { ":status": 200, "content-type": "application/grpc", seen: seen(headers[":path"], headers) },
            { waitForTrailers: true },
          );
          stream.on("wantTrailers", () => {
            stream.sendTrailers({ "grpc-status": "0" });
          });
          stream.end(frame(Buffer.alloc(0)));
        },
        Number(headers["x-wait"] ?? 0),
      );
    });
  });
  const [httpPort = 0, grpcPort = 0] = ports;
  return {
    name,
    httpPort: await listen(web, host, httpPort),
    grpcPort: await listen(grpc, host, grpcPort),
    setReady: (ready) => {
      isReady = ready;
    },
    setReadyDelay: (delay) => {
      readyDelay = delay;
    },
    readyAnswers: () => readyAnswers,
    setClosingKept: (closes) => {
      isClosingKept = closes;
    },
    close: async () => {
      for (const session of sessions) session.destroy();
      web.closeAllConnections();
      await Promise.all([web, grpc].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

async function listen(server: Server | http2.Http2Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  return portOf(server.address());
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

/** A gRPC message that is not compressed. */
export function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The groups of a platform, with what is behind each. */
export function groupsOf(
  { models, config }: Platform,
  replicas: (group: string) => BalancedGroup["replicas"],
  firstPort: number,
): BalancedGroup[] {
  const { value, problems } = planPlatform(models, config, "Pulumi.test.yaml");
  refuse(problems);
  return value.servers.map((plan, i) => ({
    plan,
    grpcPort: firstPort + i,
    replicas: replicas(plan.name),
  }));
}

/** A cluster's options with everything in one folder: nobody needs a key, and nothing is limited. */
export function clusterOptions(folder: string, options: Partial<ClusterOptions> = {}): ClusterOptions {
  return {
    healthPort: 8003,
    threads: 1,
    maxConnections: 1_000,
    discovery: 5,
    script: path.join(folder, "balancer.lua"),
    drainFile: path.join(folder, "draining"),
    rateLimits: { callers: {} },
    maxBodySize: 64 * 1024 ** 2,
    proxyProtocol: false,
    ...options,
  };
}

/** Files that `haproxy -c` wants to find. */
export function writeBalancerFiles(folder: string): { readonly file: string; readonly map: string } {
  const files = { file: path.join(folder, "api-keys"), map: path.join(folder, "api-keys.map") };
  writeFileSync(path.join(folder, "balancer.lua"), balancerScript());
  writeFileSync(files.map, "");
  return files;
}

export interface Balancer {
  readonly process: ChildProcess;
  readonly ports: BalancerPorts;
  /** Lines of standard output: the access log. */
  readonly log: readonly string[];
  /** Lines of standard error. */
  readonly errors: readonly string[];
  readonly socket: string;
  readonly ended: Promise<number | null>;
  stop: () => Promise<void>;
}

export interface BalancerPorts {
  readonly http: number;
  readonly grpc: number;
  readonly metrics: number;
  readonly health: number;
  readonly firstServerGrpc: number;
}

export async function balancerPorts(): Promise<BalancerPorts> {
  const [first = 0] = await freePorts(1, 10);
  return {
    http: first,
    grpc: first + 1,
    metrics: first + 2,
    health: first + 3,
    firstServerGrpc: first + 4,
  };
}

/** Runs HAProxy until it is stopped. `change` may alter the text of its file. */
export async function startBalancer(
  folder: string,
  ports: BalancerPorts,
  servers: BalancerPlan["servers"],
  options: Partial<ClusterOptions> = {},
  change: (text: string) => string = (text) => text,
): Promise<Balancer> {
  writeBalancerFiles(folder);
  const config = path.join(folder, "haproxy.cfg");
  const adminSocket = path.join(folder, "admin.sock");
  const text = renderHaproxyConfig({
    address: "127.0.0.1",
    httpPort: ports.http,
    grpcPort: ports.grpc,
    metricsPort: ports.metrics,
    adminSocket,
    servers,
    cluster: clusterOptions(folder, { healthPort: ports.health, ...options }),
  });
  writeFileSync(config, change(text));
  const child = spawn(haproxy.program ?? "haproxy", ["-db", "-f", config], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => log.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  try {
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`haproxy ended:\n${errors.join("\n")}`);
      return (await statusOf(`http://127.0.0.1:${String(ports.health)}/ready`)) === 200;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { process: child, ports, log, errors, socket: adminSocket, ended, stop };
}

export interface Service {
  readonly httpPort: number;
  readonly grpcPort: number;
  sendTo: (balancer: Balancer) => void;
  close: () => void;
}

/** What a Service does before balancers: new connections go to the one it has now, old ones stay where they are. */
export async function startService(first: Balancer): Promise<Service> {
  let target = first;
  const sockets = new Set<Socket>();
  const forward = (port: (ports: BalancerPorts) => number): Server =>
    createServer((client) => {
      const server = connect(port(target.ports), "127.0.0.1");
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        sockets.add(from);
        from.pipe(to);
        from.on("error", () => to.destroy());
        from.on("close", () => sockets.delete(from));
      }
    });
  const servers = [forward(({ http }) => http), forward(({ grpc }) => grpc)] as const;
  const [httpPort, grpcPort] = await Promise.all([
    listen(servers[0], "127.0.0.1", 0),
    listen(servers[1], "127.0.0.1", 0),
  ]);
  return {
    httpPort,
    grpcPort,
    sendTo: (balancer) => {
      target = balancer;
    },
    close: () => {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Waits for a condition, at most 30 s. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`this did not come: ${isSo.toString()}`);
    await pause(50);
  }
}

/** Status of a GET; undefined where nobody answers. */
export async function statusOf(
  url: string,
  headers: Record<string, string> = {},
): Promise<number | undefined> {
  try {
    const response = await fetch(url, { headers });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}

export interface GrpcAnswer {
  /** Number of google.rpc.Code. */
  readonly status: string;
  readonly message: string;
  readonly headers: http2.IncomingHttpHeaders;
  readonly seen: Seen | undefined;
}

export type GrpcHeaders = Readonly<Record<string, string>>;

/** One unary call on a connection of its own. */
export async function grpcCall(
  url: string,
  method = "ModelInfer",
  headers: GrpcHeaders = {},
  body: Buffer = frame(Buffer.from("x")),
  tls: http2.SecureClientSessionOptions = {},
): Promise<GrpcAnswer> {
  const session = http2.connect(url, tls);
  try {
    return await new Promise<GrpcAnswer>((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request({
        ":method": "POST",
        ":path": `/inference.GRPCInferenceService/${method}`,
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      });
      let got: http2.IncomingHttpHeaders = {};
      let trailers: http2.IncomingHttpHeaders = {};
      stream.on("error", reject);
      stream.on("response", (value) => {
        got = value;
      });
      stream.on("trailers", (value: http2.IncomingHttpHeaders) => {
        trailers = value;
      });
      stream.on("end", () => {
        const all = { ...got, ...trailers };
        const text = got.seen;
        resolve({
          status: String(all["grpc-status"]),
          message: String(all["grpc-message"] ?? ""),
          headers: got,
          seen: typeof text === "string" ? parseSeen(text) : undefined,
        });
      });
      stream.resume();
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
}

export function parseSeen(text: string): Seen {
  return seenSchema.parse(JSON.parse(text));
}
