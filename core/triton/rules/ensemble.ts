import { suggest } from "../../spec/problem.ts";
import { tellingArtifacts } from "../backends.ts";
import { firstTorchAotiRelease, isAtLeast, type Release } from "../releases.ts";
import { servedVersions } from "../repository.ts";
import type { GraphStep, GraphTensor, Mention, TensorShape } from "./ensemble-graph.ts";
import { ensemblesOf } from "./ensembles.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** An ensemble and the models of its steps. */
export const ensembleRules: readonly Rule[] = [
  {
    code: "ensemble-field",
    about:
      "An ensemble runs nothing itself: backend, instances, optimisation and warm-up are those of its steps.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig, ValidateEnsembleSchedulingConfig",
    check: (context) => fields(context, ["backend", "instances", "optimization", "warmup"]),
  },
  {
    code: "ensemble-platform-field",
    about: "An ensemble needs no memory of its own and calls no external API; its steps do.",
    severity: "error",
    source: "this project: memory and upstream place a model on servers",
    check: (context) => fields(context, ["memory", "upstream"]),
  },
  {
    code: "ensemble-platform",
    about: "The platform `ensemble` and the section `ensemble` come together.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig, ValidateEnsembleSchedulingConfig",
    check: platform,
  },
  {
    code: "ensemble-artifact",
    about:
      "An ensemble names no artifact of a backend's: Triton would give it that backend, and then refuse it.",
    severity: "error",
    source: "core/src/model_config_utils.cc AutoCompleteBackendFields, ValidateModelConfig",
    check: artifact,
  },
  {
    code: "ensemble-recursion",
    about: "An ensemble does not use itself, directly or through the ensembles of its steps.",
    severity: "error",
    source: "core/src/model_repository_manager.cc DependencyGraph::CircularDependencyCheck",
    check: recursion,
  },
  {
    code: "step-model-missing",
    about: "The model of a step is there.",
    severity: "error",
    source: "core/src/model_repository_manager.cc DependencyGraph::ConnectDependencyGraph",
    check: missingModels,
  },
  {
    code: "step-version",
    about: "The version that a step asks for is one that its model serves.",
    severity: "error",
    source: "core/src/model_repository_manager.cc ModelRepositoryManager::CheckNode",
    check: versions,
  },
  {
    code: "step-batch-size",
    about: "A step takes batches as large as the ensemble's, or has no batch dimension at all.",
    severity: "error",
    source: "core/src/ensemble_utils.cc ValidateEnsembleConfig",
    check: batchSizes,
  },
  {
    code: "step-without-tensors",
    about: "A step takes at least one tensor and makes at least one.",
    severity: "error",
    source: "core/src/model_config_utils.cc BuildEnsembleGraph",
    check: withoutTensors,
  },
  {
    code: "step-tensor-unknown",
    about: "A step maps tensors that its model has.",
    severity: "error",
    source: "core/src/ensemble_utils.cc ValidateTensorMapping",
    check: unknownTensors,
  },
  {
    code: "step-output-twice",
    about: "An output that a step maps is listed once by its model: Triton takes two for two sources.",
    severity: "error",
    source: "core/src/ensemble_utils.cc ValidateTensorMapping",
    check: repeatedOutputs,
  },
  {
    code: "step-input-unmapped",
    about: "Every input of a step's model is mapped, unless it is optional.",
    severity: "error",
    source: "core/src/ensemble_utils.cc ValidateTensorMapping",
    check: unmappedInputs,
  },
  {
    code: "tensor-written-twice",
    about:
      "A tensor is made once. Two steps Triton refuses; a step that writes over the ensemble's input it does not, and which of the two a later step gets is chance.",
    severity: "error",
    source: "core/src/model_config_utils.cc BuildEnsembleGraph",
    check: writtenTwice,
  },
  {
    code: "tensor-without-source",
    about:
      "Every tensor that a step or the ensemble's output takes is made by a step or given by the request.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateEnsembleSchedulingConfig",
    check: withoutSource,
  },
  {
    code: "tensor-unused",
    about: "Every input of the ensemble and every mapped output of a step is used.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateEnsembleSchedulingConfig",
    check: unused,
  },
  {
    code: "tensor-type",
    about: "A tensor is of one type along the graph.",
    severity: "error",
    source: "core/src/ensemble_utils.cc ValidateTensorConsistency",
    check: types,
  },
  {
    code: "tensor-shape",
    about:
      "A tensor's shapes agree along the graph, as they are or with the batch dimension in front; -1 agrees with any size.",
    severity: "error",
    source: "core/src/ensemble_utils.cc ValidateTensorConsistency",
    check: shapes,
  },
  {
    code: "step-cycle",
    about: "Steps do not wait for each other's outputs.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateEnsembleSchedulingConfig",
    check: cycle,
  },
  {
    code: "decoupled-origins",
    about:
      "What a step or the ensemble's output brings together comes from one decoupled step, or from none: another's responses would not match in number.",
    severity: "error",
    source: "core/src/ensemble_utils.cc ValidateEnsembleConfig",
    check: decoupledOrigins,
  },
  {
    code: "unmapped-output",
    about: "An output of a step that is not mapped is computed and thrown away.",
    severity: "advice",
    source: "core/src/ensemble_utils.cc ValidateTensorMapping, which lets it pass",
    check: unmappedOutputs,
  },
  {
    code: "namespace-unused",
    about: "Triton finds a step's model by itself and writes over the namespace in the config.",
    severity: "advice",
    source: "core/src/model_repository_manager.cc DependencyGraph::ConnectDependencyGraph",
    check: namespaces,
  },
  {
    code: "ensemble-field-unused",
    about: "An ensemble has no artifact and no backend library to name.",
    severity: "advice",
    source: "core/src/ensemble_model.cc EnsembleModel::Create",
    check: unusedFields,
  },
  {
    code: "decoupled-overwritten",
    about:
      "Whether an ensemble is decoupled follows from its steps; Triton writes over what its config says.",
    severity: "advice",
    source: "core/src/ensemble_utils.cc ValidateEnsembleConfig",
    check: decoupledOverwritten,
  },
];

