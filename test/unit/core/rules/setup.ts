import type { Model } from "../../../../core/spec/load.ts";
import { newestRelease } from "../../../../core/triton/releases.ts";
import { checkModel, type Judgement } from "../../../../core/triton/rules/index.ts";
import type { ServerFacts } from "../../../../core/triton/rules/rule.ts";
import { artifactOf, modelOf, x, y, type SpecFields } from "../../../support/models.ts";

/** A model named `m` and what is around it, as small as a case allows. */
export interface Setup {
  readonly fields?: SpecFields;
  /** Files of its version folders; those its backend wants where left out. */
  readonly paths?: readonly string[];
  /** Other files that it names, with their bytes. */
  readonly companions?: Readonly<Record<string, number>>;
  /** Other models; `step` where left out. */
  readonly others?: readonly Model[];
  readonly server?: Partial<ServerFacts>;
}

/** A spec that keeps a rule, the smallest change that breaks it, and the place that is named. */
export interface Case {
  readonly code: string;
  readonly what: string;
  readonly keeps: Setup;
  readonly breaks: Setup;
  readonly at: string;
  /** Other rules that the same change breaks. */
  readonly also?: readonly string[];
}

/** A step of the ensembles in the cases: takes x, gives y. */
export const step = { model: "step", inputs: { x: "x" }, outputs: { y: "y" } };
export const ensemble: SpecFields = { ensemble: { steps: [step] } };
export const onnx: SpecFields = { backend: "onnxruntime" };
export const tensorrt: SpecFields = { backend: "tensorrt", ccModelFilenames: { "8.0": "model.plan" } };
export const pytorch: SpecFields = {
  backend: "pytorch",
  inputs: [{ ...x, name: "INPUT__0" }],
  outputs: [{ ...y, name: "OUTPUT__0" }],
};
export const vllm: SpecFields = {
  backend: "vllm",
  maxBatchSize: 0,
  inputs: [{ name: "text_input", dataType: "STRING", dims: [1] }],
  outputs: [{ name: "text_output", dataType: "STRING", dims: [-1] }],
  transactionPolicy: { decoupled: true },
};
export const a100 = { product: "A100-SXM4-80GB", devices: 2, computeCapability: "8.0" };

export function judge(setup: Setup): Judgement {
  const model = setupModel(setup);
  const others = setup.others ?? [modelOf("step")];
  return checkModel({
    model,
    models: new Map([model, ...others].map((other) => [other.spec.name, other])),
    server: { release: newestRelease, customBackends: [], customAgents: [], ...setup.server },
  });
}

export function setupModel({ fields = {}, paths, companions = {} }: Setup): Model {
  return {
    ...modelOf("m", fields, paths),
    companions: Object.entries(companions).map(([path, bytes]) => ({ ...artifactOf(path), bytes })),
  };
}
