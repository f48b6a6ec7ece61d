import path from "node:path";
import type {
  Endpoints,
  PlatformDescription,
  ReplicaDescription,
  ServerDescription,
} from "../description.ts";
import { balancerEntries, type BalancerEntries } from "../haproxy/backends.ts";
import { renderHaproxyConfig } from "../haproxy/config.ts";
import type { BalancedServer, Replica } from "../haproxy/plan.ts";
import { monitoredPlatform, type MonitoredPlatform } from "../monitoring/platform.ts";
import { renderRules, ruleFile } from "../monitoring/rules.ts";
import { renderPrometheusConfig, type ScrapeTarget } from "../monitoring/scrape.ts";
import type { ServerPlan } from "../platform.ts";
import { sha256 } from "../spec/artifacts.ts";
import type { LocalConfig, PlatformConfig } from "../spec/platform.ts";
import type { Problem } from "../spec/problem.ts";
import { servedVersions, type RepositoryFile } from "../triton/repository.ts";
import { serverFlags } from "../triton/server-flags.ts";
import { planGrafana, type GrafanaPlan, type GrafanaTool } from "./grafana.ts";

/**
 * The platform on one machine as plain data: files, model repositories and processes. The component turns each into a
 * resource; commands read the same plan to find ports and logs.
 */
export interface LocalPlan {
  /** Absolute folder of everything that runs. */
  readonly directory: string;
  readonly repositories: readonly RepositoryPlan[];
  readonly files: readonly FilePlan[];
  /** In the order of their start. */
  readonly processes: readonly ProcessPlan[];
  readonly description: LocalDescription;
  readonly servers: readonly BalancedServer[];
}

/** What runs, for people and for `npm run status`: written beside the running platform and given as its outputs. */
export interface LocalDescription extends PlatformDescription {
  readonly endpoints: LocalEndpoints;
  readonly servers: readonly LocalServerDescription[];
}

/** All of them but Grafana are always there. */
export type LocalEndpoints = Required<Omit<Endpoints, "grafana">> & Pick<Endpoints, "grafana">;

export interface LocalServerDescription extends ServerDescription {
  readonly grpc: string;
  readonly replicas: readonly Required<ReplicaDescription>[];
}

export interface RepositoryPlan {
  readonly server: string;
  readonly directory: string;
  readonly files: readonly LocalFile[];
}

/** A file of a repository that is on this machine. */
export interface LocalFile extends RepositoryFile {
  readonly from: Exclude<RepositoryFile["from"], { readonly s3: unknown }>;
}

export interface FilePlan {
  readonly name: string;
  readonly path: string;
  readonly content: string;
  /** A program that judges the file, with `{}` in its place. */
  readonly validate?: readonly string[];
}

export interface ProcessPlan {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Names of processes that must be ready before this one starts or changes. */
  readonly after: readonly string[];
  readonly ports: readonly number[];
  readonly readyUrl: string;
  /** Seconds. */
  readonly startTimeout: number;
  /** Seconds. */
  readonly stopTimeout: number;
  readonly configHash: string;
  readonly reloadSignal?: "HUP" | "USR2";
  /** Shared memory of this name on belongs to the process; a killed one leaves it behind. */
  readonly sharedMemoryPrefix?: string;
  readonly drain?: DrainPlan;
}

/** Programs of this machine, as absolute paths. */
export interface LocalTools {
  /** The project's Python; its folder holds supervisord and supervisorctl too. */
  readonly python: string;
  /** Folder of the tritonserver wheel: bin/, backends/, caches/. */
  readonly triton: string;
  /** LD_LIBRARY_PATH of tritonserver and its Python stubs. */
  readonly libraryPath: string;
  /** Identity of what the Python environment holds: another tritonserver at the same place is another server. */
  readonly environmentHash: string;
  readonly haproxy: string;
  readonly prometheus: string;
  readonly promtool: string;
  /** Undefined where this machine has none. */
  readonly grafana?: GrafanaTool;
}

/** How a Triton is taken out of the balancer before it stops. */
export interface DrainPlan {
  /** HAProxy's runtime socket. */
  readonly socket: string;
  readonly entries: BalancerEntries;
  readonly ports: { readonly http: number; readonly grpc: number };
  /** Seconds in which running calls may end. */
  readonly timeout: number;
}

export interface LocalOptions {
  readonly config: PlatformConfig;
  readonly tools: LocalTools;
  /** Absolute folder of the project. */
  readonly project: string;
  /** Identity of the simulator's code. */
  readonly simulatorHash: string;
  /** Whether there is a key for the real API; the simulator answers otherwise. */
  readonly hasApiKey: boolean;
}

const address = "127.0.0.1";

