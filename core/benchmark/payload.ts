import protobuf from "protobufjs";
import * as z from "zod";
import { readFileSync } from "node:fs";
import { messageOf } from "../errors.ts";
import { sha256 } from "../spec/artifacts.ts";
import type { InputSpec, ModelSpec } from "../spec/model.ts";
import { formatPath, type Problem } from "../spec/problem.ts";
import {
  dataTypeOf,
  decodeValues,
  elements,
  encodeValues,
  wireType,
  type TensorValue,
  type WireTensor,
} from "./tensors.ts";

/**
 * What a load sends: one request, over and over. It is made from the spec's inputs, the same at every run, or comes from a
 * file of KServe v2's JSON.
 */
export interface Payload {
  readonly batchSize: number;
  readonly inputs: readonly WireTensor[];
  /** `generated`, or the file. */
  readonly source: string;
  /** Of the inputs: of their names, types, shapes and bytes. */
  readonly sha256: string;
  /** Of all inputs. */
  readonly bytes: number;
  /** Inputs whose variable dimensions nobody has said: they are 1. */
  readonly guessed: readonly string[];
}

/** What of a spec its requests are made of. */
export type RequestSpec = Pick<ModelSpec, "name" | "inputs" | "maxBatchSize" | "warmup">;

/** Concrete shapes of one row by the input's name, without the batch dimension. */
export type Shapes = Readonly<Record<string, readonly number[]>>;

/**
 * A request of so many rows. Variable dimensions are those of `shapes`, else of the spec's warm-up, else 1. Texts are
 * sentences of common words, whole numbers 0 to 99 as far as the type goes (ids of words stay within small vocabularies), and
 * fractions 0 to 1. Optional inputs are 1, as the smoke calls send them: it keeps a call that costs money small.
 */
export function generatedPayload(spec: RequestSpec, batchSize: number, shapes: Shapes = {}): Payload {
  const guessed: string[] = [];
  const inputs = spec.inputs.map((input): WireTensor => {
    const dims = rowShape(input, spec, shapes);
    if (dims === undefined) guessed.push(input.name);
    const row = dims ?? input.dims.map((dim) => Math.max(dim, 1));
    const shape = [...(spec.maxBatchSize > 0 ? [batchSize] : []), ...row];
    const random = randomOf(`${spec.name}/${input.name}`);
    const values = Array.from({ length: elements(shape) }, () => valueOf(input, random));
    return {
      name: input.name,
      datatype: wireType(input.dataType),
      shape,
      bytes: encodeValues(input.dataType, values),
    };
  });
  return payloadOf(inputs, { batchSize, source: "generated", guessed });
}

/** Undefined where a dimension is variable and nothing says how large it is. */
function rowShape(
  { name, dims }: InputSpec,
  { warmup }: RequestSpec,
  shapes: Shapes,
): readonly number[] | undefined {
  if (Object.hasOwn(shapes, name)) return shapes[name];
  if (!dims.includes(-1)) return dims;
  return warmup
    .map(({ inputs }) => (Object.hasOwn(inputs, name) ? inputs[name]?.dims : undefined))
    .find((concrete) => concrete?.includes(-1) === false);
}

const words =
  "the a new old quick market team game rain river winter music science doctor city train computer report price election".split(
    " ",
  );

function valueOf({ dataType, optional }: InputSpec, random: () => number): TensorValue {
  const below = (limit: number): number => Math.floor(random() * limit);
  if (dataType === "STRING") {
    const sentence = Array.from({ length: 6 + below(7) }, () => words[below(words.length)]);
    return `${sentence.join(" ")}.`;
  }
  if (optional) return 1;
  if (dataType === "BOOL") return random() < 0.5;
  return dataType.includes("INT") ? below(100) : random();
}

