import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import yaml from "js-yaml";
import * as z from "zod";

/**
 * Writes test/recorded/charts/<chart>.yaml: which keys the chart has, and of which type, in every map that this project sets
 * one in. Run by hand when a chart's version changes:
 *
 *   npx tsx test/support/record-chart-keys.ts <our-values.json> <source> <values.yaml> [<key>=<values.yaml of a sub-chart>] …
 *
 * `our-values.json` is a ChartRelease; `source` says where the files are from.
 */

type Values = Readonly<Record<string, unknown>>;

const valuesSchema = z.record(z.string(), z.unknown());
const releaseSchema = z.object({ chart: z.string(), values: valuesSchema });

const [ours = "", source = "", chartValues = "", ...subCharts] = process.argv.slice(2);
const release = releaseSchema.parse(JSON.parse(readFileSync(ours, "utf8")));
const theirs = subCharts.reduce((values, argument) => {
  const [key = "", file = ""] = argument.split("=");
  return { ...values, [key]: { ...readValues(file), ...mapOf(values[key]) } };
}, readValues(chartValues));
const keys = recorded(release.values, theirs, "");
writeFileSync(
  path.join(import.meta.dirname, "..", "recorded", "charts", `${release.chart}.yaml`),
  yaml.dump({ source, keys: Object.fromEntries(keys) }, { lineWidth: -1, flowLevel: 3 }),
);

function readValues(file: string): Values {
  return valuesSchema.parse(yaml.load(readFileSync(file, "utf8")));
}

function recorded(own: Values, chart: Values, place: string): [place: string, types: object][] {
  const types = Object.fromEntries(Object.entries(chart).map(([key, value]) => [key, typeOf(value)]));
  const below = Object.entries(own).flatMap(([key, value]) => {
    const [inner, theirInner] = [mapOf(value), mapOf(chart[key])];
    return inner === undefined || theirInner === undefined || Object.keys(theirInner).length === 0
      ? []
      : recorded(inner, theirInner, place === "" ? key : `${place}.${key}`);
  });
  return [[place, types], ...below];
}

function mapOf(value: unknown): Values | undefined {
  return valuesSchema.safeParse(value).data;
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return "any";
  if (Array.isArray(value)) return "list";
  if (typeof value !== "object") return typeof value;
  return Object.keys(value).length === 0 ? "open" : "map";
}
