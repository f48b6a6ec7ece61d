import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withFileBytes } from "../../../commands/new/file-bytes.ts";
import { readSignature } from "../../../core/onnx/signature.ts";
import type { ByteSource } from "../../../core/onnx/wire.ts";
import { needing, projectRoot, runTool, venvPython } from "../../support/tools.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "onnx-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function read(file: string) {
  return withFileBytes(file, (bytes) => readSignature(bytes, path.basename(file)));
}

function inMemory(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (start, length) => bytes.subarray(start, start + length) };
}

describe("the signature of an ONNX model", () => {
  it("is that of this project's models, without the batch dimension", () => {
    const signature = read(path.join(projectRoot, "models", "text-labels", "1", "model.onnx"));
    expect(signature).toEqual({
      batches: true,
      inputs: [{ name: "probabilities", dataType: "FP32", dims: [5] }],
      outputs: [
        { name: "label", dataType: "STRING", dims: [1] },
        { name: "score", dataType: "FP32", dims: [1] },
      ],
      externalFiles: [],
    });
  });

  it("is read from a file larger than memory without its weights", () => {
    const file = path.join(folder, "large.onnx");
    const weights = 3 * 1024 ** 3;
    // initializer { raw_data: 3 GiB }, output { name: "y", type { tensor_type { elem_type: 1, shape {} } } }
    const initializer = tag(9, weights);
    const output = Buffer.from([0x0a, 1, 0x79, 0x12, 6, 0x0a, 4, 0x08, 1, 0x12, 0]);
    const head = Buffer.concat([tag(5, initializer.length + weights), initializer]);
    const tail = Buffer.concat([tag(12, output.length), output]);
    const graph = tag(7, head.length + weights + tail.length);
    const handle = openSync(file, "w");
    writeSync(handle, Buffer.concat([graph, head]));
    const end = graph.length + head.length + weights;
    ftruncateSync(handle, end);
    writeSync(handle, tail, 0, tail.length, end);
    closeSync(handle);
    expect(read(file)).toEqual({
      batches: false,
      inputs: [],
      outputs: [{ name: "y", dataType: "FP32", dims: [1] }],
      externalFiles: [],
    });
  });

  it("is refused in plain words where the bytes are no ONNX model", () => {
    const valid = readFileSync(path.join(projectRoot, "models", "text-labels", "1", "model.onnx"));
    const answers = (bytes: Uint8Array): void => {
      const signature = readSignature(inMemory(bytes), "x.onnx");
      if ("problems" in signature) expect(signature.problems).not.toEqual([]);
    };
    for (let end = 0; end < valid.length; end += 1) answers(valid.subarray(0, end));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), answers), { numRuns: 500 });
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), (at, value) => {
        const bytes = Buffer.from(valid);
        bytes[at] = value;
        answers(bytes);
      }),
      { numRuns: 500 },
    );
    expect(readSignature(inMemory(new Uint8Array()), "x.onnx")).toMatchObject({
      problems: [{ file: "x.onnx", message: "this is no ONNX model: it has no outputs" }],
    });
  });
});

describe.skipIf(venvPython.program === undefined)(
  needing(venvPython, "the signature of a model that the onnx package wrote"),
  () => {
    beforeAll(() => {
      runTool(venvPython, ["-c", script, folder]);
    });

    it.each([
      [
        "batch",
        {
          batches: true,
          inputs: [
            { name: "a", dataType: "FP16", dims: [3, -1] },
            { name: "b", dataType: "INT64", dims: [1], reshape: [] },
          ],
          outputs: [{ name: "y", dataType: "BF16", dims: [-1] }],
          externalFiles: [],
        },
      ],
      [
        "fixed",
        {
          batches: false,
          inputs: [{ name: "a", dataType: "FP64", dims: [1, 3] }],
          outputs: [{ name: "y", dataType: "BOOL", dims: [-1, 2] }],
          externalFiles: [],
        },
      ],
      [
        "scalar",
        {
          batches: false,
          inputs: [{ name: "a", dataType: "FP32", dims: [1] }],
          outputs: [{ name: "y", dataType: "UINT8", dims: [1] }],
          externalFiles: [],
        },
      ],
      [
        "constant",
        {
          batches: true,
          inputs: [{ name: "a", dataType: "FP32", dims: [2] }],
          outputs: [{ name: "y", dataType: "FP32", dims: [2] }],
          externalFiles: ["weights/w.bin"],
        },
      ],
    ])("%s.onnx", (name, signature) => {
      expect(read(path.join(folder, `${name}.onnx`))).toEqual(signature);
    });

    it("names what Triton has no tensors for", () => {
      expect(read(path.join(folder, "foreign.onnx"))).toMatchObject({
        problems: [
          { file: "foreign.onnx", path: "c", message: "Triton has no COMPLEX64" },
          { path: "n", message: "it has no shape in the file" },
          { path: "s", message: "it is a sequence, and Triton has tensors only" },
          { path: "m", message: "it is a map, and Triton has tensors only" },
          { path: "o", message: "it is optional, and Triton has tensors only" },
        ],
      });
    });
  },
);

const script = `
import os, sys
import onnx
from onnx import TensorProto as T, helper as h

info = h.make_tensor_value_info
def save(name, inputs, outputs, constants=()):
    graph = h.make_graph([], "graph", inputs, outputs, initializer=list(constants))
    onnx.save(h.make_model(graph), os.path.join(sys.argv[1], name + ".onnx"))

save("batch", [info("a", T.FLOAT16, ["N", 3, None]), info("b", T.INT64, ["N"])], [info("y", T.BFLOAT16, [None, "w"])])
save("fixed", [info("a", T.DOUBLE, [1, 3])], [info("y", T.BOOL, ["N", 2])])
save("scalar", [info("a", T.FLOAT, [])], [info("y", T.UINT8, [])])
weights = h.make_tensor("w", T.FLOAT, [2], [1.0, 2.0])
external = onnx.TensorProto(name="v", data_type=T.FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
for key, value in ("location", "weights/w.bin"), ("offset", "0"):
    external.external_data.add(key=key, value=value)
row = [info("a", T.FLOAT, ["N", 2]), info("w", T.FLOAT, [2])]
save("constant", row, [info("y", T.FLOAT, ["N", 2])], [weights, external])
tensor = h.make_tensor_type_proto(T.FLOAT, [1])
save("foreign", [info("c", T.COMPLEX64, [1]), info("n", T.FLOAT, None)], [
    h.make_value_info("s", h.make_sequence_type_proto(tensor)),
    h.make_value_info("m", h.make_map_type_proto(T.STRING, tensor)),
    h.make_value_info("o", h.make_optional_type_proto(tensor)),
])
`;

/** The tag and length of a length-delimited field. */
function tag(field: number, length: number): Buffer {
  return Buffer.from([...varint(field * 8 + 2), ...varint(length)]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...varint(Math.floor(value / 0x80))];
}