/** Where the key of the LLM API lies: read by the model, written by the component from a secret. */
export function apiKeyFile(directory: string): string {
  return path.join(directory, "run", "secrets", "holysheep-api-key");
}

/** Where the description of the running platform lies. */
export function descriptionFile(directory: string): string {
  return path.join(directory, "run", "platform.json");
}

export function runtimeDirectory({ config, project }: Pick<LocalOptions, "config" | "project">): string {
  return path.resolve(project, config.local.directory);
}

function onThisMachine({ from, ...file }: RepositoryFile): LocalFile {
  if ("s3" in from) throw new Error(`${file.path} is to be read from ${from.s3.uri}`);
  return { ...file, from };
}

export function planLocal(servers: readonly ServerPlan[], options: LocalOptions): LocalPlan {
  const { config, tools } = options;
  const { local } = config;
  const directory = runtimeDirectory(options);
  const balanced = placeServers(servers, local);
  const grafana = grafanaOf(servers, directory, options);
  const description = describe(balanced, local, grafana);
  const repositories = servers.map((server) => ({
    server: server.name,
    directory: path.join(directory, "repositories", server.name, server.repository.hash.slice(0, 16)),
    files: server.repository.files.map(onThisMachine),
  }));
  const haproxy = haproxyConfig(balanced, directory, options);
  const rules = rulesFile(servers, directory, options);
  const prometheus = prometheusConfig(balanced, directory, options);

  const calls = servers.some(({ upstream }) => upstream !== undefined);
  const simulator = calls && !options.hasApiKey ? [simulatorProcess(options)] : [];
  const tritons = balanced.flatMap((server) => tritonProcesses(server, repositories, options, simulator));
  return {
    directory,
    repositories,
    files: [
      haproxy,
      rules,
      prometheus,
      ...(grafana?.files ?? []),
      {
        name: "description",
        path: descriptionFile(directory),
        content: `${JSON.stringify(description, null, 2)}\n`,
      },
    ],
    processes: [
      ...simulator,
      ...tritons,
      balancerProcess(haproxy, balanced, tritons, tools, local),
      prometheusProcess(prometheus, rules, directory, tools, local),
      ...(grafana === undefined ? [] : [grafana.process]),
    ],
    description,
    servers: balanced,
  };
}

/** HAProxy's runtime socket. */
function haproxySocket(directory: string): string {
  return path.join(directory, "run", "haproxy.sock");
}

function haproxyConfig(
  servers: readonly BalancedServer[],
  directory: string,
  { config: { local }, tools }: LocalOptions,
): FilePlan {
  const { httpPort, grpcPort, metricsPort } = local;
  const adminSocket = haproxySocket(directory);
  return {
    name: "haproxy-config",
    path: path.join(directory, "run", "haproxy.cfg"),
    content: renderHaproxyConfig({ address, httpPort, grpcPort, metricsPort, adminSocket, servers }),
    validate: [tools.haproxy, "-c", "-q", "-f", "{}"],
  };
}

function prometheusConfig(
  servers: readonly BalancedServer[],
  directory: string,
  { config, tools }: LocalOptions,
): FilePlan {
  return {
    name: "prometheus-config",
    path: path.join(directory, "run", "prometheus.yml"),
    content: renderPrometheusConfig(scrapeTargets(servers, config.local), {
      interval: scrapeInterval(config),
      // A pattern: what it matches may come later than the file that names it.
      ruleFiles: [path.join(rulesDirectory(directory), "*.yml")],
    }),
    validate: [tools.promtool, "check", "config", "{}"],
  };
}

function rulesDirectory(directory: string): string {
  return path.join(directory, "run", "rules");
}

function rulesFile(
  servers: readonly ServerPlan[],
  directory: string,
  { config, tools }: LocalOptions,
): FilePlan {
  return {
    name: "prometheus-rules",
    path: path.join(rulesDirectory(directory), "triton.yml"),
    content: renderRules(ruleFile(monitoredHere(servers, config))),
    validate: [tools.promtool, "check", "rules", "{}"],
  };
}

/** The platform as its rules and dashboards on this machine see it: no GPU and no pods. */
export function monitoredHere(servers: readonly ServerPlan[], config: PlatformConfig): MonitoredPlatform {
  return monitoredPlatform(servers, config.monitoring, {
    scope: {},
    scrapeInterval: scrapeInterval(config),
    gpu: "none",
    kubernetes: false,
  });
}

/** Whole seconds between two scrapes; each second in a drill. */
function scrapeInterval({ monitoring }: PlatformConfig): number {
  return Math.max(1, Math.round(5 / monitoring.speedUp));
}

