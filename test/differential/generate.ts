import fc from "fast-check";
import type {
  BatchTensorConfig,
  ControlConfig,
  DynamicBatchingConfig,
  InstanceGroupConfig,
  ModelConfig,
  OptimizationConfig,
  QueuePolicyConfig,
  SequenceBatchingConfig,
  StateConfig,
  TensorConfig,
  WarmupConfig,
} from "../../core/triton/model-config.ts";
import { candidateName, type Candidate } from "./candidate.ts";
import { ensembleModel } from "./ensembles.ts";
import { present } from "../../core/objects.ts";
import { applyMutations, deadlyMutationNames, mutationNames } from "./mutations.ts";

/**
 * Models of the Python backend and ensembles over the steps of ensembles.ts: near one in four as Triton should accept
 * them, the others with one to three mutations. What a server needs for one of them is small: at most three
 * instances, a hundred priorities, tensors of some dozen elements.
 *
 * program: the text of the model.py that fits any configuration. deadly: one in fifty gets a mutation that ends a
 * server or makes it hang (default: none does).
 */
export function candidates(program: string, deadly = false): fc.Arbitrary<Candidate> {
  const valid = fc.oneof(
    { arbitrary: pythonModel(program), weight: 4 },
    { arbitrary: ensembleModel, weight: 1 },
  );
  const mutations = fc.oneof(
    { arbitrary: fc.constant<Wanted>([[], 0]), weight: 12 },
    // More than are wanted: many have no place in a config.
    {
      arbitrary: fc.tuple(
        fc.array(someOf(mutationNames), { minLength: 12, maxLength: 12 }),
        fc.integer({ min: 1, max: 3 }),
      ),
      weight: 38,
    },
    { arbitrary: someOf(deadlyMutationNames).map((only): Wanted => [[only], 1]), weight: deadly ? 1 : 0 },
  );
  return fc
    .tuple(valid, mutations)
    .map(([candidate, [wanted, most]]) => applyMutations(candidate, wanted, most));
}

/** Mutations to be tried in this order, and how many of them may take place. */
type Wanted = readonly [tried: [name: string, pick: number][], most: number];

function someOf(names: readonly string[]): fc.Arbitrary<[name: string, pick: number]> {
  return fc.tuple(fc.constantFrom(...names), fc.nat());
}

function pythonModel(program: string): fc.Arbitrary<Candidate> {
  return fc
    .record({ inputs, outputs, maxBatchSize: fc.constantFrom(0, 1, 4, 8) })
    .chain(({ inputs, outputs, maxBatchSize }) =>
      fc
        .record({
          versions: versionsAndPolicy,
          program: fc.constantFrom("model.py", "model.py", "model.py", "other.py"),
          decoupled: rarely(fc.boolean()),
          cached: rarely(fc.boolean()),
          named: fc.boolean(),
          scheduling: scheduling(maxBatchSize),
          batchTensors: rarely(batchTensors(inputs, outputs)),
          warmup: rarely(warmup(inputs, maxBatchSize)),
          rest,
        })
        .map((parts): Candidate => {
          const { scheduling, versions, warmup } = parts;
          const cached = scheduling.sequenceBatching === undefined && parts.decoupled !== true;
          return {
            config: {
              ...(parts.named ? { name: candidateName } : {}),
              backend: "python",
              maxBatchSize,
              input: inputs.map((tensor) => fitReshape(tensor, maxBatchSize)),
              output: outputs.map((tensor) => fitReshape(tensor, maxBatchSize)),
              ...versions.policy,
              ...scheduling,
              ...parts.batchTensors,
              ...parts.rest,
              ...(warmup === undefined ? {} : { modelWarmup: warmup.samples }),
              ...(parts.program === "model.py" ? {} : { defaultModelFilename: parts.program }),
              ...(parts.decoupled === undefined
                ? {}
                : { modelTransactionPolicy: { decoupled: parts.decoupled } }),
              ...(parts.cached === undefined ? {} : { responseCache: { enable: parts.cached && cached } }),
            },
            files: {
              ...Object.fromEntries(
                versions.present.map((version) => [`${String(version)}/${parts.program}`, program]),
              ),
              ...labelFiles(outputs),
              ...stateFiles(scheduling.sequenceBatching),
              ...warmup?.files,
            },
            mutations: [],
          };
        }),
    );
}

