import type { ModelSpec } from "../../spec/model.ts";
import { byteSize } from "./byte-size.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** Sequence batching: control tensors, states and their first values (spec/model/scheduling.ts). */
export const sequenceRules: readonly Rule[] = [
  {
    code: "control-tensor-twice",
    about: "A control tensor is described once, with all its controls.",
    severity: "error",
    source: "core/src/model_config_utils.cc GetBooleanSequenceControlProperties",
    check: controlTensors,
  },
  {
    code: "control-kind-twice",
    about: "Starts, ends, readiness and correlation ids each go to one tensor.",
    severity: "error",
    source:
      "core/src/model_config_utils.cc GetBooleanSequenceControlProperties, GetTypedSequenceControlProperties",
    check: controlKinds,
  },
  {
    code: "control-values",
    about: "A start, end or ready control says by which two values it means false and true, in one type.",
    severity: "error",
    source: "core/src/model_config_utils.cc GetBooleanSequenceControlProperties",
    check: controlValues,
  },
  {
    code: "correlation-id-values",
    about: "A correlation id is no false or true.",
    severity: "error",
    source: "core/src/model_config_utils.cc GetTypedSequenceControlProperties",
    check: correlationIdValues,
  },
  {
    code: "correlation-id-type",
    about: "A correlation id is a whole number of 32 or 64 bits, or a string.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig",
    check: correlationIdType,
  },
  {
    code: "slot-utilization",
    about: "The fraction of slots that need not wait is from 0 to 1.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig",
    check: slotUtilization,
  },
  {
    code: "duplicate-state",
    about:
      "A tensor belongs to one state. Triton refuses the second where it has an initial value, and otherwise ignores it with a line in the log.",
    severity: "error",
    source:
      "core/src/sequence_batch_scheduler.cc GenerateInitialStateData; sequence_state.cc SequenceStates::Initialize",
    check: duplicateStates,
  },
  {
    code: "growable-state",
    about:
      "A growable state has one buffer for input and output and is on a GPU. Triton says so only in the log of the first request, and the state is never there.",
    severity: "error",
    source: "core/src/sequence_state.cc SequenceStates::Initialize",
    check: growableStates,
  },
  {
    code: "initial-state-count",
    about: "A state has one first value at most.",
    severity: "error",
    source: "core/src/sequence_batch_scheduler.cc SequenceBatchScheduler::Create",
    check: initialStateCount,
  },
  {
    code: "initial-state-name",
    about: "A first value has a name.",
    severity: "error",
    source: "core/src/sequence_batch_scheduler.cc GenerateInitialStateData",
    check: (context) =>
      eachInitialState(context, ({ path, initial }) =>
        initial.name === ""
          ? [{ path: `${path}.name`, message: "missing", hint: "give it a name, like `zeros`" }]
          : [],
      ),
  },
  {
    code: "initial-state-type",
    about: "A first value is of its state's type.",
    severity: "error",
    source: "core/src/sequence_batch_scheduler.cc GenerateInitialStateData",
    check: (context) =>
      eachInitialState(context, ({ path, initial, state }) =>
        initial.dataType === state.dataType
          ? []
          : [
              {
                path: `${path}.dataType`,
                message: `${initial.dataType} is not the state's type`,
                hint: `write ${state.dataType}`,
              },
            ],
      ),
  },
  {
    code: "initial-state-dims",
    about: "A first value has its state's dims, with a number for each of any size.",
    severity: "error",
    source: "core/src/sequence_batch_scheduler.cc GenerateInitialStateData",
    check: (context) => eachInitialState(context, initialStateDims),
  },
  {
    code: "initial-state-data",
    about: "A first value is zeros or the content of a file.",
    severity: "error",
    source: "core/src/sequence_batch_scheduler.cc GenerateInitialStateData",
    check: (context) =>
      eachInitialState(context, ({ path, initial }) =>
        (initial.zeroData === undefined) === (initial.dataFile === undefined)
          ? [
              {
                path,
                message: initial.zeroData === undefined ? "there is no value" : "there are two values",
                hint: "write either `zeroData: true` or a `dataFile`",
              },
            ]
          : [],
      ),
  },
  {
    code: "initial-state-file-size",
    about: "The file of a first value holds all its bytes.",
    severity: "error",
    source: "core/src/sequence_batch_scheduler.cc GenerateInitialStateData",
    check: initialStateFileSize,
  },
  {
    code: "control-type-unused",
    about: "Only a correlation id has a type of its own; the others have that of their two values.",
    severity: "advice",
    source: "core/src/model_config_utils.cc GetBooleanSequenceControlProperties",
    check: controlTypeUnused,
  },
];