function balancerProcess(
  config: FilePlan,
  servers: readonly BalancedServer[],
  tritons: readonly ProcessPlan[],
  tools: LocalTools,
  local: LocalConfig,
): ProcessPlan {
  return {
    name: "balancer",
    command: [tools.haproxy, "-W", "-db", "-f", config.path],
    environment: {},
    after: tritons.map(({ name }) => name),
    ports: [local.httpPort, local.grpcPort, local.metricsPort, ...servers.map(({ grpcPort }) => grpcPort)],
    readyUrl: `http://${address}:${String(local.metricsPort)}/metrics?scope=global`,
    startTimeout: 30,
    stopTimeout: 10,
    configHash: sha256(config.content),
    reloadSignal: "USR2",
  };
}

function prometheusProcess(
  config: FilePlan,
  rules: FilePlan,
  directory: string,
  tools: LocalTools,
  local: LocalConfig,
): ProcessPlan {
  const listen = `${address}:${String(local.prometheusPort)}`;
  return {
    name: "prometheus",
    command: [
      tools.prometheus,
      `--config.file=${config.path}`,
      `--storage.tsdb.path=${path.join(directory, "run", "prometheus")}`,
      `--web.listen-address=${listen}`,
    ],
    environment: {},
    after: [],
    ports: [local.prometheusPort],
    readyUrl: `http://${listen}/-/ready`,
    startTimeout: 60,
    stopTimeout: 30,
    configHash: sha256(`${config.content}${rules.content}`),
    reloadSignal: "HUP",
  };
}

function grafanaOf(
  servers: readonly ServerPlan[],
  directory: string,
  { config, tools }: LocalOptions,
): GrafanaPlan | undefined {
  return tools.grafana === undefined || !config.local.grafana.enabled
    ? undefined
    : planGrafana(monitoredHere(servers, config), tools.grafana, directory, config.local);
}

function describe(
  servers: readonly BalancedServer[],
  local: LocalConfig,
  grafana: GrafanaPlan | undefined,
): LocalDescription {
  return {
    endpoints: {
      http: `http://${address}:${String(local.httpPort)}`,
      grpc: `${address}:${String(local.grpcPort)}`,
      metrics: `http://${address}:${String(local.metricsPort)}/metrics`,
      prometheus: `http://${address}:${String(local.prometheusPort)}`,
      ...(grafana === undefined ? {} : { grafana: grafana.url }),
    },
    servers: servers.map(({ plan, grpcPort, replicas }) => ({
      name: plan.name,
      grpc: `${address}:${String(grpcPort)}`,
      repositoryHash: plan.repository.hash,
      replicas: replicas.map(({ name, host, httpPort }) => ({
        name,
        http: `http://${host}:${String(httpPort)}`,
      })),
      models: plan.models.map((model) => ({ name: model.spec.name, versions: servedVersions(model) })),
    })),
  };
}

/** Ports two processes want, and ports beyond the last there is. `file` names the stack's config. */
export function portConflicts(plan: LocalPlan, file: string): Problem[] {
  const wanted = plan.processes.flatMap(({ name, ports }) => ports.map((port) => ({ name, port })));
  const path = "triton-platform:local";
  return wanted.flatMap(({ name, port }, i): Problem[] => {
    const other = wanted.slice(0, i).find((earlier) => earlier.port === port);
    if (port > 65_535) {
      return [
        {
          file,
          path,
          message: `port ${String(port)} of ${name} is beyond 65535`,
          hint: "lower replicaPorts or serverGrpcPorts",
        },
      ];
    }
    return other === undefined
      ? []
      : [
          {
            file,
            path,
            message: `port ${String(port)} is wanted by ${other.name} and by ${name}`,
            hint: "move one of the ranges: replicaPorts takes 30 ports per server (ten replicas), serverGrpcPorts one",
          },
        ];
  });
}

/** Ports of every replica. Each server has a range of its own, so that scaling one moves no port of another. */
function placeServers(servers: readonly ServerPlan[], local: LocalConfig): BalancedServer[] {
  return servers.map((plan, i) => ({
    plan,
    grpcPort: local.serverGrpcPorts + i,
    replicas: Array.from({ length: plan.replicas }, (_, index): Replica => {
      const httpPort = local.replicaPorts + i * portsPerServer + index * portsPerReplica;
      return { name: `${plan.name}-${String(index)}`, host: address, httpPort, grpcPort: httpPort + 1 };
    }),
  }));
}

/** HTTP, gRPC and metrics. */
const portsPerReplica = 3;
/** Room for ten replicas; more collide with the next server's, which the plan's check reports. */
const portsPerServer = 30;

export function metricsPort({ httpPort }: Pick<Replica, "httpPort">): number {
  return httpPort + 2;
}

