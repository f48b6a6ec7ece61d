import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import type { LoadPlan, PlannedSeries } from "../../../core/benchmark/load-plan.ts";
import { findProgram } from "../../setup/find-program.ts";
import { setUpGhz } from "../../setup/ghz.ts";
import { UserError } from "../../setup/user-error.ts";
import type { StackEndpoint } from "../../stack/endpoint.ts";
import { autocannonGenerator } from "./autocannon.ts";
import type { LoadGenerator } from "./generator.ts";
import { ghzGenerator } from "./ghz.ts";
import { findPerfAnalyzer, type Shell } from "./perf-analyzer.ts";

export const generatorChoices = ["auto", "perf_analyzer", "bundled"] as const;
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

/**
 * What makes the load from this machine: perf_analyzer where it is on PATH, else autocannon for HTTP and ghz for gRPC, which
 * is built once. Throws where one is wanted that cannot be used.
 */
export async function localGenerators(
  { loads }: LoadPlan,
  endpoint: StackEndpoint,
  { choice, signal }: { readonly choice: GeneratorChoice; readonly signal: AbortSignal },
): Promise<(series: PlannedSeries) => LoadGenerator> {
  const perfAnalyzer = await perfAnalyzerHere(endpoint, choice, signal);
  if (perfAnalyzer !== undefined) return () => perfAnalyzer;
  const protocols = new Set(loads.flatMap(({ series }) => series.map(({ protocol }) => protocol)));
  if (protocols.has("http") && endpoint.isEncrypted)
    throw new UserError(
      "HTTP over TLS cannot be measured from here: autocannon checks no certificate, and would tell whoever answers the API key",
      "measure --protocol grpc, which ghz checks, or inside the cluster with --in-cluster",
    );
  const http = autocannonGenerator();
  const grpc = protocols.has("grpc") ? ghzGenerator(await setUpGhz()) : undefined;
  return ({ protocol }) => (protocol === "grpc" && grpc !== undefined ? grpc : http);
}

async function perfAnalyzerHere(
  { apiKey }: StackEndpoint,
  choice: GeneratorChoice,
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
  const found =
    findProgram("perf_analyzer") === undefined ? undefined : await findPerfAnalyzer(thisMachine, { signal });
  if (found !== undefined || choice === "auto") return found;
  throw new UserError(
    "There is no perf_analyzer on PATH that runs",
    "it is in NVIDIA's image nvcr.io/nvidia/tritonserver:<release>-py3-sdk; or leave out --generator",
  );
}
