import { suggest } from "../../spec/problem.ts";
import type { DataType } from "../../spec/model/tensors.ts";
import { imageBackends, imageOf, isPair, platformsOf, runtimesOf } from "../backends.ts";
import { firstTorchAotiRelease, isAtLeast, lastTensorFlowRelease } from "../releases.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** What runs a model, and what that asks of its tensors. */
export const backendRules: readonly Rule[] = [
  {
    code: "backend-missing",
    about: "A model that is no ensemble has a backend: named, or told by its platform or its files.",
    severity: "error",
    source: "core/src/model_config_utils.cc AutoCompleteBackendFields, ValidateModelConfig",
    check: missing,
  },
  {
    code: "backend-platform-pair",
    about: "Backend and platform mean the same thing.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig",
    check: pair,
  },
  {
    code: "platform-needs-release",
    about: "The image knows the platform: torch_aoti came with 26.03.",
    severity: "error",
    source: "core/src/constants.h kPyTorchAotiPlatform",
    check: platformRelease,
  },
  {
    code: "unknown-backend",
    about:
      "The image has the backend: it is one of NVIDIA's, one that the config says the image adds, or one whose library lies in the model's version folder.",
    severity: "error",
    source: "core/src/backend_model.cc TritonModel::GetBackendRuntimeLibraryName",
    check: unknown,
  },
  {
    code: "backend-not-in-release",
    about: "The release still has the backend: TensorFlow's last came with 25.02.",
    severity: "error",
    source: "release notes of 25.03",
    check: release,
  },
  {
    code: "backend-in-another-image",
    about: "vLLM and TensorRT-LLM come in images of their own, not in `-py3`.",
    severity: "advice",
    source: "NVIDIA's catalogue of images: -vllm-python-py3, -trtllm-python-py3",
    check: otherImage,
  },
  {
    code: "unknown-runtime",
    about:
      "The runtime is a library or Python file that the backend has, or one in the model's version folder.",
    severity: "error",
    source: "core/src/backend_model.cc TritonModel::GetBackendLibraryProperties",
    check: runtime,
  },
  {
    code: "execution-environment-missing",
    about: "A packed Python environment inside the model's folder is there.",
    severity: "error",
    source: "python_backend/src/pb_env.cc EnvironmentManager::ExtractIfNotExtracted",
    check: executionEnvironment,
  },
  {
    code: "python-filename",
    about:
      "A Python model's file is a module: letters, digits, - and _, ending in .py. Triton hands its path to a shell unquoted and waits for ever where that breaks.",
    severity: "error",
    source: "python_backend/src/stub_launcher.cc StubLauncher::Launch; pb_stub.cc Stub::StubSetup",
    check: pythonFilename,
  },
  {
    code: "python-parameter",
    about: "FORCE_CPU_ONLY_INPUT_TENSORS is yes or no.",
    severity: "error",
    source: "python_backend/src/python_be.cc ModelState::ModelState",
    check: pythonParameter,
  },
  {
    code: "repository-agents-empty",
    about: "Where repository agents are asked for, there is one. The server dies of an empty list.",
    severity: "error",
    source: "core/src/model_repository_manager.cc CreateAgentModelListWithLoadAction",
    check: agentsEmpty,
  },
  {
    code: "unknown-repository-agent",
    about:
      "The image has the repository agent: NVIDIA's have `checksum`, and no others are known to this platform.",
    severity: "error",
    source: "core/src/repo_agent.cc TritonRepoAgentManager::CreateAgent",
    check: unknownAgent,
  },
  {
    code: "batch-strategy-path",
    about:
      "A batching strategy of one's own lies in the version folder as batchstrategy.so, where Triton finds it by itself. From 26.06 on it refuses a path outside the model's folder, before that one that the image lacks, and with sequence batching any.",
    severity: "error",
    source: "core/src/backend_model.cc TritonModel::Create",
    check: batchStrategyPath,
  },
  {
    code: "pytorch-type",
    about: "TorchScript has no unsigned integers above 8 bits and no BF16 in Triton.",
    severity: "error",
    source: "pytorch_backend/src/libtorch_utils.cc ModelConfigDataTypeToTorchType",
    check: pytorchTypes,
  },
  {
    code: "pytorch-string-dims",
    about:
      "PyTorch takes and gives strings as one list; with a batch dimension a row is a scalar, reshaped to [].",
    severity: "error",
    source: "pytorch_backend/src/libtorch.cc ModelInstanceState::ValidateInputs, ValidateOutputs",
    check: pytorchStrings,
  },
  {
    code: "pytorch-sequence-names",
    about:
      "TorchScript knows tensors by position: states and control inputs of sequences are named NAME__<position>.",
    severity: "error",
    source: "pytorch_backend/src/libtorch.cc GetNamingConvention, ValidateBooleanSequenceControl",
    check: pytorchSequenceNames,
  },
  {
    code: "pytorch-tensor-order",
    about:
      "TorchScript knows outputs by position: where one is not named NAME__<position>, all are taken in the order in which the spec lists them.",
    severity: "advice",
    source: "pytorch_backend/src/libtorch.cc GetNamingConvention",
    check: pytorchOrder,
  },
];