function tritonProcesses(
  server: BalancedServer,
  repositories: readonly RepositoryPlan[],
  { config, tools, hasApiKey, project }: LocalOptions,
  simulator: readonly ProcessPlan[],
): ProcessPlan[] {
  const { plan, replicas } = server;
  const repository = repositories.find((candidate) => candidate.server === plan.name)?.directory ?? "";
  const bin = path.dirname(tools.python);
  const directory = runtimeDirectory({ config, project });
  const upstream = {
    HOLYSHEEP_BASE_URL: hasApiKey ? config.holysheep.baseUrl : `${simulatorUrl(config)}/v1`,
    HOLYSHEEP_MODEL: config.holysheep.model,
    HOLYSHEEP_API_KEY_FILE: apiKeyFile(directory),
  };
  return replicas.map((replica, i): ProcessPlan => ({
    name: replica.name,
    command: [
      path.join(tools.triton, "bin", "tritonserver"),
      ...serverFlags(plan, {
        address,
        httpPort: replica.httpPort,
        grpcPort: replica.grpcPort,
        metricsPort: metricsPort(replica),
        repository,
      }),
      `--backend-directory=${path.join(tools.triton, "backends")}`,
      `--cache-directory=${path.join(tools.triton, "caches")}`,
      "--allow-gpu-metrics=false",
      `--backend-config=python,shm-region-prefix-name=${sharedMemoryPrefix(directory, replica)}`,
    ],
    environment: {
      LD_LIBRARY_PATH: tools.libraryPath,
      // The Python backend's stub finds its packages through the `python3` that comes first.
      PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
      // A repository is immutable: no compiled Python in it.
      PYTHONDONTWRITEBYTECODE: "1",
      ...(plan.upstream === undefined ? {} : upstream),
    },
    // One replica after the other: the next waits until this one is ready.
    after: [
      ...(i === 0 ? [] : [`${plan.name}-${String(i - 1)}`]),
      ...(plan.upstream === undefined ? [] : simulator.map(({ name }) => name)),
    ],
    ports: [replica.httpPort, replica.grpcPort, metricsPort(replica)],
    readyUrl: `http://${address}:${String(replica.httpPort)}/v2/health/ready`,
    startTimeout: plan.timing.startup,
    stopTimeout: plan.timing.kill,
    configHash: sha256(`${plan.repository.hash} ${tools.environmentHash}`),
    sharedMemoryPrefix: sharedMemoryPrefix(directory, replica),
    drain: {
      socket: haproxySocket(directory),
      entries: balancerEntries(server, replica),
      ports: { http: replica.httpPort, grpc: replica.grpcPort },
      timeout: plan.timing.drain,
    },
  }));
}

/** What the shared memory of all replicas begins with: unique on this machine, where other checkouts run too. */
export function sharedMemoryName(directory: string): string {
  return `triton-platform-${sha256(directory).slice(0, 8)}-`;
}

function sharedMemoryPrefix(directory: string, replica: Replica): string {
  // The dot is in no replica's name: no other replica's memory begins so.
  return `${sharedMemoryName(directory)}${replica.name}.`;
}

function simulatorUrl(config: PlatformConfig): string {
  return `http://${address}:${String(config.local.simulatorPort)}`;
}

/** Where the simulator's code lies. */
export function simulatorDirectory(project: string): string {
  return path.join(project, "components", "local", "llm_simulator");
}

/** Answers like HolySheep's API, from this machine, for nothing. */
function simulatorProcess({ config, tools, project, simulatorHash }: LocalOptions): ProcessPlan {
  const port = config.local.simulatorPort;
  return {
    name: "llm-simulator",
    command: [tools.python, simulatorDirectory(project), "--host", address, "--port", String(port)],
    environment: { PYTHONDONTWRITEBYTECODE: "1" },
    after: [],
    ports: [port],
    readyUrl: `${simulatorUrl(config)}/healthz`,
    startTimeout: 30,
    stopTimeout: 5,
    configHash: sha256(`${simulatorHash} ${tools.environmentHash}`),
  };
}

function scrapeTargets(servers: readonly BalancedServer[], local: LocalConfig): ScrapeTarget[] {
  const at = (port: number): string => `${address}:${String(port)}`;
  return [
    ...servers.flatMap(({ plan, replicas }) =>
      replicas.map((replica) => ({
        job: "triton",
        address: at(metricsPort(replica)),
        labels: { server: plan.name, replica: replica.name },
      })),
    ),
    { job: "haproxy", address: at(local.metricsPort), labels: {} },
    { job: "prometheus", address: at(local.prometheusPort), labels: {} },
  ];
}
