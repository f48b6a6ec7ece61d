import type { ServerPlan } from "../platform.ts";
import type { Problem } from "../spec/problem.ts";
import { hardwareName } from "./comparability.ts";
import { counted } from "./levels.ts";
import { recommendByModel, type Recommendation } from "./recommendation.ts";
import type { Benchmark } from "./result.ts";
import { rateText } from "./tables.ts";

/** What a benchmark lets a stack count on: the rate of each model that was measured on what the stack runs it on. */
export interface MeasuredRates {
  readonly rates: readonly MeasuredRate[];
  /** Models of the benchmark that are left out, each with the reason. */
  readonly left: readonly string[];
}

export interface MeasuredRate {
  readonly model: string;
  /** Of the replicas that the stack begins with. */
  readonly inferencesPerSecond: number;
  /** How it was measured, and what was made of it. */
  readonly assumption: string;
}

type Group = Pick<ServerPlan, "name" | "replicas" | "devices"> & {
  readonly models: readonly { readonly spec: { readonly name: string } }[];
};

/** `file` and `path` are where the stack's config names the benchmark. */
export function measuredRates(
  benchmark: Benchmark,
  servers: readonly Group[],
  { file, path }: Pick<Problem, "file" | "path">,
): { readonly value: MeasuredRates; readonly problems: readonly Problem[] } {
  const judged = recommendByModel(benchmark).map((own) => {
    const group = servers.find(({ models }) => models.some(({ spec }) => spec.name === own.model));
    return { own, group, flaw: flawOf(own, group, benchmark) };
  });
  const rates = judged.flatMap(({ own, group, flaw }) =>
    group === undefined || flaw !== undefined ? [] : [rateOf(own, group, benchmark)],
  );
  const left = judged.flatMap(({ own, flaw }) => (flaw === undefined ? [] : [`${own.model}: ${flaw}`]));
  const problem: Problem = {
    ...{ file, path },
    message: `the benchmark ${benchmark.id} has no rate for this stack: ${left.length === 0 ? "none of its calls was answered" : left.join("; ")}`,
    hint: "measure this stack's models on its own hardware (npm run bench), or write `inferencesPerSecond` instead",
  };
  return { value: { rates, left }, problems: rates.length === 0 ? [problem] : [] };
}

function flawOf(
  { basis, reason }: Recommendation,
  group: Group | undefined,
  { environment }: Benchmark,
): string | undefined {
  if (group === undefined) return "this stack does not serve it";
  const gpu = group.devices?.accelerator.gpu;
  const measuredOn = environment.hardware.gpus.map(({ product }) => product.replaceAll(" ", "-"));
  if (gpu !== undefined && !gpu.labels.some((label) => measuredOn.includes(label)))
    return `measured on ${hardwareName(environment.hardware)}, and \`${group.name}\` runs on ${gpu.name}`;
  return basis === "unmet" ? reason : undefined;
}

function rateOf(own: Recommendation, { name, replicas }: Group, { id, startedAt }: Benchmark): MeasuredRate {
  const onOne = own.inferencesPerSecond / own.replicas;
  return {
    model: own.model,
    inferencesPerSecond: onOne * replicas,
    assumption: `${rateText(onOne)} a second and replica, measured on ${startedAt.slice(0, 10)} (${id}, ${own.basis === "objective" ? "within its latency objective" : "at the knee"}), × ${counted(replicas, "replica")} of \`${name}\`, which answer nothing else`,
  };
}
