import type { InputSpec, ModelSpec, OutputSpec } from "../../spec/model.ts";
import { suggest } from "../../spec/problem.ts";
import { neededTensors } from "../backends.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** Inputs and outputs, and those the backend derives from a whole batch (spec/model/tensors.ts). */
export const tensorRules: readonly Rule[] = [
  {
    code: "tensors-left-out",
    about:
      "Inputs and outputs are written down: this platform starts Triton with --disable-auto-complete-config, so that what runs is what was reviewed. Backends that read a format, DALI and vLLM then refuse a model whose tensors are missing; FIL fails every request.",
    severity: "error",
    source:
      "onnxruntime_backend/src/onnxruntime.cc ModelInstanceState::ValidateInputs, and the like of the others; vllm_backend/src/model.py initialize; dali_backend/src/config_tools/config_tools.cc ValidateOutputs; fil_backend/src/model.h predict",
    check: leftOut,
  },
  {
    code: "no-tensors",
    about: "A model with inputs and outputs has something to compute; without them every request is refused.",
    severity: "advice",
    source: "core/src/infer_request.cc InferenceRequest::ValidateRequestInputs",
    check: noTensors,
  },
  {
    code: "duplicate-tensor",
    about:
      "Inputs have names of their own. Triton loads the model and then counts one input too many in every request.",
    severity: "error",
    source: "core/src/model.cc Model::Init (required_input_count_)",
    check: ({ model: { spec } }) =>
      repeated(spec.inputs).map(({ name, index }) => ({
        path: `inputs[${String(index)}].name`,
        message: `there are two inputs named \`${name}\``,
        hint: "give each tensor a name of its own",
      })),
  },
  {
    code: "duplicate-output-labels",
    about: "An output that is listed twice names its label file once.",
    severity: "error",
    source: "core/src/label_provider.cc AddLabels",
    check: ({ model: { spec } }) =>
      repeated(spec.outputs.filter(({ labelFilename }) => labelFilename !== undefined)).map(({ name }) => {
        const index = spec.outputs.findLastIndex((output) => output.name === name);
        return {
          path: `outputs[${String(index)}].labelFilename`,
          message: `\`${name}\` has a label file already`,
          hint: "leave the second one out, with the output that is listed twice",
        };
      }),
  },
  {
    code: "duplicate-output",
    about: "An output that is listed twice is one output: Triton keeps the first.",
    severity: "advice",
    source: "core/src/model.cc Model::Init (output_map_)",
    check: ({ model: { spec } }) =>
      repeated(spec.outputs).map(({ name, index }) => ({
        path: `outputs[${String(index)}].name`,
        message: `\`${name}\` is listed before, and this one has no effect`,
        hint: "leave it out, or give it the name that is meant",
      })),
  },
  {
    code: "tensor-too-large",
    about: "A tensor's fixed dims multiply to a 64-bit number; Triton counts elements in one.",
    severity: "error",
    source: "core/src/model_config_utils.cc GetElementCount",
    since: "26.03",
    check: tooLarge,
  },
  {
    code: "format-dims",
    about: "NHWC and NCHW are layouts of images, which have three dims.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelInput",
    check: formatDims,
  },
  {
    code: "shape-tensor-backend",
    about: "Only TensorRT has shape tensors.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelInput, ValidateModelOutput",
    check: (context) =>
      tensorRtOnly(
        context,
        "isShapeTensor",
        "only TensorRT has shape tensors",
        ({ isShapeTensor }) => isShapeTensor,
      ),
  },
  {
    code: "non-linear-format-backend",
    about: "Only TensorRT has tensors in non-linear formats.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateNonLinearFormatIO",
    check: (context) =>
      tensorRtOnly(
        context,
        "isNonLinearFormatIo",
        "only TensorRT has non-linear formats",
        ({ isNonLinearFormatIo }) => isNonLinearFormatIo,
      ),
  },
  {
    code: "non-linear-format-dims",
    about: "A tensor in a non-linear format has three dims.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateNonLinearFormatIO",
    check: nonLinearDims,
  },
  {
    code: "empty-reshape",
    about: "Without a batch dimension an empty reshape would leave no element; Triton has no scalars.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateIOShape",
    check: emptyReshape,
  },
  {
    code: "reshape-size",
    about:
      "A reshape holds as many elements as the dims, and between variable dims as many as between those of the dims.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateIOShape",
    check: reshapeSize,
  },
  {
    code: "batch-tensor-source-count",
    about: "A batch input or output is computed from one input.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateBatchIO",
    check: batchSourceCount,
  },
  {
    code: "batch-tensor-source",
    about: "The source of a batch input or output is an input of the model.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateBatchIO",
    check: batchSources,
  },
  {
    code: "batch-input-type",
    about: "A batch input is INT32 or FP32.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateBatchIO",
    check: batchInputType,
  },
  {
    code: "batch-output-target",
    about:
      "A batch output has targets, outputs of the model that are each named once. Without one the server dies of it.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateBatchIO; backend/src/backend_common.cc BatchOutput",
    check: batchTargets,
  },
];

