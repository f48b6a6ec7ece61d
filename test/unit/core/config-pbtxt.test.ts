import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compare } from "../../../core/spec/artifacts.ts";
import type { ModelSpec } from "../../../core/spec/model.ts";
import { renderConfigPbtxt } from "../../../core/triton/config-pbtxt.ts";
import { modelSpec } from "../../support/arbitraries.ts";
import { ModelConfigReader, type ModelConfig } from "../../support/model-config-reader.ts";
import { specOf, x } from "../../support/models.ts";
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

const llm = specOf("llm-backend", {
  backend: "python",
  maxBatchSize: 32,
  inputs: [
    { name: "prompt", dataType: "STRING", dims: [-1] },
    { name: "max_tokens", dataType: "INT32", dims: [1], optional: true },
  ],
  outputs: [{ name: "generated_text", dataType: "STRING", dims: [1] }],
  instances: [{ kind: "cpu" }],
  batching: {},
  upstream: "holysheep",
  parameters: { max_retries: "4", note: 'a "quoted"\nline\\' },
  versions: { all: true },
});

/** No own key of the warm-up's inputs, and yet a property of every plain object. */
const namedLikeAMethod = specOf("m", {
  inputs: [x, { ...x, name: "toString", optional: true }],
  warmup: [{ batchSize: 1 }],
});

const ensemble = specOf("text-analysis", {
  maxBatchSize: 64,
  inputs: [{ name: "text", dataType: "STRING", dims: [1] }],
  outputs: [{ name: "label", dataType: "STRING", dims: [1] }],
  ensemble: {
    steps: [
      { model: "text-tokenizer", inputs: { text: "text" }, outputs: { ids: "ids" } },
      { model: "text-classifier", version: 2, inputs: { INPUT__0: "ids" }, outputs: { OUTPUT__0: "label" } },
    ],
  },
});

describe("config.pbtxt", () => {
  it.each([embedder, llm, ensemble])("of $name is as the golden file has it", async (spec) => {
    await expect(renderConfigPbtxt(spec)).toMatchFileSnapshot(`golden/config-${spec.name}.txt`);
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

    it("means what the spec says, whatever the spec", async () => {
      await fc.assert(
        fc.asyncProperty(modelSpec, async (spec) => {
          const read = await reader.read(renderConfigPbtxt(spec));
          expect(meaning(read)).toEqual(written(spec));
          expect(read.platform).toBe(spec.ensemble === undefined ? "" : "ensemble");
        }),
        { numRuns: 300, examples: [[namedLikeAMethod]] },
      );
    });

    it("rejects what waited too long or came too late, and delays nothing", async () => {
      const read = await reader.read(renderConfigPbtxt(embedder));
      expect(read.dynamic_batching?.default_queue_policy?.timeout_action).toBe("REJECT");
    });

    it("warms up with a value for every input that must be given", async () => {
      const [zeros, random] = (await reader.read(renderConfigPbtxt(embedder))).model_warmup;
      expect(zeros?.inputs).toEqual({ input_text: { data_type: "TYPE_STRING", dims: [1], zero_data: true } });
      expect(random?.inputs).toEqual({
        input_text: { data_type: "TYPE_STRING", dims: [1], random_data: true },
      });
    });
  },
);

/** The part of a spec that Triton reads, from Triton's message. */
function meaning(config: ModelConfig) {
  const { dynamic_batching: batching, version_policy: policy } = config;
  const queue = batching?.default_queue_policy;
  return {
    name: config.name,
    backend: config.backend,
    maxBatchSize: config.max_batch_size,
    inputs: config.input.map(({ data_type, ...tensor }) => ({ ...tensor, dataType: data_type })),
    outputs: config.output.map(({ data_type, label_filename, ...tensor }) => ({
      ...tensor,
      dataType: data_type,
      labelFilename: label_filename,
    })),
    versions:
      "latest" in policy
        ? { latest: policy.latest.num_versions }
        : "all" in policy
          ? { all: true }
          : { specific: policy.specific.versions },
    batching: batching && {
      preferredBatchSizes: batching.preferred_batch_size,
      maxQueueDelay: batching.max_queue_delay_microseconds,
      preserveOrdering: batching.preserve_ordering,
      maxQueueSize: queue?.max_queue_size ?? 0,
      timeout: queue?.default_timeout_microseconds ?? 0,
    },
    ensemble: config.ensemble_scheduling?.step.map((step) => ({
      model: step.model_name,
      version: step.model_version,
      inputs: step.input_map,
      outputs: step.output_map,
    })),
    instances: config.instance_group.map(({ kind, count, gpus }) => ({ kind, count, gpus })),
    parameters: Object.fromEntries(
      Object.entries(config.parameters).map(([key, value]) => [key, value.string_value]),
    ),
    warmup: config.model_warmup.map(({ batch_size, count, inputs }) => ({
      batchSize: batch_size,
      count,
      inputs: Object.entries(inputs)
        .map(([name, { data_type, dims, random_data }]) => ({
          name,
          dataType: data_type,
          dims,
          data: random_data === true ? "random" : "zero",
        }))
        .sort(byName),
    })),
    responseCache: config.response_cache?.enable ?? false,
  };
}

/** The same part from the spec itself, with proto3's defaults for what it leaves out. */
function written(spec: ModelSpec): ReturnType<typeof meaning> {
  const { batching } = spec;
  return {
    name: spec.name,
    backend: spec.backend ?? "",
    maxBatchSize: spec.maxBatchSize,
    inputs: spec.inputs.map((input) => ({ ...input, dataType: `TYPE_${input.dataType}` })),
    outputs: spec.outputs.map((output) => ({
      ...output,
      dataType: `TYPE_${output.dataType}`,
      labelFilename: output.labelFilename ?? "",
    })),
    versions: spec.versions,
    batching: batching && {
      preferredBatchSizes: batching.preferredBatchSizes,
      maxQueueDelay: batching.maxQueueDelay ?? 0,
      preserveOrdering: batching.preserveOrdering,
      maxQueueSize: batching.maxQueueSize ?? 0,
      timeout: batching.timeout ?? 0,
    },
    ensemble: spec.ensemble?.steps,
    instances: (spec.instances ?? []).map(({ kind, count, gpus }) => ({
      kind: kind === "gpu" ? "KIND_GPU" : "KIND_CPU",
      count,
      gpus: gpus ?? [],
    })),
    parameters: spec.parameters,
    warmup: spec.warmup.map(({ batchSize, count, inputs }) => ({
      batchSize,
      count,
      inputs: spec.inputs
        .filter(({ name, optional }) => !optional || Object.hasOwn(inputs, name))
        .map(({ name, dataType, dims }) => ({
          name,
          dataType: `TYPE_${dataType}`,
          dims: inputs[name]?.dims ?? dims,
          data: inputs[name]?.data ?? "zero",
        }))
        .sort(byName),
    })),
    responseCache: spec.responseCache,
  };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return compare(a.name, b.name);
}