const stepsOf = ({ graph }: RuleContext): readonly GraphStep[] => graph?.steps ?? [];
const tensorsOf = ({ graph }: RuleContext): GraphTensor[] => [...(graph?.tensors.values() ?? [])];

function fields(
  { model: { spec } }: RuleContext,
  names: readonly ("backend" | "instances" | "optimization" | "warmup" | "memory" | "upstream")[],
): Finding[] {
  if (spec.ensemble === undefined) return [];
  return names
    .filter((name) => (name === "warmup" ? spec.warmup.length > 0 : spec[name] !== undefined))
    .map((name) => ({
      path: name,
      message: `an ensemble has no \`${name}\` of its own`,
      hint: "move it to the models of its steps",
    }));
}

function platform({ model: { spec } }: RuleContext): Finding[] {
  const isEnsemble = spec.ensemble !== undefined;
  if (isEnsemble === (spec.platform === "ensemble") || (isEnsemble && spec.platform === undefined)) return [];
  return [
    {
      path: "platform",
      message: isEnsemble
        ? `an ensemble's platform is not \`${spec.platform ?? ""}\``
        : "there is no `ensemble` section with steps",
      hint: isEnsemble ? "leave it out" : "add the steps, or name the model's backend",
    },
  ];
}

function artifact({ model: { spec }, server }: RuleContext): Finding[] {
  const { ensemble, defaultModelFilename: name } = spec;
  if (ensemble === undefined || name === undefined || !tellsBackend(name, server.release)) return [];
  return [
    {
      path: "defaultModelFilename",
      message: `\`${name}\` is the artifact of a backend, and an ensemble has none`,
      hint: "leave it out",
    },
  ];
}

