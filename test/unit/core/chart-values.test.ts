import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import yaml from "js-yaml";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { everyChart } from "../../support/charts.ts";
import { projectRoot } from "../../support/tools.ts";

const typeSchema = z.enum(["string", "number", "boolean", "list", "map", "open", "any"]);
const mapSchema = z.record(z.string(), z.unknown());
const recordSchema = z.object({
  source: z.string(),
  /** By the place of each map that this project sets a key of: its keys, with the types of the chart's own values. */
  keys: z.record(z.string(), z.record(z.string(), typeSchema)),
});
type Keys = z.output<typeof recordSchema>["keys"];

/** Keys that a chart's templates or conditions read, and that its values.yaml has in a comment or not at all. */
const unlisted: Readonly<Record<string, readonly string[]>> = {
  "dcgm-exporter": ["customMetrics"],
  "gpu-operator": ["dcgmExporter.config"],
  "kube-prometheus-stack": ["grafana.persistence.storageClassName"],
  "nvidia-device-plugin": ["nfd.enabled"],
};

/** Maps that hold what another program reads: Alertmanager's config, judged by amtool, and the autoscaler's arguments. */
const free: Readonly<Record<string, readonly string[]>> = {
  "kube-prometheus-stack": ["alertmanager.config"],
  "cluster-autoscaler": ["extraArgs"],
};

/** What the chart does not know, or knows as something else; Helm takes both without a word. */
function faults(values: unknown, keys: Keys, chart: string, place = ""): string[] {
  const known = keys[place];
  if (known === undefined) return [];
  return Object.entries(mapSchema.parse(values)).flatMap(([key, value]) => {
    const full = place === "" ? key : `${place}.${key}`;
    if (unlisted[chart]?.includes(full) === true) return [];
    const type = known[key];
    if (type === undefined) return [`${full} is no key of the chart's`];
    const [is, wanted] = [typeOf(value), type === "open" ? "map" : type];
    if (wanted !== "any" && is !== wanted) return [`${full} is a ${is}, and the chart has a ${wanted}`];
    return is === "map" && free[chart]?.includes(full) !== true ? faults(value, keys, chart, full) : [];
  });
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return "list";
  return value !== null && typeof value === "object" ? "map" : typeof value;
}

function recordOf(chart: string) {
  const file = path.join(projectRoot, "test", "recorded", "charts", `${chart}.yaml`);
  return existsSync(file) ? recordSchema.parse(yaml.load(readFileSync(file, "utf8"))) : undefined;
}

describe("values of charts", () => {
  it.each(everyChart())("$chart $version has every key that is set, of that type", ({ chart, values }) => {
    // Where no value is set, none can be wrong.
    if (Object.keys(values).length === 0) return;
    const record = recordOf(chart);
    expect(record, `test/recorded/charts/${chart}.yaml`).toBeDefined();
    expect(faults(values, record?.keys ?? {}, chart)).toEqual([]);
  });

  it.each(everyChart().filter(({ values }) => Object.keys(values).length > 0))(
    "$chart was looked at in the version that is installed",
    ({ chart, version }) => {
      // The newest whose files could be read.
      const looked = chart === "kube-prometheus-stack" ? "88.5.3" : version;
      expect(recordOf(chart)?.source).toContain(looked);
    },
  );

  it("that no chart knows are found, and those of another type", () => {
    const keys = recordOf("nvidia-device-plugin")?.keys ?? {};
    const wrong = {
      migStrategie: "mixed",
      tolerations: {},
      gfd: { enabled: "true" },
      nfd: { worker: { tolerations: [] } },
    };
    expect(faults(wrong, keys, "nvidia-device-plugin")).toEqual([
      "migStrategie is no key of the chart's",
      "tolerations is a map, and the chart has a list",
      "gfd.enabled is a string, and the chart has a boolean",
    ]);
  });
});
