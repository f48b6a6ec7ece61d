import { describe, expect, it } from "vitest";
import { findAccelerator } from "../../../../core/capacity/catalogue.ts";
import { gpuModels, replicaRequests } from "../../../../core/capacity/requirements.ts";
import type { Resources } from "../../../../core/capacity/resources.ts";
import type { Model } from "../../../../core/spec/load.ts";
import { modelOf, modelWith, type SpecFields } from "../../../support/models.ts";

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;

function requests(models: readonly Model[], devices = 0, mig?: string): Resources {
  const accelerator = findAccelerator("a100-80gb", mig);
  if (accelerator === undefined) throw new Error(`no ${mig ?? ""}`);
  return replicaRequests(models, { resources: {} }, 0, devices === 0 ? undefined : { accelerator, devices });
}

/** What these models add to a server without any: instances, processes and main memory in MiB. */
function added(models: readonly Model[], devices = 0, mig?: string) {
  const none = requests([], devices, mig);
  const some = requests(models, devices, mig);
  const more = (resource: string) => (some[resource] ?? 0) - (none[resource] ?? 0);
  // Shared memory, 64 MiB a process and at least that, is part of the memory.
  const shm = (processes: number) => 64 * Math.max(1, processes);
  return {
    instances: more("cpu") / 500,
    memory: (processes: number) => more("memory") / mebibyte - shm(processes) + shm(0),
  };
}

const model = (backend: SpecFields["backend"], fields: SpecFields) => modelOf("m", { backend, ...fields });

describe("what models add to a replica's requests", () => {
  it.each([
    {
      what: "weights of the instances on the CPU only",
      backend: "onnxruntime",
      instances: [
        { kind: "gpu" as const, count: 4 },
        { kind: "cpu" as const, count: 1 },
      ],
      devices: 1,
      added: { instances: 5, memory: 2_048 },
    },
    {
      what: "weights of `auto` where there is no GPU",
      backend: "pytorch",
      instances: [{ kind: "auto" as const }],
      added: { instances: 1, memory: 2_048 },
    },
    {
      what: "weights of no instances where there is no GPU, of which Triton makes 2 for ONNX Runtime",
      backend: "onnxruntime",
      added: { instances: 2, memory: 4_096 },
    },
    {
      what: "no weights of `auto` where there is a GPU",
      backend: "onnxruntime",
      instances: [{ kind: "auto" as const }],
      devices: 2,
      added: { instances: 2, memory: 0 },
    },
    {
      what: "weights of `auto` that names a GPU which is not there",
      backend: "onnxruntime",
      instances: [{ kind: "auto" as const, gpus: [1], count: 3 }],
      devices: 1,
      added: { instances: 3, memory: 3 * 2_048 },
    },
    {
      what: "2 instances of TensorFlow on the CPU without a count",
      backend: "tensorflow",
      instances: [{ kind: "cpu" as const }],
      devices: 1,
      added: { instances: 2, memory: 4_096 },
    },
    {
      what: "1 instance of PyTorch on the CPU without a count",
      backend: "pytorch",
      instances: [{ kind: "cpu" as const }],
      devices: 1,
      added: { instances: 1, memory: 2_048 },
    },
    {
      what: "no weights of TensorRT-LLM, whose instances are on the CPU by name only",
      backend: "tensorrtllm",
      instances: [{ kind: "cpu" as const }],
      devices: 8,
      added: { instances: 1, memory: 0 },
    },
    {
      what: "weights of `kind: model` where there is no GPU",
      backend: "pytorch",
      instances: [{ kind: "model" as const, count: 2 }],
      added: { instances: 2, memory: 4_096 },
    },
    {
      what: "one instance of `kind: model` on however many devices",
      backend: "pytorch",
      instances: [{ kind: "model" as const }],
      devices: 8,
      added: { instances: 1, memory: 0 },
    },
  ])("are $what", ({ backend, instances, devices, added: expected }) => {
    const one = model(backend, {
      memory: { weights: "2GiB" },
      ...(instances === undefined ? {} : { instances }),
    });
    const { instances: count, memory } = added([one], devices);
    expect({ instances: count, memory: memory(0) }).toEqual(expected);
  });

  it("are a process for every instance of the Python backend on every device", () => {
    const python = model("python", { instances: [{ kind: "gpu", count: 2 }] });
    const { instances, memory } = added([python], 8);
    expect(instances).toBe(16);
    // With CUDA and a framework each.
    expect(memory(16)).toBe(16 * 1_536);
    // Several slices: a process is sure to see one.
    expect(added([python], 8, "1g.10gb").instances).toBe(2);
    expect(requests([python], 8, "1g.10gb")).toMatchObject({ "nvidia.com/mig-1g.10gb": 8 });
  });

  it("are the larger of what is stated and what a process takes, for each model", () => {
    const python = model("python", { memory: { weights: "0B" }, instances: [{ kind: "cpu", count: 4 }] });
    const stated = model("pytorch", {
      memory: { weights: "0B", hostPerInstance: "1GiB" },
      instances: [{ kind: "cpu" }],
    });
    expect(added([python, stated]).memory(4)).toBe(4 * 512 + 1_024);
    const both = model("python", {
      memory: { weights: "0B", hostPerInstance: "1GiB" },
      instances: [{ kind: "cpu" }],
    });
    expect(added([both]).memory(1)).toBe(1_024);
  });

  it("are the instances and weights of every served version", () => {
    const { spec } = model("python", { versions: { all: true }, instances: [{ kind: "cpu" }] });
    const one = modelWith(spec, ["1/model.py", "2/model.py"]);
    const files = one.artifacts.files.map((file, i) => ({ ...file, bytes: (i + 1) * gibibyte }));
    const both = { ...one, artifacts: { ...one.artifacts, files } };
    expect(added([both]).instances).toBe(2);
    expect(added([both]).memory(2)).toBe(3 * 1_024 + 2 * 512);
    expect(gpuModels([both])).toMatchObject([
      {
        name: "m",
        versions: [
          { version: 1, weights: gibibyte },
          { version: 2, weights: 2 * gibibyte },
        ],
      },
    ]);
  });
});
