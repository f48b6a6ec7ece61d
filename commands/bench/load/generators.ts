import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import type { Protocol } from "../../../core/benchmark/load-options.ts";
import type { LoadPlan, PlannedSeries } from "../../../core/benchmark/load-plan.ts";
import { findProgram } from "../../setup/find-program.ts";
import { ghzProgram, setUpLoadProgram, vegetaProgram } from "../../setup/load-programs.ts";
import { UserError } from "../../setup/user-error.ts";
import type { StackEndpoint } from "../../stack/endpoint.ts";
import { aiperfHere } from "./aiperf.ts";
import type { LoadGenerator } from "./generator.ts";
import { ghzGenerator } from "./ghz.ts";
import { findPerfAnalyzer, perfAnalyzerLimit, type Shell } from "./perf-analyzer.ts";
import { vegetaGenerator } from "./vegeta.ts";

export const generatorChoices = ["auto", "perf_analyzer", "bundled", "aiperf"] as const;
export type GeneratorChoice = (typeof generatorChoices)[number];

/** Programs of this machine, each run in a folder of its own. */
const thisMachine: Shell = {
  place: "this machine",
  async run([program = "", ...args], { input, signal }) {
    const folder = mkdtempSync(path.join(tmpdir(), "triton-bench-"));
    try {
      const { exitCode, stdout, stderr } = await execa(program, args, {
        cwd: folder,
        ...(input === undefined ? { stdin: "ignore" } : { input }),
        cancelSignal: signal,
        reject: false,
        // Times of every call.
        maxBuffer: 1024 ** 3,
      });
      return { exitCode, stdout, stderr };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

export interface GeneratorOptions {
  readonly endpoint: StackEndpoint;
  readonly choice: GeneratorChoice;
  readonly replicasOf: (server: string) => number;
  readonly signal: AbortSignal;
}

/**
 * What makes the load from this machine: perf_analyzer where it is on PATH and can, else vegeta for HTTP and ghz for gRPC,
 * each built at its first use. Throws where one is wanted that cannot be used.
 */
export async function localGenerators(
  { loads }: LoadPlan,
  { endpoint, choice, replicasOf, signal }: GeneratorOptions,
): Promise<(series: PlannedSeries) => LoadGenerator> {
  const all = loads.flatMap(({ series }) => series);
  if (choice === "aiperf") {
    const aiperf = await aiperfHere(all, endpoint);
    return () => aiperf;
  }
  const perfAnalyzer = await perfAnalyzerHere(endpoint, choice, signal);
  const limitOf = (series: PlannedSeries): string | undefined =>
    perfAnalyzerLimit(series, replicasOf(series.model.server));
  const limited = all.find((series) => limitOf(series) !== undefined);
  if (choice === "perf_analyzer" && limited !== undefined)
    throw new UserError(
      `${limited.model.spec.name}: ${limitOf(limited) ?? ""}`,
      "leave out --generator, or name other models",
    );
  const bundled = all.filter((series) => perfAnalyzer === undefined || limitOf(series) !== undefined);
  const own = await bundledGenerators(new Set(bundled.map(({ protocol }) => protocol)));
  return (series) => {
    const generator = (bundled.includes(series) ? undefined : perfAnalyzer) ?? own[series.protocol];
    if (generator === undefined) throw new Error(`nothing makes load over ${series.protocol}`);
    return generator;
  };
}

/** All that are here, whatever each is best for. */
export async function everyGenerator(signal: AbortSignal): Promise<readonly LoadGenerator[]> {
  const perfAnalyzer = await perfAnalyzerOnPath(signal);
  const own = await bundledGenerators(new Set(["http", "grpc"]));
  return [perfAnalyzer, own.http, own.grpc].filter((generator) => generator !== undefined);
}

async function bundledGenerators(
  protocols: ReadonlySet<Protocol>,
): Promise<Partial<Readonly<Record<Protocol, LoadGenerator>>>> {
  return {
    ...(protocols.has("http") ? { http: vegetaGenerator(await setUpLoadProgram(vegetaProgram)) } : {}),
    ...(protocols.has("grpc") ? { grpc: ghzGenerator(await setUpLoadProgram(ghzProgram)) } : {}),
  };
}

async function perfAnalyzerHere(
  { apiKey }: StackEndpoint,
  choice: Exclude<GeneratorChoice, "aiperf">,
  signal: AbortSignal,
): Promise<LoadGenerator | undefined> {
  if (choice === "bundled") return undefined;
  // It takes headers as arguments alone, which every user of this machine can read.
  if (apiKey !== undefined) {
    if (choice === "auto") return undefined;
    throw new UserError(
      "perf_analyzer takes an API key as an argument alone, where everybody on this machine can read it",
      "leave out --generator, or measure inside the cluster with --in-cluster",
    );
  }
  const found = await perfAnalyzerOnPath(signal);
  if (found !== undefined || choice === "auto") return found;
  throw new UserError(
    "There is no perf_analyzer on PATH that runs",
    "it is in NVIDIA's image nvcr.io/nvidia/tritonserver:<release>-py3-sdk; or leave out --generator",
  );
}

async function perfAnalyzerOnPath(signal: AbortSignal): Promise<LoadGenerator | undefined> {
  return findProgram("perf_analyzer") === undefined ? undefined : findPerfAnalyzer(thisMachine, { signal });
}
