import fc from "fast-check";
import protobuf from "protobufjs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, test } from "vitest";
import * as z from "zod";
import {
  filePayload,
  generatedPayload,
  grpcRequest,
  httpRequest,
  inferenceProto,
  jsonRequest,
  perfAnalyzerData,
} from "../../../core/benchmark/payload.ts";
import { elements, encodeValues } from "../../../core/benchmark/tensors.ts";
import { dataTypes } from "../../../core/spec/model/tensors.ts";
import { specOf } from "../../support/models.ts";

const inputs = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-z]{1,8}$/),
    dataType: fc.constantFrom(...dataTypes),
    dims: fc.array(fc.constantFrom(-1, 1, 2, 5), { minLength: 1, maxLength: 3 }),
    optional: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4, selector: ({ name }) => name },
);

/** Bytes of one value; texts have any. */
const widths: Readonly<Record<string, number>> = {
  ...{ BOOL: 1, UINT8: 1, INT8: 1, UINT16: 2, INT16: 2, FP16: 2, BF16: 2, UINT32: 4, INT32: 4, FP32: 4 },
  ...{ UINT64: 8, INT64: 8, FP64: 8 },
};

describe("a generated request", () => {
  test("has for every input the bytes that its shape and type want, the same at every run", () => {
    fc.assert(
      fc.property(inputs, fc.integer({ min: 1, max: 8 }), (given, batchSize) => {
        const spec = specOf("m", { inputs: given });
        const payload = generatedPayload(spec, batchSize);
        expect(generatedPayload(spec, batchSize)).toEqual(payload);
        for (const [i, { datatype, shape, bytes }] of payload.inputs.entries()) {
          expect(shape).toEqual([batchSize, ...(given[i]?.dims ?? []).map((dim) => Math.max(1, dim))]);
          const width = widths[datatype];
          if (width !== undefined) expect(bytes.length).toBe(width * elements(shape));
        }
        expect(payload.bytes).toBe(payload.inputs.reduce((sum, { bytes }) => sum + bytes.length, 0));
      }),
    );
  });

  it("fills variable dimensions from the user's shapes, else from the warm-up, and says where it guesses", () => {
    const spec = specOf("m", {
      inputs: [
        { name: "a", dataType: "FP32", dims: [3, -1] },
        { name: "b", dataType: "FP32", dims: [-1] },
        { name: "c", dataType: "FP32", dims: [-1] },
      ],
      warmup: [{ batchSize: 1, inputs: { b: { dims: [7] } } }],
    });
    const { inputs: made, guessed } = generatedPayload(spec, 2, { a: [3, 224] });
    expect(made.map(({ shape }) => shape)).toEqual([
      [2, 3, 224],
      [2, 7],
      [2, 1],
    ]);
    expect(guessed).toEqual(["c"]);
  });

  it("keeps whole numbers within a small vocabulary, and gives rows of their own", () => {
    const spec = specOf("m", { inputs: [{ name: "ids", dataType: "INT64", dims: [32] }] });
    const bytes = generatedPayload(spec, 2).inputs[0]?.bytes ?? Buffer.alloc(0);
    const ids = Array.from({ length: 64 }, (_, i) => Number(bytes.readBigInt64LE(i * 8)));
    expect(ids.every((id) => id >= 0 && id < 100)).toBe(true);
    expect(ids.slice(0, 32)).not.toEqual(ids.slice(32));
  });
});

test("halves are rounded as IEEE 754 says", () => {
  const half = (value: number): string => encodeValues("FP16", [value]).readUInt16LE().toString(16);
  expect(
    [0, -0, 1, -2, 65_504, 65_519, 65_520, 2 ** -24, 2 ** -25, 2 ** -14, 0.1, 1 + 0.55 / 1024, NaN].map(half),
  ).toEqual([
    ...["0", "8000", "3c00", "c000", "7bff", "7bff", "7c00", "1", "0", "400", "2e66", "3c01", "7e00"],
  ]);
});

