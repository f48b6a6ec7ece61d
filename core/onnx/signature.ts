import { readFileSync } from "node:fs";
import path from "node:path";
import protobuf from "protobufjs";
import { messageOf } from "../errors.ts";
import type { DataType } from "../spec/model/tensors.ts";
import type { Problem } from "../spec/problem.ts";
import { lengthDelimited, type ByteSource, type WireField } from "./wire.ts";

/** A tensor as a model spec has it. */
export interface Tensor {
  readonly name: string;
  readonly dataType: DataType;
  /** Without the batch dimension, where there is one; -1 is any size. A scalar has [1], as Triton wants it. */
  readonly dims: number[];
  /** Empty for a tensor of nothing but the batch dimension: the backend sees none of `dims`. */
  readonly reshape?: number[];
}

export interface Signature {
  /** Whether every tensor's first dimension is of any size: by this Triton's ONNX Runtime backend tells batching. */
  readonly batches: boolean;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Files beside the model's that hold some of its weights, relative to it. */
  readonly externalFiles: readonly string[];
}

interface Refused {
  readonly problems: readonly Problem[];
}

/**
 * Inputs and outputs of an ONNX model. Initialisers that are inputs of the graph too are constants, no inputs. Tensors
 * without a shape, of types that Triton does not have, and sequences and maps are problems. `file` names the model.
 * Source: triton-inference-server/onnxruntime_backend, `src/onnxruntime.cc` (AutoCompleteMaxBatch, ValidateInputs).
 */
export function readSignature(model: ByteSource, file: string): Signature | Refused {
  let graph: Graph;
  try {
    graph = readGraph(model);
  } catch (error) {
    // protobufjs and the walk over the file throw plain errors for bytes that are no message.
    const why = messageOf(error);
    return {
      problems: [problem(file, "", `this is no ONNX model: ${why}`, "name a model that ONNX Runtime loads")],
    };
  }
  if (graph.outputs.length === 0) {
    return {
      problems: [
        problem(file, "", "this is no ONNX model: it has no outputs", "name a model that ONNX Runtime loads"),
      ],
    };
  }
  const inputs = graph.inputs.filter(({ name = "" }) => !graph.initializers.has(name));
  const problems = [...inputs, ...graph.outputs].flatMap((info) => tensorProblems(info, file));
  if (problems.length > 0) return { problems };
  const batches = [...inputs, ...graph.outputs].every((info) => shapeOf(info)?.[0] === -1);
  const tensors = (infos: readonly ValueInfo[]): Tensor[] => infos.map((info) => tensorOf(info, batches));
  return {
    batches,
    inputs: tensors(inputs),
    outputs: tensors(graph.outputs),
    externalFiles: [...graph.externalFiles].sort(),
  };
}

interface Graph {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlySet<string>;
  readonly externalFiles: ReadonlySet<string>;
}

/** ValueInfoProto as far as it is read. */
interface ValueInfo {
  readonly name?: string;
  readonly type?: {
    readonly tensorType?: {
      readonly elemType?: number;
      readonly shape?: { readonly dim?: readonly { readonly dimValue?: number }[] };
    };
    readonly sequenceType?: object;
    readonly mapType?: object;
    readonly sparseTensorType?: object;
    readonly optionalType?: object;
  };
}

/** Field numbers of onnx.proto3. */
const fields = {
  model: { graph: 7 },
  graph: { initializer: 5, input: 11, output: 12, sparseInitializer: 15 },
  tensor: { name: 8, externalData: 13 },
  sparseTensor: { values: 1 },
  stringEntry: { key: 1, value: 2 },
} as const;

function readGraph(model: ByteSource): Graph {
  const graph = {
    inputs: new Array<ValueInfo>(),
    outputs: new Array<ValueInfo>(),
    initializers: new Set<string>(),
    externalFiles: new Set<string>(),
  };
  for (const message of within(model, { start: 0, end: model.size }, fields.model.graph)) {
    for (const field of lengthDelimited(model, message)) {
      if (field.number === fields.graph.input) graph.inputs.push(valueInfo(model, field));
      if (field.number === fields.graph.output) graph.outputs.push(valueInfo(model, field));
      if (field.number === fields.graph.initializer) readInitializer(model, field, graph);
      if (field.number === fields.graph.sparseInitializer) {
        for (const values of within(model, field, fields.sparseTensor.values))
          readInitializer(model, values, graph);
      }
    }
  }
  return graph;
}