type Sequence = NonNullable<ModelSpec["sequenceBatching"]>;
type Control = Sequence["controlInputs"][number]["controls"][number];
type State = Sequence["states"][number];

interface PlacedControl {
  readonly path: string;
  readonly control: Control;
}

function controlsOf({ model: { spec } }: RuleContext): PlacedControl[] {
  return (spec.sequenceBatching?.controlInputs ?? []).flatMap(({ controls }, i) =>
    controls.map((control, j) => ({
      path: `sequenceBatching.controlInputs[${String(i)}].controls[${String(j)}]`,
      control,
    })),
  );
}

function controlTensors({ model: { spec } }: RuleContext): Finding[] {
  const seen = new Set<string>();
  return (spec.sequenceBatching?.controlInputs ?? []).flatMap(({ name }, i) => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [
      {
        path: `sequenceBatching.controlInputs[${String(i)}].name`,
        message: `\`${name}\` is described twice`,
        hint: "put all its controls into one entry, or name the other tensor",
      },
    ];
  });
}

function controlKinds(context: RuleContext): Finding[] {
  const seen = new Set<string>();
  return controlsOf(context).flatMap(({ path, control: { kind } }) => {
    if (!seen.has(kind)) {
      seen.add(kind);
      return [];
    }
    return [
      { path: `${path}.kind`, message: `another tensor has ${kind} already`, hint: "keep one of them" },
    ];
  });
}

const valueFields = ["int32FalseTrue", "fp32FalseTrue", "boolFalseTrue"] as const;

function controlValues(context: RuleContext): Finding[] {
  return controlsOf(context).flatMap(({ path, control }) => {
    const given = valueFields.filter((field) => control[field] !== undefined);
    return control.kind === "corrid" || given.length === 1
      ? []
      : [
          {
            path,
            message:
              given.length === 0
                ? `${control.kind} does not say what false and true are`
                : `${control.kind} has ${given.join(" and ")}`,
            hint: `write one of ${valueFields.join(", ")}, in the model's type`,
          },
        ];
  });
}

function correlationIdValues(context: RuleContext): Finding[] {
  return controlsOf(context).flatMap(({ path, control }) =>
    control.kind === "corrid"
      ? valueFields
          .filter((field) => control[field] !== undefined)
          .map((field) => ({
            path: `${path}.${field}`,
            message: "a correlation id is no false or true",
            hint: "leave it out, and write its `dataType`",
          }))
      : [],
  );
}

const correlationIdTypes = ["UINT64", "INT64", "UINT32", "INT32", "STRING"];

function correlationIdType(context: RuleContext): Finding[] {
  return controlsOf(context).flatMap(({ path, control: { kind, dataType } }) =>
    kind !== "corrid" || (dataType !== undefined && correlationIdTypes.includes(dataType))
      ? []
      : [
          {
            path: `${path}.dataType`,
            message: dataType === undefined ? "missing" : `a correlation id is not ${dataType}`,
            hint: `write one of ${correlationIdTypes.join(", ")}`,
          },
        ],
  );
}

function controlTypeUnused(context: RuleContext): Finding[] {
  return controlsOf(context).flatMap(({ path, control: { kind, dataType } }) =>
    kind === "corrid" || dataType === undefined
      ? []
      : [
          {
            path: `${path}.dataType`,
            message: `Triton does not read the type of ${kind}`,
            hint: "leave it out: the type is that of the two values",
          },
        ],
  );
}

