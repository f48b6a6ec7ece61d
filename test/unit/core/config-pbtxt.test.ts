import fc from "fast-check";
import protobuf from "protobufjs";
import textformat from "protobufjs/ext/textformat.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withoutDefaults } from "../../../core/triton/config-defaults.ts";
import { renderConfigPbtxt } from "../../../core/triton/config-from-spec.ts";
import { parseConfigPbtxt } from "../../../core/triton/config-text.ts";
import { importConfigPbtxt } from "../../../core/triton/config-to-spec.ts";
import { modelConfigType, textName } from "../../../core/triton/model-config-type.ts";
import { modelConfigText } from "../../support/model-config-arbitraries.ts";
import { ModelConfigReader } from "../../support/model-config-reader.ts";
import { specOf, x, y } from "../../support/models.ts";
import { modelSpec } from "../../support/spec-arbitraries.ts";
import { needing, venvPython } from "../../support/tools.ts";

const embedder = specOf("embedding-model", {
  backend: "onnxruntime",
  maxBatchSize: 64,
  inputs: [{ name: "input_text", dataType: "STRING", dims: [1] }],
  outputs: [{ name: "embedding", dataType: "FP32", dims: [768], labelFilename: "labels.txt" }],
  instances: [
    { kind: "gpu", count: 2 },
    { kind: "gpu", count: 1, gpus: [0, 3] },
  ],
  batching: { preferredBatchSizes: [8, 16, 32], maxQueueDelay: "5ms", maxQueueSize: 512, timeout: "1s" },
  responseCache: true,
  warmup: [
    { batchSize: 1 },
    { batchSize: 32, count: 3, inputs: { input_text: { data: "random", dims: [1] } } },
  ],
  versions: { specific: [1, 3] },
});

const ensemble = specOf("text-analysis", {
  maxBatchSize: 64,
  inputs: [{ name: "text", dataType: "STRING", dims: [1] }],
  outputs: [{ name: "label", dataType: "STRING", dims: [1] }],
  versions: { latest: 2 },
  ensemble: {
    maxInflightRequests: 16,
    steps: [
      { model: "text-tokenizer", inputs: { text: "text" }, outputs: { ids: "ids" } },
      {
        model: "text-classifier",
        version: 2,
        namespace: "shared",
        inputs: { INPUT__0: "ids" },
        outputs: { OUTPUT__0: "label" },
      },
    ],
  },
});

/** With `embedder`, `ensemble` and `sequences`, every field of the proto. */
const everything = specOf("everything", {
  platform: "onnxruntime_onnx",
  backend: "onnxruntime",
  runtime: "libtriton_onnxruntime.so",
  defaultModelFilename: "other.onnx",
  ccModelFilenames: { "8.0": "model-a100.onnx", "9.0": "model-h100.onnx" },
  versions: { all: true },
  maxBatchSize: 4,
  inputs: [
    {
      ...{ name: "image", dataType: "UINT8", dims: [3, 224, 224], format: "NCHW", reshape: [3, -1] },
      ...{ isShapeTensor: true, isNonLinearFormatIo: true, allowRaggedBatch: true },
    },
    { name: "prompt", dataType: "STRING", dims: [1], optional: true },
  ],
  outputs: [
    { name: "y", dataType: "BF16", dims: [1], reshape: [], isShapeTensor: true, isNonLinearFormatIo: true },
  ],
  batchInputs: [{ kind: "item_shape", targetNames: ["t"], dataType: "FP32", sourceInputs: ["image"] }],
  batchOutputs: [{ kind: "scatter_with_input_shape", targetNames: ["y"], sourceInputs: ["image"] }],
  batching: {
    ...{ preferredBatchSizes: [2, 4], maxQueueDelay: "1ms", preserveOrdering: true },
    ...{ maxQueueSize: 11, timeout: "2ms", timeoutAction: "delay", allowTimeoutOverride: true },
    ...{ priorityLevels: 3, defaultPriorityLevel: 2 },
    priorityQueuePolicies: { "1": { maxQueueSize: 12, timeout: "3ms" } },
  },
  instances: [
    {
      ...{ name: "group", kind: "auto", count: 2, gpus: [1, 2], profiles: ["p"], passive: true },
      rateLimiter: { resources: [{ name: "r", global: true, count: 5 }], priority: 6 },
      ...{ secondaryDevices: [{ kind: "nvdla", deviceId: 7 }], hostPolicy: "numa0" },
    },
    { kind: "model" },
  ],
  optimization: {
    graph: { level: -1 },
    priority: "max",
    cuda: {
      ...{ graphs: true, busyWaitEvents: true, outputCopyStream: true },
      graphSpecs: [
        {
          batchSize: 4,
          inputs: { image: [3, 8] },
          graphLowerBound: { batchSize: 1, inputs: { image: [3, 4] } },
        },
      ],
    },
    executionAccelerators: {
      gpu: [{ name: "tensorrt", parameters: { precision_mode: "FP16" } }],
      cpu: [{ name: "openvino" }],
    },
    inputPinnedMemory: false,
    outputPinnedMemory: true,
    gatherKernelBufferThreshold: 8,
    eagerBatching: true,
  },
  parameters: { note: 'a "quoted"\nline\\ é', empty: "" },
  warmup: [
    { name: "from a file", batchSize: 1, inputs: { image: { inputDataFile: "image.bin" }, prompt: {} } },
  ],
  operations: { opLibraryFilenames: ["/opt/op.so"] },
  transactionPolicy: { decoupled: true },
  repositoryAgents: [{ name: "checksum", parameters: { "MD5:1/model.onnx": "0f" } }],
  responseCache: false,
  metricTags: { team: "search" },
  modelMetrics: [{ family: "nv_inference_first_response_histogram_ms", buckets: [0.1, 1, 1e6] }],
});

