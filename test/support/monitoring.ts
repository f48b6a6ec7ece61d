import { gunzipSync } from "node:zlib";
import { readFileSync } from "node:fs";
import path from "node:path";
import {
  monitoredPlatform,
  type MonitoredPlatform,
  type MonitoredTarget,
} from "../../core/monitoring/platform.ts";
import { metrics, targetLabels, type Source } from "../../core/monitoring/metrics.ts";
import { ruleFile } from "../../core/monitoring/rules.ts";
import { planPlatform } from "../../core/platform.ts";
import type { Model } from "../../core/spec/load.ts";
import { refuse } from "../../core/spec/problem.ts";
import { modelOf, platformOf, type PlatformFields } from "./models.ts";
import { parseQuery, type Query } from "./promql.ts";
import { projectRoot } from "./tools.ts";

/** Platforms to watch; a test writes only the fields it is about. */

export const onCluster: MonitoredTarget = {
  scope: { namespace: "triton" },
  scrapeInterval: 15,
  gpu: "dcgm",
  kubernetes: true,
};

export const onMachine: MonitoredTarget = { scope: {}, scrapeInterval: 5, gpu: "none", kubernetes: false };

export const embed = modelOf("embed", { objectives: { latencyP99: "45ms", availability: "99.9%" } });
export const classify = modelOf("classify", { objectives: { availability: "99%" } });
export const unpromised = modelOf("unpromised");
export const chat = modelOf("chat", {
  upstream: "holysheep",
  callTimeout: "125s",
  objectives: { latencyP99: "30s", availability: "99.9%" },
});

/** Everything that a platform can have, so that no alert and no panel is left out. */
export const everything = watched([embed, classify, unpromised, chat], onCluster, {
  servers: { gpu: {}, llm: { models: ["chat"] } },
  monitoring: { dailyBudget: 50, stackExpiry: "2026-12-01T18:00:00Z" },
});

export function watched(
  models: readonly Model[],
  target: MonitoredTarget = onMachine,
  fields: PlatformFields = {},
): MonitoredPlatform {
  const config = platformOf(fields);
  const { value, problems } = planPlatform(models, config, "Pulumi.test.yaml");
  refuse(problems);
  return monitoredPlatform(value.servers, config.monitoring, target);
}

/** What is wrong with a query: metrics that nobody has, and labels that those it asks for have not. */
export function unknownIn(text: string, platform: MonitoredPlatform): string[] {
  const recorded = new Set(
    ruleFile(platform).groups.flatMap(({ rules }) =>
      rules.flatMap((rule) => ("record" in rule ? [rule.record] : [])),
    ),
  );
  const query = parseQuery(text);
  const known = new Set(query.selectors.flatMap(({ metric }) => labelsOf(metric, recorded) ?? []));
  return [...unknownSelectors(query, recorded), ...unknownGroupings(query, text, known)];
}

function unknownSelectors({ selectors }: Query, recorded: ReadonlySet<string>): string[] {
  return selectors.flatMap(({ metric, matchers }) => {
    const labels = labelsOf(metric, recorded);
    if (labels === undefined) return [`unknown metric ${metric}`];
    return matchers.flatMap(({ label }) =>
      labels.includes(label) ? [] : [`${metric} has no label ${label}`],
    );
  });
}

function unknownGroupings({ groupings }: Query, text: string, known: ReadonlySet<string>): string[] {
  const made = new Set([...text.matchAll(/label_replace\([^"]*"(\w+)"/g)].map(([, label = ""]) => label));
  const replaced = new Set([...text.matchAll(/, "(\w+)", "\$1"/g)].map(([, label = ""]) => label));
  return groupings.flatMap((label) =>
    known.has(label) || made.has(label) || replaced.has(label) ? [] : [`nothing here has the label ${label}`],
  );
}

/** What Prometheus adds to the series of a target that is in a cluster, by a ServiceMonitor. */
const ofMonitors = ["namespace", "service", "pod", "container", "endpoint"];

function labelsOf(metric: string, recorded: ReadonlySet<string>): readonly string[] | undefined {
  if (metric === "up") return ["job", "instance", "server", "replica", "node", ...ofMonitors];
  if (metric === "ALERTS") return ["alertname", "alertstate", "severity", "server", "model", ...ofMonitors];
  if (recorded.has(metric)) return ["server", "namespace", ...(metric.startsWith("model:") ? ["model"] : [])];
  const family = familyOf(metric);
  if (family === undefined) return undefined;
  return [...family.labels, ...targetLabels[family.source]];
}

/** Summaries have two series more. */
function familyOf(metric: string) {
  const found = metrics[metric];
  if (found !== undefined) return found;
  const base = metrics[metric.replace(/_(sum|count)$/, "")];
  return base?.type === "summary" ? base : undefined;
}

const pages = {
  triton: ["triton.txt"],
  "llm-proxy": ["llm-proxy.txt"],
  haproxy: ["haproxy.txt.gz"],
  prometheus: ["prometheus.txt.gz"],
  dcgm: ["dcgm.txt"],
} as const satisfies Partial<Readonly<Record<Source, readonly string[]>>>;

export type RecordedSource = keyof typeof pages;

/** The text of a recorded page. */
export function recordedPage(source: RecordedSource): string {
  return pages[source]
    .map((name) => {
      const bytes = readFileSync(path.join(projectRoot, "test", "recorded", "metrics", name));
      return (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    })
    .join("\n");
}

export interface PageMetric {
  readonly type: string;
  readonly labels: ReadonlySet<string>;
}

/** Metrics of a page in Prometheus' text format, with the labels that any of their series has. */
export function readPage(text: string): ReadonlyMap<string, PageMetric> {
  const found = new Map<string, { type: string; labels: Set<string> }>();
  for (const line of text.split("\n")) {
    const [, name, type] = /^# TYPE (\S+) (\S+)/.exec(line) ?? [];
    if (name !== undefined && type !== undefined) found.set(name, { type, labels: new Set() });
    const [, series, labels = ""] = /^(\w+)(?:\{(.*)\})? \S+/.exec(line) ?? [];
    const metric =
      series === undefined
        ? undefined
        : (found.get(series) ?? found.get(series.replace(/_(sum|count)$/, "")));
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) metric?.labels.add(label);
  }
  return found;
}
