import fc from "fast-check";
import type { EnsembleConfig, ModelConfig, TensorConfig } from "../../core/triton/model-config.ts";
import { candidateName, type Candidate } from "./candidate.ts";

/** What ensembles are made of: loaded beside every candidate. The last one is decoupled. */
export const steps: readonly (ModelConfig & { name: string })[] = [
  {
    name: "step-one",
    backend: "python",
    maxBatchSize: 4,
    input: [{ name: "a", dataType: "TYPE_FP32", dims: [2] }],
    output: [{ name: "b", dataType: "TYPE_FP32", dims: [2] }],
  },
  {
    name: "step-two",
    backend: "python",
    maxBatchSize: 8,
    input: [
      { name: "p", dataType: "TYPE_FP32", dims: [-1] },
      { name: "q", dataType: "TYPE_INT32", dims: [1], optional: true },
    ],
    output: [
      { name: "r", dataType: "TYPE_FP32", dims: [2] },
      { name: "s", dataType: "TYPE_INT32", dims: [1] },
    ],
  },
  {
    name: "step-plain",
    backend: "python",
    input: [{ name: "a", dataType: "TYPE_FP32", dims: [-1, 2] }],
    output: [
      { name: "b", dataType: "TYPE_FP32", dims: [-1, 2] },
      { name: "c", dataType: "TYPE_INT32", dims: [-1, 1] },
    ],
  },
  {
    name: "step-many",
    backend: "python",
    maxBatchSize: 4,
    input: [{ name: "a", dataType: "TYPE_FP32", dims: [2] }],
    output: [{ name: "b", dataType: "TYPE_FP32", dims: [2] }],
    modelTransactionPolicy: { decoupled: true },
  },
];

type Step = NonNullable<EnsembleConfig["step"]>[number];

interface Choice {
  readonly step: number;
  /** Which of the tensors at hand each input gets. */
  readonly picks: readonly number[];
  readonly version: number;
}

/**
 * Ensembles whose graph is sound: each step reads tensors that are there, and what no step reads is an output. None is
 * decoupled: what comes of different decoupled steps, or of one and of none, may not meet again, not even as outputs.
 */
export const ensembleModel: fc.Arbitrary<Candidate> = fc
  .record({
    maxBatchSize: fc.constantFrom(0, 1, 4, 4),
    choices: fc.array(
      fc.record({
        step: fc.nat(steps.length - 2),
        picks: fc.array(fc.nat(), { minLength: 2, maxLength: 2 }),
        version: fc.constantFrom(-1, -1, -1, 1),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    named: fc.boolean(),
    loose: fc.boolean(),
  })
  .map(({ maxBatchSize, choices, named, loose }): Candidate => ({
    config: {
      ...(named ? { name: candidateName } : {}),
      platform: "ensemble",
      ...graphOf(choices, maxBatchSize, loose),
    },
    files: { "1/.keep": "" },
    mutations: [],
  }));

/** loose: whether the first input leaves its size open. */
function graphOf(choices: readonly Choice[], maxBatchSize: number, loose: boolean): ModelConfig {
  const rows = maxBatchSize === 0 ? [3] : [];
  const input: Required<Pick<TensorConfig, "name" | "dataType" | "dims">> = {
    name: "in",
    dataType: "TYPE_FP32",
    dims: [...(loose && maxBatchSize === 0 ? [-1] : rows), loose && maxBatchSize > 0 ? -1 : 2],
  };
  const tensors = [{ ...input, read: false }];
  const taken: Step[] = [];
  for (const [i, choice] of choices.entries()) {
    const model = steps[choice.step];
    if (model === undefined) continue;
    const inputMap: Record<string, string> = {};
    for (const [j, wanted] of (model.input ?? []).entries()) {
      const fitting = tensors.filter(({ dataType }) => dataType === wanted.dataType);
      const tensor = fitting[(choice.picks[j] ?? 0) % Math.max(1, fitting.length)];
      if (tensor === undefined) continue;
      tensor.read = true;
      inputMap[wanted.name ?? ""] = tensor.name;
    }
    const outputMap: Record<string, string> = {};
    for (const made of model.output ?? []) {
      const name = `t${String(i)}-${made.name ?? ""}`;
      outputMap[made.name ?? ""] = name;
      tensors.push({
        name,
        dataType: made.dataType ?? "TYPE_FP32",
        dims: [...rows, made.dims?.at(-1) ?? 1],
        read: false,
      });
    }
    taken.push({ modelName: model.name, modelVersion: choice.version, inputMap, outputMap });
  }
  return {
    maxBatchSize,
    input: [input],
    output: tensors.filter(({ read }) => !read).map(({ name, dataType, dims }) => ({ name, dataType, dims })),
    ensembleScheduling: { step: taken },
  };
}