function tellsBackend(name: string, release: Release): boolean {
  const isKnown = name !== "model.pt2" || isAtLeast(release, firstTorchAotiRelease);
  return isKnown && tellingArtifacts().includes(name);
}

function recursion({ model: { spec }, models, graph }: RuleContext): Finding[] {
  const direct = (graph?.steps ?? []).filter(({ step }) => step.model === spec.name);
  if (direct.length > 0) {
    return direct.map(({ path }) => ({
      path: `${path}.model`,
      message: "an ensemble cannot be a step of itself",
      hint: "name another model",
    }));
  }
  return ensemblesOf(models).recursive.has(spec.name)
    ? [
        {
          path: "ensemble.steps",
          message: "this ensemble uses itself through the ensembles of its steps",
          hint: "break the cycle",
        },
      ]
    : [];
}

function missingModels({ model: { spec }, models, graph }: RuleContext): Finding[] {
  return (graph?.steps ?? [])
    .filter(({ step }) => !models.has(step.model) && step.model !== spec.name)
    .map(({ path, step }) => ({
      path: `${path}.model`,
      message: `there is no model \`${step.model}\``,
      hint: suggest(
        step.model,
        [...models.keys()].filter((name) => name !== spec.name),
      ),
    }));
}

function versions(context: RuleContext): Finding[] {
  return stepsOf(context).flatMap(({ path, step, model }) => {
    if (model === undefined || step.version === -1) return [];
    const served = servedVersions(model);
    return served.includes(step.version)
      ? []
      : [
          {
            path: `${path}.version`,
            message: `\`${step.model}\` does not serve version ${String(step.version)}`,
            hint: `leave it out for the newest, or name one that is served: ${served.join(", ") || "none"}`,
          },
        ];
  });
}

function batchSizes(context: RuleContext): Finding[] {
  const { maxBatchSize } = context.model.spec;
  return stepsOf(context).flatMap(({ step, model }) => {
    const most = model?.spec.maxBatchSize ?? 0;
    return most === 0 || most >= maxBatchSize
      ? []
      : [
          {
            path: "maxBatchSize",
            message: `${String(maxBatchSize)} is more than step \`${step.model}\` takes (${String(most)})`,
            hint: `lower it to ${String(most)}, or raise that model's`,
          },
        ];
  });
}

function withoutTensors(context: RuleContext): Finding[] {
  return stepsOf(context).flatMap(({ path, step }) =>
    (["inputs", "outputs"] as const)
      .filter((side) => Object.keys(step[side]).length === 0)
      .map((side) => ({
        path: `${path}.${side}`,
        message: `a step without ${side} has no place in the graph`,
        hint: `map ${side} of \`${step.model}\` to tensors of the ensemble`,
      })),
  );
}

function unknownTensors(context: RuleContext): Finding[] {
  return stepsOf(context).flatMap(({ path, step, model }) =>
    model === undefined
      ? []
      : (["inputs", "outputs"] as const).flatMap((side) => {
          const names = new Set(model.spec[side].map(({ name }) => name));
          return Object.keys(step[side])
            .filter((name) => !names.has(name))
            .map((name) => ({
              path: `${path}.${side}.${name}`,
              message: `\`${step.model}\` has no such ${side.slice(0, -1)}`,
              hint: suggest(name, [...names]),
            }));
        }),
  );
}

function unmappedInputs(context: RuleContext): Finding[] {
  return stepsOf(context).flatMap(({ path, step, model }) =>
    (model?.spec.inputs ?? [])
      .filter(({ name, optional }) => !optional && !Object.hasOwn(step.inputs, name))
      .map(({ name }) => ({
        path: `${path}.inputs`,
        message: `\`${name}\` of \`${step.model}\` is not mapped`,
        hint: `add \`${name}: <tensor>\`; only optional inputs may be left out`,
      })),
  );
}

