import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { compare, type Comparison } from "../core/benchmark/comparison.ts";
import { parseLoad, type LoadSettings } from "../core/benchmark/load-options.ts";
import { recommend } from "../core/benchmark/recommendation.ts";
import type { Benchmark } from "../core/benchmark/result.ts";
import { bestTrial, nextPlace } from "../core/benchmark/search.ts";
import { scoreOf, sweepTable, sweepVerdict, type Tried } from "../core/benchmark/sweep.ts";
import { textTable } from "../core/benchmark/text.ts";
import {
  gridAround,
  placeOf,
  recommendedEnsembleLines,
  recommendedLines,
  settingsAt,
  settingsOf,
  settingsWords,
  sizesOf,
  type Grid,
  type Settings,
} from "../core/benchmark/variants.ts";
import { loadModels } from "../core/spec/load.ts";
import type { ModelSpec } from "../core/spec/model.ts";
import { ProblemsError, refuse, suggest } from "../core/spec/problem.ts";
import { parseDuration } from "../core/spec/units.ts";
import { measureVariant, sweptModel, writeVariant, type SweptModel } from "./bench-sweep/platform.ts";
import { writeResult } from "./bench/load/result-file.ts";
import { withPlatform, type Observer } from "./bench/platform.ts";
import { stoppable } from "./files/ending.ts";
import { projectModels, userPath } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
import { projectRoot } from "./setup/places.ts";
import { setUp } from "./setup/set-up.ts";
import { UserError } from "./setup/user-error.ts";

const help = `Searches for better settings of a model: npm run bench:sweep -- --model <name> [options]
  --model <name>            whose instances, largest batch and queue delay are tried
  --instances 1,2,3,4       values to try; where the model runs on a GPU, not on this machine
  --max-batch-size 1,4,16,64
  --queue-delay 0us,1ms,2ms,5ms,10ms
  --most <n>                settings that are measured at most (default: 30)
  --concurrency 1,4,16,64   callers at a time
  --batch-size 1            of a request
  --protocol http           or grpc
  --seconds 3, --warm-up 1  of each point
  --latency-limit 45ms      p99 that is to be kept (default: the spec's objective)
  --out <folder>            of the result, with all points (default: .local/benchmarks)
It runs a platform of its own. At the end today's settings and the best are measured again, in three rounds.`;

/** `npm run bench:sweep`: tries settings of one model on this machine, far fewer than there are, and says what is better. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options });
  if (values.help) {
    console.log(help);
    return;
  }
  const load = parseLoad({
    concurrency: values.concurrency,
    "batch-size": values["batch-size"],
    protocol: values.protocol,
    seconds: values.seconds,
    "warm-up": values["warm-up"],
    "latency-limit": values["latency-limit"],
  });
  if ("problems" in load) throw new ProblemsError(load.problems);
  if (load.value.protocols.length !== 1 || load.value.batchSizes?.length !== 1)
    throw new UserError(
      "A sweep compares settings under one kind of load",
      "name one protocol, and one size of the requests' batches",
    );
  const spec = specOf(values.model);
  const now = settingsOf(spec);
  const grid = gridAround(now, {
    instances: runsOnGpu(spec) ? [] : wholeNumbers("instances", values.instances),
    maxBatchSizes: wholeNumbers("max-batch-size", values["max-batch-size"]),
    queueDelays: values["queue-delay"].split(",").map(delayOf),
  });
  const [most] = wholeNumbers("most", values.most);
  if (runsOnGpu(spec))
    console.error("Note: a model for GPUs has one instance on this machine's CPU: instances are not tried");
  await setUp(["python", "triton", "programs", "engine"]);
  let models = "";
  const outcome = await stoppable(
    () => new UserError("Stopped before the end", "everything the sweep started is removed"),
    async (signal) => {
      const observer = { progress: announce, signal };
      const changeModels = (folder: string): void => {
        models = folder;
      };
      const done = await withPlatform({ ...observer, changeModels }, () =>
        sweep(sweptModel(models, spec.name), { grid, now, most: most ?? 1, load: load.value, observer }),
      );
      // As a shell says it of a command that Ctrl-C ended.
      if (isStopped(observer)) process.exitCode = 130;
      return done;
    },
  );
  console.log(textTable(sweepTable(outcome.tried)));
  const { text, change } = sweepVerdict(outcome.tried, outcome.confirmed);
  const size = sizesOf(grid).reduce((product, values) => product * values, 1);
  console.log(`${String(outcome.tried.length)} of ${String(size)} settings were tried. ${text}`);
  if (change !== undefined) console.log(recommendation(outcome.model, change));
  if (outcome.result === undefined) return;
  const folder =
    values.out === undefined ? path.join(projectRoot, ".local", "benchmarks") : userPath(values.out);
  const { result } = outcome;
  const file = await writingTo(folder, () => writeResult(folder, result));
  console.log(`${file}\nNext: npm run bench:report -- ${file}`);
}

const options = {
  model: { type: "string" },
  instances: { type: "string", default: "1,2,3,4" },
  "max-batch-size": { type: "string", default: "1,4,16,64" },
  "queue-delay": { type: "string", default: "0us,1ms,2ms,5ms,10ms" },
  most: { type: "string", default: "30" },
  concurrency: { type: "string", default: "1,4,16,64" },
  "batch-size": { type: "string", default: "1" },
  protocol: { type: "string", default: "http" },
  seconds: { type: "string", default: "3" },
  "warm-up": { type: "string", default: "1" },
  "latency-limit": { type: "string" },
  out: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** What to write where, as people read it. */
