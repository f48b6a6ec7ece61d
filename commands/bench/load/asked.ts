import { readFileSync } from "node:fs";
import type { parseArgs } from "node:util";
import { commandLine, parseLoad, type LoadSettings } from "../../../core/benchmark/load-options.ts";
import { planLoads, type Load, type LoadPlan, type ServedModel } from "../../../core/benchmark/load-plan.ts";
import { messageOf } from "../../../core/errors.ts";
import { ProblemsError, refuse, suggest, type Problem } from "../../../core/spec/problem.ts";
import { userPath } from "../../files/user-path.ts";
import { UserError } from "../../setup/user-error.ts";
import { endpointOptions } from "../../stack/endpoint.ts";
import { generatorChoices, type GeneratorChoice } from "./generators.ts";
import { perfAnalyzerLimit } from "./perf-analyzer.ts";
import { benchTarget, payloadFilename, type BenchTarget } from "./target.ts";

export const benchHelp = `Measures models that are served: npm run bench [-- options]
  --target <stack>          local (default), or a stack of Docker, Kubernetes or EKS that is deployed
  --model <name,…>          default: all but those that call an external API
  --mix all|<name=weight,…> models at the same time, callers shared out by weight
  --concurrency 1:64:4      callers at a time: start:end:step, or 1,8,64
  --batch-size 1,8          default: 1 and those that the model's spec prefers
  --protocol both           http, grpc or both
  --seconds 5               of each point; or --requests <n>
  --warm-up 1               seconds before each point
  --repeats 1               of each point: more of them tell noise from change
  --latency-limit 45ms      p99 beyond which no more callers are tried (default: the spec's objective)
  --beyond-saturation       goes on where more callers bring no more throughput
  --payload [name=]<file>   a request as a client POSTs it (default: the model's ${payloadFilename}, else generated)
  --shape <input>:3,224,224 for inputs of variable size
  --generator auto          perf_analyzer where it is on PATH; or perf_analyzer, bundled (vegeta, ghz), aiperf (models of an LLM's API)
  --in-cluster              the load comes from a Job in the cluster, with perf_analyzer; --image <reference> of it
  --cpu 2                   cores that the Job's pod asks for
  --http, --grpc <address>  other addresses than the stack's own
  --api-key-file, --ca, --cert, --key  files with an API key, the balancer's authorities, a client's certificate
  --allow-cost              for models whose calls cost money
  --out <folder>            of the result (default: .local/benchmarks)
  --dry-run                 shows what would be measured`;

/** The options of `npm run bench`, for `parseArgs`. */
export const benchOptions = {
  target: { type: "string", default: "local" },
  model: { type: "string", multiple: true },
  mix: { type: "string" },
  concurrency: { type: "string" },
  "batch-size": { type: "string" },
  protocol: { type: "string" },
  seconds: { type: "string" },
  requests: { type: "string" },
  "warm-up": { type: "string" },
  repeats: { type: "string" },
  "latency-limit": { type: "string" },
  "beyond-saturation": { type: "boolean", default: false },
  payload: { type: "string", multiple: true },
  shape: { type: "string", multiple: true },
  generator: { type: "string", default: "auto" },
  "in-cluster": { type: "boolean", default: false },
  image: { type: "string" },
  cpu: { type: "string", default: "2" },
  ...endpointOptions,
  "allow-cost": { type: "boolean", default: false },
  out: { type: "string" },
  "dry-run": { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** What the options of a command line come to. */
export type BenchValues = ReturnType<typeof parseArgs<{ readonly options: typeof benchOptions }>>["values"];

/** What is asked for, as far as it can be told without the platform. */
export interface AskedBench {
  readonly values: BenchValues;
  readonly settings: LoadSettings;
  readonly choice: GeneratorChoice;
  /** Cores that the Job's pod asks for. */
  readonly cpu: number;
}

/** Throws what is wrong with the options. */
export function askedBench(values: BenchValues): AskedBench {
  const choice = generatorChoice(values.generator);
  const load = parseLoad(values);
  if ("problems" in load) throw new ProblemsError(load.problems);
  return { values, settings: load.value, choice, cpu: coresOf(values.cpu) };
}

/** What is measured, and how. */
export interface PlannedBench {
  readonly target: BenchTarget;
  readonly plan: LoadPlan;
  /** What is left out, and what is not known. */
  readonly notes: readonly string[];
}

/** Throws what does not fit the platform that is asked for, and where nothing is left to measure. Nothing is called. */
export async function plannedBench({ values, settings }: AskedBench): Promise<PlannedBench> {
  const { "in-cluster": inCluster, "dry-run": isPlan, payload = [] } = values;
  const target = await benchTarget({ ...values, inCluster, isPlan });
  const models = withPayloads(target.models, payload);
  const { value: planned, problems } = planLoads(models.value, settings);
  refuse([...models.problems, ...problems]);
  const { plan, notes } = inCluster ? forPerfAnalyzer(planned, target) : { plan: planned, notes: [] };
  const left = [...plan.notes, ...notes];
  if (plan.loads.length === 0)
    throw new UserError(
      ["Nothing is left to measure", ...left.map((note) => `  ${note}`)].join("\n"),
      "name models with --model",
    );
  return { target, plan, notes: [...left, ...target.notes] };
}

function generatorChoice(name: string): GeneratorChoice {
  const choice = generatorChoices.find((known) => known === name);
  if (choice !== undefined) return choice;
  throw new UserError(`There is no generator \`${name}\``, suggest(name, generatorChoices));
}

function coresOf(text: string): number {
  const cores = Number(text);
  if (cores > 0 && cores <= 256) return cores;
  throw new UserError(`--cpu ${text}: this is no number of cores`, "write it like --cpu 2");
}

/** Requests that the user gives: for one model by its name, or for all that are measured. */
function withPayloads(
  models: readonly ServedModel[],
  texts: readonly string[],
): { readonly value: readonly ServedModel[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  let value = models;
  for (const text of texts) {
    const [, name, file = text] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
    const report = (message: string, hint: string): void => {
      problems.push({ file: commandLine, path: "--payload", message, hint });
    };
    const known = models.map(({ spec }) => spec.name);
    if (name !== undefined && !known.includes(name)) {
      report(`there is no model \`${name}\` here`, suggest(name, known));
      continue;
    }
    try {
      const payloadFile = { file, text: readFileSync(userPath(file), "utf8") };
      value = value.map((model) =>
        name === undefined || model.spec.name === name ? { ...model, payloadFile } : model,
      );
    } catch (error) {
      report(messageOf(error), "name a file that this user may read");
    }
  }
  return { value, problems };
}

/** Without what perf_analyzer alone cannot measure. */
function forPerfAnalyzer(
  plan: LoadPlan,
  { groups }: BenchTarget,
): { readonly plan: LoadPlan; readonly notes: readonly string[] } {
  const limits = new Map<Load, string>();
  for (const load of plan.loads)
    for (const series of load.series) {
      const limit = perfAnalyzerLimit(series, groups.get(series.model.server)?.replicas ?? 1);
      if (limit !== undefined) limits.set(load, `${series.model.spec.name} is left out: ${limit}`);
    }
  return {
    plan: { ...plan, loads: plan.loads.filter((load) => !limits.has(load)) },
    notes: [...new Set(limits.values())],
  };
}
