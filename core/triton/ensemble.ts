import type { Model } from "../spec/load.ts";
import type { EnsembleStep, InputSpec, OutputSpec } from "../spec/model.ts";
import { suggest, type Problem } from "../spec/problem.ts";

/**
 * The rules of one ensemble: every step's model is there, every tensor of every step is mapped, types and shapes agree
 * along the graph, nothing is used before it can be made, and each output is made once.
 * Source: triton-inference-server/core `src/ensemble_scheduler/ensemble_utils.cc` (ValidateEnsembleConfig), plus the
 * cycle that Triton only finds by waiting.
 */
export function checkEnsemble(ensemble: Model, models: ReadonlyMap<string, Model>): Problem[] {
  const { spec, file } = ensemble;
  if (spec.ensemble === undefined) return [];
  const problems: Problem[] = [];
  const report = (path: string, message: string, hint: string): number =>
    problems.push({ file, path, message, hint });

  const made = new Map<string, Made>(
    spec.inputs.map((input) => [input.name, { tensor: input, by: "the ensemble's input", step: -1 }]),
  );
  const steps = spec.ensemble.steps.map((step, index) => ({
    step,
    index,
    path: `ensemble.steps[${String(index)}]`,
    model: models.get(step.model),
  }));

  /** What steps of unknown models would make: not there to compare, and no problem of its own. */
  const unknown = new Set(
    steps.flatMap(({ step, model }) =>
      model === undefined || step.model === spec.name ? Object.values(step.outputs) : [],
    ),
  );

  for (const { step, path, model, index } of steps) {
    if (step.model === spec.name)
      report(`${path}.model`, "an ensemble cannot be a step of itself", "name another model");
    else if (model === undefined)
      report(
        `${path}.model`,
        `there is no model \`${step.model}\``,
        suggest(
          step.model,
          [...models.keys()].filter((name) => name !== spec.name),
        ),
      );
    else {
      problems.push(...unmapped(step, model, path, file));
      if (model.spec.maxBatchSize < spec.maxBatchSize) {
        report(
          "maxBatchSize",
          `${String(spec.maxBatchSize)} is more than step \`${step.model}\` takes (${String(model.spec.maxBatchSize)})`,
          `lower it to ${String(model.spec.maxBatchSize)}, or raise that model's`,
        );
      }
      for (const [output, tensor] of Object.entries(step.outputs)) {
        const source = model.spec.outputs.find(({ name }) => name === output);
        const twice = made.get(tensor);
        if (twice !== undefined)
          report(
            `${path}.outputs.${output}`,
            `\`${tensor}\` is already made by ${twice.by}`,
            "give each tensor one source",
          );
        else if (source !== undefined)
          made.set(tensor, { tensor: source, by: `output \`${output}\` of \`${step.model}\``, step: index });
      }
    }
  }

  for (const { step, path, model } of steps) {
    for (const [input, tensor] of Object.entries(step.inputs)) {
      const target = model?.spec.inputs.find(({ name }) => name === input);
      if (target !== undefined) disagreements(`${path}.inputs.${input}`, target, tensor, made);
    }
  }
  spec.outputs.forEach((output, i) => {
    disagreements(`outputs[${String(i)}]`, output, output.name, made);
  });
  if (problems.length === 0)
    problems.push(
      ...cycles(
        steps.map(({ step }) => step),
        made,
        file,
      ),
    );
  return problems;

  function disagreements(
    path: string,
    wanted: InputSpec | OutputSpec,
    tensor: string,
    sources: ReadonlyMap<string, Made>,
  ): void {
    const source = sources.get(tensor);
    if (source === undefined && unknown.has(tensor)) return;
    if (source === undefined)
      report(path, `nothing makes the tensor \`${tensor}\``, suggest(tensor, [...sources.keys()]));
    else if (source.tensor.dataType !== wanted.dataType)
      report(
        path,
        `\`${tensor}\` is ${source.tensor.dataType} from ${source.by}, and ${wanted.dataType} is wanted here`,
        "make both the same type",
      );
    else if (!agree(source.tensor.dims, wanted.dims))
      report(
        path,
        `\`${tensor}\` is [${source.tensor.dims.join(", ")}] from ${source.by}, and [${wanted.dims.join(", ")}] is wanted here`,
        "make both the same shape",
      );
  }
}

interface Made {
  readonly tensor: InputSpec | OutputSpec;
  readonly by: string;
  /** Index of the step that makes it; -1 for the ensemble's own inputs. */
  readonly step: number;
}

/** Shapes agree where they have as many dims and each pair is equal or has a -1. */
function agree(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i] || dim === -1 || b[i] === -1);
}

function unmapped(step: EnsembleStep, model: Model, path: string, file: string): Problem[] {
  const sides = [
    ["inputs", model.spec.inputs.filter(({ optional }) => !optional), model.spec.inputs],
    ["outputs", model.spec.outputs, model.spec.outputs],
  ] as const;
  return sides.flatMap(([side, required, known]) => [
    ...required
      .filter(({ name }) => !Object.hasOwn(step[side], name))
      .map(({ name }) => ({
        file,
        path: `${path}.${side}`,
        message: `\`${name}\` of \`${step.model}\` is not mapped`,
        hint: `add \`${name}: <tensor>\`; Triton wants every tensor of a step mapped`,
      })),
    ...Object.keys(step[side])
      .filter((name) => !known.some((tensor) => tensor.name === name))
      .map((name) => ({
        file,
        path: `${path}.${side}.${name}`,
        message: `\`${step.model}\` has no such ${side.slice(0, -1)}`,
        hint: suggest(
          name,
          known.map((tensor) => tensor.name),
        ),
      })),
  ]);
}

/** Steps run when all their inputs are there; what never can is in a cycle or behind one. */
function cycles(steps: readonly EnsembleStep[], made: ReadonlyMap<string, Made>, file: string): Problem[] {
  const done = new Set([-1]);
  for (let before = 0; before !== done.size;) {
    before = done.size;
    steps.forEach((step, i) => {
      if (Object.values(step.inputs).every((tensor) => done.has(made.get(tensor)?.step ?? -1))) done.add(i);
    });
  }
  const stuck = steps.filter((_, i) => !done.has(i)).map(({ model }) => model);
  return stuck.length === 0
    ? []
    : [
        {
          file,
          path: "ensemble.steps",
          message: `${stuck.join(", ")} wait for each other's outputs`,
          hint: "break the cycle: a step may only use tensors made before it",
        },
      ];
}