function recommendation({ name, text, ensembles }: SweptModel, change: Settings): string {
  const linesOf = (model: string, lines: string): string => `\nmodels/${model}/model.yaml:\n\n${lines}\n`;
  return [
    linesOf(name, recommendedLines(text, change)),
    ...[...ensembles].flatMap(([ensemble, own]) => {
      const lines = recommendedEnsembleLines(own, change.maxBatchSize);
      return lines === undefined ? [] : [linesOf(ensemble, lines)];
    }),
  ].join("");
}

function specOf(name: string | undefined): ModelSpec {
  const { value, problems } = loadModels(projectModels());
  refuse(problems);
  const known = value.map(({ spec }) => spec.name);
  const spec = value.find((model) => model.spec.name === name)?.spec;
  if (spec === undefined)
    throw new UserError(
      name === undefined ? "No model is named" : `There is no model \`${name}\``,
      name === undefined ? `write --model with one of: ${known.join(", ")}` : suggest(name, known),
    );
  if (spec.ensemble !== undefined || spec.upstream !== undefined || spec.maxBatchSize === 0)
    throw new UserError(
      `\`${spec.name}\` has nothing to sweep: it ${spec.ensemble !== undefined ? "is an ensemble" : spec.upstream !== undefined ? "calls an external API" : "does not batch"}`,
      "name a model that computes and batches",
    );
  return spec;
}

function runsOnGpu({ instances = [] }: ModelSpec): boolean {
  return instances.some(({ kind }) => kind === "gpu");
}

function wholeNumbers(option: string, text: string): readonly number[] {
  const numbers = text.split(",").map(Number);
  if (numbers.every((value) => Number.isInteger(value) && value >= 1 && value <= 1024)) return numbers;
  throw new UserError(
    `\`--${option} ${text}\` has something else than whole numbers from 1 to 1024`,
    `write it like --${option} 1,2,4`,
  );
}

function delayOf(text: string): number {
  const delay = parseDuration(text);
  if (delay !== undefined) return delay;
  throw new UserError(`\`--queue-delay ${text}\` is no duration`, "write it like --queue-delay 0us,2ms,5ms");
}

/** Progress goes to standard error: standard output belongs to the figures. */
function announce(text: string): void {
  console.error(`  ${text}`);
}

interface SweepOptions {
  readonly grid: Grid;
  readonly now: Settings;
  readonly most: number;
  readonly load: LoadSettings;
  readonly observer: Observer;
}

interface Outcome {
  readonly model: SweptModel;
  readonly tried: readonly Tried[];
  /** Every series that was measured in the search, one for each of its settings. */
  readonly result?: Benchmark;
  readonly confirmed?: Comparison;
}

