import { modelOf, x, y, type SpecFields } from "../../../support/models.ts";
import { a100, ensemble, onnx, pytorch, tensorrt, type Case, type Setup } from "./setup.ts";

const files = (paths: readonly string[], fields: SpecFields = {}): Setup => ({ fields, paths });
const metrics = (family: string, buckets: number[]): Setup => ({
  fields: { modelMetrics: [{ family, buckets }] },
});
const sequencePytorch = (name: string): Setup => ({
  fields: {
    ...pytorch,
    sequenceBatching: { controlInputs: [{ name, controls: [{ kind: "start", int32FalseTrue: [0, 1] }] }] },
  },
});
const environment = (path: string): Setup =>
  files(["1/model.py", "1/env.tar.gz"], {
    parameters: { EXECUTION_ENV_PATH: `$$TRITON_MODEL_DIRECTORY/${path}` },
  });

export const backendCases: readonly Case[] = [
  {
    code: "backend-missing",
    what: "a backend is named, or told by the files",
    keeps: files(["1/model.onnx"], { backend: undefined }),
    breaks: files(["1/net.onnx"], { backend: undefined }),
    at: "backend",
  },
  {
    code: "backend-platform-pair",
    what: "backend and platform mean the same",
    keeps: { fields: { ...onnx, platform: "onnxruntime_onnx" } },
    breaks: { fields: { ...onnx, platform: "tensorrt_plan" } },
    at: "platform",
  },
  {
    code: "backend-platform-pair",
    what: "TensorFlow's platform is told by the files",
    keeps: {
      ...files(["1/model.graphdef"], { backend: "tensorflow" }),
      server: { release: "25.02" },
    },
    breaks: { ...files(["1/other"], { backend: "tensorflow" }), server: { release: "25.02" } },
    at: "platform",
    also: ["artifact-missing"],
  },
  {
    code: "platform-needs-release",
    what: "torch_aoti came with 26.03",
    keeps: {
      fields: { ...pytorch, platform: "torch_aoti" },
      paths: ["1/model.pt2"],
      server: { release: "26.03" },
    },
    breaks: {
      fields: { ...pytorch, platform: "torch_aoti" },
      paths: ["1/model.pt2"],
      server: { release: "26.02" },
    },
    at: "platform",
  },
  {
    code: "unknown-backend",
    what: "the image has the backend",
    keeps: { fields: { backend: "own" }, server: { customBackends: ["own"] } },
    breaks: { fields: { backend: "pyton" } },
    at: "backend",
  },
  {
    code: "unknown-backend",
    what: "or every version brings its library",
    keeps: files(["1/libtriton_own.so"], { backend: "own" }),
    breaks: files(["1/libtriton_own.so", "2/model"], { backend: "own", versions: { all: true } }),
    at: "backend",
  },
  {
    code: "backend-not-in-release",
    what: "TensorFlow's last release was 25.02",
    keeps: { ...files(["1/model.savedmodel/a"], { backend: "tensorflow" }), server: { release: "25.02" } },
    breaks: { ...files(["1/model.savedmodel/a"], { backend: "tensorflow" }), server: { release: "25.03" } },
    at: "backend",
  },
  {
    code: "backend-in-another-image",
    what: "vLLM comes in an image of its own",
    keeps: { fields: { backend: "vllm" }, server: { customBackends: ["vllm"] } },
    breaks: { fields: { backend: "vllm" } },
    at: "backend",
  },
  {
    code: "unknown-runtime",
    what: "a runtime is one of the backend's",
    keeps: { fields: { ...pytorch, runtime: "model.py" } },
    breaks: { fields: { runtime: "model.py" } },
    at: "runtime",
  },
  {
    code: "execution-environment-missing",
    what: "a packed environment is served",
    keeps: environment("1/env.tar.gz"),
    breaks: environment("env.tar.gz"),
    at: "parameters.EXECUTION_ENV_PATH",
  },
  {
    code: "execution-environment-missing",
    what: "a packed environment comes along",
    keeps: { ...environment("env.tar.gz"), companions: { "env.tar.gz": 9 } },
    breaks: { ...environment("env.tar.gz"), companions: { "env.tar.xz": 9 } },
    at: "parameters.EXECUTION_ENV_PATH",
  },
  {
    code: "python-filename",
    what: "a Python model is a module",
    keeps: files(["1/sub/a-b.py"], { defaultModelFilename: "sub/a-b.py" }),
    breaks: files(["1/a b.py"], { defaultModelFilename: "a b.py" }),
    at: "defaultModelFilename",
  },
  {
    code: "python-filename",
    what: "a module's name has no further dot",
    keeps: files(["1/a_b.py"], { defaultModelFilename: "a_b.py" }),
    breaks: files(["1/a.b.py"], { defaultModelFilename: "a.b.py" }),
    at: "defaultModelFilename",
  },
  {
    code: "python-parameter",
    what: "tensors are forced to the CPU or not",
    keeps: { fields: { parameters: { FORCE_CPU_ONLY_INPUT_TENSORS: "no" } } },
    breaks: { fields: { parameters: { FORCE_CPU_ONLY_INPUT_TENSORS: "false" } } },
    at: "parameters.FORCE_CPU_ONLY_INPUT_TENSORS",
  },
  {
    code: "repository-agents-empty",
    what: "repository agents are some",
    keeps: { fields: { repositoryAgents: [{ name: "checksum" }] } },
    breaks: { fields: { repositoryAgents: [] } },
    at: "repositoryAgents",
  },
  {
    code: "unknown-repository-agent",
    what: "the image has the agent",
    keeps: { fields: { repositoryAgents: [{ name: "checksum" }] } },
    breaks: { fields: { repositoryAgents: [{ name: "decrypt" }] } },
    at: "repositoryAgents[0].name",
  },
  {
    code: "batch-strategy-path",
    what: "a batching strategy lies in the version folder",
    keeps: files(["1/model.py", "1/batchstrategy.so"]),
    breaks: { fields: { parameters: { TRITON_BATCH_STRATEGY_PATH: "/strategy.so" } } },
    at: "parameters.TRITON_BATCH_STRATEGY_PATH",
  },
  {
    code: "version-number",
    what: "a version is a number that can be told apart",
    keeps: files(["9007199254740991/model.py"]),
    breaks: files(["1/model.py", "9223372036854775808/model.py"], { versions: { specific: [1] } }),
    at: "",
  },
  {
    code: "compute-capability-unused",
    what: "only TensorRT chooses by compute capability",
    keeps: { fields: tensorrt },
    breaks: { fields: { ...onnx, ccModelFilenames: { "8.0": "model.onnx" } } },
    at: "ccModelFilenames",
  },
  {
    code: "artifact-missing",
    what: "a platform of TensorFlow's settles the artifact of any backend",
    keeps: files(["1/model.py"], { platform: "custom" }),
    breaks: files(["1/model.py"], { platform: "tensorflow_graphdef" }),
    at: "",
  },
  {
    code: "metric-tag-name",
    what: "a metric tag is a part of a label's name",
    keeps: { fields: { metricTags: { team_2: "a b" } } },
    breaks: { fields: { metricTags: { "a b": "x" } } },
    at: "metricTags.a b",
  },
  {
    code: "metric-tag-name",
    what: "Triton puts one _ in front, and two are not allowed",
    keeps: { fields: { metricTags: { "2nd": "x" } } },
    breaks: { fields: { metricTags: { _team: "x" } } },
    at: "metricTags._team",
  },
  {
    code: "pytorch-type",
    what: "TorchScript has no UINT16",
    keeps: { fields: pytorch },
    breaks: { fields: { ...pytorch, inputs: [{ ...x, name: "INPUT__0", dataType: "UINT16" }] } },
    at: "inputs[0].dataType",
  },
  {
    code: "pytorch-string-dims",
    what: "PyTorch has lists of strings",
    keeps: {
      fields: {
        ...pytorch,
        inputs: [{ ...x, name: "INPUT__0", dataType: "STRING", dims: [1], reshape: [] }],
      },
    },
    breaks: { fields: { ...pytorch, inputs: [{ ...x, name: "INPUT__0", dataType: "STRING", dims: [1] }] } },
    at: "inputs[0].dims",
  },
  {
    code: "pytorch-sequence-names",
    what: "control tensors of PyTorch say their position",
    keeps: sequencePytorch("START__1"),
    breaks: sequencePytorch("START"),
    at: "sequenceBatching.controlInputs[0].name",
  },
  {
    code: "pytorch-tensor-order",
    what: "outputs of PyTorch say their position",
    keeps: { fields: { ...pytorch, outputs: [y] } },
    breaks: { fields: { ...pytorch, outputs: [{ ...y, name: "OUTPUT__1" }, y] } },
    at: "outputs[1].name",
  },
  {
    code: "no-version",
    what: "there is a version",
    keeps: files(["1/model.py"]),
    breaks: files([]),
    at: "",
  },
  {
    code: "version-absent",
    what: "versions that are asked for are there",
    keeps: { fields: { versions: { specific: [1] } } },
    breaks: { fields: { versions: { specific: [1, 2] } } },
    at: "versions.specific[1]",
  },
  {
    code: "version-absent",
    what: "an ensemble has version 1",
    keeps: { fields: { ...ensemble, versions: { specific: [1] } }, others: [modelOf("step")] },
    breaks: { fields: { ...ensemble, versions: { specific: [2] } }, others: [modelOf("step")] },
    at: "versions.specific[0]",
  },
  {
    code: "artifact-missing",
    what: "the file that the backend reads is there",
    keeps: files(["1/model.onnx"], onnx),
    breaks: files(["1/net.onnx"], onnx),
    at: "",
  },
  {
    code: "artifact-missing",
    what: "only a file beside it is not enough",
    keeps: files(["1/model.onnx/a"], onnx),
    breaks: files(["1/model.onnx.data"], onnx),
    at: "",
  },
  {
    code: "artifact-missing",
    what: "it is there in every version that is served",
    keeps: files(["1/readme", "2/model.onnx"], onnx),
    breaks: files(["1/model.onnx", "2/readme"], { ...onnx, versions: { all: true } }),
    at: "",
  },
  {
    code: "artifact-missing",
    what: "it goes by the name the spec gives it",
    keeps: files(["1/net.onnx"], { ...onnx, defaultModelFilename: "net.onnx" }),
    breaks: files(["1/model.onnx"], { ...onnx, defaultModelFilename: "net.onnx" }),
    at: "",
  },
  {
    code: "artifact-missing",
    what: "the default is needed for a GPU that is not listed",
    keeps: {
      ...files(["1/a100.plan"], { ...tensorrt, ccModelFilenames: { "8.0": "a100.plan" } }),
      server: { accelerator: a100 },
    },
    breaks: {
      ...files(["1/h100.plan"], { ...tensorrt, ccModelFilenames: { "9.0": "h100.plan" } }),
      server: { accelerator: a100 },
    },
    at: "",
  },
  {
    code: "compute-capability-artifact-missing",
    what: "files for compute capabilities are there",
    keeps: files(["1/a100.plan"], { ...tensorrt, ccModelFilenames: { "8.0": "a100.plan" } }),
    breaks: files(["1/a100.plan"], {
      ...tensorrt,
      ccModelFilenames: { "8.0": "a100.plan", "9.0": "h100.plan" },
    }),
    at: "ccModelFilenames.9.0",
  },
  {
    code: "compute-capability-unlisted",
    what: "the GPU's own compute capability is listed",
    keeps: { fields: tensorrt, server: { accelerator: a100 } },
    breaks: { fields: tensorrt, server: { accelerator: { ...a100, computeCapability: "9.0" } } },
    at: "ccModelFilenames",
  },
  {
    code: "plan-without-compute-capability",
    what: "a plan says for which GPUs it is",
    keeps: { fields: tensorrt },
    breaks: { fields: { ...tensorrt, ccModelFilenames: {} } },
    at: "ccModelFilenames",
  },
  {
    code: "field-needs-release",
    what: "modelMetrics came with 24.11",
    keeps: { ...metrics("f", [1]), server: { release: "24.11" } },
    breaks: { ...metrics("f", [1]), server: { release: "24.10" } },
    at: "modelMetrics",
  },
  {
    code: "field-needs-release",
    what: "maxInflightRequests came with 25.11",
    keeps: {
      fields: {
        ensemble: {
          steps: [{ model: "step", inputs: { x: "x" }, outputs: { y: "y" } }],
          maxInflightRequests: 2,
        },
      },
      server: { release: "25.11" },
    },
    breaks: {
      fields: {
        ensemble: {
          steps: [{ model: "step", inputs: { x: "x" }, outputs: { y: "y" } }],
          maxInflightRequests: 2,
        },
      },
      server: { release: "25.10" },
    },
    at: "ensemble.maxInflightRequests",
  },
  {
    code: "metric-family",
    what: "buckets are for a histogram",
    keeps: metrics("f", [1]),
    breaks: metrics("", [1]),
    at: "modelMetrics[0].family",
  },
  {
    code: "metric-buckets",
    what: "a histogram has buckets",
    keeps: metrics("f", [1]),
    breaks: metrics("f", []),
    at: "modelMetrics[0].buckets",
  },
  {
    code: "metric-buckets",
    what: "buckets ascend",
    keeps: metrics("f", [1, 2]),
    breaks: metrics("f", [1, 1]),
    at: "modelMetrics[0].buckets",
  },
];
