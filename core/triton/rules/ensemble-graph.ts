import type { Model } from "../../spec/load.ts";
import type { InputSpec, ModelSpec, OutputSpec } from "../../spec/model.ts";
import type { EnsembleStep } from "../../spec/model/scheduling.ts";

/** An ensemble as Triton sees it: tensors, each made once and used by steps, and steps that run when theirs are there. */
export interface EnsembleGraph {
  readonly steps: readonly GraphStep[];
  readonly tensors: ReadonlyMap<string, GraphTensor>;
  /** Steps in an order in which they can run; those that cannot are left out. */
  readonly runnable: readonly GraphStep[];
  /** Steps of a cycle or behind one. */
  readonly stuck: readonly GraphStep[];
}

export interface GraphStep {
  readonly step: EnsembleStep;
  readonly index: number;
  /** As in `ensemble.steps[0]`. */
  readonly path: string;
  /** Undefined where there is no such model, or where it is the ensemble itself. */
  readonly model?: Model;
}

export interface GraphTensor {
  readonly name: string;
  /** What makes it: an input of the ensemble, or an output of a step; more than one is an error of its own. */
  readonly sources: readonly Mention[];
  /** What takes it: inputs of steps, and an output of the ensemble. */
  readonly uses: readonly Mention[];
  /** All of them in the order in which Triton holds each against the first. */
  readonly mentions: readonly Mention[];
}

/** A place that names a tensor. */
export interface Mention {
  readonly path: string;
  /** For people: output `y` of `step`. */
  readonly owner: string;
  /** Index of the step; undefined for the ensemble's own inputs and outputs. */
  readonly step?: number;
  /** Undefined where the step's model is unknown or has no such tensor. */
  readonly tensor?: TensorShape;
}

export interface TensorShape {
  readonly dataType: InputSpec["dataType"];
  readonly dims: readonly number[];
  /** Whether a batch dimension stands in front of `dims`. */
  readonly batched: boolean;
}

/** Linear in the size of the ensemble and the models of its steps. */
export function ensembleGraph(spec: ModelSpec, models: ReadonlyMap<string, Model>): EnsembleGraph {
  const steps = (spec.ensemble?.steps ?? []).map((step, index): GraphStep => {
    const model = step.model === spec.name ? undefined : models.get(step.model);
    const path = `ensemble.steps[${String(index)}]`;
    return { step, index, path, ...(model === undefined ? {} : { model }) };
  });
  const tensors = new Tensors();
  const batched = spec.maxBatchSize > 0;
  spec.inputs.forEach((input, i) => {
    const path = `inputs[${String(i)}]`;
    tensors.source(input.name, { path, owner: "the ensemble's input", tensor: ownShape(input, batched) });
  });
  spec.outputs.forEach((output, i) => {
    const path = `outputs[${String(i)}]`;
    tensors.use(output.name, { path, owner: "the ensemble's output", tensor: ownShape(output, batched) });
  });
  for (const step of steps) mentionTensors(step, tensors);
  return { steps, tensors: tensors.byName, ...order(steps, tensors.byName) };
}

/** The ensemble's own tensors go by their reshape where they have one (ensemble_utils.cc, ValidateEnsembleConfig). */
function ownShape({ dataType, dims, reshape }: InputSpec | OutputSpec, batched: boolean): TensorShape {
  return { dataType, dims: reshape ?? dims, batched };
}

class Tensors {
  readonly byName = new Map<
    string,
    { name: string; sources: Mention[]; uses: Mention[]; mentions: Mention[] }
  >();

  source(name: string, mention: Mention): void {
    const tensor = this.#tensor(name);
    tensor.sources.push(mention);
    tensor.mentions.push(mention);
  }

  use(name: string, mention: Mention): void {
    const tensor = this.#tensor(name);
    tensor.uses.push(mention);
    tensor.mentions.push(mention);
  }

  #tensor(name: string) {
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    const tensor = { name, sources: [], uses: [], mentions: [] };
    this.byName.set(name, tensor);
    return tensor;
  }
}

/** In the order of ValidateTensorMapping: the inputs as the step's model lists them, then the outputs. */
function mentionTensors(graphStep: GraphStep, tensors: Tensors): void {
  const { step, index, path, model } = graphStep;
  const sides = [
    { side: "inputs", own: model?.spec.inputs ?? [], add: tensors.use.bind(tensors) },
    { side: "outputs", own: model?.spec.outputs ?? [], add: tensors.source.bind(tensors) },
  ] as const;
  for (const { side, own, add } of sides) {
    const shapes = new Map(own.map((tensor) => [tensor.name, tensor]));
    const unknown = Object.keys(step[side]).filter((name) => !shapes.has(name));
    for (const name of [...shapes.keys(), ...unknown]) {
      if (!Object.hasOwn(step[side], name)) continue;
      const tensor = shapes.get(name);
      const batched = (model?.spec.maxBatchSize ?? 0) > 0;
      add(step[side][name] ?? "", {
        path: `${path}.${side}.${name}`,
        owner: `${side === "inputs" ? "input" : "output"} \`${name}\` of \`${step.model}\``,
        step: index,
        ...(tensor === undefined
          ? {}
          : { tensor: { dataType: tensor.dataType, dims: tensor.dims, batched } }),
      });
    }
  }
}

/** A step runs when every tensor it takes is made; one that nothing makes is a problem of its own and holds up nobody. */
function order(
  steps: readonly GraphStep[],
  tensors: ReadonlyMap<string, GraphTensor>,
): Pick<EnsembleGraph, "runnable" | "stuck"> {
  const waitsFor = steps.map(
    ({ step }) =>
      new Set([...new Set(Object.values(step.inputs))].flatMap((name) => makers(tensors.get(name)))),
  );
  const waiting = waitsFor.map((makersOf) => makersOf.size);
  const unlocks: number[][] = steps.map(() => []);
  waitsFor.forEach((makersOf, index) => {
    for (const maker of makersOf) unlocks[maker]?.push(index);
  });
  const runnable = steps.filter((_, index) => waiting[index] === 0);
  for (const { index } of runnable) {
    for (const next of unlocks[index] ?? []) {
      const left = (waiting[next] ?? 0) - 1;
      waiting[next] = left;
      const step = steps[next];
      // Steps found while the list is walked are walked too.
      if (left === 0 && step !== undefined) runnable.push(step);
    }
  }
  return { runnable, stuck: steps.filter((_, index) => (waiting[index] ?? 0) > 0) };
}

/** Steps that make a tensor; none where the ensemble's own input is there from the start. */
function makers(tensor: GraphTensor | undefined): number[] {
  const steps = tensor?.sources.map(({ step }) => step) ?? [];
  return steps.includes(undefined) ? [] : steps.flatMap((step) => step ?? []);
}
