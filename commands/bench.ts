import { readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { parseLoad, commandLine } from "../core/benchmark/load-options.ts";
import { planLoads, type Load, type LoadPlan, type ServedModel } from "../core/benchmark/load-plan.ts";
import type { Benchmark, Point } from "../core/benchmark/result.ts";
import { requestRate } from "../core/benchmark/stop.ts";
import { messageOf } from "../core/errors.ts";
import { omit, present } from "../core/objects.ts";
import { ProblemsError, refuse, suggest, type Problem } from "../core/spec/problem.ts";
import { sdkImage } from "../core/kubernetes/benchmark-job.ts";
import { withClusterJob, type InsideCluster } from "./bench/load/cluster-job.ts";
import type { LoadGenerator } from "./bench/load/generator.ts";
import { generatorChoices, localGenerators, type GeneratorChoice } from "./bench/load/generators.ts";
import { perfAnalyzerLimit } from "./bench/load/perf-analyzer.ts";
import { commitHere, newId, resultOf, writeResult, type Frame } from "./bench/load/result-file.ts";
import { measure, type MeasuredSeries } from "./bench/load/run.ts";
import { benchTarget, payloadFilename, type BenchTarget } from "./bench/load/target.ts";
import { instancesOf, plannedInstances, tritonVersion } from "./bench/load/triton.ts";
import { stoppable } from "./files/ending.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { projectRoot } from "./setup/places.ts";
import { runSteps } from "./setup/steps.ts";
import { UserError } from "./setup/user-error.ts";
import { endpointOptions } from "./stack/endpoint.ts";
import { withKubeconfig } from "./stack/kubeconfig.ts";

const help = `Measures models that are served: npm run bench [-- options]
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

/** `npm run bench`: how fast models are, as a file that says all that is needed to understand it and to run it again. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options });
  if (values.help) {
    console.log(help);
    return;
  }
  const { target: name, out, payload, generator, "dry-run": dryRun, ...rest } = values;
  const choice = generatorChoice(generator);
  const load = parseLoad(rest);
  if ("problems" in load) throw new ProblemsError(load.problems);
  const inCluster = values["in-cluster"];
  const cpu = coresOf(values.cpu);
  const target = await benchTarget({ ...rest, target: name, inCluster, isPlan: dryRun });
  const models = withPayloads(target.models, payload ?? []);
  const { value: planned, problems } = planLoads(models.value, load.value);
  refuse([...models.problems, ...problems]);
  const { plan, notes } = inCluster ? forPerfAnalyzer(planned, target) : { plan: planned, notes: [] };
  for (const note of [...plan.notes, ...target.notes, ...notes]) console.error(`Note: ${note}`);
  if (plan.loads.length === 0)
    throw new UserError(
      "Nothing is left to measure",
      "name models with --model; the notes say why others are left out",
    );
  console.error(describe(plan));
  if (dryRun) return;

  const job: BenchJob = {
    plan,
    target,
    choice,
    settings: load.value,
    folder: folderOf(out),
    load: loadFacts(values),
  };
  const outcome = await stoppable(
    () => new UserError("Stopped before the first point", "nothing is written"),
    (signal) =>
      inCluster ? benchInside(job, { image: values.image, cpu }, signal) : benchFromHere(job, signal),
  );
  const { written, interrupted } = outcome;
  // As a shell says it of a command that Ctrl-C ended.
  if (interrupted) process.exitCode = 130;
  if (written === undefined) {
    console.error("Stopped before the first point: nothing is written");
    return;
  }
  console.log(summary(written.result));
  console.log(`${written.file}\nNext: npm run bench:report -- ${written.file}`);
}

const options = {
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

function coresOf(text: string): number {
  const cores = Number(text);
  if (cores > 0 && cores <= 256) return cores;
  throw new UserError(`--cpu ${text}: this is no number of cores`, "write it like --cpu 2");
}

/** Where results are, unless a user says otherwise: of this machine, and out of git. */
function folderOf(out: string | undefined): string {
  return out === undefined ? path.join(projectRoot, ".local", "benchmarks") : userPath(out);
}

function generatorChoice(name: string): GeneratorChoice {
  const choice = generatorChoices.find((known) => known === name);
  if (choice !== undefined) return choice;
  throw new UserError(`There is no generator \`${name}\``, suggest(name, generatorChoices));
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

/** What was asked for of the load; where a key lies is nobody else's business. */
function loadFacts(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return omit(values, "api-key-file", "ca", "cert", "key", "help", "dry-run", "out");
}

function describe({ loads, mostSeconds }: LoadPlan): string {
  const points = loads.reduce((sum, { levels }) => sum + levels.length, 0);
  const time = mostSeconds === undefined ? "" : `, ${spokenTime(mostSeconds)} at most`;
  return [...loads.map((load) => `  ${titleOf(load)}`), `${String(points)} levels${time}`].join("\n");
}

function titleOf({ series, levels, mix }: Load): string {
  const callers = (level: readonly number[] = []): string =>
    String(level.reduce((sum, each) => sum + each, 0));
  const range = `${callers(levels[0])} to ${callers(levels.at(-1))} callers`;
  const [first] = series;
  if (mix !== undefined) return `mix of ${mix}, ${first?.protocol ?? ""}, ${range}`;
  if (first === undefined) return "";
  const batch = first.model.spec.maxBatchSize > 0 ? `, batch ${String(first.batchSize)}` : "";
  return `${first.model.spec.name}, ${first.protocol}${batch}, ${range}`;
}

function spokenTime(seconds: number): string {
  return seconds < 120 ? `${String(Math.ceil(seconds))} s` : `${String(Math.ceil(seconds / 60))} minutes`;
}

