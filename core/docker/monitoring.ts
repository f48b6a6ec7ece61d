import { dcgmCounters } from "../monitoring/dcgm-counters.ts";
import { grafanaDashboards, grafanaEnvironment, grafanaProvisioning } from "../monitoring/grafana.ts";
import { monitoredPlatform, type MonitoredPlatform } from "../monitoring/platform.ts";
import { renderRules, ruleFile } from "../monitoring/rules.ts";
import { renderPrometheusConfig, type ScrapeTarget } from "../monitoring/scrape.ts";
import type { ServerPlan } from "../platform.ts";
import type { DockerConfig } from "../spec/docker.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import { httpTest, type ContainerPlan, type FilesPlan } from "./container.ts";
import { places, ports, replicaAlias, replicaName, users } from "./names.ts";

/** Prometheus, Grafana and NVIDIA's exporter beside the servers. */

export interface MonitoringPlan {
  readonly containers: readonly ContainerPlan[];
  readonly files: readonly FilesPlan[];
}

export function monitoring(
  servers: readonly ServerPlan[],
  { monitoring: watched }: Pick<PlatformConfig, "monitoring">,
  docker: DockerConfig,
): MonitoringPlan {
  const { prometheus, grafana } = docker.monitoring;
  const exporter = hasExporter(servers, docker);
  const platform = monitoredPlatform(servers, watched, {
    scope: {},
    scrapeInterval,
    gpu: exporter ? "dcgm" : "none",
    kubernetes: false,
  });
  return {
    containers: [
      ...(exporter ? [exporterContainer(docker)] : []),
      ...(prometheus ? [prometheusContainer(docker)] : []),
      ...(grafana ? [grafanaContainer(docker)] : []),
    ],
    files: [
      ...(exporter ? [exporterFiles(docker)] : []),
      ...(prometheus ? [prometheusFiles(platform, scrapeTargets(servers, exporter), docker)] : []),
      ...(grafana ? [grafanaFiles(platform, docker)] : []),
    ],
  };
}

/** Seconds. */
const scrapeInterval = 5;

function hasExporter(
  servers: readonly ServerPlan[],
  { monitoring: { dcgmExporter } }: DockerConfig,
): boolean {
  return dcgmExporter ?? servers.some(({ devices }) => devices !== undefined);
}

function scrapeTargets(servers: readonly ServerPlan[], exporter: boolean): ScrapeTarget[] {
  return [
    ...servers.flatMap(({ name, replicas }) =>
      Array.from({ length: replicas }, (_, i) => ({
        job: "triton",
        address: `${replicaAlias(name, i)}:${String(ports.metrics)}`,
        labels: { server: name, replica: replicaName(name, i) },
      })),
    ),
    { job: "haproxy", address: `balancer:${String(ports.metrics)}`, labels: {} },
    { job: "prometheus", address: `localhost:${String(ports.prometheus)}`, labels: {} },
    ...(exporter
      ? [{ job: "dcgm", address: `dcgm-exporter:${String(ports.dcgmExporter)}`, labels: {} }]
      : []),
  ];
}

const mebibyte = 1024 ** 2;

/** What containers of the monitoring have in common. */
const common = {
  environment: {},
  labels: {},
  capabilities: [],
  ulimits: {},
  stop: { signal: "SIGTERM", grace: 30 },
  // Each has a volume or a port to itself.
  order: "oldFirst",
} as const;

function prometheusContainer({
  images,
  address,
  ports: published,
  monitoring: config,
}: DockerConfig): ContainerPlan {
  return {
    ...common,
    name: "prometheus",
    service: "prometheus",
    image: images.prometheus,
    entrypoint: ["prometheus"],
    command: [
      `--config.file=${places.prometheus}/${prometheusFile}`,
      `--storage.tsdb.path=${places.prometheusData}`,
      `--storage.tsdb.retention.time=${String(Math.floor(config.retention / 1e6))}s`,
    ],
    user: users.prometheus,
    networks: [
      { network: "inside", aliases: ["prometheus"] },
      { network: "outside", aliases: [] },
    ],
    ports: [
      { setting: "ports.prometheus", address, external: published.prometheus, internal: ports.prometheus },
    ],
    mounts: [
      { volume: "prometheus", target: places.prometheus, readOnly: true },
      { volume: "prometheus-data", target: places.prometheusData, readOnly: false },
    ],
    tmpfs: { "/tmp": "" },
    memory: 2_048 * mebibyte,
    health: {
      // The image has no curl; older ones have no `promtool check ready`.
      test: [
        "CMD",
        "promtool",
        "query",
        "instant",
        `http://127.0.0.1:${String(ports.prometheus)}`,
        "vector(1)",
      ],
      interval: 5,
      timeout: 5,
      retries: 6,
      startPeriod: 30,
    },
  };
}