function repeatedOutputs(context: RuleContext): Finding[] {
  return stepsOf(context).flatMap(({ path, step, model }) => {
    const names = (model?.spec.outputs ?? []).map(({ name }) => name);
    return Object.keys(step.outputs)
      .filter((name) => names.indexOf(name) !== names.lastIndexOf(name))
      .map((name) => ({
        path: `${path}.outputs.${name}`,
        message: `\`${step.model}\` lists \`${name}\` twice, which Triton takes for two sources of one tensor`,
        hint: "leave one of them out of that model, or leave it unmapped here",
      }));
  });
}

function unmappedOutputs(context: RuleContext): Finding[] {
  return stepsOf(context).flatMap(({ path, step, model }) => {
    const names = new Set(model?.spec.outputs.map(({ name }) => name));
    const unmapped = [...names].filter((name) => !Object.hasOwn(step.outputs, name));
    return unmapped.length === 0
      ? []
      : [
          {
            path: `${path}.outputs`,
            message: `of \`${step.model}\` not mapped, and computed all the same: ${unmapped.join(", ")}`,
            hint: "map what is of use, or silence this with the reason",
          },
        ];
  });
}

function writtenTwice(context: RuleContext): Finding[] {
  return tensorsOf(context).flatMap(({ name, sources: [first, ...others] }) =>
    others
      .filter(({ step }) => step !== undefined)
      .map(({ path }) => ({
        path,
        message: `\`${name}\` is already made by ${first?.owner ?? ""}`,
        hint: "give each tensor one source",
      })),
  );
}

function withoutSource(context: RuleContext): Finding[] {
  const made = tensorsOf(context).flatMap(({ name, sources }) => (sources.length > 0 ? [name] : []));
  return tensorsOf(context)
    .filter(({ sources }) => sources.length === 0)
    .flatMap(({ name, uses }) =>
      uses.map(({ path }) => ({
        path,
        message: `nothing makes the tensor \`${name}\``,
        hint: suggest(name, made),
      })),
    );
}

function unused(context: RuleContext): Finding[] {
  return tensorsOf(context)
    .filter(({ uses, mentions }) => uses.length === 0 || mentions.every(({ step }) => step === undefined))
    .flatMap(({ name, sources }) =>
      sources.slice(0, 1).map(({ path, step }) => ({
        path,
        message:
          step === undefined ? `no step uses the input \`${name}\`` : `nothing uses the tensor \`${name}\``,
        hint:
          step === undefined ? "map it to an input of a step, or remove it" : "use it, or leave it unmapped",
      })),
    );
}

function types(context: RuleContext): Finding[] {
  return disagreements(context, sameType).map(({ name, here, there }) => ({
    path: here.path,
    message: `\`${name}\` is ${there.tensor.dataType} from ${there.owner}, and ${here.tensor.dataType} is wanted here`,
    hint: "make both the same type",
  }));
}

function shapes(context: RuleContext): Finding[] {
  return disagreements(context, (a, b) => !sameType(a, b) || sameShape(a, b)).map(
    ({ name, here, there }) => ({
      path: here.path,
      message: `\`${name}\` is ${format(there.tensor)} from ${there.owner}, and ${format(here.tensor)} is wanted here`,
      hint: "make both the same shape",
    }),
  );
}

/** A mention whose tensor is known. */
interface Known extends Mention {
  readonly tensor: TensorShape;
}

interface Disagreement {
  readonly name: string;
  readonly here: Known;
  readonly there: Known;
}

/**
 * Every use is held against what makes the tensor, since that is what it gets. Where they agree, every mention is held
 * against the first, as Triton does: shapes that agree with a -1 between them need not agree with each other.
 */
function disagreements(
  context: RuleContext,
  agree: (a: TensorShape, b: TensorShape) => boolean,
): Disagreement[] {
  return tensorsOf(context).flatMap(({ name, sources, uses, mentions }) => {
    const against = (there: Known | undefined, places: readonly Mention[]): Disagreement[] =>
      there === undefined
        ? []
        : places
            .filter(isKnown)
            .filter((here) => here !== there && !agree(there.tensor, here.tensor))
            .map((here) => ({ name, here, there }));
    const source = sources.find(isKnown);
    const real = against(source, uses);
    return real.length > 0 ? real : against(mentions.find(isKnown), mentions);
  });
}