function slotUtilization({ model: { spec } }: RuleContext): Finding[] {
  const fraction = spec.sequenceBatching?.direct?.minimumSlotUtilization ?? 0;
  return fraction >= 0 && fraction <= 1
    ? []
    : [
        {
          path: "sequenceBatching.direct.minimumSlotUtilization",
          message: `${String(fraction)} is no fraction`,
          hint: "write a number from 0 to 1",
        },
      ];
}

function statesOf({ model: { spec } }: RuleContext): { readonly path: string; readonly state: State }[] {
  return (spec.sequenceBatching?.states ?? []).map((state, i) => ({
    path: `sequenceBatching.states[${String(i)}]`,
    state,
  }));
}

function duplicateStates(context: RuleContext): Finding[] {
  const seen = { inputName: new Set<string>(), outputName: new Set<string>() };
  return statesOf(context).flatMap(({ path, state }) =>
    (["inputName", "outputName"] as const).flatMap((field) => {
      const name = state[field];
      if (!seen[field].has(name)) {
        seen[field].add(name);
        return [];
      }
      return [
        {
          path: `${path}.${field}`,
          message: `\`${name}\` belongs to another state`,
          hint: "give each state tensors of its own",
        },
      ];
    }),
  );
}

function growableStates(context: RuleContext): Finding[] {
  const groups = context.model.spec.instances ?? [];
  const onGpu = groups.length > 0 && groups.every(({ kind }) => kind === "gpu");
  return statesOf(context)
    .filter(({ state }) => state.useGrowableMemory && !(state.useSameBufferForInputOutput && onGpu))
    .map(({ path, state }) => ({
      path: `${path}.useGrowableMemory`,
      message: state.useSameBufferForInputOutput
        ? "growable memory is on GPUs, and not all instances are"
        : "growable memory needs one buffer for input and output",
      hint: state.useSameBufferForInputOutput
        ? "write kind: gpu for every group, or leave it out"
        : "set useSameBufferForInputOutput, or leave it out",
    }));
}

function initialStateCount(context: RuleContext): Finding[] {
  return statesOf(context)
    .filter(({ state }) => state.initialStates.length > 1)
    .map(({ path, state }) => ({
      path: `${path}.initialStates`,
      message: `a state has one first value, not ${String(state.initialStates.length)}`,
      hint: "keep one of them",
    }));
}

interface PlacedInitialState {
  readonly path: string;
  readonly initial: State["initialStates"][number];
  readonly state: State;
}

function eachInitialState(context: RuleContext, check: (place: PlacedInitialState) => Finding[]): Finding[] {
  return statesOf(context).flatMap(({ path, state }) =>
    state.initialStates.flatMap((initial, i) =>
      check({ path: `${path}.initialStates[${String(i)}]`, initial, state }),
    ),
  );
}

function initialStateDims({ path, initial, state }: PlacedInitialState): Finding[] {
  const fits =
    initial.dims.length === state.dims.length &&
    initial.dims.every((dim, i) => dim !== -1 && (state.dims[i] === -1 || state.dims[i] === dim));
  return fits
    ? []
    : [
        {
          path: `${path}.dims`,
          message: `[${initial.dims.join(", ")}] is no shape of the state's [${state.dims.join(", ")}]`,
          hint: "write the state's dims, with a number in place of each -1",
        },
      ];
}

function initialStateFileSize(context: RuleContext): Finding[] {
  const sizes = new Map(context.model.companions.map(({ path, bytes }) => [path, bytes]));
  return eachInitialState(context, ({ path, initial }) => {
    const { dataFile } = initial;
    const bytes = dataFile === undefined ? undefined : sizes.get(`initial_state/${dataFile}`);
    const wanted = byteSize(initial);
    return dataFile === undefined || bytes === undefined || wanted === undefined || BigInt(bytes) >= wanted
      ? []
      : [
          {
            path: `${path}.dataFile`,
            message: `\`${dataFile}\` has ${String(bytes)} bytes, and [${initial.dims.join(", ")}] of ${initial.dataType} are ${String(wanted)}`,
            hint: "write the whole tensor into the file, row by row",
          },
        ];
  });
}
