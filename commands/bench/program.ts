import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { linearRegression, linearRegressionLine, median, rSquared } from "simple-statistics";
import * as z from "zod";
import { relock } from "../local/build.ts";
import { projectRoot } from "../setup/places.ts";
import type { Section } from "./report.ts";
import { writeModels } from "./specs.ts";

/** What the program itself takes: from the start of its process to the last resource it registers. */

export interface ProgramOptions {
  /** Numbers of models, ascending; thirty of them to a server group. */
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

const runSchema = z.object({ milliseconds: z.number(), processor: z.number(), resources: z.number() });
type Run = z.output<typeof runSchema>;

/**
 * A row per number of models, against Node and the same SDKs with nothing to do. On a machine that does other things too,
 * processor time tells more than the clock.
 */
export async function programSection(options: ProgramOptions): Promise<Section> {
  const { sizes, rounds, progress, signal } = options;
  const folder = mkdtempSync(path.join(os.tmpdir(), "triton-platform-bench-"));
  try {
    const configs = sizes.map((size) => writeStack(folder, size));
    const floors: Run[] = [];
    const runs = new Map<string, Run[]>(configs.map((config) => [config, []]));
    for (let round = 0; round < rounds; round++) {
      progress(`round ${String(round + 1)} of ${String(rounds)}`);
      floors.push(await run("floor", "", signal));
      for (const config of configs) runs.get(config)?.push(await run("program", config, signal));
    }
    const floor = medians(floors);
    const points: [number, number][] = [];
    const rows = sizes.map((size, i) => {
      const ofSize = runs.get(configs[i] ?? "") ?? [];
      const { milliseconds, processor, resources } = medians(ofSize);
      points.push([size, milliseconds]);
      return {
        models: String(size),
        resources: String(resources),
        "program ms": milliseconds,
        "against the floor": milliseconds / floor.milliseconds,
        "processor ms": processor,
        "against its floor": processor / floor.processor,
        "ms a model": (milliseconds - floor.milliseconds) / size,
        "ms a resource": (milliseconds - floor.milliseconds) / resources,
      };
    });
    const line = linearRegression(points);
    return {
      title: "The program, target kubernetes",
      notes: [
        `${String(rounds)} rounds, medians. Floor: ${floor.milliseconds.toFixed(0)} ms for Node and the SDKs with nothing to do, ${floor.processor.toFixed(0)} ms of processor time.`,
        `A further model: ${line.m.toFixed(2)} ms; R² ${rSquared(points, linearRegressionLine(line)).toFixed(4)} to a line.`,
      ],
      rows,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function medians(runs: readonly Run[]): Run {
  const of = (field: keyof Run): number => median(runs.map((run) => run[field]));
  return { milliseconds: of("milliseconds"), processor: of("processor"), resources: of("resources") };
}

async function run(mode: "floor" | "program", config: string, signal: AbortSignal): Promise<Run> {
  const script = path.join(import.meta.dirname, "program-run.mjs");
  const { stdout } = await execa(process.execPath, [script, mode, config], {
    cwd: projectRoot,
    cancelSignal: signal,
  });
  return runSchema.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
}

/** A stack with thirty models to a server group; returns the file of its config, as the engine hands it to the program. */
function writeStack(folder: string, size: number): string {
  const models = path.join(folder, String(size));
  mkdirSync(models);
  writeModels(models, size);
  const names = Array.from({ length: size }, (_, i) => `model-${String(i).padStart(5, "0")}`);
  for (const name of names) relock(path.join(models, name));
  const groups: [string, object][] = [["gpu", { replicas: 2 }]];
  // Ensembles of three neighbours stay together.
  for (let first = 30; first < size; first += 30)
    groups.push([`group-${String(first)}`, { replicas: 2, models: names.slice(first, first + 30) }]);
  const config = {
    "triton-platform:target": "kubernetes",
    "triton-platform:models": models,
    "triton-platform:defaultServer": "gpu",
    "triton-platform:tritonRelease": "26.07",
    "triton-platform:servers": JSON.stringify(Object.fromEntries(groups)),
    "triton-platform:kubernetes": JSON.stringify({
      context: "bench",
      repository: { source: "s3", bucket: "models" },
    }),
    "holysheep:baseUrl": "https://api.example.com/v1",
    "holysheep:model": "none",
  };
  const file = path.join(folder, `${String(size)}.json`);
  writeFileSync(file, JSON.stringify(config));
  return file;
}