const prometheusFile = "prometheus.yml";
const rulesFile = "rules.yml";

function prometheusFiles(
  platform: MonitoredPlatform,
  targets: readonly ScrapeTarget[],
  { images }: DockerConfig,
): FilesPlan {
  return {
    volume: "prometheus",
    service: "prometheus",
    place: places.prometheus,
    image: images.prometheus,
    files: [
      {
        path: rulesFile,
        content: renderRules(ruleFile(platform)),
        check: ["promtool", "check", "rules", "{}"],
      },
      {
        path: prometheusFile,
        content: renderPrometheusConfig(targets, {
          interval: scrapeInterval,
          // Relative to this file.
          ruleFiles: [rulesFile],
        }),
        check: ["promtool", "check", "config", "{}"],
      },
    ],
    reloadSignal: "HUP",
  };
}

function grafanaContainer({ images, address, ports: published }: DockerConfig): ContainerPlan {
  return {
    ...common,
    name: "grafana",
    service: "grafana",
    image: images.grafana,
    entrypoint: ["/run.sh"],
    command: [],
    environment: grafanaEnvironment(places.grafana),
    user: users.grafana,
    networks: [
      { network: "inside", aliases: ["grafana"] },
      { network: "outside", aliases: [] },
    ],
    ports: [{ setting: "ports.grafana", address, external: published.grafana, internal: ports.grafana }],
    mounts: [
      { volume: "grafana", target: places.grafana, readOnly: true },
      { volume: "grafana-data", target: places.grafanaData, readOnly: false },
    ],
    tmpfs: { "/tmp": "" },
    memory: 512 * mebibyte,
    health: {
      test: ["CMD", "wget", "-q", "-O", "/dev/null", `http://127.0.0.1:${String(ports.grafana)}/api/health`],
      interval: 5,
      timeout: 5,
      retries: 6,
      startPeriod: 30,
    },
  };
}

function grafanaFiles(platform: MonitoredPlatform, { images }: DockerConfig): FilesPlan {
  return {
    volume: "grafana",
    service: "grafana",
    place: places.grafana,
    image: images.grafana,
    files: [
      ...grafanaProvisioning(places.grafana, `http://prometheus:${String(ports.prometheus)}`),
      ...grafanaDashboards(platform),
    ],
  };
}

/**
 * It reads the GPUs' counters, for which the kernel wants an administrator.
 * Source: NVIDIA/dcgm-exporter 4.5.3-4.8.2, README ("Quickstart") and docker/Dockerfile ("Security Note").
 */
function exporterContainer({ images }: DockerConfig): ContainerPlan {
  return {
    ...common,
    name: "dcgm-exporter",
    service: "dcgm-exporter",
    image: images.dcgmExporter,
    entrypoint: ["dcgm-exporter"],
    command: [
      `--address=:${String(ports.dcgmExporter)}`,
      `--collectors=${places.dcgmExporter}/${countersFile}`,
      // Milliseconds; half a minute where nothing is said.
      `--collect-interval=${String(scrapeInterval * 1_000)}`,
    ],
    networks: [{ network: "inside", aliases: ["dcgm-exporter"] }],
    ports: [],
    mounts: [{ volume: "dcgm-exporter", target: places.dcgmExporter, readOnly: true }],
    tmpfs: { "/tmp": "" },
    gpus: "all",
    // As Docker tells it back: another way to write it would be another at each look.
    capabilities: ["CAP_SYS_ADMIN"],
    memory: 512 * mebibyte,
    health: {
      // Bash is in its images, the distroless one too.
      test: httpTest(ports.dcgmExporter, "/health"),
      interval: 5,
      timeout: 5,
      retries: 6,
      startPeriod: 60,
    },
  };
}

const countersFile = "counters.csv";

/** What rules and dashboards want: the exporter's own counters leave out ECC errors and throttling. */
function exporterFiles({ images }: DockerConfig): FilesPlan {
  return {
    volume: "dcgm-exporter",
    service: "dcgm-exporter",
    place: places.dcgmExporter,
    // The exporter's own has a shell, and no programs.
    image: images.haproxy,
    files: [{ path: countersFile, content: dcgmCounters() }],
    reloadSignal: "HUP",
  };
}
