import { mean } from "simple-statistics";
import { programStatuses } from "../../components/local/supervised.ts";
import { parseLoad } from "../../core/benchmark/load-options.ts";
import { planLoads, type PlannedSeries } from "../../core/benchmark/load-plan.ts";
import { ProblemsError, refuse } from "../../core/spec/problem.ts";
import { stackName } from "../local/home.ts";
import { findRunning } from "../local/running.ts";
import { grpcLoad } from "./grpc-load.ts";
import { loadOf } from "./http-load.ts";
import { everyGenerator } from "./load/generators.ts";
import { benchTarget } from "./load/target.ts";
import type { BenchPlatform } from "./platform.ts";
import { endedChildrenSeconds, treeSeconds } from "./processor-time.ts";
import { inTurns, rounds, type LoadPrograms, type RaceOptions } from "./race.ts";
import type { Section } from "./report.ts";
import { medianOf, summariseAll, type Load, type Summary } from "./statistics.ts";
import { inputsOf, serverOf, straightTo } from "./targets.ts";

/** The cheapest model: the less a call costs Triton, the more of it is the generator's. */
const model = "text-labels";
const callersOf = [1, 16];
/** Calls of a round for each second of `--seconds`: as many for each generator, since not all of them count by time alike. */
const callsPerSecond = 200;

interface Generator {
  readonly name: string;
  readonly load: (callers: number, calls: number) => Promise<Load>;
}

/** One round of one generator. */
interface Round {
  readonly summary: Summary;
  /** Seconds of processor time a call. What the generator takes for its start is left out. */
  readonly generator: number;
  readonly triton: number;
}

/** What load generators take of a machine beside what a call costs Triton: straight to one replica, in turns. */
export async function generatorSections(
  { description }: BenchPlatform,
  { python }: Pick<LoadPrograms, "python">,
  options: RaceOptions,
): Promise<Section[]> {
  const { seconds, progress, signal } = options;
  const server = serverOf(description, model);
  const straight = straightTo(description, server);
  const [http = ""] = straight.http;
  const [grpc = ""] = straight.grpc;
  const endpoint = { http, grpc, isEncrypted: false, tls: {} };
  const planned = await plannedSeries();
  const own = (await everyGenerator(signal)).flatMap(({ name, protocols, run }) =>
    planned
      .filter(({ protocol }) => protocols.includes(protocol))
      .map((series): Generator => ({
        name: `${name}, ${series.protocol === "http" ? "HTTP" : "gRPC"}`,
        load: async (callers, calls) =>
          loadOf(await run({ series, endpoint, concurrency: callers, bound: { requests: calls }, signal })),
      })),
  );
  const asyncio: Generator = {
    name: "Triton's asyncio client, gRPC",
    load: (callers, calls) =>
      grpcLoad({
        ...{ python, target: grpc, model, headers: {}, inputs: inputsOf(model) },
        ...{ callers, limit: { calls }, signal },
      }),
  };
  const generators = [...own, asyncio];
  const triton = await processOf(description.servers.find(({ name }) => name === server)?.replicas[0]?.name);
  const calls = Math.ceil(seconds * callsPerSecond);
  const sections: Section[] = [];
  for (const callers of callersOf) {
    const spoken = `${String(callers)} at a time`;
    const results = await inTurns(generators, async (generator, round) => {
      progress(`${generator.name}, ${spoken}: round ${String(round)} of ${String(rounds)}`);
      const measured = await measureRound(generator, { callers, calls, triton });
      signal.throwIfAborted();
      return measured;
    });
    sections.push({
      title: `Load generators, ${model} straight to one replica, ${String(callers)} ${callers === 1 ? "caller" : "callers"}`,
      notes: [
        `${String(rounds)} rounds of ${String(calls)} calls in turns. Processor time a call, without a generator's start, with the writing and reading of`,
        "its results. Rates are those of cores that generator and Triton share.",
      ],
      rows: results.map((each, i) => ({ generator: generators[i]?.name ?? "", ...figuresOf(each) })),
    });
  }
  return sections;
}

/** The model by both protocols, one row to a call. */
async function plannedSeries(): Promise<readonly PlannedSeries[]> {
  const target = await benchTarget({ target: stackName, inCluster: false });
  const load = parseLoad({ model: [model], "batch-size": "1" });
  if ("problems" in load) throw new ProblemsError(load.problems);
  const { value, problems } = planLoads(target.models, load.value);
  refuse(problems);
  return value.loads.flatMap(({ series }) => series);
}

async function processOf(replica: string | undefined): Promise<number> {
  const running = findRunning();
  const programs = running === undefined ? [] : await programStatuses(running);
  const pid = programs.find(({ name }) => name === replica)?.pid;
  if (pid === undefined) throw new Error(`the replica ${replica ?? ""} has no process`);
  return pid;
}

async function measureRound(
  { load }: Generator,
  { callers, calls, triton }: { readonly callers: number; readonly calls: number; readonly triton: number },
): Promise<Round> {
  const before = endedChildrenSeconds();
  await load(callers, callers);
  const [started, tritonBefore] = [endedChildrenSeconds(), treeSeconds(triton)];
  const made = await load(callers, calls);
  const [ended, tritonAfter] = [endedChildrenSeconds(), treeSeconds(triton)];
  return {
    summary: summariseAll(made),
    generator: (ended - started - (started - before)) / (calls - callers),
    triton: (tritonAfter - tritonBefore) / calls,
  };
}

/** Processor times are means: of one round they are a few steps of the counter. */
function figuresOf(results: readonly Round[]): Record<string, number> {
  const { perSecond, p50, errors } = medianOf(results.map(({ summary }) => summary));
  return {
    "generator µs": mean(results.map(({ generator }) => generator)) * 1e6,
    "Triton µs": mean(results.map(({ triton }) => triton)) * 1e6,
    "requests/s": perSecond,
    "p50 ms": p50,
    errors,
  };
}
