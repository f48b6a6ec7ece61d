import type { InputSpec, ModelSpec } from "../../spec/model.ts";
import type { DataType } from "../../spec/model/tensors.ts";
import { suggest } from "../../spec/problem.ts";
import { byteSize } from "./byte-size.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** Requests that are run before a model is ready (spec/model/warmup.ts). */
export const warmupRules: readonly Rule[] = [
  {
    code: "warmup-batch-too-large",
    about:
      "A warm-up is a batch that can happen. Triton makes one request for each row and hands them over together; backends then refuse more than maxBatchSize, and the model does not load.",
    severity: "error",
    source: "core/src/backend_model_instance.cc WarmUp; onnxruntime_backend and others, ProcessRequests",
    check: batchTooLarge,
  },
  {
    code: "warmup-empty",
    about: "A warm-up sends at least one input.",
    severity: "error",
    source: "backend/src/backend_common.cc, which asks each request for its first input",
    check: empty,
  },
  {
    code: "warmup-unknown-input",
    about:
      "A warm-up gives the model's inputs, or tensors of its sequence control. Triton hands over any other tensor as it is, and the model knows nothing of it.",
    severity: "error",
    source: "core/src/backend_model_instance.cc GenerateWarmupData (AddOverrideInput)",
    check: unknownInput,
  },
  {
    code: "warmup-input-incomplete",
    about: "A tensor that is none of the spec's inputs says its type and shape.",
    severity: "error",
    source: "core/src/backend_model_instance.cc GenerateWarmupData",
    check: incomplete,
  },
  {
    code: "warmup-type",
    about: "A warm-up's input is of the model's type.",
    severity: "error",
    source: "core/src/infer_request.cc InferenceRequest::Normalize",
    check: type,
  },
  {
    code: "warmup-variable-dims",
    about: "A warm-up's dims are numbers: there is no tensor of any size.",
    severity: "error",
    source: "core/src/backend_model_instance.cc GenerateWarmupData",
    check: variableDims,
  },
  {
    code: "warmup-dims",
    about: "A warm-up's dims are a shape that the model's input can have.",
    severity: "error",
    source: "core/src/infer_request.cc InferenceRequest::Normalize",
    check: dims,
  },
  {
    code: "warmup-file-size",
    about: "The file of a warm-up's input holds one row.",
    severity: "error",
    source: "core/src/backend_model_instance.cc GenerateWarmupData; infer_request.cc ValidateBytesInputs",
    check: fileSize,
  },
  {
    code: "warmup-skipped",
    about: "Triton skips a sample whose batchSize is 0.",
    severity: "advice",
    source: "core/src/backend_model_instance.cc GenerateWarmupData",
    check: skipped,
  },
  {
    code: "warmup-misses-preferred",
    about:
      "On a GPU the first batch of a size pays for kernels and memory. Where batches are preferred, the largest of them is run before users come.",
    severity: "advice",
    source: "this project: the first users of a cold size wait for it",
    check: missesPreferred,
  },
];

interface PlacedInput {
  /** As in `warmup[0].inputs.x`. */
  readonly path: string;
  readonly name: string;
  readonly given: ModelSpec["warmup"][number]["inputs"][string];
  readonly input?: InputSpec;
}

/** What a sample sends: the inputs it names, and every required one. A sample of 0 rows is skipped with all it says. */
function sentInputs({ model: { spec } }: RuleContext): PlacedInput[] {
  if (spec.warmup.length === 0) return [];
  const byName = new Map(spec.inputs.map((input) => [input.name, input]));
  const required = spec.inputs.filter(({ optional }) => !optional);
  return spec.warmup.flatMap(({ batchSize, inputs }, i) => {
    if (batchSize === 0) return [];
    const named = Object.entries(inputs).map(([name, given]): PlacedInput => {
      const input = byName.get(name);
      return { path: placeOf(i, name), name, given, ...(input === undefined ? {} : { input }) };
    });
    const others = required
      .filter(({ name }) => !Object.hasOwn(inputs, name))
      .map((input): PlacedInput => ({ path: placeOf(i, input.name), name: input.name, given: {}, input }));
    return [...named, ...others];
  });
}

function placeOf(sample: number, input: string): string {
  return `warmup[${String(sample)}].inputs.${input}`;
}

function shapeOf({ given, input }: PlacedInput): readonly number[] | undefined {
  return given.dims ?? input?.dims;
}

function typeOf({ given, input }: PlacedInput): DataType | undefined {
  return given.dataType ?? input?.dataType;
}

function batchTooLarge({ model: { spec } }: RuleContext): Finding[] {
  return spec.warmup.flatMap(({ batchSize }, i) =>
    batchSize <= Math.max(1, spec.maxBatchSize)
      ? []
      : [
          {
            path: `warmup[${String(i)}].batchSize`,
            message: `${String(batchSize)} is larger than maxBatchSize ${String(spec.maxBatchSize)}`,
            hint: "warm up batches that can happen",
          },
        ],
  );
}

function empty({ model: { spec } }: RuleContext): Finding[] {
  if (spec.inputs.some(({ optional }) => !optional)) return [];
  return spec.warmup.flatMap(({ batchSize, inputs }, i) =>
    batchSize === 0 || spec.inputs.some(({ name }) => Object.hasOwn(inputs, name))
      ? []
      : [
          {
            path: `warmup[${String(i)}].inputs`,
            message: "the sample sends no input",
            hint: "name an input that it gives, if only as `{}`",
          },
        ],
  );
}