/** Numbers from 0 to below 1, the same for the same seed: Marsaglia's xorshift32 ("Xorshift RNGs", 2003). */
function randomOf(seed: string): () => number {
  // Never 0, at which it would stay.
  let state = Number.parseInt(sha256(seed).slice(0, 8), 16) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const scalar = z.union([z.string(), z.number(), z.boolean()]);
type Nested = TensorValue | readonly Nested[];
const nested: z.ZodType<Nested> = z.lazy(() => z.union([scalar, z.array(nested)]));

/** As far as a load needs it of KServe v2's "Inference Request JSON Object". Data may be flat or nested. */
const requestSchema = z.object({
  inputs: z
    .array(
      z.object({
        name: z.string(),
        datatype: z.string().refine((name) => dataTypeOf(name) !== undefined, {
          error: (issue) => `${String(issue.input)} is no datatype of KServe v2`,
        }),
        shape: z.array(z.int().min(0)),
        data: z.array(nested),
      }),
    )
    .min(1),
});

/**
 * The request of a file: the body that a client would POST to `/v2/models/<model>/infer`. With fewer rows than `batchSize` they
 * are repeated, with more the first are taken. `file` names it in problems.
 */
export function filePayload(
  spec: RequestSpec,
  batchSize: number,
  { file, text }: { readonly file: string; readonly text: string },
): { readonly value: Payload } | { readonly problems: readonly Problem[] } {
  const hint = "write what a client POSTs to /v2/models/<model>/infer, with `data` in JSON";
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    const reason = messageOf(error);
    return { problems: [{ file, path: "", message: `this is no JSON: ${reason}`, hint }] };
  }
  const parsed = requestSchema.safeParse(document);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => ({
      ...{ file, path: formatPath(path), message, hint },
    }));
    return { problems };
  }
  const problems: Problem[] = [];
  const inputs = parsed.data.inputs.flatMap(({ name, datatype, shape, data }, i): WireTensor[] => {
    const report = (field: string, message: string, mend: string): WireTensor[] => {
      problems.push({ file, path: `inputs[${String(i)}].${field}`, message, hint: mend });
      return [];
    };
    const declared = spec.inputs.find((input) => input.name === name);
    if (declared === undefined && spec.inputs.length > 0) {
      const known = spec.inputs.map((input) => input.name).join(", ");
      return report("name", `\`${spec.name}\` has no input \`${name}\``, `its inputs are ${known}`);
    }
    const dataType = dataTypeOf(datatype);
    if (dataType === undefined) return [];
    if (declared !== undefined && declared.dataType !== dataType)
      return report(
        "datatype",
        `${datatype}, and the spec says ${wireType(declared.dataType)}`,
        "write that",
      );
    const values = flat(data);
    if (values.length !== elements(shape)) {
      const wanted = `the shape ${JSON.stringify(shape)} holds ${String(elements(shape))}`;
      return report("data", `${String(values.length)} values, and ${wanted}`, "mend one of the two");
    }
    try {
      if (spec.maxBatchSize === 0) return [{ name, datatype, shape, bytes: encodeValues(dataType, values) }];
      const [rows = 0, ...row] = shape;
      if (rows === 0)
        return report("shape", "there is no row", "write the batch dimension first, as in [1, 4]");
      const size = elements(row);
      const batch = Array.from({ length: batchSize }, (_, n) =>
        values.slice((n % rows) * size, ((n % rows) + 1) * size),
      ).flat();
      return [{ name, datatype, shape: [batchSize, ...row], bytes: encodeValues(dataType, batch) }];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return report("data", `a value is no ${datatype}: ${error.message}`, "write values of that type");
    }
  });
  for (const { name, optional } of spec.inputs) {
    if (optional || parsed.data.inputs.some((input) => input.name === name)) continue;
    const message = `the input \`${name}\` of \`${spec.name}\` is missing`;
    problems.push({ file, path: "inputs", message, hint: "add it: the model refuses a request without it" });
  }
  if (problems.length > 0) return { problems };
  return { value: payloadOf(inputs, { batchSize, source: file, guessed: [] }) };
}

function flat(data: readonly Nested[]): TensorValue[] {
  return data.flatMap((value) => (isList(value) ? flat(value) : [value]));
}

function isList(value: Nested): value is readonly Nested[] {
  return Array.isArray(value);
}

