import { describe, expect, it } from "vitest";
import type { Model } from "../../../core/spec/load.ts";
import { runOnCpu, type CpuModel } from "../../../core/triton/cpu-adapter.ts";
import { artifactOf, modelOf, type SpecFields } from "../../support/models.ts";

const adapter = { directory: "/adapter", files: [artifactOf("model.py"), artifactOf("engines.py")] };

/** Fields that clients and operators see, and that the adapter must not change. */
const visible: SpecFields = {
  maxBatchSize: 64,
  inputs: [{ name: "in", dataType: "STRING", dims: [-1], optional: true }],
  outputs: [{ name: "out", dataType: "FP16", dims: [768], labelFilename: "labels.txt" }],
  batching: { preferredBatchSizes: [8], maxQueueDelay: "5ms" },
  warmup: [{ batchSize: 4, inputs: { in: { dims: [1] } } }],
  parameters: { own: "kept" },
  versions: { specific: [1, 3] },
};

function onCpu(model: Model): CpuModel {
  const result = runOnCpu(model, adapter);
  if ("message" in result) throw new Error(result.message);
  return result;
}

describe("a model on a host without GPUs", () => {
  it.each([
    { backend: "onnxruntime", artifact: "model.onnx" },
    { backend: "pytorch", artifact: "model.pt" },
  ] as const)(
    "of the $backend backend is served by the adapter, as its clients know it",
    ({ backend, artifact }) => {
      const paths = [1, 2, 3].map((version) => `${String(version)}/${artifact}`);
      const model = modelOf("m", { ...visible, backend, instances: [{ kind: "gpu", count: 4 }] }, paths);
      const { model: adapted, files, difference } = onCpu(model);
      expect(adapted).toEqual({
        ...model,
        spec: {
          ...model.spec,
          backend: "python",
          instances: [{ kind: "cpu", count: 1, passive: false }],
          parameters: {
            own: "kept",
            cpu_adapter_backend: backend,
            cpu_adapter_artifact: artifact,
            cpu_adapter_threads: "1",
          },
        },
      });
      expect(difference).toContain(backend);
      // The adapter stands beside the artifact of every version that is served.
      expect(files.map((file) => file.path)).toEqual([
        "m/1/model.py",
        "m/1/engines.py",
        "m/3/model.py",
        "m/3/engines.py",
      ]);
      expect(files[1]).toEqual({
        ...artifactOf("engines.py"),
        path: "m/1/engines.py",
        from: { file: "/adapter/engines.py" },
      });
    },
  );

  it("of the python backend stays as it is, on the CPU", () => {
    const model = modelOf("m", { ...visible, instances: [{ kind: "gpu", count: 2 }] });
    expect(onCpu(model)).toEqual({
      model: { ...model, spec: { ...model.spec, instances: [{ kind: "cpu", count: 1, passive: false }] } },
      files: [],
      difference: "instances on the CPU",
    });
  });

  it("goes without queue limits, and says so", () => {
    const limits = { maxQueueSize: 512, timeout: "1s" };
    const model = modelOf("m", { ...visible, batching: { ...visible.batching, ...limits } });
    const { model: served, difference } = onCpu(model);
    expect(served.spec.batching).toEqual({
      ...model.spec.batching,
      maxQueueSize: undefined,
      timeout: undefined,
    });
    expect(difference).toContain("no queue limits");
  });

  it("keeps the number of its instances where they are on the CPU anyway", () => {
    const instances: SpecFields["instances"] = [{ kind: "cpu", count: 3 }];
    const python = onCpu(modelOf("m", { instances }));
    expect(python).toMatchObject({ model: { spec: { instances } }, files: [] });
    expect(python.difference).toBeUndefined();
    expect(onCpu(modelOf("m", { backend: "onnxruntime", instances }))).toMatchObject({
      model: { spec: { instances } },
    });
  });

  it("that is an ensemble stays as it is", () => {
    const model = modelOf("m", {
      ensemble: { steps: [{ model: "a", inputs: { x: "x" }, outputs: { y: "y" } }] },
    });
    expect(onCpu(model)).toEqual({ model, files: [] });
  });

  it("of a backend that needs a GPU is refused", () => {
    expect(runOnCpu(modelOf("m", { backend: "tensorrt" }), adapter)).toMatchObject({
      file: "models/m/model.yaml",
      path: "backend",
      message: "the tensorrt backend does not run on this machine",
    });
  });
});
