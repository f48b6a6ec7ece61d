import type { Problem } from "../spec/problem.ts";
import { parseDuration } from "../spec/units.ts";
import type { Shapes } from "./payload.ts";
import type { Series } from "./result.ts";

/** What a user asks to measure, as text of a command line. What is left out has its default. */
export interface LoadText {
  /** Names; commas part several. */
  readonly model?: readonly string[] | undefined;
  /** `all`, or `name=weight,…`: measured at the same time. */
  readonly mix?: string | undefined;
  readonly concurrency?: string | undefined;
  readonly "batch-size"?: string | undefined;
  readonly protocol?: string | undefined;
  readonly seconds?: string | undefined;
  readonly requests?: string | undefined;
  readonly "warm-up"?: string | undefined;
  readonly repeats?: string | undefined;
  readonly "latency-limit"?: string | undefined;
  readonly shape?: readonly string[] | undefined;
  readonly "beyond-saturation"?: boolean | undefined;
  readonly "allow-cost"?: boolean | undefined;
}

export type Protocol = Series["protocol"];

/** How long a point is: seconds, or answered and failed calls together. */
export type Bound = { readonly seconds: number } | { readonly requests: number };

export interface LoadSettings {
  /** Undefined for all that cost nothing. */
  readonly models?: readonly string[];
  /** Weights by model; `all` for one each. */
  readonly mix?: "all" | ReadonlyMap<string, number>;
  /** Callers at a time, ascending. */
  readonly concurrency: readonly number[];
  /** Undefined for 1 and those that the model's spec prefers. */
  readonly batchSizes?: readonly number[];
  readonly protocols: readonly Protocol[];
  readonly bound: Bound;
  readonly warmUpSeconds: number;
  readonly repeats: number;
  /** Undefined for the objective of the model's spec. */
  readonly latencyLimitMs?: number;
  /** Of one row, by the name of the input, for every model that has it. */
  readonly shapes: Shapes;
  readonly beyondSaturation: boolean;
  readonly allowCost: boolean;
}

/** What problems call the place of a mistake. */
export const commandLine = "npm run bench";

const defaults = {
  // As in the article this project follows, and in perf_analyzer's own notation: 1, 5, 9 … 61.
  concurrency: "1:64:4",
  protocol: "both",
  seconds: "5",
  "warm-up": "1",
  repeats: "1",
} as const;

/** perf_analyzer refuses more threads than most systems give to a process. */
const mostCallers = 4096;

