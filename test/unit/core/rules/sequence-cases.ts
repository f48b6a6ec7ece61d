import type { SpecFields } from "../../../support/models.ts";
import type { Case, Setup } from "./setup.ts";

type Sequence = NonNullable<SpecFields["sequenceBatching"]>;
type State = NonNullable<Sequence["states"]>[number];
type InitialState = NonNullable<State["initialStates"]>[number];
type Control = NonNullable<Sequence["controlInputs"]>[number]["controls"][number];

const sequence = (sequenceBatching: Sequence, fields: SpecFields = {}): Setup => ({
  fields: { ...fields, sequenceBatching },
});
const start: Control = { kind: "start", int32FalseTrue: [0, 1] };
const control = (...controls: Control[]): Setup => sequence({ controlInputs: [{ name: "c", controls }] });

const state: State = { inputName: "in", outputName: "out", dataType: "FP32", dims: [-1, 2] };
const zeros: InitialState = { name: "zeros", dataType: "FP32", dims: [3, 2], zeroData: true };
const withInitial = (...initialStates: InitialState[]): Setup =>
  sequence({ states: [{ ...state, initialStates }] });
const withFile = (bytes: number): Setup => ({
  ...withInitial({ name: "file", dataType: "FP32", dims: [3, 2], dataFile: "first" }),
  companions: { "initial_state/first": bytes },
});
const onGpu: SpecFields = { instances: [{ kind: "gpu" }] };
const growable: State = { ...state, useGrowableMemory: true, useSameBufferForInputOutput: true };

export const sequenceCases: readonly Case[] = [
  {
    code: "control-tensor-twice",
    what: "a control tensor is described once",
    keeps: control(start, { kind: "end", int32FalseTrue: [0, 1] }),
    breaks: sequence({
      controlInputs: [
        { name: "c", controls: [start] },
        { name: "c", controls: [{ kind: "end", int32FalseTrue: [0, 1] }] },
      ],
    }),
    at: "sequenceBatching.controlInputs[1].name",
  },
  {
    code: "control-kind-twice",
    what: "starts go to one tensor",
    keeps: control(start),
    breaks: sequence({
      controlInputs: [
        { name: "a", controls: [start] },
        { name: "b", controls: [start] },
      ],
    }),
    at: "sequenceBatching.controlInputs[1].controls[0].kind",
  },
  {
    code: "control-values",
    what: "a start says what false and true are",
    keeps: control({ kind: "start", fp32FalseTrue: [0, 1] }),
    breaks: control({ kind: "start" }),
    at: "sequenceBatching.controlInputs[0].controls[0]",
  },
  {
    code: "control-values",
    what: "a start says it in one type",
    keeps: control({ kind: "ready", boolFalseTrue: [false, true] }),
    breaks: control({ ...start, fp32FalseTrue: [0, 1] }),
    at: "sequenceBatching.controlInputs[0].controls[0]",
  },
  {
    code: "correlation-id-values",
    what: "a correlation id is no false or true",
    keeps: control({ kind: "corrid", dataType: "UINT64" }),
    breaks: control({ kind: "corrid", dataType: "UINT64", int32FalseTrue: [0, 1] }),
    at: "sequenceBatching.controlInputs[0].controls[0].int32FalseTrue",
  },
  {
    code: "correlation-id-type",
    what: "a correlation id is a number or a string",
    keeps: control({ kind: "corrid", dataType: "STRING" }),
    breaks: control({ kind: "corrid", dataType: "INT16" }),
    at: "sequenceBatching.controlInputs[0].controls[0].dataType",
  },
  {
    code: "correlation-id-type",
    what: "a correlation id has a type",
    keeps: control({ kind: "corrid", dataType: "INT32" }),
    breaks: control({ kind: "corrid" }),
    at: "sequenceBatching.controlInputs[0].controls[0].dataType",
  },
  {
    code: "control-type-unused",
    what: "a start has the type of its values",
    keeps: control(start),
    breaks: control({ ...start, dataType: "INT32" }),
    at: "sequenceBatching.controlInputs[0].controls[0].dataType",
  },
  {
    code: "slot-utilization",
    what: "a fraction is from 0 to 1",
    keeps: sequence({ direct: { minimumSlotUtilization: 1 } }),
    breaks: sequence({ direct: { minimumSlotUtilization: 1.5 } }),
    at: "sequenceBatching.direct.minimumSlotUtilization",
  },
  {
    code: "duplicate-state",
    what: "a tensor belongs to one state",
    keeps: sequence({ states: [state, { ...state, inputName: "in2", outputName: "out2" }] }),
    breaks: sequence({ states: [state, { ...state, inputName: "in2" }] }),
    at: "sequenceBatching.states[1].outputName",
  },
  {
    code: "growable-state",
    what: "a growable state is on GPUs",
    keeps: sequence({ states: [growable] }, onGpu),
    breaks: sequence({ states: [growable] }),
    at: "sequenceBatching.states[0].useGrowableMemory",
  },
  {
    code: "growable-state",
    what: "a growable state has one buffer",
    keeps: sequence({ states: [growable] }, onGpu),
    breaks: sequence({ states: [{ ...growable, useSameBufferForInputOutput: false }] }, onGpu),
    at: "sequenceBatching.states[0].useGrowableMemory",
  },
  {
    code: "initial-state-count",
    what: "a state has one first value",
    keeps: withInitial(zeros),
    breaks: withInitial(zeros, zeros),
    at: "sequenceBatching.states[0].initialStates",
  },
  {
    code: "initial-state-name",
    what: "a first value has a name",
    keeps: withInitial(zeros),
    breaks: withInitial({ ...zeros, name: "" }),
    at: "sequenceBatching.states[0].initialStates[0].name",
  },
  {
    code: "initial-state-type",
    what: "a first value is of the state's type",
    keeps: withInitial(zeros),
    breaks: withInitial({ ...zeros, dataType: "FP64" }),
    at: "sequenceBatching.states[0].initialStates[0].dataType",
  },
  {
    code: "initial-state-dims",
    what: "a first value has concrete dims",
    keeps: withInitial(zeros),
    breaks: withInitial({ ...zeros, dims: [-1, 2] }),
    at: "sequenceBatching.states[0].initialStates[0].dims",
  },
  {
    code: "initial-state-dims",
    what: "a first value has the state's dims",
    keeps: withInitial(zeros),
    breaks: withInitial({ ...zeros, dims: [3, 3] }),
    at: "sequenceBatching.states[0].initialStates[0].dims",
  },
  {
    code: "initial-state-data",
    what: "a first value is there",
    keeps: withInitial(zeros),
    breaks: withInitial({ name: "none", dataType: "FP32", dims: [3, 2] }),
    at: "sequenceBatching.states[0].initialStates[0]",
  },
  {
    code: "initial-state-data",
    what: "a first value is zeros or a file",
    keeps: withFile(24),
    breaks: { ...withInitial({ ...zeros, dataFile: "first" }), companions: { "initial_state/first": 24 } },
    at: "sequenceBatching.states[0].initialStates[0]",
  },
  {
    code: "initial-state-file-size",
    what: "a file holds all bytes of a first value",
    keeps: withFile(24),
    breaks: withFile(23),
    at: "sequenceBatching.states[0].initialStates[0].dataFile",
  },
];