function isKnown(mention: Mention): mention is Known {
  return mention.tensor !== undefined;
}

function sameType(a: TensorShape, b: TensorShape): boolean {
  return a.dataType === b.dataType;
}

function sameShape(a: TensorShape, b: TensorShape): boolean {
  return agreeing(a.dims, b.dims) || agreeing(fullDims(a), fullDims(b));
}

function agreeing(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i] || dim === -1 || b[i] === -1);
}

function fullDims({ dims, batched }: TensorShape): readonly number[] {
  return batched ? [-1, ...dims] : dims;
}

function format({ dims, batched }: TensorShape): string {
  return `[${dims.join(", ")}]${batched ? "" : " without a batch dimension"}`;
}

function cycle({ graph }: RuleContext): Finding[] {
  return graph === undefined || graph.stuck.length === 0
    ? []
    : [
        {
          path: "ensemble.steps",
          message: `${graph.stuck.map(({ step }) => step.model).join(", ")} wait for each other's outputs`,
          hint: "break the cycle: a step may only use tensors made before it",
        },
      ];
}

/** Tensors carry the number of the decoupled step they come from, or 0. */
function decoupledOrigins({ graph, models, model: { spec } }: RuleContext): Finding[] {
  if (graph === undefined) return [];
  const origins = new Map<string, number>();
  const { decoupled } = ensemblesOf(models);
  const findings: Finding[] = [];
  for (const { step, path, index, model } of graph.runnable) {
    const mine = new Set(Object.values(step.inputs).map((name) => origins.get(name) ?? 0));
    if (mine.size > 1) findings.push(mixed(`${path}.inputs`, `\`${step.model}\` takes`));
    const own = model?.spec.ensemble === undefined && model?.spec.transactionPolicy?.decoupled === true;
    const origin = own || decoupled.has(step.model) ? index + 1 : ([...mine][0] ?? 0);
    for (const name of Object.values(step.outputs)) origins.set(name, origin);
  }
  const together = new Set(spec.outputs.map(({ name }) => origins.get(name) ?? 0));
  if (together.size > 1) findings.push(mixed("outputs", "the ensemble gives"));
  return findings;
}

function mixed(path: string, who: string): Finding {
  return {
    path,
    message: `${who} tensors of which a request has different numbers: a decoupled step made some and not others`,
    hint: "take all of them from behind the same decoupled step, or none",
  };
}

function namespaces(context: RuleContext): Finding[] {
  return stepsOf(context)
    .filter(({ step }) => step.namespace !== undefined)
    .map(({ path }) => ({
      path: `${path}.namespace`,
      message: "Triton does not read it",
      hint: "leave it out",
    }));
}

function unusedFields({ model: { spec }, server }: RuleContext): Finding[] {
  const { ensemble, runtime, defaultModelFilename: name } = spec;
  if (ensemble === undefined) return [];
  return [
    ...(runtime === undefined ? [] : ["runtime"]),
    ...(name === undefined || tellsBackend(name, server.release) ? [] : ["defaultModelFilename"]),
    ...(Object.keys(spec.ccModelFilenames).length === 0 ? [] : ["ccModelFilenames"]),
  ].map((path) => ({ path, message: "an ensemble does not read it", hint: "leave it out" }));
}

function decoupledOverwritten({ model: { spec }, models, graph }: RuleContext): Finding[] {
  if (graph === undefined || spec.transactionPolicy === undefined) return [];
  const isDecoupled = ensemblesOf(models).decoupled.has(spec.name);
  return spec.transactionPolicy.decoupled === isDecoupled
    ? []
    : [
        {
          path: "transactionPolicy.decoupled",
          message: isDecoupled
            ? "a step is decoupled, so this ensemble is too"
            : "no step is decoupled, so this ensemble is not",
          hint: "leave it out: it follows from the steps",
        },
      ];
}