/** Tensors that Triton gives a model beside its inputs: a warm-up has to. */
function otherTensors({ sequenceBatching, batchInputs }: ModelSpec): Set<string> {
  return new Set([
    ...(sequenceBatching?.controlInputs.map(({ name }) => name) ?? []),
    ...(sequenceBatching?.states.map(({ inputName }) => inputName) ?? []),
    ...batchInputs.flatMap(({ targetNames }) => targetNames),
  ]);
}

function unknownInput(context: RuleContext): Finding[] {
  const { spec } = context.model;
  const others = otherTensors(spec);
  return sentInputs(context)
    .filter(({ name, input }) => input === undefined && !others.has(name))
    .map(({ path, name }) => ({
      path,
      message: "there is no such input",
      hint: suggest(name, [...spec.inputs.map((input) => input.name), ...others]),
    }));
}

function incomplete(context: RuleContext): Finding[] {
  const others = otherTensors(context.model.spec);
  return sentInputs(context)
    .filter(({ name, input, given }) => input === undefined && others.has(name) && !isComplete(given))
    .map(({ path }) => ({
      path,
      message: "its type and dims are not known from the model's inputs",
      hint: "add `dataType` and `dims`",
    }));
}

function isComplete({ dataType, dims: shape }: PlacedInput["given"]): boolean {
  return dataType !== undefined && shape !== undefined;
}

function type(context: RuleContext): Finding[] {
  return sentInputs(context).flatMap(({ path, given, input }) =>
    given.dataType === undefined || input === undefined || given.dataType === input.dataType
      ? []
      : [
          {
            path: `${path}.dataType`,
            message: `${given.dataType} is not the input's type`,
            hint: `leave it out: it is ${input.dataType}`,
          },
        ],
  );
}

function variableDims(context: RuleContext): Finding[] {
  return sentInputs(context)
    .filter((sent) => shapeOf(sent)?.includes(-1))
    .map(({ path, name, given }) => ({
      path,
      message: `a warm-up needs concrete dims, and the ${given.dims === undefined ? "spec" : "sample"} has -1`,
      hint: `add \`inputs: { ${name}: { dims: [...] } }\` to the sample`,
    }));
}

function dims(context: RuleContext): Finding[] {
  return sentInputs(context).flatMap(({ path, given, input }) =>
    given.dims === undefined || input === undefined || isShapeOf(given.dims, input.dims)
      ? []
      : [
          {
            path: `${path}.dims`,
            message: `[${given.dims.join(", ")}] is no shape of [${input.dims.join(", ")}]`,
            hint: "write the input's dims, with a number in place of each -1 and no batch dimension",
          },
        ],
  );
}

/** A -1 in the shape itself is for warmup-variable-dims to tell. */
function isShapeOf(shape: readonly number[], wanted: readonly number[]): boolean {
  return (
    shape.length === wanted.length &&
    shape.every((dim, i) => dim === -1 || wanted[i] === -1 || wanted[i] === dim)
  );
}

function fileSize(context: RuleContext): Finding[] {
  const files = new Map(context.model.companions.map(({ path, bytes }) => [path, bytes]));
  return sentInputs(context).flatMap((sent) => {
    const file = sent.given.inputDataFile;
    const bytes = file === undefined ? undefined : files.get(`warmup/${file}`);
    const shape = shapeOf(sent);
    const dataType = typeOf(sent);
    if (file === undefined || bytes === undefined || shape === undefined || dataType === undefined) return [];
    // Each string has its length in front, in four bytes.
    const wanted = byteSize({ dataType: dataType === "STRING" ? "UINT32" : dataType, dims: shape });
    return wanted === undefined || BigInt(bytes) >= wanted
      ? []
      : [
          {
            path: `${sent.path}.inputDataFile`,
            message: `\`${file}\` has ${String(bytes)} bytes, and [${shape.join(", ")}] of ${dataType} are at least ${String(wanted)}`,
            hint: "write one whole row into the file: Triton repeats it",
          },
        ];
  });
}

function skipped({ model: { spec } }: RuleContext): Finding[] {
  return spec.warmup.flatMap(({ batchSize }, i) =>
    batchSize > 0
      ? []
      : [
          {
            path: `warmup[${String(i)}].batchSize`,
            message: "0 rows: Triton skips this sample",
            hint: "write 1 or more, or leave the sample out",
          },
        ],
  );
}

function missesPreferred({ model: { spec }, server }: RuleContext): Finding[] {
  const { batching, sequenceBatching, instances = [], warmup } = spec;
  const preferred = [
    ...(batching?.preferredBatchSizes ?? []),
    ...(sequenceBatching?.oldest?.preferredBatchSizes ?? []),
  ];
  const onGpu = instances.some(
    ({ kind }) => kind === "gpu" || (kind === "auto" && (server.accelerator?.devices ?? 0) > 0),
  );
  const largest = Math.max(0, ...preferred);
  const warmed = Math.max(0, ...warmup.map(({ batchSize }) => batchSize));
  return !onGpu || warmed >= largest
    ? []
    : [
        {
          path: "warmup",
          message: `no sample has the largest preferred batch, ${String(largest)} rows`,
          hint: `add \`{ batchSize: ${String(largest)} }\`, or silence this with the reason`,
        },
      ];
}
