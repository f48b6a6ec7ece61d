import { spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { execa } from "execa";
import { isFree } from "../../components/local/ports.ts";
import { monitoredPlatform, type MonitoredPlatform } from "../../core/monitoring/platform.ts";
import type { RuleFile } from "../../core/monitoring/rule.ts";
import { renderRules, ruleFile } from "../../core/monitoring/rules.ts";
import { renderPrometheusConfig } from "../../core/monitoring/scrape.ts";
import { planPlatform } from "../../core/platform.ts";
import { modelSchema } from "../../core/spec/model.ts";
import { parsePlatform } from "../../core/spec/platform.ts";
import { ProblemsError } from "../../core/spec/problem.ts";
import { summaryQuantiles } from "../../core/triton/server-flags.ts";
import { Prometheus } from "../dashboard/prometheus.ts";
import type { Programs } from "../setup/programs.ts";
import { UserError } from "../setup/user-error.ts";
import type { Section } from "./report.ts";

/** What rules and scrapes cost Prometheus, by the number of models: a real one, with three days behind it. */

export interface MonitoringOptions {
  /** Numbers of models. */
  readonly sizes: readonly number[];
  readonly programs: Programs;
  /** Seconds that each Prometheus runs. */
  readonly seconds: number;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Of the one server group. */
const replicas = 2;
const interval = 15;

export async function monitoringSection({
  sizes,
  progress,
  ...options
}: MonitoringOptions): Promise<Section> {
  const rows = [];
  for (const size of sizes) {
    progress(`${String(size)} models`);
    rows.push(await measure(size, options));
  }
  return {
    title: "Monitoring",
    notes: [
      `A group of ${String(replicas)} replicas, scraped each ${String(interval)} s; every model promises latency and availability. Prometheus has three days of the`,
      "rates that long windows add up. Times of rules are of the last evaluation of a group: promises each minute, rates and",
      "alerts each 15 s, short windows each 30 s, long ones each two minutes. Pages are Triton's, of one replica.",
    ],
    rows,
  };
}

async function measure(
  size: number,
  { programs, seconds, signal }: Omit<MonitoringOptions, "sizes" | "progress">,
): Promise<Record<string, number | string>> {
  const platform = watched(size);
  const rules = ruleFile(platform);
  const names = platform.models.map(({ name }) => name);
  const folder = mkdtempSync(path.join(os.tmpdir(), "triton-platform-bench-"));
  const servers = await Promise.all([
    ...Array.from({ length: replicas }, () => serve(() => tritonPage(names))),
    serve(() => balancerPage()),
  ]);
  try {
    const data = path.join(folder, "data");
    await backfill(names, data, programs.promtool, folder);
    const rulesPath = path.join(folder, "rules.yml");
    const configPath = path.join(folder, "prometheus.yml");
    writeFileSync(rulesPath, renderRules(rules));
    const at = (server: Server | undefined): string => `127.0.0.1:${String(portOf(server))}`;
    writeFileSync(
      configPath,
      renderPrometheusConfig(
        [
          ...servers.slice(0, replicas).map((server, i) => ({
            job: "triton",
            address: at(server),
            labels: { server: "gpu", replica: `gpu-${String(i)}` },
          })),
          { job: "haproxy", address: at(servers[replicas]), labels: {} },
        ],
        { interval, ruleFiles: [rulesPath] },
      ),
    );
    const port = await freePort();
    const child = spawn(
      programs.prometheus,
      [
        `--config.file=${configPath}`,
        `--storage.tsdb.path=${data}`,
        "--storage.tsdb.retention.time=30d",
        `--web.listen-address=127.0.0.1:${String(port)}`,
        "--log.level=error",
      ],
      { stdio: "ignore" },
    );
    const ended = new Promise((resolve) => child.on("exit", resolve));
    try {
      await wait(seconds * 1000, undefined, { signal });
      return await figures(size, rules, `http://127.0.0.1:${String(port)}`, tritonPage(names).length);
    } finally {
      child.kill();
      await ended;
    }
  } finally {
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function figures(
  size: number,
  rules: RuleFile,
  url: string,
  pageBytes: number,
): Promise<Record<string, number | string>> {
  const own = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  const lasted = (group: string): number => {
    const line = own.find(
      (text) =>
        text.startsWith("prometheus_rule_group_last_duration_seconds{") && text.includes(`;${group}"`),
    );
    return Number(line?.split(" ").at(-1)) * 1000;
  };
  const one = (name: string): number =>
    Number(
      own
        .find((line) => line.startsWith(`${name} `))
        ?.split(" ")
        .at(-1),
    );
  const prometheus = new Prometheus(url);
  const now = Math.floor(Date.now() / 1000);
  const value = async (expr: string): Promise<number> => {
    const [series] = await prometheus.range(expr, { start: now, end: now, step: 1 });
    return series?.values.at(-1)?.[1] ?? Number.NaN;
  };
  const scraped = await value('sum(scrape_samples_post_metric_relabeling{job="triton"})');
  return {
    models: String(size),
    rules: rules.groups.reduce((total, group) => total + group.rules.length, 0),
    "recorded series a model": (await value('count({__name__=~"(model|server):.+"})')) / size,
    "scraped series a model": scraped / replicas / size,
    "series in memory": one("prometheus_tsdb_head_series"),
    "promises ms": lasted("triton-objectives"),
    "rates ms": lasted("triton-rates"),
    "short windows ms": lasted("triton-windows"),
    "long windows ms": lasted("triton-long-windows"),
    "alerts ms": lasted("triton-alerts"),
    "page KiB": pageBytes / 1024,
    "scrape ms": (await value('max(scrape_duration_seconds{job="triton"})')) * 1000,
    "Prometheus MiB": one("process_resident_memory_bytes") / 1024 ** 2,
  };
}

function watched(size: number): MonitoredPlatform {
  const parsed = parsePlatform(
    {
      "triton-platform:target": "local",
      "triton-platform:servers": { gpu: { replicas } },
      "triton-platform:defaultServer": "gpu",
      "holysheep:baseUrl": "https://api.example.com/v1",
      "holysheep:model": "none",
    },
    "Pulumi.bench.yaml",
  );
  if ("problems" in parsed) throw new ProblemsError(parsed.problems);
  const spec = modelSchema.parse({
    backend: "onnxruntime",
    maxBatchSize: 8,
    inputs: [{ name: "x", dataType: "FP32", dims: [4] }],
    outputs: [{ name: "y", dataType: "FP32", dims: [4] }],
    objectives: { latencyP99: "45ms", availability: "99.9%" },
  });
  const models = Array.from({ length: size }, (_, i) => ({
    spec: { ...spec, name: `model-${String(i)}` },
    directory: "/none",
    file: "none",
    artifacts: {
      files: [{ path: "1/model.onnx", bytes: 1, sha256: "0".repeat(64) }],
      unlocked: [],
      missing: [],
      sources: new Map(),
    },
    companions: [],
  }));
  const { value } = planPlatform(models, parsed.value, "Pulumi.bench.yaml");
  return monitoredPlatform(value.servers, parsed.value.monitoring, {
    scope: {},
    scrapeInterval: interval,
    gpu: "none",
    kubernetes: false,
  });
}

/** Three days of what the rules would have recorded: five minutes' sums, and an hour of rates. */
async function backfill(
  models: readonly string[],
  data: string,
  promtool: string,
  folder: string,
): Promise<void> {
  const now = Math.floor(Date.now() / 1000 / 300) * 300 - 300;
  const file = path.join(folder, "past.txt");
  const write = (metric: string, labels: string, step: number, from: number, value: number): void => {
    const lines: string[] = [];
    for (let time = now - from; time <= now; time += step)
      lines.push(`${metric}{${labels}} ${String(value)} ${String(time)}`);
    appendFileSync(file, `${lines.join("\n")}\n`);
  };
  const series = [
    ...["requests", "failures", "slow_requests", "answered_requests"].map((name) => ({
      name: `model:${name}`,
      of: models,
    })),
    ...["calls", "lost_calls"].map((name) => ({ name: `server:${name}`, of: [undefined] })),
  ];
  for (const { name, of } of series) {
    for (const [suffix, step, from] of [
      ["sum5m", 300, 3 * 86_400],
      ["rate1m", interval, 3_600],
    ] as const) {
      appendFileSync(file, `# TYPE ${name}:${suffix} gauge\n`);
      for (const model of of)
        write(
          `${name}:${suffix}`,
          `server="gpu"${model === undefined ? "" : `,model="${model}"`}`,
          step,
          from,
          name.endsWith("s") ? 5 : 0.001,
        );
    }
  }
  appendFileSync(file, "# EOF\n");
  mkdirSync(data, { recursive: true });
  const { exitCode, all } = await execa(
    promtool,
    ["tsdb", "create-blocks-from", "openmetrics", "--quiet", file, data],
    { reject: false, all: true },
  );
  if (exitCode !== 0)
    throw new UserError(`promtool could not write the past:\n${all}`, "run it again with fewer models");
  rmSync(file);
}

/** As tritonserver 2.51 writes it, for models that all do the same. */
function tritonPage(models: readonly string[]): string {
  const calls = Math.floor(Date.now() / 100);
  const lines: string[] = [];
  const family = (
    name: string,
    type: string,
    series: (model: string) => readonly [labels: string, value: number][],
  ): void => {
    lines.push(`# HELP ${name} ${name}`, `# TYPE ${name} ${type}`);
    for (const model of models)
      for (const [labels, value] of series(model))
        lines.push(`${name}{model="${model}",version="1"${labels}} ${String(value)}`);
  };
  family("nv_inference_request_success", "counter", () => [["", calls]]);
  family("nv_inference_request_failure", "counter", () =>
    ["OTHER", "BACKEND", "CANCELED", "REJECTED"].map((reason) => [`,reason="${reason}"`, 0]),
  );
  for (const name of ["count", "exec_count"]) family(`nv_inference_${name}`, "counter", () => [["", calls]]);
  for (const step of ["request", "queue", "compute_input", "compute_infer", "compute_output"])
    family(`nv_inference_${step}_duration_us`, "counter", () => [["", calls * 900]]);
  family("nv_inference_pending_request_count", "gauge", () => [["", 0]]);
  for (const step of ["request", "queue", "compute_input", "compute_infer", "compute_output"])
    family(`nv_inference_${step}_summary_us`, "summary", () =>
      summaryQuantiles.map(([quantile]) => [`,quantile="${String(quantile)}"`, 900]),
    );
  return `${lines.join("\n")}\n`;
}

function balancerPage(): string {
  const calls = Math.floor(Date.now() / 100);
  const lines = ["http-gpu", "grpc-gpu"].flatMap((proxy) => [
    `haproxy_backend_http_requests_total{proxy="${proxy}"} ${String(calls)}`,
    `haproxy_backend_connection_errors_total{proxy="${proxy}"} 0`,
    `haproxy_backend_response_errors_total{proxy="${proxy}"} 0`,
    `haproxy_backend_active_servers{proxy="${proxy}"} 2`,
  ]);
  return `${lines.join("\n")}\n`;
}

function serve(page: () => string): Promise<Server> {
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/plain; version=0.0.4");
    response.end(page());
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      resolve(server);
    }),
  );
}

function portOf(server: Server | undefined): number {
  const address: AddressInfo | string | null | undefined = server?.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function freePort(): Promise<number> {
  for (let port = 29_090; port < 29_190; port += 1) if (await isFree(port)) return port;
  throw new UserError("No port from 29090 to 29189 is free", "end what holds them");
}
