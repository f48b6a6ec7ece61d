import { posix } from "node:path";
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
      "The image has the backend: it is one of NVIDIA's, one that the config says the image adds, or one whose library lies in the model's folder or its version folders.",
    severity: "error",
    source:
      "core/src/backend_model.cc TritonModel::GetBackendLibrarySearchPaths, GetBackendRuntimeLibraryName",
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
      "The runtime is a library or Python file that the backend has, or a library in the model's folder or its version folders.",
    severity: "error",
    source: "core/src/backend_model.cc TritonModel::GetBackendLibraryProperties",
    check: runtime,
  },
  {
    code: "vllm-not-decoupled",
    about:
      "A vLLM model is decoupled. The backend would write that into the config, but here nothing completes it, and then refuses to load.",
    severity: "error",
    source: "vllm_backend/src/model.py TritonPythonModel._init_engine_args; init_engine in older releases",
    check: vllmDecoupled,
  },
  {
    code: "vllm-batch-dimension",
    about:
      "A vLLM model has no batch dimension: the engine batches by itself, and takes the first row of a batch for the prompt.",
    severity: "error",
    source: "vllm_backend/src/model.py auto_complete_config; src/utils/request.py _get_input_tensors",
    check: vllmBatches,
  },
  {
    code: "execution-environment-missing",
    about: "A Python environment inside the model's folder is there: packed, or a folder with bin/activate.",
    severity: "error",
    source:
      "python_backend/src/pb_env.cc EnvironmentManager::ExtractIfNotExtracted; stub_launcher.cc StubLauncher::Launch; this project: a repository holds what the models' folders hold",
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
      "The image has the repository agent: NVIDIA's have `checksum`, and the config says which the image adds.",
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

function unknown(context: RuleContext): Finding[] {
  const { backend } = context.resolved;
  if (backend === undefined || imageOf(backend) !== undefined || isAdded(context, backend)) return [];
  const known = [...imageBackends(), ...context.server.customBackends];
  return [
    {
      path: "backend",
      message: `the image has no backend \`${backend}\``,
      hint: `${suggest(backend, known)}; one that an image of your own has goes into the stack's config: \`triton-platform:customBackends: [${backend}]\``,
    },
  ];
}

/** Whether an image of one's own has the backend, or the model brings its library. */
function isAdded(context: RuleContext, backend: string): boolean {
  const library = context.model.spec.runtime ?? `libtriton_${backend}.so`;
  return context.server.customBackends.includes(backend) || isBrought(context, library);
}

/** Whether a library lies where Triton looks before it looks into the image: the version's folder, then the model's. */
function isBrought({ model, versions }: RuleContext, library: string): boolean {
  // A Python file is that of the backend, never the model's own.
  if (library === "model.py") return false;
  return (
    model.companions.some(({ path }) => path === library) ||
    (versions.length > 0 && versions.every(({ paths }) => paths.has(library)))
  );
}

function release(context: RuleContext): Finding[] {
  const { resolved, server } = context;
  const gone = resolved.backend === "tensorflow" && !isAtLeast(lastTensorFlowRelease, server.release);
  return !gone || isAdded(context, resolved.backend)
    ? []
    : [
        {
          path: "backend",
          message: `Triton ${server.release} has no TensorFlow backend`,
          hint: `use release ${lastTensorFlowRelease}, the last with it, or export the model to ONNX`,
        },
      ];
}

function otherImage(context: RuleContext): Finding[] {
  const { resolved, server } = context;
  const { backend } = resolved;
  const image = backend === undefined ? undefined : imageOf(backend);
  return backend === undefined || image === undefined || image === "py3" || isAdded(context, backend)
    ? []
    : [
        {
          path: "backend",
          message: `${backend} comes in the image \`${server.release}-${image}\` only`,
          hint: "run this model's server from that image, and silence this",
        },
      ];
}

function runtime(context: RuleContext): Finding[] {
  const { model, resolved, server } = context;
  const { runtime: named, ensemble } = model.spec;
  const { backend } = resolved;
  if (named === undefined || ensemble !== undefined || backend === undefined) return [];
  if (imageOf(backend) === undefined || server.customBackends.includes(backend)) return [];
  const known = runtimesOf(backend);
  return known.includes(named) || isBrought(context, named)
    ? []
    : [
        {
          path: "runtime",
          message: `the ${backend} backend has no \`${named}\``,
          hint: `leave it out, or write ${known.join(" or ")}`,
        },
      ];
}

function vllmDecoupled({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  return backend !== "vllm" || spec.transactionPolicy?.decoupled === true
    ? []
    : [
        {
          path: "transactionPolicy.decoupled",
          message: "missing, and the vllm backend loads decoupled models only",
          hint: "write `transactionPolicy: { decoupled: true }`: nothing completes it here",
        },
      ];
}

function vllmBatches({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  return backend !== "vllm" || spec.maxBatchSize === 0
    ? []
    : [
        {
          path: "maxBatchSize",
          message: `${String(spec.maxBatchSize)} puts a batch dimension in front of the prompt, which vLLM does not take`,
          hint: "write maxBatchSize: 0: the engine batches by itself",
        },
      ];
}

const modelDirectory = "$$TRITON_MODEL_DIRECTORY/";

function executionEnvironment(context: RuleContext): Finding[] {
  const { model, resolved } = context;
  const parameter = "EXECUTION_ENV_PATH";
  const value = Object.hasOwn(model.spec.parameters, parameter)
    ? model.spec.parameters[parameter]
    : undefined;
  if (resolved.backend !== "python" || value?.startsWith(modelDirectory) !== true) return [];
  const path = `parameters.${parameter}`;
  const place = posix.normalize(value.slice(modelDirectory.length)).replace(/\/$/, "");
  if (place === ".." || place.startsWith("../")) {
    return [
      {
        path,
        message: `\`${value}\` lies outside the model's folder, which is all that is served of it`,
        hint: "put it into the image and write its absolute path, or into this folder and name it under `files`",
      },
    ];
  }
  const served = servedPaths(context);
  const isFolder = served.some((file) => file.startsWith(`${place}/`));
  // Triton unpacks a file, and starts Python from the folder that it gets or is given.
  const wanted = isFolder ? `${place}/bin/activate` : place;
  return served.includes(wanted)
    ? []
    : [
        {
          path,
          message: `there is no \`${wanted}\` among what is served`,
          hint: isFolder
            ? "an unpacked environment has that script: make it with conda-pack or venv"
            : "name it under `files`, or put it into a version folder",
        },
      ];
}

/** What a server gets of the model, relative to its folder. */
function servedPaths({ model, versions }: RuleContext): string[] {
  return [
    ...model.companions.map(({ path }) => path),
    ...versions.flatMap(({ version, paths }) => [...paths].map((path) => `${String(version)}/${path}`)),
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

function unknownAgent({ model: { spec }, server }: RuleContext): Finding[] {
  const known = ["checksum", ...server.customAgents];
  return (spec.repositoryAgents ?? []).flatMap(({ name }, i) =>
    known.includes(name)
      ? []
      : [
          {
            path: `repositoryAgents[${String(i)}].name`,
            message: `the image has no agent \`${name}\``,
            hint: `${suggest(name, known)}; one that an image of your own has goes into the stack's config: \`triton-platform:customAgents: [${name}]\``,
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
