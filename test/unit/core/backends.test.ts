import yaml from "js-yaml";
import { describe, expect, it } from "vitest";
import { modelSchema } from "../../../core/spec/model.ts";
import { isPair, neededTensors, resolveBackend } from "../../../core/triton/backends.ts";
import { artifactOf, specOf, type SpecFields } from "../../support/models.ts";

function resolve(fields: SpecFields, ...paths: string[]) {
  return resolveBackend(specOf("m", { backend: undefined, ...fields }), {
    files: paths.map((path) => artifactOf(path)),
  });
}

describe("the backend of a model", () => {
  it.each([
    ["1/model.onnx", { backend: "onnxruntime", platform: "onnxruntime_onnx", artifact: "model.onnx" }],
    [
      "1/model.onnx/weights",
      { backend: "onnxruntime", platform: "onnxruntime_onnx", artifact: "model.onnx" },
    ],
    ["1/model.plan", { backend: "tensorrt", platform: "tensorrt_plan", artifact: "model.plan" }],
    ["1/model.pt", { backend: "pytorch", platform: "pytorch_libtorch", artifact: "model.pt" }],
    ["1/model.pt2", { backend: "pytorch", platform: "torch_aoti", artifact: "model.pt2" }],
    ["1/model.py", { backend: "python", artifact: "model.py" }],
    ["1/model.xml", { backend: "openvino", artifact: "model.xml" }],
    [
      "1/model.savedmodel/saved_model.pb",
      { backend: "tensorflow", platform: "tensorflow_savedmodel", artifact: "model.savedmodel" },
    ],
    [
      "1/model.graphdef",
      { backend: "tensorflow", platform: "tensorflow_graphdef", artifact: "model.graphdef" },
    ],
  ])("is told by %s", (path, expected) => {
    expect(resolve({}, path)).toEqual(expected);
  });

  it.each(["1/model.plan/a", "1/model.pt/a", "1/model.savedmodel", "1/net.onnx"])(
    "is not told by %s",
    (path) => {
      expect(resolve({}, path)).toEqual({});
    },
  );

  it("is the first in Triton's order where there are files of several", () => {
    expect(resolve({}, "1/model.onnx", "1/model.py")).toMatchObject({ backend: "onnxruntime" });
  });

  it("is told by the first version by name alone, which 10 is before 2", () => {
    expect(resolve({}, "2/model.py", "10/model.onnx")).toMatchObject({ backend: "onnxruntime" });
  });

  it("is told by a platform, or by the name of the artifact", () => {
    expect(resolve({ platform: "tensorrt_plan" })).toEqual({
      backend: "tensorrt",
      platform: "tensorrt_plan",
      artifact: "model.plan",
    });
    expect(resolve({ defaultModelFilename: "model.pt" })).toEqual({
      backend: "pytorch",
      platform: "pytorch_libtorch",
      artifact: "model.pt",
    });
    expect(resolve({ platform: "libtorch" })).toEqual({ platform: "libtorch" });
  });

  it("keeps its name and brings its platform and artifact", () => {
    expect(resolve({ backend: "pytorch" }, "1/model.pt2")).toEqual({
      backend: "pytorch",
      platform: "pytorch_libtorch",
      artifact: "model.pt",
    });
    expect(resolve({ backend: "pytorch", platform: "torch_aoti" })).toMatchObject({ artifact: "model.pt2" });
    expect(resolve({ backend: "onnxruntime", defaultModelFilename: "net.onnx" })).toEqual({
      backend: "onnxruntime",
      platform: "onnxruntime_onnx",
      artifact: "net.onnx",
    });
    expect(resolve({ backend: "vllm" })).toEqual({ backend: "vllm", artifact: "model.json" });
    expect(resolve({ backend: "own" })).toEqual({ backend: "own" });
  });

  it("of TensorFlow has the platform of its files, the graph's where both are there", () => {
    const files = ["1/model.savedmodel/saved_model.pb", "1/model.graphdef"];
    expect(resolve({ backend: "tensorflow" }, ...files)).toMatchObject({ platform: "tensorflow_graphdef" });
    expect(resolve({ backend: "tensorflow" })).toEqual({
      backend: "tensorflow",
      artifact: "model.savedmodel",
    });
  });

  it("reads what its own code says", () => {
    expect(resolve({ backend: "dali" })).toEqual({
      backend: "dali",
      artifact: "model.dali",
      fallback: "dali.py",
    });
    expect(resolve({ backend: "pytorch", runtime: "model.py" })).toMatchObject({
      artifact: "model.py",
      fallback: "model.pt",
    });
    expect(resolve({ backend: "tensorrtllm" })).toEqual({ backend: "tensorrtllm" });
  });

  it.each([
    [undefined, "xgboost.model"],
    ["xgboost_ubj", "xgboost.ubj"],
    ["lightgbm", "model.txt"],
    ["treelite_checkpoint", "checkpoint.tl"],
    ["constructor", "xgboost.model"],
  ])("of trees from %s is read from %s", (type, artifact) => {
    const parameters: Record<string, string> = type === undefined ? {} : { model_type: type };
    expect(resolve({ backend: "fil", parameters })).toEqual({ backend: "fil", artifact });
    expect(resolve({ backend: "fil", parameters, defaultModelFilename: "net" })).toMatchObject({
      artifact: "net",
    });
  });

  it("is the end of the model's name where nothing else tells it", () => {
    const spec = specOf("net.own", { backend: undefined });
    expect(resolveBackend(spec, { files: [] })).toEqual({ backend: "own" });
  });

  it("is none for an ensemble", () => {
    expect(resolve({ ensemble: { steps: [{ model: "s", inputs: {}, outputs: {} }] } })).toEqual({
      platform: "ensemble",
    });
  });
});

describe("what is known of backends", () => {
  it("platforms are held against those that Triton knows", () => {
    expect(isPair("pytorch", "torch_aoti")).toBe(true);
    expect(isPair("pytorch", "libtorch")).toBe(false);
    expect(isPair("tensorflow", undefined)).toBe(false);
    expect(isPair("python", "anything")).toBe(true);
    expect(isPair("own", undefined)).toBe(true);
  });

  it("those that read a format hold the config against the model's tensors", () => {
    expect(neededTensors("onnxruntime")).toEqual({ inputs: { names: [] }, outputs: { names: [] } });
    expect(neededTensors("python")).toEqual({});
    expect(neededTensors("own")).toEqual({});
  });

  it("an example of their tensors is what model.yaml may say", () => {
    const { inputs, outputs } = neededTensors("vllm");
    const document = yaml.load(
      `backend: vllm\nmaxBatchSize: 0\ninputs: ${inputs?.example ?? ""}\noutputs: ${outputs?.example ?? ""}`,
    );
    expect(modelSchema.parse(document)).toMatchObject({
      inputs: [
        { name: "text_input", optional: false },
        { name: "stream", optional: true },
        { name: "exclude_input_in_output" },
        { name: "sampling_parameters" },
      ],
      outputs: [{ name: "text_output", dataType: "STRING", dims: [-1] }],
    });
  });
});