function payloadOf(
  inputs: readonly WireTensor[],
  rest: Pick<Payload, "batchSize" | "source" | "guessed">,
): Payload {
  const described = inputs.map(({ bytes, ...tensor }) => ({ ...tensor, data: bytes.toString("base64") }));
  return {
    ...rest,
    inputs,
    sha256: sha256(JSON.stringify(described)),
    bytes: inputs.reduce((sum, { bytes }) => sum + bytes.length, 0),
  };
}

/** A request over HTTP: JSON, and after it the tensors' bytes (Triton's extension "binary tensor data"), as its clients send it. */
export function httpRequest({ inputs }: Payload): {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
} {
  const head = Buffer.from(
    JSON.stringify({
      inputs: inputs.map(({ bytes, ...tensor }) => ({
        ...tensor,
        parameters: { binary_data_size: bytes.length },
      })),
      parameters: { binary_data_output: true },
    }),
  );
  return {
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(head.length),
    },
    body: Buffer.concat([head, ...inputs.map(({ bytes }) => bytes)]),
  };
}

/** A request over HTTP as JSON alone, for a client that sends nothing else. Throws where an input's type has no JSON. */
export function jsonRequest({ inputs }: Payload): object {
  return {
    inputs: inputs.map(({ bytes, ...tensor }) => ({ ...tensor, data: valuesOf({ ...tensor, bytes }) })),
  };
}

function valuesOf({ datatype, bytes }: WireTensor): readonly TensorValue[] {
  const dataType = dataTypeOf(datatype);
  if (dataType === undefined) throw new RangeError(`${datatype} is no datatype of KServe v2`);
  return decodeValues(dataType, bytes);
}

/** The definition of the call, as a file: some load generators read it themselves. */
export const inferenceProto = new URL("inference.proto", import.meta.url);

let requestType: protobuf.Type | undefined;

/** A request over gRPC, as serialised ModelInferRequest. */
export function grpcRequest(model: string, { inputs }: Payload): Buffer {
  requestType ??= protobuf
    .parse(readFileSync(inferenceProto, "utf8"), { keepCase: true })
    .root.lookupType("inference.ModelInferRequest");
  const message = requestType.create({
    model_name: model,
    inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_input_contents: inputs.map(({ bytes }) => bytes),
  });
  return Buffer.from(requestType.encode(message).finish());
}

/**
 * The same request for perf_analyzer's `--input-data`: an entry of `data` for each row, of which `-b` makes a batch. Base64 of
 * the wire's bytes keeps every type exact. Source: triton-inference-server/perf_analyzer, docs/input_data.md.
 */
export function perfAnalyzerData({ inputs, batchSize }: Payload, isBatched: boolean): object {
  const rows = isBatched ? batchSize : 1;
  const columns = inputs.map((tensor) => ({
    name: tensor.name,
    shape: isBatched ? tensor.shape.slice(1) : tensor.shape,
    rows: rowsOf(tensor, rows),
  }));
  return {
    data: Array.from({ length: rows }, (_, row) =>
      Object.fromEntries(
        columns.map((column) => {
          const b64 = column.rows[row]?.toString("base64") ?? "";
          return [column.name, { content: { b64 }, shape: column.shape }];
        }),
      ),
    ),
  };
}

/** A tensor's bytes in as many equal rows. */
function rowsOf({ datatype, shape, bytes }: WireTensor, rows: number): readonly Buffer[] {
  const ends = datatype === "BYTES" ? textEnds(bytes, elements(shape) / rows) : [];
  const size = bytes.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    datatype === "BYTES"
      ? bytes.subarray(row === 0 ? 0 : ends[row - 1], ends[row])
      : bytes.subarray(row * size, (row + 1) * size),
  );
}

/** Where every `count`th text ends. */
function textEnds(bytes: Buffer, count: number): number[] {
  const ends: number[] = [];
  for (let at = 0, n = 1; at < bytes.length; n += 1) {
    at += 4 + bytes.readUInt32LE(at);
    if (n % count === 0) ends.push(at);
  }
  return ends;
}