/** One in four has the part. */
function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ arbitrary: fc.constant(undefined), weight: 3 }, { arbitrary, weight: 1 });
}

/** The parts that are there. */
function some<T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) {
  return fc.record(model, { requiredKeys: [] });
}

const dataType = fc.constantFrom(
  ...([
    "TYPE_BOOL",
    "TYPE_UINT8",
    "TYPE_INT32",
    "TYPE_INT64",
    "TYPE_FP16",
    "TYPE_FP32",
    "TYPE_STRING",
  ] as const),
);
const numberType = fc.constantFrom(...(["TYPE_INT32", "TYPE_FP32"] as const));
const dim = fc.oneof(
  { arbitrary: fc.integer({ min: 1, max: 4 }), weight: 4 },
  { arbitrary: fc.constant(-1), weight: 1 },
);
const dims = fc.array(dim, { minLength: 1, maxLength: 3 });

/** Whether a 1 is put before the dims, or all of them go where they are all 1; see fitReshape. */
const reshape = rarely(fc.constant<TensorConfig["reshape"]>({ shape: [] }));

const inputs: fc.Arbitrary<TensorConfig[]> = fc
  .array(
    fc.oneof(
      {
        arbitrary: fc.record({
          dataType,
          dims,
          reshape,
          optional: rarely(fc.boolean()),
          allowRaggedBatch: rarely(fc.boolean()),
        }),
        weight: 5,
      },
      {
        arbitrary: fc.record({
          dataType,
          dims: fc.array(dim, { minLength: 3, maxLength: 3 }),
          format: fc.constantFrom("FORMAT_NONE" as const, "FORMAT_NHWC" as const, "FORMAT_NCHW" as const),
        }),
        weight: 1,
      },
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((tensors) => tensors.map((tensor, i) => ({ name: `in${String(i)}`, ...present(tensor) })));

const outputs: fc.Arbitrary<TensorConfig[]> = fc
  .array(
    fc.record({
      dataType,
      dims,
      reshape,
      labelFilename: rarely(fc.constantFrom("labels.txt", "more labels.txt")),
    }),
    { minLength: 1, maxLength: 2 },
  )
  .map((tensors) => tensors.map((tensor, i) => ({ name: `out ${String(i)}`, ...present(tensor) })));

/** A tensor whose reshape, where it has one, holds as many elements as its dims. */
function fitReshape(tensor: TensorConfig, maxBatchSize: number): TensorConfig {
  const { dims = [] } = tensor;
  if (tensor.reshape === undefined) return tensor;
  const scalar = maxBatchSize > 0 && dims.every((size) => size === 1);
  return { ...tensor, reshape: { shape: scalar ? [] : [1, ...dims] } };
}

function labelFiles(tensors: readonly TensorConfig[]): Record<string, string> {
  const names = tensors.flatMap(({ labelFilename }) => labelFilename ?? []);
  return Object.fromEntries(names.map((name) => [name, "one\ntwo\n"]));
}

/** Version folders, and a policy that leaves at least one of them. */
const versionsAndPolicy = fc
  .uniqueArray(fc.constantFrom(1, 2, 7, 11), { minLength: 1, maxLength: 2 })
  .chain((present) =>
    fc
      .oneof(
        { arbitrary: fc.constant({}), weight: 3 },
        fc.constantFrom(1, 1, 2).map((numVersions) => ({ versionPolicy: { latest: { numVersions } } })),
        fc.constant({ versionPolicy: { all: {} } }),
        fc
          .constantFrom(...present)
          .map((version) => ({ versionPolicy: { specific: { versions: [version] } } })),
      )
      .map((policy) => ({ present, policy })),
  );

type Scheduling = Pick<ModelConfig, "dynamicBatching" | "sequenceBatching">;

function scheduling(maxBatchSize: number): fc.Arbitrary<Scheduling> {
  return fc.oneof(
    { arbitrary: fc.constant({}), weight: 2 },
    { arbitrary: dynamicBatching(maxBatchSize).map((dynamicBatching) => ({ dynamicBatching })), weight: 2 },
    {
      arbitrary: sequenceBatching(maxBatchSize).map((sequenceBatching) => ({ sequenceBatching })),
      weight: 2,
    },
  );
}

const microseconds = fc.constantFrom(0, 1, 1000, 18_000_000);

function preferredBatchSizes(maxBatchSize: number): fc.Arbitrary<number[]> {
  if (maxBatchSize === 0) return fc.constant([]);
  return fc.array(fc.integer({ min: 1, max: maxBatchSize }), { maxLength: 3 });
}

const queuePolicy: fc.Arbitrary<QueuePolicyConfig> = some({
  timeoutAction: fc.constantFrom("REJECT" as const, "DELAY" as const),
  defaultTimeoutMicroseconds: microseconds,
  allowTimeoutOverride: fc.boolean(),
  maxQueueSize: fc.constantFrom(0, 1, 100),
});

function dynamicBatching(maxBatchSize: number): fc.Arbitrary<DynamicBatchingConfig> {
  const plain = {
    preferredBatchSize: preferredBatchSizes(maxBatchSize),
    maxQueueDelayMicroseconds: microseconds,
  };
  const ordered = some({ ...plain, preserveOrdering: fc.constant(true) });
  const prioritised = fc.constantFrom(1, 2, 100).chain((priorityLevels) => {
    const level = fc.integer({ min: 1, max: priorityLevels });
    return fc
      .tuple(
        some(plain),
        fc.record({
          priorityLevels: fc.constant(priorityLevels),
          defaultPriorityLevel: level,
          defaultQueuePolicy: queuePolicy,
          priorityQueuePolicy: fc.dictionary(level.map(String), queuePolicy, {
            maxKeys: 2,
            noNullPrototype: true,
          }),
        }),
      )
      .map(([some, priorities]) => ({ ...some, ...priorities }));
  });
  return fc.oneof(ordered, prioritised, some({ ...plain, defaultQueuePolicy: queuePolicy }));
}

const falseTrue: fc.Arbitrary<ControlConfig> = fc.constantFrom<ControlConfig>(
  { int32FalseTrue: [0, 1] },
  { int32FalseTrue: [-1, 1] },
  { fp32FalseTrue: [0, 1] },
  { boolFalseTrue: [false, true] },
);

const controlKinds = ["CONTROL_SEQUENCE_START", "CONTROL_SEQUENCE_READY", "CONTROL_SEQUENCE_END"] as const;

const controls = fc
  .tuple(
    fc
      .subarray([...controlKinds])
      .chain((kinds) =>
        fc.tuple(
          ...kinds.map((kind) => falseTrue.map((values) => ({ name: kind, control: [{ kind, ...values }] }))),
        ),
      ),
    fc.option(
      fc.constantFrom(
        "TYPE_UINT64" as const,
        "TYPE_INT64" as const,
        "TYPE_UINT32" as const,
        "TYPE_INT32" as const,
        "TYPE_STRING" as const,
      ),
    ),
  )
  .map(([flags, correlation]): NonNullable<SequenceBatchingConfig["controlInput"]> => [
    ...flags,
    ...(correlation === null
      ? []
      : [
          {
            name: "correlation",
            control: [{ kind: "CONTROL_SEQUENCE_CORRID" as const, dataType: correlation }],
          },
        ]),
  ]);

const state: fc.Arbitrary<StateConfig> = fc
  .record({
    dataType: numberType,
    dims,
    initial: fc.constantFrom("none", "zero", "file"),
    same: fc.boolean(),
  })
  .map(({ dataType, dims, initial, same }) => {
    const concrete = dims.map((size) => Math.abs(size));
    const data = initial === "zero" ? { zeroData: true } : { dataFile: `state-${String(product(concrete))}` };
    return {
      inputName: "state in",
      outputName: "state out",
      dataType,
      dims,
      ...(initial === "none" ? {} : { initialState: [{ name: "first", dataType, dims: concrete, ...data }] }),
      ...(same ? { useSameBufferForInputOutput: true } : {}),
    };
  });

function sequenceBatching(maxBatchSize: number): fc.Arbitrary<SequenceBatchingConfig> {
  const strategy = fc.oneof(
    fc.constant({}),
    some({
      maxQueueDelayMicroseconds: microseconds,
      minimumSlotUtilization: fc.constantFrom(0, 0.5, 1),
    }).map((direct) => ({ direct })),
    some({
      maxCandidateSequences: fc.constantFrom(1, 4),
      preferredBatchSize: preferredBatchSizes(maxBatchSize),
      maxQueueDelayMicroseconds: microseconds,
      preserveOrdering: fc.boolean(),
    }).map((oldest) => ({ oldest })),
  );
  return fc
    .tuple(
      strategy,
      some({
        maxSequenceIdleMicroseconds: fc.constantFrom(0, 1000, 5_000_000),
        controlInput: controls,
        state: state.map((only) => [only]),
        iterativeSequence: rarely(fc.constant(true)).map((iterative) => iterative ?? false),
      }),
    )
    .map(([strategy, others]) => ({ ...strategy, ...others }));
}

function stateFiles(batching: SequenceBatchingConfig | undefined): Record<string, string> {
  const initial = (batching?.state ?? []).flatMap(({ initialState = [] }) => initialState);
  return Object.fromEntries(
    initial.flatMap(({ dataFile, dims = [] }) =>
      dataFile === undefined ? [] : [[`initial_state/${dataFile}`, "0".repeat(4 * product(dims))]],
    ),
  );
}

type BatchTensors = Pick<ModelConfig, "batchInput" | "batchOutput">;

function batchTensors(
  inputs: readonly TensorConfig[],
  outputs: readonly TensorConfig[],
): fc.Arbitrary<BatchTensors> {
  const source = fc.constantFrom(...inputs.map(({ name = "" }) => name)).map((name) => [name]);
  const batchInput: fc.Arbitrary<BatchTensorConfig> = fc.record({
    kind: fc.constantFrom(
      ...([
        "BATCH_ELEMENT_COUNT",
        "BATCH_ACCUMULATED_ELEMENT_COUNT",
        "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO",
        "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE",
        "BATCH_ITEM_SHAPE",
        "BATCH_ITEM_SHAPE_FLATTEN",
      ] as const),
    ),
    targetName: fc.constant(["count"]),
    dataType: numberType,
    sourceInput: source,
  });
  const batchOutput: fc.Arbitrary<BatchTensorConfig> = fc.record({
    kind: fc.constant("BATCH_SCATTER_WITH_INPUT_SHAPE" as const),
    targetName: fc.constantFrom(...outputs.map(({ name = "" }) => name)).map((name) => [name]),
    sourceInput: source,
  });
  return some({
    batchInput: batchInput.map((only) => [only]),
    batchOutput: batchOutput.map((only) => [only]),
  });
}

interface Warmup {
  readonly samples: WarmupConfig[];
  readonly files: Record<string, string>;
}

/** Samples that give every input the values it wants, from each source there is. */
function warmup(inputs: readonly TensorConfig[], maxBatchSize: number): fc.Arbitrary<Warmup> {
  const sample = fc.record({
    batchSize: fc.constantFrom(0, 1, 1, Math.min(2, maxBatchSize)),
    count: fc.constantFrom(0, 1, 2),
    sources: fc.array(fc.constantFrom("zeroData" as const, "randomData" as const, "inputDataFile" as const), {
      minLength: inputs.length,
      maxLength: inputs.length,
    }),
  });
  return fc.array(sample, { minLength: 1, maxLength: 2 }).map((samples) => {
    const files: Record<string, string> = {};
    const made = samples.map(({ batchSize, count, sources }, i): WarmupConfig => {
      const values = inputs.map((input, j): [string, NonNullable<WarmupConfig["inputs"]>[string]] => {
        const dims = (input.dims ?? []).map((size) => Math.abs(size));
        const source = sources[j] ?? "zeroData";
        if (source !== "inputDataFile") return [input.name ?? "", { ...typeOf(input), dims, [source]: true }];
        const file = `${String(i)}-${String(j)}`;
        // Enough for any type; a string of text is a length of four bytes and as many bytes.
        files[`warmup/${file}`] = (
          input.dataType === "TYPE_STRING" ? "\u0004\0\0\0abcd" : "\0".repeat(8)
        ).repeat(product(dims));
        return [input.name ?? "", { ...typeOf(input), dims, inputDataFile: file }];
      });
      return { name: `sample ${String(i)}`, batchSize, count, inputs: Object.fromEntries(values) };
    });
    return { samples: made, files };
  });
}

function typeOf({ dataType }: TensorConfig): Pick<TensorConfig, "dataType"> {
  return dataType === undefined ? {} : { dataType };
}

const text = fc.constantFrom("", "a", "two words", 'quoted "text"', "back\\slash", "line\nend", "ü 語");
const texts = fc.dictionary(fc.constantFrom("key", "other key", "ü", "model"), text, {
  maxKeys: 2,
  noNullPrototype: true,
});

const instanceGroup: fc.Arbitrary<InstanceGroupConfig> = some({
  name: fc.constantFrom("group", "group-2"),
  kind: fc.constantFrom(
    "KIND_CPU" as const,
    "KIND_CPU" as const,
    "KIND_AUTO" as const,
    "KIND_MODEL" as const,
  ),
  count: fc.constantFrom(1, 1, 1, 0, 2),
  // One resource is either each device's own or the server's, wherever it is named.
  rateLimiter: some({
    resources: fc.subarray([
      { name: "R1", count: 1 },
      { name: "R2", global: true, count: 3 },
    ]),
    priority: fc.constantFrom(0, 1, 7),
  }),
  hostPolicy: fc.constantFrom("cpu", "none-of-the-server"),
  secondaryDevices: fc.constant([{ kind: "KIND_NVDLA" as const, deviceId: 0 }]),
});

/** The first one answers requests; of a second one, that may be passive, not. */
const instanceGroups = fc
  .tuple(instanceGroup, rarely(instanceGroup), fc.boolean())
  .map(([first, second, passive]) => (second === undefined ? [first] : [first, { ...second, passive }]));

const optimization: fc.Arbitrary<OptimizationConfig> = some({
  graph: fc.constantFrom({ level: -1 }, { level: 1 }),
  priority: fc.constantFrom("PRIORITY_DEFAULT" as const, "PRIORITY_MAX" as const, "PRIORITY_MIN" as const),
  cuda: fc.constantFrom(
    { graphs: true, busyWaitEvents: true, outputCopyStream: true },
    { graphSpec: [{ batchSize: 1, input: { in0: { dim: [1] } }, graphLowerBound: { batchSize: 1 } }] },
  ),
  executionAccelerators: fc.constantFrom(
    { gpuExecutionAccelerator: [{ name: "tensorrt", parameters: { precision_mode: "FP16" } }] },
    { cpuExecutionAccelerator: [{ name: "openvino" }] },
  ),
  inputPinnedMemory: fc.record({ enable: fc.boolean() }),
  outputPinnedMemory: fc.record({ enable: fc.boolean() }),
  gatherKernelBufferThreshold: fc.constantFrom(0, 5),
  eagerBatching: fc.boolean(),
});

/** What no other part of the config depends on; each in one of four. */
const rest: fc.Arbitrary<ModelConfig> = fc
  .record({
    platform: rarely(fc.constantFrom("python", "mine")),
    instanceGroup: rarely(instanceGroups),
    optimization: rarely(optimization),
    ccModelFilenames: rarely(fc.constantFrom({ "8.0": "model.py" }, { "8.0": "absent.py" })),
    metricTags: rarely(
      fc.dictionary(fc.constantFrom("team", "tier"), text, { maxKeys: 2, noNullPrototype: true }),
    ),
    parameters: rarely(
      fc.oneof(
        texts.map((values) =>
          Object.fromEntries(Object.entries(values).map(([key, stringValue]) => [key, { stringValue }])),
        ),
        fc
          .constantFrom("yes", "no")
          .map((stringValue) => ({ FORCE_CPU_ONLY_INPUT_TENSORS: { stringValue } })),
      ),
    ),
    modelOperations: rarely(
      fc.constant<ModelConfig["modelOperations"]>({ opLibraryFilename: ["absent.so"] }),
    ),
  })
  .map(present);

function product(dims: readonly number[]): number {
  return dims.reduce((total, size) => total * size, 1);
}