function readInitializer(
  model: ByteSource,
  tensor: WireField,
  {
    initializers,
    externalFiles,
  }: { readonly initializers: Set<string>; readonly externalFiles: Set<string> },
): void {
  for (const field of lengthDelimited(model, tensor)) {
    if (field.number === fields.tensor.name) initializers.add(textOf(model, field));
    if (field.number !== fields.tensor.externalData) continue;
    const [key, value] = [fields.stringEntry.key, fields.stringEntry.value].map((number) =>
      [...within(model, field, number)].map((text) => textOf(model, text)).at(-1),
    );
    if (key === "location" && value !== undefined) externalFiles.add(value);
  }
}

function* within(
  model: ByteSource,
  message: Pick<WireField, "start" | "end">,
  number: number,
): Generator<WireField> {
  for (const field of lengthDelimited(model, message)) if (field.number === number) yield field;
}

function valueInfo(model: ByteSource, { start, end }: WireField): ValueInfo {
  const type = valueInfoType();
  return type.toObject(type.decode(model.read(start, end - start)), { longs: Number });
}

function textOf(model: ByteSource, { start, end }: WireField): string {
  return new TextDecoder().decode(model.read(start, end - start));
}

let loaded: protobuf.Type | undefined;

function valueInfoType(): protobuf.Type {
  loaded ??= protobuf
    .parse(readFileSync(path.join(import.meta.dirname, "signature.proto"), "utf8"))
    .root.lookupType("onnx.ValueInfoProto");
  return loaded;
}

/** TensorProto.DataType of onnx.proto3, as the backend takes it (`src/onnxruntime_utils.cc`). */
const dataTypes: ReadonlyMap<number, DataType> = new Map([
  [1, "FP32"],
  [2, "UINT8"],
  [3, "INT8"],
  [4, "UINT16"],
  [5, "INT16"],
  [6, "INT32"],
  [7, "INT64"],
  [8, "STRING"],
  [9, "BOOL"],
  [10, "FP16"],
  [11, "FP64"],
  [12, "UINT32"],
  [13, "UINT64"],
  [16, "BF16"],
]);

/** Types of TensorProto.DataType that Triton does not have. */
const foreignTypes: ReadonlyMap<number, string> = new Map([
  [14, "COMPLEX64"],
  [15, "COMPLEX128"],
  [17, "FLOAT8E4M3FN"],
  [18, "FLOAT8E4M3FNUZ"],
  [19, "FLOAT8E5M2"],
  [20, "FLOAT8E5M2FNUZ"],
  [21, "UINT4"],
  [22, "INT4"],
  [23, "FLOAT4E2M1"],
]);

function tensorProblems(info: ValueInfo, file: string): Problem[] {
  const { name = "", type } = info;
  const tensor = type?.tensorType;
  if (tensor === undefined) {
    const kind = kindOf(type);
    return [
      problem(file, name, `it is ${kind}, and Triton has tensors only`, "export the model with tensors"),
    ];
  }
  if (!dataTypes.has(tensor.elemType ?? 0)) {
    const of = foreignTypes.get(tensor.elemType ?? 0) ?? `type ${String(tensor.elemType ?? 0)}`;
    return [problem(file, name, `Triton has no ${of}`, "add a Cast to the model, to one of Triton's types")];
  }
  return tensor.shape === undefined
    ? [
        problem(
          file,
          name,
          "it has no shape in the file",
          "run onnx.shape_inference over the model, or export its shapes",
        ),
      ]
    : [];
}

function kindOf(type: ValueInfo["type"]): string {
  if (type?.sequenceType !== undefined) return "a sequence";
  if (type?.mapType !== undefined) return "a map";
  if (type?.sparseTensorType !== undefined) return "a sparse tensor";
  return type?.optionalType === undefined ? "of no type" : "optional";
}

function tensorOf(info: ValueInfo, batches: boolean): Tensor {
  const { name = "", type } = info;
  const shape = shapeOf(info) ?? [];
  const dims = batches ? shape.slice(1) : shape;
  return {
    name,
    dataType: dataTypes.get(type?.tensorType?.elemType ?? 0) ?? "FP32",
    dims: dims.length === 0 ? [1] : dims,
    ...(batches && dims.length === 0 ? { reshape: [] } : {}),
  };
}

/** With -1 for what is named, unknown or not positive; undefined without a shape. */
function shapeOf({ type }: ValueInfo): number[] | undefined {
  const shape = type?.tensorType?.shape;
  return shape && (shape.dim ?? []).map(({ dimValue = -1 }) => (dimValue > 0 ? dimValue : -1));
}

function problem(file: string, path: string, message: string, hint: string): Problem {
  return { file, path, message, hint };
}