describe("a request from a file", () => {
  const spec = specOf("m", {
    inputs: [
      { name: "text", dataType: "STRING", dims: [1] },
      { name: "extra", dataType: "INT32", dims: [2], optional: true },
    ],
  });
  const read = (document: unknown, batchSize = 3): ReturnType<typeof filePayload> =>
    filePayload(spec, batchSize, { file: "r.json", text: JSON.stringify(document) });

  it("is taken as it is, its rows repeated until there are enough", () => {
    const result = read({
      inputs: [{ name: "text", datatype: "BYTES", shape: [2, 1], data: [["é"], ["b"]] }],
    });
    const payload = "value" in result ? result.value : undefined;
    expect(payload?.inputs).toMatchObject([{ name: "text", shape: [3, 1] }]);
    expect(payload?.inputs[0]?.bytes).toEqual(encodeValues("STRING", ["é", "b", "é"]));
    expect(payload?.source).toBe("r.json");
  });

  it("is refused with every mistake", () => {
    const result = read({
      inputs: [
        { name: "extra", datatype: "INT32", shape: [1, 2], data: [1, 3_000_000_000] },
        { name: "texd", datatype: "BYTES", shape: [1, 1], data: ["a"] },
      ],
    });
    expect("problems" in result ? result.problems.map(({ path }) => path) : []).toEqual([
      "inputs[0].data",
      "inputs[1].name",
      "inputs",
    ]);
  });

  test("whatever is in it, it is a request or has problems, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        const result = filePayload(spec, 1, { file: "r.json", text });
        return "value" in result || result.problems.length > 0;
      }),
    );
  });
});

describe("on the wire", () => {
  const spec = specOf("m", {
    inputs: [
      { name: "a", dataType: "FP32", dims: [2] },
      { name: "t", dataType: "STRING", dims: [1] },
    ],
  });
  const payload = generatedPayload(spec, 2);

  it("is over HTTP a head in JSON, and after it the bytes that the head announces", () => {
    const { headers, body } = httpRequest(payload);
    const length = Number(headers["inference-header-content-length"]);
    const head: unknown = JSON.parse(body.subarray(0, length).toString());
    const sizes = payload.inputs.map(({ bytes }) => ({ parameters: { binary_data_size: bytes.length } }));
    expect(head).toMatchObject({ inputs: sizes, parameters: { binary_data_output: true } });
    expect(body.subarray(length)).toEqual(Buffer.concat(payload.inputs.map(({ bytes }) => bytes)));
  });

  it("is as JSON alone what a file of it would be", () => {
    const inJson = dataTypes.filter((dataType) => dataType !== "FP16" && dataType !== "BF16");
    fc.assert(
      fc.property(fc.constantFrom(...inJson), fc.integer({ min: 1, max: 5 }), (dataType, size) => {
        const one = specOf("m", { inputs: [{ name: "a", dataType, dims: [3] }] });
        const { inputs: sent } = generatedPayload(one, size);
        const text = JSON.stringify(jsonRequest(generatedPayload(one, size)));
        expect(filePayload(one, size, { file: "f", text })).toMatchObject({ value: { inputs: sent } });
      }),
    );
    const half = specOf("m", { inputs: [{ name: "a", dataType: "FP16", dims: [1] }] });
    expect(() => jsonRequest(generatedPayload(half, 1))).toThrow("JSON has no FP16");
  });

  it("is over gRPC the message that Triton reads", () => {
    const type = protobuf.loadSync(fileURLToPath(inferenceProto)).lookupType("inference.ModelInferRequest");
    const message = type.toObject(type.decode(grpcRequest("m", payload)), { longs: Number });
    expect(message).toMatchObject({
      modelName: "m",
      inputs: [
        { name: "a", datatype: "FP32", shape: [2, 2] },
        { name: "t", datatype: "BYTES", shape: [2, 1] },
      ],
    });
    expect(message.rawInputContents).toEqual(payload.inputs.map(({ bytes }) => bytes));
  });

  it("is for perf_analyzer a row each, which together are the same bytes", () => {
    const rowSchema = z.record(z.string(), z.object({ content: z.object({ b64: z.string() }) }));
    const { data } = z.object({ data: z.array(rowSchema) }).parse(perfAnalyzerData(payload, true));
    expect(data).toHaveLength(2);
    for (const { name, bytes } of payload.inputs) {
      const rows = data.map((row) => Buffer.from(row[name]?.content.b64 ?? "", "base64"));
      expect(Buffer.concat(rows)).toEqual(bytes);
      expect(new Set(rows.map(({ length }) => length > 0))).toEqual(new Set([true]));
    }
  });
});