async function sweep(model: SweptModel, { grid, now, most, load, observer }: SweepOptions): Promise<Outcome> {
  const tried: Tried[] = [];
  const results: Benchmark[] = [];
  const space = { sizes: sizesOf(grid), start: placeOf(grid, now) };
  while (tried.length < most && !observer.signal.aborted) {
    const place = nextPlace(space, tried);
    if (place === undefined) break;
    const settings = settingsAt(grid, place);
    observer.progress(`${String(tried.length + 1)}: ${settingsWords(settings)}`);
    const [problem] = writeVariant(model, settings);
    if (problem !== undefined) {
      const obstacle = `${problem.path}: ${problem.message}`;
      tried.push({ place, settings, obstacle, score: Number.NEGATIVE_INFINITY });
      continue;
    }
    const result = await measureVariant(model, settings, load, observer);
    // Cut off in the middle, it says nothing of the settings.
    if (isStopped(observer)) break;
    if (result !== undefined) results.push(result);
    const recommendation = result === undefined ? undefined : recommend(result, 0);
    tried.push({
      ...{ place, settings, score: scoreOf(recommendation) },
      ...(recommendation === undefined ? {} : { recommendation }),
    });
  }
  const confirmed = await confirm(model, tried, { load, observer });
  const result = together(results);
  return {
    ...{ model, tried },
    ...(result === undefined ? {} : { result }),
    ...(confirmed === undefined ? {} : { confirmed }),
  };
}

/** How often the best settings and today's are rolled out and measured again, in turns. */
const rounds = 3;

/**
 * The luckiest of many is not the best: it is measured again beside today's settings, with the callers that suit either. The
 * two take turns, so that what else the machine does is not taken for a difference between them.
 */
async function confirm(
  model: SweptModel,
  tried: readonly Tried[],
  { load, observer }: Pick<SweepOptions, "load" | "observer">,
): Promise<Comparison | undefined> {
  const [now] = tried;
  const best = bestTrial(tried);
  if (now === undefined || best === undefined || best === now) return undefined;
  const callers = [now, best].flatMap(({ recommendation }) => recommendation?.concurrency ?? []);
  const concurrency = [...new Set(callers)].sort((a, b) => a - b);
  const measured = new Map<Tried, Benchmark[]>([
    [now, []],
    [best, []],
  ]);
  for (let round = 0; round < rounds; round++) {
    for (const each of round % 2 === 0 ? [best, now] : [now, best]) {
      if (isStopped(observer)) return undefined;
      observer.progress(`round ${String(round + 1)} of ${String(rounds)}: ${settingsWords(each.settings)}`);
      refuse(writeVariant(model, each.settings));
      const all = { ...load, concurrency, beyondSaturation: true };
      const result = await measureVariant(model, each.settings, all, observer);
      if (result !== undefined) measured.get(each)?.push(result);
    }
  }
  const [before, after] = [now, best].map((each) => asRepeats(measured.get(each) ?? []));
  return before === undefined || after === undefined || isStopped(observer)
    ? undefined
    : compare(after, before, confirmLimit);
}

/** Less than this is not worth a change of a spec. */
const confirmLimit = 0.05;

/** Runs of one series as the repeats of one run. */
function asRepeats(results: readonly Benchmark[]): Benchmark | undefined {
  const [first] = results;
  const [series] = first?.series ?? [];
  if (first === undefined || series === undefined) return undefined;
  const points = results.flatMap((result, i) =>
    (result.series[0]?.points ?? []).map((point) => ({ ...point, repeat: i + 1 })),
  );
  return { ...first, series: [{ ...series, points }] };
}

/** A signal's state changes while its owner waits, which the compiler does not know. */
function isStopped({ signal }: Pick<Observer, "signal">): boolean {
  return signal.aborted;
}

/** One result with the series of all. */
function together(results: readonly Benchmark[]): Benchmark | undefined {
  const [first] = results;
  const last = results.at(-1);
  return first === undefined || last === undefined
    ? undefined
    : { ...first, finishedAt: last.finishedAt, series: results.flatMap(({ series }) => series) };
}
