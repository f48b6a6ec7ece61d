import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { linearRegression, linearRegressionLine, median, rSquared } from "simple-statistics";
import { planPlatform } from "../../core/platform.ts";
import { loadModels } from "../../core/spec/load.ts";
import { parsePlatform, type PlatformConfig } from "../../core/spec/platform.ts";
import { ProblemsError, refuse } from "../../core/spec/problem.ts";
import type { Section } from "./report.ts";

/** What specs cost: reading, checking and writing more and more models. */

export interface SpecOptions {
  /** Numbers of models, ascending. */
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Milliseconds of one round. */
interface Round {
  readonly load: number;
  readonly plan: number;
}

/** A row per number of models, and how far the whole grows in a straight line. */
export async function specSection({ sizes, rounds, progress, signal }: SpecOptions): Promise<Section> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "triton-platform-bench-"));
  try {
    const totals: [models: number, milliseconds: number][] = [];
    const rows = [];
    for (const size of sizes) {
      progress(`${String(size)} models`);
      const models = path.join(folder, String(size));
      writeModels(models, size);
      const results: Round[] = [];
      for (let round = 0; round < rounds; round++) {
        signal.throwIfAborted();
        results.push(measure(models));
        // Ctrl-C is heard between rounds.
        await setImmediate();
      }
      const load = median(results.map((result) => result.load));
      const plan = median(results.map((result) => result.plan));
      totals.push([size, load + plan]);
      rows.push({
        models: String(size),
        "load ms": load,
        "check and write ms": plan,
        "together ms": load + plan,
        "µs a model": ((load + plan) / size) * 1_000,
      });
    }
    const line = linearRegressionLine(linearRegression(totals));
    return {
      title: "Model specs",
      notes: [
        `${String(rounds)} rounds, medians. Two thirds of the models have a backend, one third are ensembles of two.`,
        `Fit of a straight line: R² ${rSquared(totals, line).toFixed(4)}.`,
      ],
      rows,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function measure(folder: string): Round {
  const start = performance.now();
  const { value: models, problems } = loadModels(folder);
  const loaded = performance.now();
  const plan = planPlatform(models, config, "Pulumi.bench.yaml");
  const planned = performance.now();
  refuse([...problems, ...plan.problems]);
  return { load: loaded - start, plan: planned - loaded };
}

const config: PlatformConfig = benchConfig();

function benchConfig(): PlatformConfig {
  const parsed = parsePlatform(
    {
      "triton-platform:target": "local",
      "triton-platform:servers": { gpu: {} },
      "triton-platform:defaultServer": "gpu",
      "holysheep:baseUrl": "https://api.example.com/v1",
      "holysheep:model": "none",
    },
    "Pulumi.bench.yaml",
  );
  if ("problems" in parsed) throw new ProblemsError(parsed.problems);
  return parsed.value;
}

/** As teams write them: a model with batching and warm-up, a Python one with parameters, and an ensemble of both. */
export function writeModels(folder: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const first = i - (i % 3);
    // The last ones may lack a partner.
    const kind = first + 2 < count ? i % 3 : 0;
    const directory = path.join(folder, `model-${String(i).padStart(5, "0")}`);
    mkdirSync(kind === 2 ? directory : path.join(directory, "1"), { recursive: true });
    writeFileSync(path.join(directory, "model.yaml"), specText(kind, first));
    if (kind !== 2)
      writeFileSync(path.join(directory, "1", kind === 0 ? "model.onnx" : "model.py"), `# ${String(i)}\n`);
  }
}

function specText(kind: number, first: number): string {
  const name = (offset: number): string => `model-${String(first + offset).padStart(5, "0")}`;
  const specs = [
    `description: Embeddings
backend: onnxruntime
maxBatchSize: 64
inputs: [{ name: input_text, dataType: STRING, dims: [1] }]
outputs: [{ name: embedding, dataType: FP32, dims: [768] }]
instances: [{ kind: gpu, count: 2 }]
batching: { preferredBatchSizes: [8, 16, 32], maxQueueDelay: 5ms, maxQueueSize: 512, timeout: 1s }
memory: { weights: 420MiB, workspacePerInstance: 900MiB }
warmup: [{ batchSize: 1 }, { batchSize: 32 }]
objectives: { latencyP99: 45ms, availability: 99.9% }
`,
    `description: Best label
backend: python
maxBatchSize: 64
inputs: [{ name: embedding, dataType: FP32, dims: [768] }]
outputs: [{ name: label, dataType: STRING, dims: [1] }]
instances: [{ kind: cpu, count: 1 }]
batching: { maxQueueSize: 512, timeout: 1s }
parameters: { threshold: "0.5", labels: "a,b,c" }
`,
    `description: Both
maxBatchSize: 64
inputs: [{ name: text, dataType: STRING, dims: [1] }]
outputs: [{ name: label, dataType: STRING, dims: [1] }]
ensemble:
  steps:
    - { model: ${name(0)}, inputs: { input_text: text }, outputs: { embedding: vector } }
    - { model: ${name(1)}, inputs: { embedding: vector }, outputs: { label: label } }
`,
  ];
  return specs[kind] ?? "";
}
