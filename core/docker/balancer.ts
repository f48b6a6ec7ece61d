import { balancerScript, renderHaproxyConfig } from "../haproxy/config.ts";
import { apiKeysMap, maxConnections, slots, threads } from "../haproxy/sizes.ts";
import { present } from "../objects.ts";
import type { ServerPlan } from "../platform.ts";
import type { DockerConfig } from "../spec/docker.ts";
import type { Problem } from "../spec/problem.ts";
import { httpTest, type ContainerPlan, type FilesPlan, type PublishedPort } from "./container.ts";
import { places, ports, serverAlias, users } from "./names.ts";

/**
 * HAProxy in front of every server. It finds replicas by the network's DNS, in slots, and is told over its runtime API to
 * let go of one before that is stopped. Its file lies in a volume: a changed one is read by a new process that takes the
 * old one's sockets over (USR2), so that no connection is refused.
 */
export function balancerContainer(servers: readonly ServerPlan[], docker: DockerConfig): ContainerPlan {
  const { cpu, memory } = docker.balancer;
  const longest = Math.max(...servers.map(({ timing }) => timing.balancerClient));
  return {
    name: "balancer",
    service: "balancer",
    image: docker.images.haproxy,
    entrypoint: ["haproxy"],
    command: ["-W", "-db", "-f", `${places.balancer}/${files.config}`],
    environment: {},
    user: users.haproxy,
    networks: [
      { network: "inside", aliases: ["balancer"] },
      // Ports of a network without a way out are not published.
      { network: "outside", aliases: [] },
    ],
    ports: publishedPorts(servers, docker),
    mounts: [{ volume: "balancer", target: places.balancer, readOnly: true }],
    tmpfs: { [places.balancerRun]: `uid=${String(users.haproxy)},gid=${String(users.haproxy)},mode=700` },
    labels: {},
    capabilities: [],
    ulimits: {},
    memory,
    cpus: cpu,
    health: { test: httpTest(ports.health, "/live"), interval: 5, timeout: 5, retries: 6, startPeriod: 10 },
    // HAProxy finishes its calls, as long as `hard-stop-after` lets it.
    stop: { signal: "SIGUSR1", grace: longest + 15 },
    // The ports of the host can be had once.
    order: "oldFirst",
  };
}

const files = {
  config: "haproxy.cfg",
  script: "balancer.lua",
  /** Empty: the script puts in it, in memory, what the other file holds. */
  apiKeysMap: "api-keys.map",
  apiKeys: "api-keys",
} as const;

export function balancerFiles(servers: readonly ServerPlan[], docker: DockerConfig): FilesPlan {
  const keys = apiKeysMap(docker.balancer);
  return {
    volume: "balancer",
    service: "balancer",
    place: places.balancer,
    image: docker.images.haproxy,
    files: [
      { path: files.script, content: balancerScript() },
      { path: files.apiKeysMap, content: "" },
      ...(keys === undefined ? [] : [{ path: files.apiKeys, content: keys }]),
      {
        path: files.config,
        content: haproxyConfig(servers, docker),
        check: ["haproxy", "-c", "-q", "-f", "{}"],
      },
    ],
    reloadSignal: "USR2",
  };
}

function haproxyConfig(servers: readonly ServerPlan[], { balancer }: DockerConfig): string {
  const { grpcPorts, rateLimit, rateLimits, apiKeys, maxBodySize } = balancer;
  return renderHaproxyConfig({
    address: "*",
    httpPort: ports.http,
    grpcPort: ports.grpc,
    metricsPort: ports.metrics,
    adminSocket: `${places.balancerRun}/admin.sock`,
    servers: servers.map((plan) => ({
      plan,
      ...present({ grpcPort: groupPort(grpcPorts, plan.name) }),
      replicas: {
        hostname: serverAlias(plan.name),
        slots: slots(plan.replicas),
        httpPort: ports.http,
        grpcPort: ports.grpc,
        askFirst: true,
      },
    })),
    cluster: {
      healthPort: ports.health,
      adminPort: ports.admin,
      threads: threads(balancer),
      maxConnections: maxConnections(balancer),
      discovery: 5,
      script: `${places.balancer}/${files.script}`,
      drainFile: `${places.balancerRun}/draining`,
      rateLimits: { callers: rateLimits, ...present({ everyone: rateLimit }) },
      maxBodySize,
      proxyProtocol: false,
      ...(apiKeys === undefined
        ? {}
        : {
            apiKeys: {
              file: `${places.balancer}/${files.apiKeys}`,
              map: `${places.balancer}/${files.apiKeysMap}`,
            },
          }),
    },
  });
}

/** A server may be named like a property that every object has. */
export function groupPort(grpcPorts: Readonly<Record<string, number>>, server: string): number | undefined {
  return Object.hasOwn(grpcPorts, server) ? grpcPorts[server] : undefined;
}

function publishedPorts(
  servers: readonly ServerPlan[],
  { address, ports: published, balancer }: DockerConfig,
): PublishedPort[] {
  return [
    { setting: "ports.http", address, external: published.http, internal: ports.http },
    { setting: "ports.grpc", address, external: published.grpc, internal: ports.grpc },
    { setting: "ports.metrics", address, external: published.metrics, internal: ports.metrics },
    ...servers.flatMap(({ name }) => {
      const port = groupPort(balancer.grpcPorts, name);
      const setting = `balancer.grpcPorts.${name}`;
      return port === undefined ? [] : [{ setting, address, external: port, internal: port }];
    }),
  ];
}

/** Ports of servers that are the balancer's own in its container, or are no server's. */
export function balancerProblems(
  servers: readonly ServerPlan[],
  { balancer }: DockerConfig,
  file: string,
): Problem[] {
  const own = new Set<number>([ports.http, ports.grpc, ports.metrics, ports.health, ports.admin]);
  return Object.entries(balancer.grpcPorts).flatMap(([server, port]): Problem[] => {
    const path = `triton-platform:docker.balancer.grpcPorts.${server}`;
    const isServer = servers.some(({ name }) => name === server);
    return [
      ...(isServer
        ? []
        : [
            {
              file,
              path,
              message: `there is no server \`${server}\``,
              hint: `use one of: ${servers.map(({ name }) => name).join(", ")}`,
            },
          ]),
      ...(own.has(port)
        ? [
            {
              file,
              path,
              message: `port ${String(port)} is the balancer's own in its container`,
              hint: "write another one, like 8010",
            },
          ]
        : []),
    ];
  });
}
