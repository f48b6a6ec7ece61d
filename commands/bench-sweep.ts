import { parseArgs } from "node:util";
import { compare } from "../core/benchmark/comparison.ts";
import { parseLoad, type LoadSettings } from "../core/benchmark/load-options.ts";
import { unloadable } from "../core/benchmark/load-plan.ts";
import { recommend } from "../core/benchmark/recommendation.ts";
import type { Benchmark } from "../core/benchmark/result.ts";
import { bestTrial, nextPlace } from "../core/benchmark/search.ts";
import {
  confirmedTable,
  scoreOf,
  sweepCoverage,
  sweepTable,
  sweepVerdict,
  type Confirmed,
  type Ending,
  type Tried,
} from "../core/benchmark/sweep.ts";
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
import { present } from "../core/objects.ts";
import { loadModels } from "../core/spec/load.ts";
import type { ModelSpec } from "../core/spec/model.ts";
import { ProblemsError, refuse, suggest } from "../core/spec/problem.ts";
import { parseDuration } from "../core/spec/units.ts";
import { measureVariant, sweptModel, writeVariant, type SweptModel } from "./bench-sweep/platform.ts";
import { resultFolder, writeResult } from "./bench/load/result-file.ts";
import { withPlatform, type Observer } from "./bench/platform.ts";
import { stoppable } from "./files/ending.ts";
import { projectModels } from "./files/user-path.ts";
import { writingTo } from "./files/writing.ts";
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
  --rounds 3                in which today's settings and the best are measured again at the end
It runs a platform of its own, one replica of each server, and changes no spec: what is better is printed as lines for one.`;

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
  const most = wholeNumber("most", values.most, 1);
  // A shift has no interval of one round.
  const rounds = wholeNumber("rounds", values.rounds, 2);
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
      return withPlatform({ ...observer, changeModels, singleReplicas: true }, () =>
        sweep(sweptModel(models, spec.name, now), { grid, now, most, rounds, load: load.value, observer }),
      );
    },
  );
  console.log(textTable(sweepTable(outcome.tried)));
  if (outcome.confirmed !== undefined) console.log(textTable(confirmedTable(outcome.confirmed)));
  const { text, change } = sweepVerdict(outcome.tried, outcome.confirmed);
  const size = sizesOf(grid).reduce((product, values) => product * values, 1);
  console.log(`${sweepCoverage(outcome.tried.length, size, outcome.ending)} ${text}`);
  if (change !== undefined) console.log(recommendation(outcome.model, change));
  if (runsOnGpu(spec))
    console.log(
      "All of it is of this machine's CPU. On a GPU batches cost less: measure there before a change.",
    );
  if (outcome.result === undefined) return;
  const folder = resultFolder(values.out);
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
  rounds: { type: "string", default: "3" },
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
  const reason = unloadable(spec);
  if (reason !== undefined)
    throw new UserError(`\`${spec.name}\` cannot be swept: ${reason}`, "name another model");
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

function wholeNumber(option: "most" | "rounds", text: string, least: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least && number <= 1024) return number;
  throw new UserError(
    `\`--${option} ${text}\` is no whole number from ${String(least)} to 1024`,
    `write it like --${option} ${options[option].default}`,
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
  readonly rounds: number;
  readonly load: LoadSettings;
  readonly observer: Observer;
}

interface Outcome {
  readonly model: SweptModel;
  readonly tried: readonly Tried[];
  readonly ending: Ending;
  /** Every series that was measured in the search, one for each of its settings. */
  readonly result?: Benchmark;
  readonly confirmed?: Confirmed;
}

async function sweep(model: SweptModel, options: SweepOptions): Promise<Outcome> {
  const { grid, now, most, load, observer } = options;
  const tried: Tried[] = [];
  const results: Benchmark[] = [];
  const space = { sizes: sizesOf(grid), start: placeOf(grid, now) };
  let place = nextPlace(space, tried);
  for (
    ;
    place !== undefined && tried.length < most && !isStopped(observer);
    place = nextPlace(space, tried)
  ) {
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
    tried.push({ place, settings, score: scoreOf(recommendation), ...present({ recommendation }) });
  }
  const ending = place === undefined ? "complete" : isStopped(observer) ? "stopped" : "limit";
  const confirmed = await confirm(model, tried, options);
  const result = together(results);
  return {
    ...{ model, tried, ending },
    ...(result === undefined ? {} : { result }),
    ...(confirmed === undefined ? {} : { confirmed }),
  };
}

/**
 * The luckiest of many is not the best: it is measured again beside today's settings, with the callers that suit either. The
 * two take turns, so that what else the machine does is not taken for a difference between them.
 */
async function confirm(
  model: SweptModel,
  tried: readonly Tried[],
  { rounds, load, observer }: Pick<SweepOptions, "rounds" | "load" | "observer">,
): Promise<Confirmed | undefined> {
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
  if (before === undefined || after === undefined || isStopped(observer)) return undefined;
  const again = ({ place, settings }: Tried, result: Benchmark): Tried => {
    const recommendation = recommend(result, 0);
    return { place, settings, score: scoreOf(recommendation), ...present({ recommendation }) };
  };
  return {
    ...{ rounds, now: again(now, before), best: again(best, after) },
    comparison: compare(after, before, confirmLimit),
  };
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