function missing({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  if (spec.ensemble !== undefined || backend !== undefined) return [];
  return [
    {
      path: "backend",
      message:
        spec.platform === undefined
          ? "missing, and the files do not tell it"
          : `missing, and the platform \`${spec.platform}\` does not tell it`,
      hint: "name the backend that runs this model, or give it an `ensemble` section",
    },
  ];
}

function pair({ model: { spec }, resolved: { backend, platform } }: RuleContext): Finding[] {
  if (backend === undefined || spec.platform === "ensemble" || isPair(backend, platform)) return [];
  const platforms = platformsOf(backend);
  return [
    {
      path: "platform",
      message:
        platform === undefined
          ? `missing, and the files do not tell which of the ${backend} backend's it is`
          : `\`${platform}\` is no platform of the ${backend} backend`,
      hint: platform === undefined ? `write one of ${platforms.join(", ")}` : suggest(platform, platforms),
    },
  ];
}

function platformRelease({ resolved: { platform }, server }: RuleContext): Finding[] {
  return platform !== "torch_aoti" || isAtLeast(server.release, firstTorchAotiRelease)
    ? []
    : [
        {
          path: "platform",
          message: `Triton ${server.release} does not know torch_aoti`,
          hint: `use release ${firstTorchAotiRelease} or newer, or TorchScript`,
        },
      ];
}

function unknown({ resolved: { backend }, server, versions }: RuleContext): Finding[] {
  if (backend === undefined || imageOf(backend) !== undefined) return [];
  const { customBackends } = server;
  const library = `libtriton_${backend}.so`;
  const bundled = versions.length > 0 && versions.every(({ paths }) => paths.has(library));
  if (bundled || customBackends.includes(backend)) return [];
  return [
    {
      path: "backend",
      message: `the image has no backend \`${backend}\``,
      hint: `${suggest(backend, [...imageBackends(), ...customBackends])}; a backend of your own goes into the server's customBackends`,
    },
  ];
}

function release({ resolved: { backend }, server }: RuleContext): Finding[] {
  const gone = backend === "tensorflow" && !isAtLeast(lastTensorFlowRelease, server.release);
  return !gone || server.customBackends.includes(backend)
    ? []
    : [
        {
          path: "backend",
          message: `Triton ${server.release} has no TensorFlow backend`,
          hint: `use release ${lastTensorFlowRelease}, the last with it, or export the model to ONNX`,
        },
      ];
}

function otherImage({ resolved: { backend }, server }: RuleContext): Finding[] {
  const image = backend === undefined ? undefined : imageOf(backend);
  return backend === undefined ||
    image === undefined ||
    image === "py3" ||
    server.customBackends.includes(backend)
    ? []
    : [
        {
          path: "backend",
          message: `${backend} comes in the image \`${server.release}-${image}\` only`,
          hint: "run this model's server from that image, and silence this",
        },
      ];
}

function runtime({ model: { spec }, resolved: { backend }, server, versions }: RuleContext): Finding[] {
  const { runtime: named, ensemble } = spec;
  if (named === undefined || ensemble !== undefined || backend === undefined) return [];
  if (imageOf(backend) === undefined || server.customBackends.includes(backend)) return [];
  const known = runtimesOf(backend);
  // A Python file is that of the backend, never the model's own.
  const bundled =
    named !== "model.py" && versions.length > 0 && versions.every(({ paths }) => paths.has(named));
  return bundled || known.includes(named)
    ? []
    : [
        {
          path: "runtime",
          message: `the ${backend} backend has no \`${named}\``,
          hint: `leave it out, or write ${known.join(" or ")}`,
        },
      ];
}

const modelDirectory = "$$TRITON_MODEL_DIRECTORY/";

function executionEnvironment({ model, resolved: { backend }, versions }: RuleContext): Finding[] {
  const { spec, companions } = model;
  const parameter = "EXECUTION_ENV_PATH";
  const value = Object.hasOwn(spec.parameters, parameter) ? spec.parameters[parameter] : undefined;
  if (backend !== "python" || value?.startsWith(modelDirectory) !== true) return [];
  const file = value.slice(modelDirectory.length);
  const [version = "", ...rest] = file.split("/");
  const served = versions.find((candidate) => String(candidate.version) === version);
  const isThere =
    served?.paths.has(rest.join("/")) === true ||
    companions.some(({ path }) => path === file || path.startsWith(`${file}/`));
  return isThere
    ? []
    : [
        {
          path: `parameters.${parameter}`,
          message: `there is no \`${file}\` among what is served`,
          hint: "name it under `files`, or put it into a version folder",
        },
      ];
}

function pythonFilename({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  const name = spec.defaultModelFilename;
  return backend !== "python" || name === undefined || /^[\w/-]+\.py$/.test(name)
    ? []
    : [
        {
          path: "defaultModelFilename",
          message: `\`${name}\` is no name of a Python module`,
          hint: "use letters, digits, - and _, and end it in .py",
        },
      ];
}

function pythonParameter({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  const parameter = "FORCE_CPU_ONLY_INPUT_TENSORS";
  const value = Object.hasOwn(spec.parameters, parameter) ? spec.parameters[parameter] : undefined;
  return backend !== "python" || value === undefined || value === "yes" || value === "no"
    ? []
    : [{ path: `parameters.${parameter}`, message: `"${value}" is no answer`, hint: 'write "yes" or "no"' }];
}

function agentsEmpty({ model: { spec } }: RuleContext): Finding[] {
  return spec.repositoryAgents?.length === 0
    ? [{ path: "repositoryAgents", message: "there is no agent", hint: "name one, or leave the list out" }]
    : [];
}

function unknownAgent({ model: { spec } }: RuleContext): Finding[] {
  return (spec.repositoryAgents ?? []).flatMap(({ name }, i) =>
    name === "checksum"
      ? []
      : [
          {
            path: `repositoryAgents[${String(i)}].name`,
            message: `the image has no agent \`${name}\``,
            hint: "write `checksum`, or leave it out",
          },
        ],
  );
}

function batchStrategyPath({ model: { spec } }: RuleContext): Finding[] {
  const parameter = "TRITON_BATCH_STRATEGY_PATH";
  // An ensemble's parameters are read by nobody.
  return spec.ensemble === undefined && Object.hasOwn(spec.parameters, parameter)
    ? [
        {
          path: `parameters.${parameter}`,
          message: "whether there is a file at this path is not known before the model is loaded",
          hint:
            spec.sequenceBatching === undefined
              ? "leave it out, and put the library into the version folder as batchstrategy.so"
              : "leave it out: sequences are not batched by it",
        },
      ]
    : [];
}

const torchTypes: readonly DataType[] = [
  "BOOL",
  "UINT8",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
  "STRING",
];

/** TorchScript inside the C++ backend; a Python runtime and PT2 archives have rules of their own. */
function isTorchScript({ model: { spec }, resolved: { backend, platform } }: RuleContext): boolean {
  return backend === "pytorch" && platform === "pytorch_libtorch" && spec.runtime !== "model.py";
}

function pytorchTensors({ model: { spec } }: RuleContext) {
  return [
    ...spec.inputs.map((tensor, i) => ({ path: `inputs[${String(i)}]`, tensor })),
    ...spec.outputs.map((tensor, i) => ({ path: `outputs[${String(i)}]`, tensor })),
  ];
}

function pytorchTypes(context: RuleContext): Finding[] {
  if (!isTorchScript(context)) return [];
  return pytorchTensors(context)
    .filter(({ tensor }) => !torchTypes.includes(tensor.dataType))
    .map(({ path, tensor }) => ({
      path: `${path}.dataType`,
      message: `the pytorch backend has no ${tensor.dataType}`,
      hint: `use one of ${torchTypes.join(", ")}`,
    }));
}

function pytorchStrings(context: RuleContext): Finding[] {
  if (!isTorchScript(context)) return [];
  const batch = context.model.spec.maxBatchSize > 0 ? 1 : 0;
  return pytorchTensors(context)
    .filter(
      ({ tensor }) => tensor.dataType === "STRING" && (tensor.reshape ?? tensor.dims).length + batch > 1,
    )
    .map(({ path, tensor }) => ({
      path: `${path}.dims`,
      message: `[${(tensor.reshape ?? tensor.dims).join(", ")}] is no list of strings${batch === 1 ? " with the batch dimension in front" : ""}`,
      hint: batch === 1 ? "write dims: [1] and reshape: []" : "write one dim",
    }));
}

/** `NAME__<position>`, by the first two underscores. */
function hasPosition(name: string): boolean {
  return /^(?:(?!__).)*__\d*$/s.test(name);
}

function pytorchSequenceNames(context: RuleContext): Finding[] {
  const sequence = context.model.spec.sequenceBatching;
  if (sequence === undefined || !isTorchScript(context)) return [];
  const names = [
    ...sequence.controlInputs.map(({ name }, i) => ({
      path: `sequenceBatching.controlInputs[${String(i)}].name`,
      name,
    })),
    ...sequence.states.flatMap(({ inputName, outputName }, i) => [
      { path: `sequenceBatching.states[${String(i)}].inputName`, name: inputName },
      { path: `sequenceBatching.states[${String(i)}].outputName`, name: outputName },
    ]),
    // With states, all tensors go by position.
    ...(sequence.states.length === 0
      ? []
      : pytorchTensors(context).map(({ path, tensor }) => ({ path: `${path}.name`, name: tensor.name }))),
  ];
  return names
    .filter(({ name }) => !hasPosition(name))
    .map(({ path, name }) => ({
      path,
      message: `\`${name}\` does not say its position`,
      hint: "name it like INPUT__0, with its position among the model's arguments or results",
    }));
}

function pytorchOrder(context: RuleContext): Finding[] {
  const { outputs } = context.model.spec;
  if (!isTorchScript(context) || outputs.length < 2) return [];
  const index = outputs.findIndex(({ name }) => !hasPosition(name));
  return index === -1
    ? []
    : [
        {
          path: `outputs[${String(index)}].name`,
          message: `\`${outputs[index]?.name ?? ""}\` does not say its position, so all outputs are taken in the order written here`,
          hint: "name them like OUTPUT__0, or silence this where the order is meant",
        },
      ];
}