const sequences = specOf("sequences", {
  inputs: [x],
  outputs: [y],
  sequenceBatching: {
    oldest: {
      maxCandidateSequences: 4,
      preferredBatchSizes: [2],
      maxQueueDelay: "1ms",
      preserveOrdering: true,
    },
    maxSequenceIdle: "5s",
    iterativeSequence: true,
    controlInputs: [
      { name: "START", controls: [{ kind: "start", int32FalseTrue: [0, 1] }] },
      { name: "READY", controls: [{ kind: "ready", fp32FalseTrue: [0, 0.1] }] },
      { name: "END", controls: [{ kind: "end", boolFalseTrue: [false, true] }] },
      { name: "CORRID", controls: [{ kind: "corrid", dataType: "UINT64" }] },
    ],
    states: [
      {
        ...{ inputName: "s", outputName: "t", dataType: "FP16", dims: [-1] },
        initialStates: [
          { name: "zeros", dataType: "FP16", dims: [1], zeroData: true },
          { dataType: "FP16", dims: [1], dataFile: "state.bin" },
        ],
        ...{ useSameBufferForInputOutput: true, useGrowableMemory: true },
      },
    ],
  },
});
const direct = specOf("direct", {
  sequenceBatching: { direct: { maxQueueDelay: "1ms", minimumSlotUtilization: 0.75 } },
});

const all = [embedder, ensemble, everything, sequences, direct];

describe("config.pbtxt", () => {
  it.each(all)("of $name is as the golden file has it", async (spec) => {
    await expect(renderConfigPbtxt(spec)).toMatchFileSnapshot(`golden/config-${spec.name}.txt`);
  });

  it("of these models has every field of the proto", () => {
    const text = all.map((spec) => renderConfigPbtxt(spec)).join("");
    const missing = fieldsBelow(modelConfigType()).filter((name) => !new RegExp(`\\b${name}\\b`).test(text));
    expect(missing).toEqual([]);
  });

  it("keeps a warm-up's inputs apart from what every object has", () => {
    const spec = specOf("m", {
      inputs: [x, { ...x, name: "toString", optional: true }],
      warmup: [{ batchSize: 1 }],
    });
    expect(renderConfigPbtxt(spec)).not.toContain('key: "toString"');
  });

  it("leaves out the defaults that protobufjs' own conversion leaves out", () => {
    const type = modelConfigType();
    const plain = { enums: String, longs: Number };
    fc.assert(
      fc.property(modelConfigText, (text) => {
        const parsed = parseConfigPbtxt(text, "config.pbtxt");
        if (!("config" in parsed)) return;
        const message = type.fromObject(parsed.config);
        const spelledOut = withoutNull(type.toObject(message, { ...plain, defaults: true }));
        const converted = type.fromObject(spelledOut);
        const shorter = withoutDefaults(type, spelledOut);
        expect(shorter).toEqual(type.toObject(converted, plain));
        expect(textformat.toText(type, shorter)).toBe(textformat.toText(type, converted));
      }),
    );
  });
});

describe.skipIf(venvPython.program === undefined)(
  needing(venvPython, "config.pbtxt, read by protobuf with Triton's ModelConfig"),
  () => {
    let reader: ModelConfigReader;
    beforeAll(() => {
      reader = new ModelConfigReader(venvPython);
    });
    afterAll(() => {
      reader.close();
    });

    it("is what any spec becomes, and what is imported again without loss", async () => {
      await fc.assert(
        fc.asyncProperty(modelSpec, async (spec) => {
          const text = renderConfigPbtxt(spec);
          const imported = importConfigPbtxt(text, "folder", "config.pbtxt");
          if ("problems" in imported) expect(imported.problems).toEqual([]);
          else expect(await reader.read(renderConfigPbtxt(imported.spec))).toBe(await reader.read(text));
        }),
        { numRuns: 100 },
      );
    });
  },
);

/** protobufjs spells out absent messages as null. */
function withoutNull(message: object): object {
  const entries = Object.entries(message).filter(([, value]) => value !== null);
  return Object.assign(
    Array.isArray(message) ? [] : {},
    Object.fromEntries(
      entries.map(([key, value]: [string, unknown]) => [key, isObject(value) ? withoutNull(value) : value]),
    ),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function fieldsBelow(type: protobuf.Type): string[] {
  return type.fieldsArray.flatMap(({ name, resolvedType }) => [
    textName(name),
    ...(resolvedType instanceof protobuf.Type ? fieldsBelow(resolvedType) : []),
  ]);
}
