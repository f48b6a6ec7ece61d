import * as z from "zod";
import { cents } from "../plan/words.ts";
import { parseYaml, type Parsed } from "../spec/parse.ts";
import type { Spend } from "./spend.ts";
import type { Benchmark } from "./stack.ts";

/** Of any length: the engine's words among them. */
const text = z.string();
const amount = z.number().min(0);

const benchmarkSchema: z.ZodType<Benchmark> = z.object({
  ...{ id: text, stack: text, owner: text, account: text, region: text, name: text },
  ...{ createdAt: z.iso.datetime(), expiresAt: z.iso.datetime(), pricePerHour: amount },
});

const spendShape = { perHour: amount, expected: amount } satisfies Record<keyof Spend, z.ZodType>;

const clusterReportSchema = z.object({
  format: z.literal("triton-platform/benchmark-cluster/1"),
  benchmark: benchmarkSchema,
  outcome: z.enum(["complete", "failed", "interrupted", "expired"]),
  /** Why it is not complete. */
  reason: text.exactOptional(),
  /** Seconds that each part took; absent where it was not come to. */
  seconds: z.object({
    up: amount.exactOptional(),
    load: amount.exactOptional(),
    tearDown: amount.exactOptional(),
  }),
  /** USD. `actual`: price of an hour with everything scaled out × the time that the stack was there. */
  cost: z.object({ ...spendShape, actual: amount.exactOptional() }),
  destroyedAt: z.iso.datetime().exactOptional(),
  /** Absent where it was not come to. */
  tearDown: z.enum(["gone", "locked", "left"]).exactOptional(),
  /** Names of what is still there. */
  remaining: z.array(text).readonly(),
});

/** What `bench:cluster` writes beside a benchmark's own result. */
export type ClusterReport = Readonly<z.output<typeof clusterReportSchema>>;

/** Its file. */
export const clusterReportName = "cluster.json";

/** A report from the text of its file, or all that is wrong with it; `file` names it in problems. */
export function readClusterReport(written: string, file: string): Parsed<ClusterReport> {
  // JSON is YAML, and is reported with lines then.
  return parseYaml(clusterReportSchema, written, file);
}

/** `label, value`: how it came out, what it took and cost, as people read it. */
export function clusterFacts(report: ClusterReport): readonly (readonly [label: string, value: string])[] {
  const { benchmark, outcome, reason, seconds, tearDown, destroyedAt, remaining } = report;
  const part = (name: string, value: number | undefined): readonly string[] =>
    value === undefined ? [] : [`${name} ${value.toFixed(1)} s`];
  const times = [
    ...part("up", seconds.up),
    ...part("benchmark", seconds.load),
    ...part("teardown", seconds.tearDown),
  ];
  const left = remaining.length === 0 ? "" : `: ${remaining.join(", ")}`;
  return [
    ["Cluster", `${benchmark.stack}, ${outcome}${reason === undefined ? "" : `: ${oneLine(reason)}`}`],
    ["Times", times.length === 0 ? "it did not come up" : times.join(", ")],
    ["Cost", costOf(report)],
    [
      "End",
      tearDown === "gone" ? `gone at ${destroyedAt ?? "an unknown time"}` : `not known to be gone${left}`,
    ],
  ];
}

function costOf({ cost: { actual, expected, perHour } }: ClusterReport): string {
  const price = `${cents(perHour)} an hour at most`;
  return actual === undefined
    ? `not known, ${cents(expected)} expected (${price})`
    : `${cents(actual)} of ${cents(expected)} expected (${price})`;
}

/** The engine's own words are of many lines. */
function oneLine(words: string): string {
  return words.replace(/\s+/g, " ").trim();
}
