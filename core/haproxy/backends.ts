import type { ServerPlan } from "../platform.ts";
import type { BalancedGroup, BalancedServer, Discovery, Replica } from "./plan.ts";
import { section } from "./text.ts";

/** Where calls go: a backend for each group and protocol, and a second pair for groups that keep conversations. */

export type Protocol = "http" | "grpc";

/** Every `backend/server` of a replica, by protocol: what a drain must address. */
export interface BalancerEntries {
  readonly http: readonly string[];
  readonly grpc: readonly string[];
}

export function balancerEntries({ plan }: BalancedServer, replica: Replica): BalancerEntries {
  const entries = (protocol: Protocol): string[] =>
    backendNames(plan, protocol).map((backend) => `${backend}/${replica.name}`);
  return { http: entries("http"), grpc: entries("grpc") };
}

export function backends(server: BalancedGroup): string[] {
  const { plan } = server;
  const replayable = plan.models.every(({ spec }) => spec.idempotent);
  const http = backend(server, "http", [
    // The HTTP frontend forbids the replay per model.
    "retry-on conn-failure empty-response",
    "balance leastconn",
    ...connectionUse(replayable),
  ]);
  const grpc = backend(server, "grpc", [
    // The model is not to be seen here: the whole group is replayed, or nothing of it.
    `retry-on conn-failure${replayable ? " empty-response" : ""}`,
    "balance leastconn",
    // A server that goes says which calls it takes no more (GOAWAY), so a connection that is kept loses none.
    `http-reuse ${replayable ? "always" : "safe"}`,
  ]);
  if (!keepsConversations(plan)) return [http, grpc];
  return [http, conversations(server, "http"), grpc, conversations(server, "grpc")];
}

/**
 * How an HTTP group's connections are used. One that was kept may be closed by the server as the next call goes out on it:
 * HAProxy then sends the call again on another, or, where it may not, closes the client's connection without a word
 * (src/http_ana.c, `abort_keep_alive`). So a call that must not be sent twice has a connection of its own, which costs
 * it a fraction of a millisecond.
 */
function connectionUse(replayable: boolean): string[] {
  return replayable ? ["http-reuse always"] : ["option http-server-close"];
}

/** Where the default backend of a group, or the one of its conversations, is to be found by a frontend. */
export function backendName({ name }: Pick<ServerPlan, "name">, protocol: Protocol): string {
  return `${protocol}-${name}`;
}

export function conversationsName(plan: Pick<ServerPlan, "name">, protocol: Protocol): string {
  // The dot is in no server's name: no other server's backend can have this name.
  return `${backendName(plan, protocol)}.conversations`;
}

export function keepsConversations(plan: ServerPlan): boolean {
  return plan.models.some(({ spec }) => spec.conversationAffinity);
}

/** Name of the section that asks the cluster's DNS. */
const resolvers = "cluster";

/**
 * The cluster's DNS, as the pod's resolv.conf names it. A pod that is gone from a good answer is out at once (`hold
 * obsolete`, 0 by default). Where no good answer comes, servers stay: health checks know better than a DNS that is away.
 * An answer without any address cannot be told from a failure of the server (`other`), so it counts only after a while.
 */
export function resolversSection(): string {
  return section(`resolvers ${resolvers}`, [
    "parse-resolv-conf",
    // 512 bytes, the default, hold 30 addresses; HAProxy takes no part of an answer.
    "accepted_payload_size 8192",
    "resolve_retries 3",
    "timeout resolve 1s",
    "timeout retry 1s",
    "hold valid 1s",
    "hold nx 30s",
    "hold other 30s",
    "hold timeout 1h",
    "hold refused 1h",
  ]);
}

/**
 * A replica is in while Triton says that it and all its models are ready, over HTTP on whatever port calls go to. The
 * slots of a template say how to connect here: `check-proto` on their line reaches the first of them only (2.6, 3.0).
 *
 * A busy Triton may take seconds to say so, and every balancer would take it out alike: an answer has 5 s to come, where
 * HAProxy's default is `inter`. Who does not even take the connection has failed after 1 s, and is out by the first call.
 */
function healthCheck(replicas: BalancedGroup["replicas"]): string[] {
  return [
    "timeout check 5s",
    "option httpchk",
    ...("hostname" in replicas ? [`http-check connect port ${String(replicas.httpPort)} proto h1`] : []),
    "http-check send meth GET uri /v2/health/ready",
    "http-check expect status 200",
  ];
}

function backend(server: BalancedGroup, protocol: Protocol, options: readonly string[]): string {
  const { plan, replicas } = server;
  return section(`backend ${backendName(plan, protocol)}`, [
    `timeout server ${String(plan.timing.balancerServer)}s`,
    ...healthCheck(replicas),
    ...options,
    ...("hostname" in replicas
      ? [template(plan, replicas, protocol)]
      : replicas.map(
          (replica) =>
            `server ${serverAddress(replica, protocol)} check port ${String(replica.httpPort)} check-proto h1 ${checkTimes}`,
        )),
  ]);
}

/** One conversation always meets the same replica, which has its history. */
function conversations({ plan, replicas }: BalancedGroup, protocol: Protocol): string {
  const head = `backend ${conversationsName(plan, protocol)}`;
  const timeout = `timeout server ${String(plan.timing.balancerServer)}s`;
  const options = [
    "retry-on conn-failure",
    "balance hdr(x-conversation-key)",
    "hash-type consistent sdbm avalanche",
    ...(protocol === "http" ? connectionUse(false) : []),
  ];
  if (!("hostname" in replicas)) {
    const tracked = replicas.map(
      (replica) =>
        `server ${serverAddress(replica, protocol)} track ${backendName(plan, protocol)}/${replica.name}`,
    );
    return section(head, [timeout, ...options, ...tracked]);
  }
  return [
    // Each backend gives its slots addresses by itself: it cannot track another's, and checks for itself.
    section(head, [timeout, ...healthCheck(replicas), ...options]),
    // By their slots, two balancers would choose two replicas for one conversation; HAProxy before 3.0 knows no better.
    ".if version_atleast(3.0)\n",
    section("", ["default-server hash-key addr"]).slice(1),
    ".endif\n",
    section("", [template(plan, replicas, protocol)]).slice(1),
  ].join("");
}

function serverAddress({ name, host, httpPort, grpcPort }: Replica, protocol: Protocol): string {
  return protocol === "http"
    ? `${name} ${host}:${String(httpPort)}`
    : `${name} ${host}:${String(grpcPort)} proto h2`;
}

/** Slots that DNS fills: replicas come and go without a reload, which would cut long calls. */
function template(
  { name }: ServerPlan,
  { hostname, slots, httpPort, grpcPort, askFirst = false }: Discovery,
  protocol: Protocol,
): string {
  const address = `${hostname}:${String(protocol === "http" ? httpPort : grpcPort)}`;
  return [
    `server-template ${name}- ${String(slots)} ${address}`,
    ...(protocol === "grpc" ? ["proto h2"] : []),
    `check ${checkTimes}`,
    `resolvers ${resolvers} resolve-prefer ipv4 init-addr ${askFirst ? "libc,none" : "none"}`,
  ].join(" ");
}

/** Failed connections count as failed checks, so a dead replica is out at once. */
const checkTimes = "inter 1s fall 3 rise 1 observe layer4 error-limit 1 on-error mark-down";

function backendNames(plan: ServerPlan, protocol: Protocol): string[] {
  return [
    backendName(plan, protocol),
    ...(keepsConversations(plan) ? [conversationsName(plan, protocol)] : []),
  ];
}
