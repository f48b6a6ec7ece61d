import { readFileSync } from "node:fs";
import path from "node:path";
import { rateTables } from "./access.ts";
import { backends, resolversSection } from "./backends.ts";
import { frontends } from "./frontends.ts";
import type { BalancerPlan, ClusterOptions } from "./plan.ts";
import { section } from "./text.ts";

/**
 * haproxy.cfg of the balancer in front of the Tritons. Only directives that both Debian's 2.6 and the 3.x image accept.
 * HTTP is routed by the model in the path; gRPC, which hides the model's name inside the message, by the metadata
 * `x-triton-server` or by a group's own port; calls that name no model go to the default server.
 */
export function renderHaproxyConfig(plan: BalancerPlan): string {
  const longest = Math.max(...plan.servers.map(({ plan: { timing } }) => timing.balancerClient));
  const blocks = [
    globalSection(plan, longest),
    defaultsSection(plan, longest),
    ...(plan.servers.some(({ replicas }) => "hostname" in replicas) ? [resolversSection()] : []),
    ...frontends(plan),
    ...(plan.cluster === undefined ? [] : rateTables(plan.cluster)),
    ...plan.servers.flatMap(backends),
  ];
  return `# Generated from the models' specs and the stack's config; not edited by hand.\n${blocks.join("\n")}`;
}

/** The script that a balancer in a cluster loads. */
export function balancerScript(): string {
  return readFileSync(path.join(import.meta.dirname, "balancer.lua"), "utf8");
}

function globalSection({ adminSocket, cluster }: BalancerPlan, longest: number): string {
  return section("global", [
    ...(cluster === undefined
      ? ["log stdout format raw local0 info"]
      : ["log stderr format raw local0 notice"]),
    // `expose-fd listeners` hands the sockets to the next process of a reload: no connection is refused meanwhile.
    `stats socket ${adminSocket} mode 600 level admin${cluster === undefined ? " expose-fd listeners" : ""}`,
    ...(cluster?.adminPort === undefined
      ? []
      : [`stats socket ipv4@127.0.0.1:${String(cluster.adminPort)} level admin`]),
    // A process that is to stop finishes its calls, and no longer.
    `hard-stop-after ${String(longest + 5)}s`,
    // Bodies up to about this size can be sent again to another replica. Larger buffers cost every request: 128 KiB
    // took 102 µs of processor time a request, 32 KiB 57 µs (docs/benchmarks.md).
    "tune.bufsize 32768",
    ...(cluster === undefined ? [] : processLines(cluster, adminSocket)),
  ]);
}

/** Of a process that has a pod to itself. */
function processLines(cluster: ClusterOptions, adminSocket: string): string[] {
  const { threads, maxConnections, script, drainFile, tls, apiKeys } = cluster;
  // HAProxy 2.6 hands a script no arguments.
  const environment = {
    BALANCER_SOCKET: adminSocket,
    BALANCER_DRAIN_FILE: drainFile,
    ...(apiKeys === undefined
      ? {}
      : { BALANCER_API_KEYS_FILE: apiKeys.file, BALANCER_API_KEYS_MAP: apiKeys.map }),
    ...(tls === undefined ? {} : { BALANCER_CERTIFICATE: tls.certificate }),
    ...(tls?.clientAuthorities === undefined ? {} : { BALANCER_CLIENT_AUTHORITIES: tls.clientAuthorities }),
  };
  return [
    `nbthread ${String(threads)}`,
    // HAProxy's own default follows the limit of open files, which is endless in many containers.
    `maxconn ${String(maxConnections)}`,
    "set-var proc.started date()",
    ...Object.entries(environment).map(([name, value]) => `setenv ${name} ${value}`),
    `lua-load ${script}`,
    ...(tls === undefined ? [] : ["ssl-load-extra-del-ext", "ssl-default-bind-options ssl-min-ver TLSv1.2"]),
  ];
}

function defaultsSection({ cluster }: BalancerPlan, longest: number): string {
  return section("defaults", [
    "mode http",
    "log global",
    // On this machine retries and errors are worth a line each, successes are counted in the metrics.
    ...(cluster === undefined ? ["option dontlog-normal", "option httplog"] : []),
    "timeout connect 2s",
    `timeout client ${String(longest)}s`,
    `timeout server ${String(longest)}s`,
    "timeout http-request 60s",
    "timeout http-keep-alive 60s",
    // A client that hangs up before its call has reached a server is forgotten.
    "option abortonclose",
    // A process that stops closes a client's connection with the answer to its next call, not under it.
    "option idle-close-on-response",
    "retries 3",
    // The first retry already goes to another replica.
    "option redispatch 1",
  ]);
}