interface Placed<T> {
  /** As in `inputs[0]`. */
  readonly path: string;
  readonly tensor: T;
}

function tensorsOf(spec: ModelSpec): Placed<InputSpec | OutputSpec>[] {
  return [
    ...spec.inputs.map((tensor, i) => ({ path: `inputs[${String(i)}]`, tensor })),
    ...spec.outputs.map((tensor, i) => ({ path: `outputs[${String(i)}]`, tensor })),
  ];
}

/** Tensors that Triton or the backend feeds to a model beside its inputs. */
function hasOtherInputs({ sequenceBatching, batchInputs }: ModelSpec): boolean {
  return (
    batchInputs.length > 0 ||
    (sequenceBatching !== undefined &&
      sequenceBatching.controlInputs.length + sequenceBatching.states.length > 0)
  );
}

const sides = ["inputs", "outputs"] as const;

function missingSides(spec: ModelSpec): (typeof sides)[number][] {
  const hasStates = (spec.sequenceBatching?.states.length ?? 0) > 0;
  const hasOthers = { inputs: hasOtherInputs(spec), outputs: hasStates };
  return sides.filter((side) => spec[side].length === 0 && !hasOthers[side]);
}

function leftOut({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  if (backend === undefined) return [];
  const needed = neededTensors(backend);
  const missing = missingSides(spec);
  return sides.flatMap((side): Finding[] => {
    const { names, example } = needed[side] ?? {};
    if (names === undefined) return [];
    const given = new Set(spec[side].map(({ name }) => name));
    const absent = names.filter((name) => !given.has(name)).join(", ");
    if (absent === "" && (names.length > 0 || !missing.includes(side))) return [];
    const message =
      absent === ""
        ? `missing, and the ${backend} backend is not asked for them`
        : `there is no \`${absent}\`, which the ${backend} backend always uses`;
    const written = example === undefined ? `down the model's ${side}` : `\`${side}: ${example}\``;
    return [
      {
        path: side,
        message,
        hint: `write ${written}: this platform runs what is written and completes nothing`,
      },
    ];
  });
}

function noTensors({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  if (spec.ensemble !== undefined) return [];
  const needed = backend === undefined ? {} : neededTensors(backend);
  return missingSides(spec)
    .filter((side) => needed[side] === undefined)
    .map((side) => ({
      path: side,
      message: "there are none, and nothing completes them",
      hint: `write the model's ${side} down, or say why it has none`,
    }));
}

/** Tensors whose name one before them has. */
function repeated(tensors: readonly { readonly name: string }[]): { name: string; index: number }[] {
  const seen = new Set<string>();
  return tensors.flatMap(({ name }, index) => {
    if (seen.has(name)) return [{ name, index }];
    seen.add(name);
    return [];
  });
}

const largestCount = 2n ** 63n - 1n;

function tooLarge({ model: { spec } }: RuleContext): Finding[] {
  return tensorsOf(spec).flatMap(({ path, tensor }) =>
    [
      { path: `${path}.dims`, dims: tensor.dims },
      { path: `${path}.reshape`, dims: tensor.reshape ?? [] },
    ]
      .filter(({ dims }) => dims.every((dim) => dim !== -1) && elements(dims) > largestCount)
      .map((place) => ({
        path: place.path,
        message: `[${place.dims.join(", ")}] has more elements than Triton can count`,
        hint: "write the dims of one row",
      })),
  );
}

function formatDims({ model: { spec } }: RuleContext): Finding[] {
  return spec.inputs.flatMap(({ format, dims }, i) =>
    format === undefined || dims.length === 3
      ? []
      : [
          {
            path: `inputs[${String(i)}].format`,
            message: `${format} is a layout of three dims, and [${dims.join(", ")}] has ${String(dims.length)}`,
            hint: "write the three dims of an image, or leave `format` out",
          },
        ],
  );
}

function tensorRtOnly(
  { model: { spec }, resolved: { platform } }: RuleContext,
  field: string,
  message: string,
  uses: (tensor: InputSpec | OutputSpec) => boolean,
): Finding[] {
  if (platform === "tensorrt_plan") return [];
  return tensorsOf(spec)
    .filter(({ tensor }) => uses(tensor))
    .map(({ path }) => ({ path: `${path}.${field}`, message, hint: "leave it out" }));
}

function nonLinearDims({ model: { spec } }: RuleContext): Finding[] {
  return tensorsOf(spec)
    .filter(({ tensor }) => tensor.isNonLinearFormatIo && tensor.dims.length !== 3)
    .map(({ path, tensor }) => ({
      path: `${path}.dims`,
      message: `a non-linear format wants three dims, and [${tensor.dims.join(", ")}] has ${String(tensor.dims.length)}`,
      hint: "write the three dims of the tensor",
    }));
}

function emptyReshape({ model: { spec } }: RuleContext): Finding[] {
  return tensorsOf(spec)
    .filter(({ tensor }) => tensor.reshape?.length === 0 && spec.maxBatchSize === 0)
    .map(({ path }) => ({
      path: `${path}.reshape`,
      message: "without a batch dimension an empty shape leaves nothing",
      hint: "write [1], or leave `reshape` out",
    }));
}

function reshapeSize({ model: { spec } }: RuleContext): Finding[] {
  return tensorsOf(spec).flatMap(({ path, tensor: { dims, reshape } }) =>
    reshape === undefined || isReshape(dims, reshape)
      ? []
      : [
          {
            path: `${path}.reshape`,
            message: `[${reshape.join(", ")}] does not hold the elements of [${dims.join(", ")}]`,
            hint: "keep the product of the dims, and where -1 stands the products before, between and after it",
          },
        ],
  );
}

/** Whether the pieces between variable dims hold as many elements on both sides; without one, all dims are one piece. */
function isReshape(dims: readonly number[], reshape: readonly number[]): boolean {
  const wanted = pieces(dims);
  const given = pieces(reshape);
  return wanted.length === given.length && wanted.every((count, i) => count === given[i]);
}

function pieces(dims: readonly number[]): bigint[] {
  const counts = [1n];
  for (const dim of dims) {
    if (dim === -1) counts.push(1n);
    else counts.push((counts.pop() ?? 1n) * BigInt(dim));
  }
  return counts;
}

function elements(dims: readonly number[]): bigint {
  return dims.reduce((product, dim) => product * BigInt(dim), 1n);
}

function batchTensorsOf({ batchInputs, batchOutputs }: ModelSpec) {
  return [
    ...batchInputs.map((batch, i) => ({ path: `batchInputs[${String(i)}]`, batch })),
    ...batchOutputs.map((batch, i) => ({ path: `batchOutputs[${String(i)}]`, batch })),
  ];
}

function batchSourceCount({ model: { spec } }: RuleContext): Finding[] {
  return batchTensorsOf(spec)
    .filter(({ batch }) => batch.sourceInputs.length !== 1)
    .map(({ path, batch }) => ({
      path: `${path}.sourceInputs`,
      message: `${batch.kind} is computed from one input, not ${String(batch.sourceInputs.length)}`,
      hint: "name the one input it is computed from",
    }));
}

function batchSources({ model: { spec } }: RuleContext): Finding[] {
  const names = new Set(spec.inputs.map(({ name }) => name));
  return batchTensorsOf(spec).flatMap(({ path, batch }) =>
    batch.sourceInputs.flatMap((source, i) =>
      names.has(source)
        ? []
        : [
            {
              path: `${path}.sourceInputs[${String(i)}]`,
              message: `there is no input \`${source}\``,
              hint: suggest(source, [...names]),
            },
          ],
    ),
  );
}

function batchInputType({ model: { spec } }: RuleContext): Finding[] {
  return spec.batchInputs.flatMap(({ dataType }, i) =>
    dataType === "INT32" || dataType === "FP32"
      ? []
      : [
          {
            path: `batchInputs[${String(i)}].dataType`,
            message: `a batch input is INT32 or FP32, not ${dataType}`,
            hint: "write INT32 or FP32, whichever the model takes",
          },
        ],
  );
}

function batchTargets({ model: { spec } }: RuleContext): Finding[] {
  const names = new Set(spec.outputs.map(({ name }) => name));
  return spec.batchOutputs.flatMap(({ targetNames }, i) => {
    if (targetNames.length === 0) {
      const path = `batchOutputs[${String(i)}].targetNames`;
      return [{ path, message: "there is no target", hint: "name the output that is split" }];
    }
    return targetNames.flatMap((target, j) => {
      const path = `batchOutputs[${String(i)}].targetNames[${String(j)}]`;
      if (!names.has(target))
        return [{ path, message: `there is no output \`${target}\``, hint: suggest(target, [...names]) }];
      return targetNames.indexOf(target) === j
        ? []
        : [{ path, message: `\`${target}\` is named twice`, hint: "name each output once" }];
    });
  });
}