/** Settings from a command line; every mistake is reported. */
export function parseLoad(
  text: LoadText,
): { readonly value: LoadSettings } | { readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const report = (option: keyof LoadText, message: string, hint: string): undefined => {
    problems.push({ file: commandLine, path: `--${option}`, message, hint });
    return undefined;
  };
  const number = (option: keyof LoadText, given: string, rule: NumberRule): number | undefined => {
    const value = given.trim() === "" ? Number.NaN : Number(given);
    const fits =
      value >= rule.least && value <= rule.most && (rule.isWhole !== true || Number.isInteger(value));
    if (fits) return value;
    const kind = rule.isWhole === true ? "whole number" : "number";
    const range = `from ${String(rule.least)} to ${String(rule.most)}`;
    return report(option, `\`${given}\` is no ${kind} ${range}`, `write it like --${option} ${rule.example}`);
  };

  const concurrency = concurrencyOf(text.concurrency ?? defaults.concurrency);
  if (concurrency === undefined)
    report(
      "concurrency",
      `\`${text.concurrency ?? ""}\` is no range of 1 to ${String(mostCallers)} callers`,
      "write start:end:step as in 1:64:4, or single numbers as in 1,8,64",
    );
  const protocol = text.protocol ?? defaults.protocol;
  const protocols = { http: ["http"], grpc: ["grpc"], both: ["http", "grpc"] } as const;
  const isProtocol = protocol === "http" || protocol === "grpc" || protocol === "both";
  if (!isProtocol) report("protocol", `there is no protocol \`${protocol}\``, "write http, grpc or both");
  if (text.seconds !== undefined && text.requests !== undefined)
    report(
      "requests",
      "a point ends by time or by its calls, and not by both",
      "leave out --seconds or this",
    );
  const seconds = number("seconds", text.seconds ?? defaults.seconds, {
    ...{ least: 0.5, most: 3_600, example: "5" },
  });
  const requests =
    text.requests === undefined
      ? undefined
      : number("requests", text.requests, { least: 1, most: 100_000_000, isWhole: true, example: "2000" });
  const warmUpSeconds = number("warm-up", text["warm-up"] ?? defaults["warm-up"], {
    ...{ least: 0, most: 600, example: "1" },
  });
  const repeats = number("repeats", text.repeats ?? defaults.repeats, {
    ...{ least: 1, most: 100, isWhole: true, example: "5" },
  });
  const batchSizes = text["batch-size"]
    ?.split(",")
    .flatMap(
      (size) =>
        number("batch-size", size, { least: 1, most: 65_536, isWhole: true, example: "1,8,32" }) ?? [],
    );
  const limit = text["latency-limit"];
  const latencyLimit = limit === undefined ? undefined : parseDuration(limit);
  if (limit !== undefined && (latencyLimit === undefined || latencyLimit === 0))
    report("latency-limit", `\`${limit}\` is no duration`, "write it with a unit, like 45ms");
  const mix = text.mix === undefined ? undefined : mixOf(text.mix);
  if (text.mix !== undefined && mix === undefined)
    report("mix", `\`${text.mix}\` names no models with weights`, "write all, or name=weight,name=weight");
  if (text.mix !== undefined && text.model !== undefined)
    report("mix", "--model is given too", "name the models of the mix in --mix alone");
  const shapes = shapesOf(text.shape ?? []);
  for (const wrong of shapes.wrong)
    report("shape", `\`${wrong}\` is no input with its shape`, "write it like --shape image:3,224,224");
  const models = text.model?.flatMap((names) => names.split(",")).filter((name) => name !== "");

  if (
    problems.length > 0 ||
    concurrency === undefined ||
    !isProtocol ||
    seconds === undefined ||
    warmUpSeconds === undefined ||
    repeats === undefined
  )
    return { problems };
  return {
    value: {
      ...(models === undefined ? {} : { models }),
      ...(mix === undefined ? {} : { mix }),
      concurrency,
      ...(batchSizes === undefined ? {} : { batchSizes: ascending(batchSizes) }),
      protocols: protocols[protocol],
      bound: requests === undefined ? { seconds } : { requests },
      warmUpSeconds,
      repeats,
      ...(latencyLimit === undefined ? {} : { latencyLimitMs: latencyLimit / 1_000 }),
      shapes: shapes.value,
      beyondSaturation: text["beyond-saturation"] ?? false,
      allowCost: text["allow-cost"] ?? false,
    },
  };
}

interface NumberRule {
  readonly least: number;
  readonly most: number;
  readonly isWhole?: boolean;
  readonly example: string;
}

/** `1:64:4` as perf_analyzer's `--concurrency-range` has it (step 1 where left out), or `1,8,64`; undefined where it is neither. */
function concurrencyOf(text: string): readonly number[] | undefined {
  const isCallers = (value: number): boolean => Number.isInteger(value) && value >= 1 && value <= mostCallers;
  if (/^\d+(,\d+)*$/.test(text)) {
    const listed = text.split(",").map(Number);
    return listed.every(isCallers) ? ascending(listed) : undefined;
  }
  const [, first, last, every = "1"] = /^(\d+):(\d+)(?::(\d+))?$/.exec(text) ?? [];
  const [start, end, step] = [Number(first), Number(last), Number(every)];
  if (!isCallers(start) || !isCallers(end) || step < 1 || end < start) return undefined;
  return Array.from({ length: Math.floor((end - start) / step) + 1 }, (_, i) => start + i * step);
}

function mixOf(text: string): LoadSettings["mix"] {
  if (text === "all") return "all";
  const weights = new Map<string, number>();
  for (const part of text.split(",")) {
    const [, name, weight = "1"] = /^([^=,\s]+)(?:=(\d+(?:\.\d+)?))?$/.exec(part) ?? [];
    if (name === undefined || Number(weight) <= 0 || weights.has(name)) return undefined;
    weights.set(name, Number(weight));
  }
  return weights;
}

function shapesOf(texts: readonly string[]): { readonly value: Shapes; readonly wrong: readonly string[] } {
  const matches = texts.map((text) => ({ text, match: /^(.+):(\d+(?:,\d+)*)$/.exec(text) }));
  return {
    value: Object.fromEntries(
      matches.flatMap(({ match }) =>
        match === null ? [] : [[match[1] ?? "", (match[2] ?? "").split(",").map(Number)]],
      ),
    ),
    wrong: matches.flatMap(({ text, match }) => (match === null ? [text] : [])),
  };
}

function ascending(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}
