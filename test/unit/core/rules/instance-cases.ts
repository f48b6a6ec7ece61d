import { x, type SpecFields } from "../../../support/models.ts";
import { a100, onnx, tensorrt, type Case } from "./setup.ts";

type Group = NonNullable<SpecFields["instances"]>[number];

const groups = (...instances: Group[]): { fields: SpecFields } => ({ fields: { instances } });
const onTensorRt = (...instances: Group[]): { fields: SpecFields } => ({
  fields: { ...tensorrt, instances },
});
const resource = (global: boolean): Group => ({
  kind: "cpu",
  rateLimiter: { resources: [{ name: "disk", global, count: 1 }] },
});
const cuda = (options: object): { fields: SpecFields } => ({
  fields: { ...tensorrt, optimization: { cuda: { graphs: true, ...options } } },
});

export const instanceCases: readonly Case[] = [
  {
    code: "gpus-without-gpu",
    what: "instances on the CPU name no GPUs",
    keeps: groups({ kind: "cpu" }, { kind: "gpu", gpus: [0] }),
    breaks: groups({ kind: "gpu" }, { kind: "cpu", gpus: [0] }),
    at: "instances[1].gpus",
  },
  {
    code: "gpus-without-gpu",
    what: "kind: model names no GPUs",
    keeps: groups({ kind: "auto", gpus: [0] }),
    breaks: groups({ kind: "model", gpus: [0] }),
    at: "instances[0].gpus",
  },
  {
    code: "gpu-absent",
    what: "the GPU is there",
    keeps: { ...groups({ kind: "gpu", gpus: [0, 1] }), server: { accelerator: a100 } },
    breaks: { ...groups({ kind: "auto", gpus: [0, 2] }), server: { accelerator: a100 } },
    at: "instances[0].gpus[1]",
  },
  {
    code: "gpu-absent",
    what: "there is a GPU",
    keeps: groups({ kind: "gpu" }),
    breaks: { ...groups({ kind: "gpu" }), server: { accelerator: { ...a100, devices: 0 } } },
    at: "instances[0].kind",
  },
  {
    code: "gpu-absent",
    what: "without GPUs none is named, not even where the CPU would do",
    keeps: { ...groups({ kind: "auto" }), server: { accelerator: { ...a100, devices: 0 } } },
    breaks: { ...groups({ kind: "auto", gpus: [0] }), server: { accelerator: { ...a100, devices: 0 } } },
    at: "instances[0].gpus[0]",
  },
  {
    code: "tensorrt-needs-gpu",
    what: "TensorRT is not on the CPU",
    keeps: onTensorRt({ kind: "gpu" }),
    breaks: onTensorRt({ kind: "cpu" }),
    at: "instances[0].kind",
  },
  {
    code: "tensorrt-needs-gpu",
    what: "TensorRT chooses GPUs itself only where it spreads a model",
    keeps: {
      fields: { ...tensorrt, instances: [{ kind: "model" }], parameters: { enable_multi_device: "1" } },
    },
    breaks: onTensorRt({ kind: "model" }),
    at: "instances[0].kind",
  },
  {
    code: "profiles-backend",
    what: "only TensorRT has profiles",
    keeps: onTensorRt({ kind: "gpu", profiles: ["0"] }),
    breaks: groups({ kind: "gpu", profiles: ["0"] }),
    at: "instances[0].profiles",
  },
  {
    code: "profile-index",
    what: "a profile is a number",
    keeps: onTensorRt({ kind: "gpu", profiles: ["0", "12"] }),
    breaks: onTensorRt({ kind: "gpu", profiles: ["0", "fast"] }),
    at: "instances[0].profiles[1]",
  },
  {
    code: "profile-index",
    what: "a profile is not negative",
    keeps: onTensorRt({ kind: "gpu", profiles: ["2147483647"] }),
    breaks: onTensorRt({ kind: "gpu", profiles: ["-1"] }),
    at: "instances[0].profiles[0]",
  },
  {
    code: "all-instances-passive",
    what: "some instance takes requests",
    keeps: groups({ kind: "cpu", passive: true }, { kind: "cpu" }),
    breaks: groups({ kind: "cpu", passive: true }, { kind: "gpu", passive: true }),
    at: "instances",
  },
  {
    code: "rate-limiter-scope",
    what: "a resource is shared by all devices or by none",
    keeps: groups(resource(true), resource(true)),
    breaks: groups(resource(true), resource(false)),
    at: "instances[1].rateLimiter.resources[0].global",
  },
  {
    code: "upstream-on-gpu",
    what: "a model that calls an API needs no GPU",
    keeps: { fields: { upstream: "holysheep", instances: [{ kind: "cpu" }] } },
    breaks: { fields: { upstream: "holysheep", instances: [{ kind: "gpu" }] } },
    at: "instances[0].kind",
  },
  {
    code: "duplicate-gpu",
    what: "a GPU is named once",
    keeps: groups({ kind: "gpu", gpus: [0, 1] }),
    breaks: groups({ kind: "gpu", gpus: [1, 1] }),
    at: "instances[0].gpus[1]",
  },
  {
    code: "instances-on-every-gpu",
    what: "every GPU is meant",
    keeps: { ...groups({ kind: "gpu" }), server: { accelerator: { ...a100, devices: 1 } } },
    breaks: { ...groups({ kind: "gpu", count: 3 }), server: { accelerator: a100 } },
    at: "instances[0].gpus",
  },
  {
    code: "secondary-devices-backend",
    what: "only TensorRT uses DLA cores",
    keeps: onTensorRt({ kind: "gpu", secondaryDevices: [{ kind: "nvdla" }] }),
    breaks: groups({ kind: "gpu", secondaryDevices: [{ kind: "nvdla" }] }),
    at: "instances[0].secondaryDevices",
  },
  {
    code: "unknown-accelerator",
    what: "onnxruntime knows tensorrt, cuda and openvino",
    keeps: {
      fields: {
        ...onnx,
        optimization: { executionAccelerators: { gpu: [{ name: "tensorrt" }], cpu: [{ name: "openvino" }] } },
      },
    },
    breaks: { fields: { ...onnx, optimization: { executionAccelerators: { cpu: [{ name: "tensorrt" }] } } } },
    at: "optimization.executionAccelerators.cpu[0].name",
  },
  {
    code: "accelerators-unused",
    what: "a Python model has no accelerators",
    keeps: { fields: { ...onnx, optimization: { executionAccelerators: { gpu: [{ name: "cuda" }] } } } },
    breaks: { fields: { optimization: { executionAccelerators: { gpu: [{ name: "cuda" }] } } } },
    at: "optimization.executionAccelerators.gpu",
  },
  {
    code: "tensorrt-only-setting",
    what: "CUDA graphs are TensorRT's",
    keeps: cuda({}),
    breaks: { fields: { optimization: { cuda: { graphs: true } } } },
    at: "optimization.cuda.graphs",
  },
  {
    code: "graph-batch-size",
    what: "a graph is for a batch the model can have",
    keeps: cuda({ graphSpecs: [{ batchSize: 8 }] }),
    breaks: cuda({ graphSpecs: [{ batchSize: 9 }] }),
    at: "optimization.cuda.graphSpecs[0].batchSize",
  },
  {
    code: "graph-batch-size",
    what: "a lower bound is lower",
    keeps: cuda({ graphSpecs: [{ batchSize: 8, graphLowerBound: { batchSize: 1 } }] }),
    breaks: cuda({ graphSpecs: [{ batchSize: 4, graphLowerBound: { batchSize: 8 } }] }),
    at: "optimization.cuda.graphSpecs[0].graphLowerBound.batchSize",
  },
  {
    code: "graph-shapes",
    what: "a lower bound has every shape, and none larger",
    keeps: cuda({
      graphSpecs: [
        {
          batchSize: 8,
          inputs: { [x.name]: [4] },
          graphLowerBound: { batchSize: 1, inputs: { [x.name]: [4] } },
        },
      ],
    }),
    breaks: cuda({
      graphSpecs: [
        {
          batchSize: 8,
          inputs: { [x.name]: [4] },
          graphLowerBound: { batchSize: 1, inputs: { [x.name]: [5] } },
        },
      ],
    }),
    at: "optimization.cuda.graphSpecs[0].graphLowerBound.inputs.x",
  },
];
