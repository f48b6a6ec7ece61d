import { setTimeout as sleep } from "node:timers/promises";
import { grpcLoad } from "./grpc-load.ts";
import { httpLoad, type Limit } from "./http-load.ts";
import type { BenchPlatform } from "./platform.ts";
import { turn, type LoadPrograms, type RaceOptions } from "./race.ts";
import { figures, type Cell, type Section } from "./report.ts";
import { medianOf, ratioOf, summarise, summariseAll, type Load, type Summary } from "./statistics.ts";
import { inferUrl, serverOf, straightTo } from "./targets.ts";

const model = "llm-backend";
/** Calls at one time, as the issue asks for. */
const callers = 64;
/** Seconds the simulated API takes. */
const latency = 0.2;
const ideal = callers / latency;
const rounds = 3;

/** Of the 64 callers of the mix; more quick ones would measure the processor, not whether they wait for slow ones. */
const quickCallers = 8;
const quickSeconds = 0.05;
const slowSeconds = 5;
/** The slow callers are all waiting when the quick ones begin. */
const leadSeconds = 1.5;
/** Not counted at the beginning of a load. */
const connectSeconds = 0.5;

/** A way to the LLM: one prompt, so many callers, so long. */
interface Way {
  readonly name: string;
  readonly load: (prompt: string, callers: number, limit: Limit) => Promise<Load>;
}

/** The LLM proxy in front of the platform's own simulator, which answers after a set time. */
export async function llmSections(
  { description, ports }: BenchPlatform,
  { vegeta, python }: LoadPrograms,
  options: RaceOptions,
): Promise<Section[]> {
  const { signal } = options;
  const server = serverOf(description, model);
  const [http = ""] = straightTo(description, server).http;
  const [grpc = ""] = straightTo(description, server).grpc;
  const simulator = `http://127.0.0.1:${String(ports.platform.simulatorPort)}`;
  const overHttp = (name: string, base: string): Way => ({
    name,
    load: (prompt, callers, limit) =>
      httpLoad({
        vegeta,
        urls: [inferUrl(base, model)],
        body: JSON.stringify({ inputs: promptInput(prompt) }),
        callers,
        limit,
        signal,
      }),
  });
  const overGrpc = (name: string, target: string): Way => ({
    name,
    load: (prompt, callers, limit) => {
      const headers = { "x-triton-server": server };
      return grpcLoad({
        python,
        target,
        model,
        headers,
        inputs: promptInput(prompt),
        callers,
        limit,
        signal,
      });
    },
  });
  const simulatorItself: Way = {
    name: "the simulator itself, HTTP",
    load: (prompt, callers, limit) =>
      httpLoad({
        vegeta,
        urls: [`${simulator}/v1/chat/completions`],
        body: JSON.stringify({ model: "simulator", messages: [{ role: "user", content: prompt }] }),
        callers,
        limit,
        signal,
      }),
  };
  const proxied = [
    overHttp("straight to Triton, HTTP", http),
    overHttp("through the balancer, HTTP", description.endpoints.http),
    overGrpc("straight to Triton, gRPC", grpc),
    overGrpc("through the balancer, gRPC", description.endpoints.grpc),
  ];
  return [
    await steady(simulator, [simulatorItself, ...proxied], options),
    await mixed(simulator, [simulatorItself, ...proxied], options),
  ];
}

