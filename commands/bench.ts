import { readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { parseLoad, commandLine } from "../core/benchmark/load-options.ts";
import { planLoads, type Load, type LoadPlan, type ServedModel } from "../core/benchmark/load-plan.ts";
import type { Benchmark, Point } from "../core/benchmark/result.ts";
import { requestRate } from "../core/benchmark/stop.ts";
import { ProblemsError, refuse, suggest, type Problem } from "../core/spec/problem.ts";
import { generatorChoices, localGenerators, type GeneratorChoice } from "./bench/load/generators.ts";
import { commitHere, newId, resultOf, writeResult, type Frame } from "./bench/load/result-file.ts";
import { measure, type MeasuredSeries } from "./bench/load/run.ts";
import { benchTarget, payloadFilename } from "./bench/load/target.ts";
import { instancesOf, tritonVersion } from "./bench/load/triton.ts";
import { stoppable } from "./files/ending.ts";
import { userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { projectRoot } from "./setup/places.ts";
import { runSteps } from "./setup/steps.ts";
import { UserError } from "./setup/user-error.ts";
import { endpointOptions } from "./stack/endpoint.ts";

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
  --generator auto          perf_analyzer where it is on PATH; or perf_analyzer, bundled (autocannon, ghz)
  --http, --grpc <address>  other addresses than the stack's own
  --api-key-file, --ca      files with an API key, and with the authorities of its certificate
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
  const target = await benchTarget({ ...rest, target: name, inCluster: false });
  const models = withPayloads(target.models, payload ?? []);
  const { value: plan, problems } = planLoads(models.value, load.value);
  refuse([...models.problems, ...problems]);
  for (const note of [...plan.notes, ...target.notes]) console.error(`Note: ${note}`);
  console.error(describe(plan));
  if (dryRun) return;

  const outcome = await stoppable(
    () => new Error("interrupted"),
    async (signal) => {
      const loaded = plan.loads.flatMap(({ series }) => series);
      const instances = new Map<string, number>();
      for (const { model } of loaded)
        instances.set(model.spec.name, await instancesOf(target.endpoint, model));
      const generatorOf = await localGenerators(plan, target.endpoint, { choice, signal });
      const now = new Date();
      const frame: Frame = {
        ...{ id: newId(now), started: now, target, generatorOf, instances },
        tritonVersion: await tritonVersion(target.endpoint),
        commit: await commitHere(),
        load: withoutSecrets(values),
      };
      return measureAll(plan, frame, { settings: load.value, folder: folderOf(out), signal });
    },
  );
  if (outcome.result === undefined)
    throw new UserError("Stopped before the first point", "nothing is written");
  console.log(summary(outcome.result));
  console.log(`${outcome.file}\nNext: npm run bench:report -- ${outcome.file}`);
  // As a shell says it of a command that Ctrl-C ended.
  if (outcome.interrupted) process.exitCode = 130;
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
  ...endpointOptions,
  "allow-cost": { type: "boolean", default: false },
  out: { type: "string" },
  "dry-run": { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

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
      report(error instanceof Error ? error.message : String(error), "name a file that this user may read");
    }
  }
  return { value, problems };
}

/** What was asked for; where a key lies is nobody else's business. */
function withoutSecrets(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { "api-key-file": _key, ca: _ca, help: _help, "dry-run": _dryRun, out: _out, ...rest } = values;
  return rest;
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

interface Outcome {
  readonly result?: Benchmark;
  readonly file: string;
  readonly interrupted: boolean;
}

/** Measures one load after the other. After each of them the file is whole, and has everything until then. */
async function measureAll(
  { loads }: LoadPlan,
  frame: Frame,
  { settings, folder, signal }: MeasureOptions,
): Promise<Outcome> {
  const done: MeasuredSeries[] = [];
  let [result, file]: [Benchmark | undefined, string] = [undefined, ""];
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
        result = resultOf(frame, done, new Date());
        const made = result;
        file = await writingTo(folder, () => writeResult(folder, made));
      },
    })),
  );
  return { file, interrupted: signal.aborted, ...(result === undefined ? {} : { result }) };
}

interface MeasureOptions {
  readonly settings: Parameters<typeof measure>[1];
  readonly folder: string;
  readonly signal: AbortSignal;
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
