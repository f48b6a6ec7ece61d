import type {
  ControlConfig,
  DynamicBatchingConfig,
  EnsembleConfig,
  InstanceGroupConfig,
  ModelConfig,
  SequenceBatchingConfig,
  StateConfig,
  TensorConfig,
  WarmupConfig,
} from "../../core/triton/model-config.ts";
import { candidateName, type Candidate } from "./candidate.ts";

/** Changes a config that is its own; false where the config has nothing of the kind to change. */
type Mutation = (config: ModelConfig, pick: number, candidate: Candidate) => boolean;

/**
 * Changes near the borders of Triton's rules. `pick` chooses among the places and the values. Some leave the config
 * valid: the server says which.
 */
const mutations: Readonly<Record<string, Mutation>> = {
  "name of another folder": set((config) => (config.name = "elsewhere")),
  "unknown backend": set((config) => (config.backend = "nonsense")),
  "no backend": set((config) => delete config.backend),
  "unknown platform": set((config, pick) => {
    config.platform = at(["", "ensemble", "nonsense", "tensorrt_plan", "onnxruntime_onnx"], pick);
  }),
  "unknown runtime": set((config, pick) => {
    config.runtime = at(["model.py", "nonsense.so", "libtriton_python.so"], pick);
  }),
  "negative max_batch_size": set((config) => (config.maxBatchSize = -1)),
  "max_batch_size 0": set((config) => {
    config.maxBatchSize = 0;
    // A sample of more than one batch would end the server; that is a mutation of its own.
    for (const sample of config.modelWarmup ?? []) sample.batchSize = Math.min(1, sample.batchSize ?? 0);
  }),
  "max_batch_size of more": set((config) => (config.maxBatchSize = (config.maxBatchSize ?? 0) + 1)),
  "no tensors": set((config, pick) => (pick % 2 === 0 ? delete config.input : delete config.output)),

  "dims at a border": onTensor((tensor, pick) => {
    tensor.dims = at([[0], [-2], [], [-1], [2, 0], [1, -1]], pick);
  }),
  "tensor without name": onTensor((tensor) => (tensor.name = "")),
  "tensor without type": onTensor((tensor, pick) => {
    if (pick % 2 === 0) delete tensor.dataType;
    else tensor.dataType = "TYPE_INVALID";
  }),
  "tensor of another type": onTensor((tensor, pick) => {
    tensor.dataType = at(["TYPE_BF16", "TYPE_UINT64", "TYPE_STRING", "TYPE_FP32"], pick);
  }),
  "reshape of another size": onTensor((tensor, pick) => {
    tensor.reshape = { shape: at([[], [0], [-2], [-1], [5], [2, 2], [1, -1], [-1, -1]], pick) };
  }),
  "reshape with more dims": onTensor((tensor) => {
    tensor.reshape = { shape: [...(tensor.dims ?? []), 1] };
  }),
  "shape tensor": onTensor((tensor) => (tensor.isShapeTensor = true)),
  "non-linear format": onTensor((tensor) => (tensor.isNonLinearFormatIo = true)),
  "format of other dims": onInput((tensor, pick) => {
    tensor.format = at(["FORMAT_NHWC", "FORMAT_NCHW"], pick);
  }),
  "one tensor twice": set((config, pick) => {
    const list = pick % 2 === 0 ? config.input : config.output;
    list?.push(...structuredClone(list.slice(0, 1)));
    return list !== undefined;
  }),
  "optional input": onInput((tensor) => (tensor.optional = true)),
  "ragged input": onInput((tensor) => (tensor.allowRaggedBatch = true)),
  "labels that are missing": onOutput((tensor) => (tensor.labelFilename = "missing.txt")),

  "batch input of another type": onBatchInput((tensor, pick) => {
    tensor.dataType = at(["TYPE_INT64", "TYPE_INVALID", "TYPE_FP32"], pick);
  }),
  "batch tensor of no or two sources": onBatchTensor((tensor, pick) => {
    tensor.sourceInput = at(
      [[], ["nowhere"], [...(tensor.sourceInput ?? []), ...(tensor.sourceInput ?? [])]],
      pick,
    );
  }),
  "batch tensor with other targets": onBatchTensor((tensor, pick) => {
    tensor.targetName = at([["nowhere"], [...(tensor.targetName ?? []), ...(tensor.targetName ?? [])]], pick);
  }),

  "version policy at a border": set((config, pick) => {
    config.versionPolicy = at<NonNullable<ModelConfig["versionPolicy"]>>(
      [
        { latest: { numVersions: 0 } },
        { latest: {} },
        { latest: { numVersions: 100 } },
        { specific: {} },
        { specific: { versions: [5] } },
        { specific: { versions: [-1, 1] } },
        {},
      ],
      pick,
    );
  }),
  // The project makes an ensemble's version folder itself: these two are for models with files.
  "no version folder": ({ ensembleScheduling }, _pick, candidate) => {
    if (ensembleScheduling !== undefined) return false;
    candidate.files = Object.fromEntries(
      Object.entries(candidate.files).filter(([file]) => !/^\d+\//.test(file)),
    );
    return true;
  },
  "version folder with a leading zero": ({ ensembleScheduling }, _pick, candidate) => {
    if (ensembleScheduling !== undefined) return false;
    candidate.files = Object.fromEntries(
      Object.entries(candidate.files).map(([file, content]) => [file.replace(/^(\d+)\//, "0$1/"), content]),
    );
    return true;
  },

  "instance count at a border": onGroup((group, pick) => (group.count = at([0, -1], pick))),
  gpus: onGroup((group) => (group.gpus = [0])),
  "instances on a GPU": onGroup((group) => (group.kind = "KIND_GPU")),
  "no instance that is not passive": onGroup((_group, _pick, config) => {
    for (const group of config.instanceGroup ?? []) group.passive = true;
  }),
  "resource of two scopes": onGroup((group) => {
    group.rateLimiter = {
      resources: [
        { name: "R1", count: 1 },
        { name: "R1", global: true, count: 1 },
      ],
    };
  }),
  "compute capability that is none": set(
    (config) => (config.ccModelFilenames = { "no number": "absent.py" }),
  ),
  profile: onGroup((group, pick) => (group.profile = [at(["0", "-1", "x"], pick)])),

  "preferred size at a border": onDynamicBatching((batching, pick, { maxBatchSize = 0 }) => {
    batching.preferredBatchSize = [at([0, -1, maxBatchSize + 1, maxBatchSize], pick)];
  }),
  "priorities without a default": onDynamicBatching((batching, pick) => {
    batching.priorityLevels = at([1, 3], pick);
    delete batching.defaultPriorityLevel;
  }),
  "default priority at a border": onDynamicBatching((batching, pick) => {
    const { priorityLevels = 0 } = batching;
    batching.defaultPriorityLevel = at([0, priorityLevels, priorityLevels + 1], pick);
  }),
  "policy of a priority at a border": onDynamicBatching((batching, pick) => {
    const { priorityLevels = 0 } = batching;
    batching.priorityQueuePolicy = {
      [String(at([0, priorityLevels, priorityLevels + 1], pick))]: { maxQueueSize: 1 },
    };
  }),
  "order with priorities": onDynamicBatching((batching, pick) => {
    batching.preserveOrdering = true;
    batching.priorityLevels = at([0, 1, 2], pick);
    batching.defaultPriorityLevel = 1;
    delete batching.priorityQueuePolicy;
  }),
  "order with delay": onDynamicBatching((batching, pick) => {
    const policy = { timeoutAction: "DELAY" as const, defaultTimeoutMicroseconds: at([0, 5], pick) };
    batching.preserveOrdering = true;
    if (pick % 3 === 0) batching.defaultQueuePolicy = policy;
    else batching.priorityQueuePolicy = { "1": policy };
  }),

  "oldest at a border": onSequenceBatching((batching, pick, { maxBatchSize = 0 }) => {
    delete batching.direct;
    batching.oldest = at<NonNullable<SequenceBatchingConfig["oldest"]>>(
      [
        { maxCandidateSequences: 0 },
        { maxCandidateSequences: -1 },
        { preferredBatchSize: [0] },
        { preferredBatchSize: [-1] },
        { preferredBatchSize: [maxBatchSize + 1] },
      ],
      pick,
    );
  }),
  "slot utilization at a border": onSequenceBatching((batching, pick) => {
    delete batching.oldest;
    batching.direct = { minimumSlotUtilization: at([0, 1, 1.5, -0.5], pick) };
  }),
  "control of another shape": onControl((control, pick) => {
    delete control.int32FalseTrue;
    delete control.fp32FalseTrue;
    delete control.boolFalseTrue;
    Object.assign(
      control,
      at<ControlConfig>(
        [
          {},
          { int32FalseTrue: [0] },
          { int32FalseTrue: [0, 1, 2] },
          { fp32FalseTrue: [1] },
          { boolFalseTrue: [true, false, true] },
          { int32FalseTrue: [0, 1], fp32FalseTrue: [0, 1] },
          { dataType: "TYPE_FP32" },
          { dataType: "TYPE_UINT64" },
          { dataType: "TYPE_INT32", int32FalseTrue: [0, 1] },
        ],
        pick,
      ),
    );
  }),
  "two controls of one kind": onSequenceBatching((batching) => {
    const [first] = batching.controlInput ?? [];
    if (first !== undefined) batching.controlInput?.push({ ...structuredClone(first), name: "again" });
    return first !== undefined;
  }),
  "two controls of one name": onSequenceBatching((batching) => {
    const [first, second] = batching.controlInput ?? [];
    if (first?.name !== undefined && second !== undefined) second.name = first.name;
    return second !== undefined;
  }),
  "control without name": onSequenceBatching((batching) => {
    const [first] = batching.controlInput ?? [];
    if (first !== undefined) first.name = "";
    return first !== undefined;
  }),
  "control named like an input": onSequenceBatching((batching, _pick, { input }) => {
    const [first] = batching.controlInput ?? [];
    if (first !== undefined) first.name = input?.[0]?.name ?? "";
    return first !== undefined;
  }),
  "state at a border": onState((state, pick) => {
    Object.assign(
      state,
      at<StateConfig>(
        [
          { dims: [] },
          { dims: [0] },
          { dims: [-2] },
          { dataType: "TYPE_INVALID" },
          { inputName: "" },
          { outputName: "" },
          { useGrowableMemory: true },
        ],
        pick,
      ),
    );
  }),
  "initial state at a border": onState((state, pick) => {
    const { dataType = "TYPE_FP32", dims = [] } = state;
    const concrete = dims.map((size) => Math.abs(size));
    const valid = { name: "first", dataType, dims: concrete, zeroData: true };
    state.initialState = at<NonNullable<StateConfig["initialState"]>>(
      [
        [{ ...valid, name: "" }],
        [{ ...valid, dataType: "TYPE_INT64" }],
        [{ ...valid, dims: [...concrete, 1] }],
        [{ ...valid, dims: concrete.map((size) => size + 1) }],
        [{ ...valid, dims: [-1] }],
        [{ name: "first", dataType, dims: concrete }],
        [{ name: "first", dataType, dims: concrete, dataFile: "missing" }],
        [valid, valid],
      ],
      pick,
    );
  }),
  "cache with sequences or a decoupled model": set((config, pick) => {
    config.responseCache = { enable: true };
    if (pick % 2 === 0) config.modelTransactionPolicy = { decoupled: true };
    return true;
  }),

  "warmup without an input": onWarmup((sample, pick) => {
    const names = Object.keys(sample.inputs ?? {});
    const left = names.filter((_, i) => i !== pick % names.length);
    sample.inputs = Object.fromEntries(
      Object.entries(sample.inputs ?? {}).filter(([name]) => left.includes(name)),
    );
    return names.length > 0;
  }),
  "warmup with an unknown input": onWarmup((sample) => {
    sample.inputs = { ...sample.inputs, nowhere: { dataType: "TYPE_FP32", dims: [1], zeroData: true } };
  }),
  "warmup input at a border": onWarmup((sample, pick) => {
    const [input] = Object.values(sample.inputs ?? {});
    if (input === undefined) return false;
    const change = at(
      ["type", "no type", "dims", "rank", "-1", "0", "none", "missing file", "no source"],
      pick,
    );
    if (change === "type") input.dataType = input.dataType === "TYPE_INT8" ? "TYPE_FP64" : "TYPE_INT8";
    if (change === "no type") delete input.dataType;
    if (change === "dims") input.dims = (input.dims ?? []).map((size) => size + 1);
    if (change === "rank") input.dims = [...(input.dims ?? []), 1];
    if (change === "-1") input.dims = [-1];
    if (change === "0") input.dims = [0];
    if (change === "none") delete input.dims;
    if (change === "missing file" || change === "no source") {
      delete input.zeroData;
      delete input.randomData;
      delete input.inputDataFile;
    }
    if (change === "missing file") input.inputDataFile = "missing";
    return true;
  }),
  "warmup file too short": (config, _pick, candidate) => {
    const file = Object.keys(candidate.files).find((name) => name.startsWith("warmup/"));
    if (file === undefined) return false;
    candidate.files = { ...candidate.files, [file]: "\0" };
    return config.modelWarmup !== undefined;
  },

  "parameter that means something": set((config, pick) => {
    const [key, stringValue] = at(
      [
        ["FORCE_CPU_ONLY_INPUT_TENSORS", "maybe"],
        ["FORCE_CPU_ONLY_INPUT_TENSORS", ""],
        ["EXECUTION_ENV_PATH", "/missing.tar.gz"],
        ["EXECUTION_ENV_PATH", ""],
        ["TRITON_BATCH_STRATEGY_PATH", "/missing.so"],
        ["TRITON_BATCH_STRATEGY_PATH", ""],
      ] as const,
      pick,
    );
    config.parameters = { ...config.parameters, [key]: { stringValue } };
    return true;
  }),
  "unknown repository agent": set((config, pick) => {
    config.modelRepositoryAgents = { agents: [at([{ name: "nonsense" }, {}], pick)] };
  }),
  "program that is no Python": (config, _pick, candidate) => {
    config.defaultModelFilename = "model.txt";
    candidate.files = Object.fromEntries(
      Object.entries(candidate.files).map(([file, content]) => [
        file.replace(/\.py$/, ".txt").replace("other.txt", "model.txt"),
        content,
      ]),
    );
    return true;
  },
  "field of a later release": set((config) => {
    if (config.ensembleScheduling !== undefined) config.ensembleScheduling.maxInflightRequests = 4;
    else config.modelMetrics = { metricControl: [] };
  }),

  "ensemble with a part of other models": onEnsemble((_ensemble, pick, config) => {
    Object.assign(
      config,
      at<ModelConfig>(
        [
          { instanceGroup: [{ kind: "KIND_CPU" }] },
          { optimization: {} },
          { modelWarmup: [{ name: "w" }] },
          { backend: "python" },
          { platform: "" },
          { responseCache: { enable: true } },
          { modelTransactionPolicy: { decoupled: true } },
          { defaultModelFilename: "model.py" },
        ],
        pick,
      ),
    );
  }),
  "ensemble without steps": onEnsemble((ensemble) => (ensemble.step = [])),
  "ensemble of larger batches": onEnsemble(
    (_ensemble, pick, config) => (config.maxBatchSize = at([5, 9], pick)),
  ),
  "step that is decoupled": onStep((step) => {
    if (step.modelName === "step-one") step.modelName = "step-many";
    return step.modelName === "step-many";
  }),
  "step of an absent model": onStep(
    (step, pick) => (step.modelName = at(["absent", "", candidateName], pick)),
  ),
  "step of another version": onStep((step, pick) => (step.modelVersion = at([0, 2, -2], pick))),
  "step with an unmapped input": onStep((step, pick) => dropOne(step, "inputMap", pick)),
  "step with an unmapped output": onStep((step, pick) => dropOne(step, "outputMap", pick)),
  "step with an unknown input": onStep((step) => (step.inputMap = { ...step.inputMap, nowhere: "in" })),
  "step with an unknown output": onStep(
    (step) => (step.outputMap = { ...step.outputMap, nowhere: "unread" }),
  ),
  "step that reads another tensor": onStep((step, pick, config) => {
    const names = [
      "nowhere",
      ...(config.ensembleScheduling?.step ?? []).flatMap(({ outputMap = {} }) => Object.values(outputMap)),
    ];
    const [first] = Object.keys(step.inputMap ?? {});
    if (first !== undefined) step.inputMap = { ...step.inputMap, [first]: at(names, pick) };
    return first !== undefined;
  }),
  "step that writes another tensor": onStep((step, pick, config) => {
    const names = [
      "in",
      ...(config.ensembleScheduling?.step ?? []).flatMap(({ outputMap = {} }) => Object.values(outputMap)),
    ];
    const [first] = Object.keys(step.outputMap ?? {});
    if (first !== undefined) step.outputMap = { ...step.outputMap, [first]: at(names, pick) };
    return first !== undefined;
  }),
  "ensemble output that is not written": onEnsemble((_ensemble, _pick, config) => {
    config.output?.push({ name: "nowhere", dataType: "TYPE_FP32", dims: [1] });
  }),
  "ensemble output left out": onEnsemble((_ensemble, _pick, config) => config.output?.pop() !== undefined),
  "ensemble input that is not read": onEnsemble((_ensemble, _pick, config) => {
    config.input?.push({ name: "unread", dataType: "TYPE_FP32", dims: [1] });
  }),
};

/** These end a server of release 24.10, or make it hang for ever. */
const deadly: Readonly<Record<string, Mutation>> = {
  "warmup of larger batches": onWarmup((sample, _pick, { maxBatchSize = 0 }) => {
    sample.batchSize = maxBatchSize + 2;
  }),
  "empty repository agents": set((config) => (config.modelRepositoryAgents = {})),
  "batch output without target": set((config) => {
    config.batchOutput = [{ sourceInput: [config.input?.[0]?.name ?? ""] }];
  }),
  "metric tag that is no label": set((config) => (config.metricTags = { "two words": "x" })),
  "missing program": (_config, _pick, candidate) => {
    candidate.files = Object.fromEntries(
      Object.entries(candidate.files).map(([file, content]) => [file.replace(/\.py$/, ".txt"), content]),
    );
    return true;
  },
  "absent version twice": set((config) => {
    config.versionPolicy = { specific: { versions: [5, 5] } };
  }),
  "TensorFlow's platform": set((config) => (config.platform = "tensorflow_savedmodel")),
};

export const mutationNames = Object.keys(mutations);
export const deadlyMutationNames = Object.keys(deadly);

/** The candidate with the first of the wanted mutations that it has a place for, at `most` so many. */
export function applyMutations(
  valid: Candidate,
  wanted: readonly (readonly [name: string, pick: number])[],
  most: number,
): Candidate {
  const candidate = structuredClone(valid);
  for (const [name, pick] of wanted) {
    if (candidate.mutations.length >= most) break;
    const mutation = mutations[name] ?? deadly[name];
    if (mutation?.(candidate.config, pick, candidate) === true) candidate.mutations.push(name);
  }
  return candidate;
}

/** What a change returns tells whether there was a place for it; one that returns no boolean always has one. */
type Change<T> = (part: T, pick: number, config: ModelConfig) => unknown;

function set(change: (config: ModelConfig, pick: number) => unknown): Mutation {
  return (config, pick) => change(config, pick) !== false;
}

function onPart<T>(
  partOf: (config: ModelConfig, pick: number) => T | undefined,
  change: Change<T>,
): Mutation {
  return (config, pick) => {
    const part = partOf(config, pick);
    // The place took the pick's remainder; the change takes another part of the number.
    return part !== undefined && change(part, Math.floor(pick / 8), config) !== false;
  };
}

function onTensor(change: Change<TensorConfig>): Mutation {
  return onPart(
    (config, pick) => atOrNone([...(config.input ?? []), ...(config.output ?? [])], pick),
    change,
  );
}

function onInput(change: Change<TensorConfig>): Mutation {
  return onPart((config, pick) => atOrNone(config.input, pick), change);
}

function onOutput(change: Change<TensorConfig>): Mutation {
  return onPart((config, pick) => atOrNone(config.output, pick), change);
}

function onBatchInput(change: Change<NonNullable<ModelConfig["batchInput"]>[number]>): Mutation {
  return onPart((config, pick) => atOrNone(config.batchInput, pick), change);
}

function onBatchTensor(change: Change<NonNullable<ModelConfig["batchInput"]>[number]>): Mutation {
  return onPart(
    (config, pick) => atOrNone([...(config.batchInput ?? []), ...(config.batchOutput ?? [])], pick),
    change,
  );
}

/** The first instance group; one is added where there is none, but not to an ensemble. */
function onGroup(change: Change<InstanceGroupConfig>): Mutation {
  return onPart((config) => {
    if (config.ensembleScheduling === undefined) config.instanceGroup ??= [{}];
    return config.instanceGroup?.[0];
  }, change);
}

function onDynamicBatching(change: Change<DynamicBatchingConfig>): Mutation {
  return onPart((config) => config.dynamicBatching, change);
}

function onSequenceBatching(change: Change<SequenceBatchingConfig>): Mutation {
  return onPart((config) => config.sequenceBatching, change);
}

function onControl(change: Change<ControlConfig>): Mutation {
  return onPart(
    ({ sequenceBatching }, pick) => atOrNone(sequenceBatching?.controlInput, pick)?.control?.[0],
    change,
  );
}

function onState(change: Change<StateConfig>): Mutation {
  return onPart(({ sequenceBatching }) => sequenceBatching?.state?.[0], change);
}

function onWarmup(change: Change<WarmupConfig>): Mutation {
  return onPart((config, pick) => atOrNone(config.modelWarmup, pick), change);
}

function onEnsemble(change: Change<EnsembleConfig>): Mutation {
  return onPart((config) => config.ensembleScheduling, change);
}

type Step = NonNullable<EnsembleConfig["step"]>[number];

function onStep(change: Change<Step>): Mutation {
  return onPart((config, pick) => atOrNone(config.ensembleScheduling?.step, pick), change);
}

function dropOne(step: Step, map: "inputMap" | "outputMap", pick: number): boolean {
  const entries = Object.entries(step[map] ?? {});
  step[map] = Object.fromEntries(entries.filter((_, i) => i !== pick % entries.length));
  return entries.length > 0;
}

function atOrNone<T>(values: readonly T[] | undefined, pick: number): T | undefined {
  return values?.[pick % values.length];
}

function at<T>(values: readonly T[], pick: number): T {
  const value = atOrNone(values, pick);
  if (value === undefined) throw new Error("there is nothing to pick from");
  return value;
}