/** Every call takes 200 ms upstream: 64 callers can have 320 answers per second. */
async function steady(simulator: string, ways: readonly Way[], options: RaceOptions): Promise<Section> {
  const { seconds, progress, signal } = options;
  await answerAfter(simulator, [{ match: "", seconds: latency }]);
  // A fixed number of calls: in a window, a wave of 64 answers more or less would count. And enough of them: opening the
  // connections, and waiting for the slowest caller at the end, are part of what is measured.
  const calls = callers * Math.ceil(seconds / latency);
  const results = ways.map((): Summary[] => []);
  for (const { name, load } of ways) {
    progress(`warming up: ${name}`);
    await load("steady question", callers, { calls: callers * 5 });
    signal.throwIfAborted();
  }
  for (let round = 0; round < rounds; round++) {
    for (const index of turn(ways.length, round)) {
      const way = ways[index];
      if (way === undefined) continue;
      progress(`round ${String(round + 1)} of ${String(rounds)}: ${way.name}`);
      const load = await way.load("steady question", callers, { calls });
      signal.throwIfAborted();
      results[index]?.push(summariseAll(load));
    }
  }
  return {
    title: `LLM proxy, ${String(callers)} calls at a time, ${String(latency * 1000)} ms upstream: ideal ${String(ideal)} requests/s`,
    notes: ["The simulator itself shows what this machine and the same client reach without the proxy."],
    rows: results.map((summaries, i): Record<string, Cell> => ({
      way: ways[i]?.name ?? "",
      ...figures(medianOf(summaries)),
      "of the ideal": ratioOf(
        summaries,
        summaries.map((summary) => ({ ...summary, perSecond: ideal })),
      ),
      "of the simulator": i === 0 ? "1" : ratioOf(summaries, results[0] ?? []),
    })),
  };
}

/** Quick answers beside slow ones, and the same quick callers alone, in turn. */
async function mixed(simulator: string, ways: readonly Way[], options: RaceOptions): Promise<Section> {
  const { seconds, progress, signal } = options;
  await answerAfter(simulator, [
    { match: "quick", seconds: quickSeconds },
    { match: "slow", seconds: slowSeconds },
  ]);
  const quick = async (way: Way, from: number, length: number): Promise<Summary> => {
    const load = await way.load("quick question", quickCallers, { seconds: from + length });
    signal.throwIfAborted();
    return summarise(load, { from, to: from + length });
  };
  const rows: Record<string, Cell>[] = [];
  for (const way of ways) {
    progress(`quick calls alone and beside slow ones: ${way.name}`);
    const before = await quick(way, connectSeconds, seconds / 2);
    const slow = way.load("slow question", callers - quickCallers, {
      seconds: Math.max(leadSeconds + connectSeconds + seconds, slowSeconds + 1),
    });
    const [beside, slowLoad] = await Promise.all([
      sleep(leadSeconds * 1000, undefined, { signal }).then(() => quick(way, connectSeconds, seconds)),
      slow,
    ]);
    const after = await quick(way, connectSeconds, seconds / 2);
    const alone = medianOf([before, after]);
    rows.push({
      way: way.name,
      "quick/s alone": alone.perSecond,
      beside: beside.perSecond,
      "quick p50 ms alone": alone.p50,
      "p50 beside": beside.p50,
      "quick p99 ms alone": alone.p99,
      "p99 beside": beside.p99,
      "slow p50 ms": summariseAll(slowLoad).p50,
      errors: alone.errors + beside.errors + slowLoad.errors,
    });
  }
  return {
    title: `LLM proxy, ${String(quickCallers)} callers with ${String(quickSeconds * 1000)} ms answers, alone and beside ${String(callers - quickCallers)} callers with ${String(slowSeconds)} s answers`,
    notes: [
      "The slow answers come all at once every 5 s, and so do the next slow calls: that burst is in the quick ones' p99.",
    ],
    rows,
  };
}

/** Sets how long the simulator takes for which prompts. */
async function answerAfter(
  simulator: string,
  delays: readonly { readonly match: string; readonly seconds: number }[],
): Promise<void> {
  const response = await fetch(`${simulator}/_faults`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(delays.map((delay) => ({ action: "delay", ...delay }))),
  });
  if (!response.ok) throw new Error(`the simulator refused the delays: ${await response.text()}`);
}

function promptInput(prompt: string): object[] {
  return [{ name: "prompt", datatype: "BYTES", shape: [1, 1], data: [prompt] }];
}