/** What is measured, how, and where the result goes. */
interface BenchJob {
  readonly plan: LoadPlan;
  readonly target: BenchTarget;
  readonly choice: GeneratorChoice;
  readonly settings: Parameters<typeof measure>[1];
  readonly folder: string;
  /** As the user asked for it. */
  readonly load: Readonly<Record<string, unknown>>;
}

/** The load comes from this machine, which asks Triton what it is. */
async function benchFromHere(job: BenchJob, signal: AbortSignal): Promise<Outcome> {
  const { plan, target, choice } = job;
  const { endpoint } = target;
  const instances = new Map<string, number>();
  for (const model of modelsIn(plan)) instances.set(model.spec.name, await instancesOf(endpoint, model));
  const version = await tritonVersion(endpoint);
  const replicasOf = (server: string): number => target.groups.get(server)?.replicas ?? 1;
  const generatorOf = await localGenerators(plan, { endpoint, choice, replicasOf, signal });
  return measureAll(job, await frameOf(job, { generatorOf, instances, tritonVersion: version }), signal);
}

/** The load comes from a pod; Triton itself is out of reach, and is what the stack's config says. */
function benchInside(
  job: BenchJob,
  { image, cpu }: { readonly image: string | undefined; readonly cpu: number },
  signal: AbortSignal,
): Promise<Outcome> {
  const { plan, target } = job;
  const { tritonRelease } = target.config;
  const { cluster } = target;
  if (cluster === undefined) throw new Error("the target is no cluster");
  const models = modelsIn(plan);
  const options = {
    ...{ endpoint: target.endpoint, signal },
    servers: [...new Set(models.map(({ server }) => server))],
    image: image ?? sdkImage(tritonRelease),
    cpu,
    // Starts of programs and slow answers come on top of the plan; a Job that nobody removes ends some time after.
    deadline: Math.ceil((plan.mostSeconds ?? 3_600) * 2) + 900,
    progress: (text: string) => {
      console.error(`  ${text}`);
    },
  };
  const measureInside = async ({ generator, endpoint }: InsideCluster): Promise<Outcome> => {
    const instances = new Map(models.map((model) => [model.spec.name, plannedInstances(model)]));
    const inside = { ...job, target: { ...target, endpoint } };
    const generatorOf = (): LoadGenerator => generator;
    const frame = await frameOf(inside, {
      generatorOf,
      instances,
      tritonVersion: `release ${tritonRelease}`,
    });
    return measureAll(inside, frame, signal);
  };
  return withKubeconfig(target.kubeconfig, (kubeconfig) =>
    withClusterJob({ ...options, kubernetes: { ...cluster, ...present({ kubeconfig }) } }, measureInside),
  );
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

function modelsIn({ loads }: LoadPlan): readonly ServedModel[] {
  return [...new Set(loads.flatMap(({ series }) => series.map(({ model }) => model)))];
}

async function frameOf(
  { target, load }: BenchJob,
  facts: Pick<Frame, "generatorOf" | "instances" | "tritonVersion">,
): Promise<Frame> {
  const started = new Date();
  return { ...facts, id: newId(started), started, target, load, commit: await commitHere() };
}

interface Outcome {
  /** The last that was written, which has everything; undefined where there is nothing. */
  readonly written: { readonly result: Benchmark; readonly file: string } | undefined;
  readonly interrupted: boolean;
}

/** Measures one load after the other. After each of them the file is whole, and has everything until then. */
async function measureAll(
  { plan: { loads }, settings, folder }: BenchJob,
  frame: Frame,
  signal: AbortSignal,
): Promise<Outcome> {
  const done: MeasuredSeries[] = [];
  const written: { result: Benchmark; file: string }[] = [];
  await runSteps(
    loads.map((load) => ({
      title: titleOf(load),
      run: async (report) => {
        if (signal.aborted) return;
        const measured = await measure(load, settings, {
          endpoint: frame.target.endpoint,
          generatorOf: frame.generatorOf,
          metricsOf: (server) => frame.target.groups.get(server)?.metrics ?? [],
          signal,
          onProgress: report,
          onPoint: (series, point) => {
            report(`${series.model.spec.name} × ${String(point.concurrency)}: ${pointText(point)}`);
          },
        });
        done.push(...measured.filter(({ points }) => points.length > 0));
        if (done.length === 0) return;
        const result = resultOf(frame, done, new Date());
        written.push({ result, file: await writingTo(folder, () => writeResult(folder, result)) });
      },
    })),
  );
  return { written: written.at(-1), interrupted: signal.aborted };
}

function pointText(point: Point): string {
  return `${requestRate(point).toFixed(0)} requests/s, p99 ${point.latency.p99Ms.toFixed(1)} ms`;
}

/** Of each series its best point within the limit, and why it ended. */
function summary({ series }: Benchmark): string {
  const head = [
    "model",
    "protocol",
    "batch",
    "callers",
    "inferences/s",
    "p50 ms",
    "p99 ms",
    "failed",
    "ended",
  ];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { model, mix, protocol, batchSize, points, stopped, latencyP99LimitMs = Infinity } of series) {
    const within = points.filter(
      ({ latency, requests }) => requests > 0 && latency.p99Ms <= latencyP99LimitMs,
    );
    const [best] = [...(within.length > 0 ? within : points)].sort((a, b) => requestRate(b) - requestRate(a));
    if (best === undefined) continue;
    const failed = Object.values(best.failures).reduce((sum, count) => sum + count, 0);
    table.push([
      ...[mix === undefined ? model : `${model} (mix)`, protocol, batchSize, best.concurrency],
      ...[
        (requestRate(best) * batchSize).toFixed(0),
        best.latency.p50Ms.toFixed(2),
        best.latency.p99Ms.toFixed(2),
      ],
      ...[failed, stopped],
    ]);
  }
  return table.toString();
}
