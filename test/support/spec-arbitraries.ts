import fc from "fast-check";
import { knownBackends, type ModelSpec } from "../../core/spec/model.ts";
import { controlKinds } from "../../core/spec/model/scheduling.ts";
import { batchInputKinds, batchOutputKinds, dataTypes } from "../../core/spec/model/tensors.ts";

/** Model specs with every field that the schema has, and texts with everything a quoted string can be broken by. */

/** Text with everything a quoted string can be broken by. */
export const nastyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      ...['"', "'", "\\", "\n", "\r", "\t", "\0", "\x07", "\x1b", "\x7f", "\u0085", "\u2028", "\ufeff"],
      ...["{", "}", "#", ":", "%", "é", "語", "🙂", "0", "7", "x", "n"],
    ),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
  maxLength: 12,
});
/** Not `__proto__`, which no plain object keeps as a key. */
const nastyName = nastyText.filter((text) => text !== "" && text !== "__proto__");
const nastyPath = nastyName.filter((text) => !/^\/|[\0\n]/.test(text) && !text.split("/").includes(".."));

/** The grammar that loadModels accepts, with words that mean something to HAProxy and YAML. */
export const modelName: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,30}[A-Za-z0-9])?$/), weight: 4 },
  {
    arbitrary: fc.constantFrom("if", "or", "unless", "str", "true", "null", "no", "1", "a".repeat(255)),
    weight: 1,
  },
);

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const natural = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const positive = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const long = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const float32 = fc.float({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0));
const float64 = fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0));
const yes = fc.constant(true as const);
const dataType = fc.constantFrom(...dataTypes);
const dim = fc.oneof(fc.constant(-1), long);
const dims = some(dim, 1);
const texts = dictionary(nastyText);

const tensor = {
  name: nastyName,
  dataType,
  dims,
  isShapeTensor: fc.boolean(),
  isNonLinearFormatIo: fc.boolean(),
};
const byName = { selector: ({ name }: { readonly name: string }) => name, maxLength: 4 };
const inputs = fc.uniqueArray(
  sparse(
    { ...tensor, optional: fc.boolean(), allowRaggedBatch: fc.boolean() },
    { reshape: some(dim), format: fc.constantFrom("NHWC", "NCHW") },
  ),
  byName,
);
const outputs = fc.uniqueArray(sparse(tensor, { reshape: some(dim), labelFilename: nastyPath }), byName);

const batchInputs = some(
  fc.record({
    kind: fc.constantFrom(...batchInputKinds),
    targetNames: some(nastyText),
    dataType,
    sourceInputs: some(nastyText),
  }),
);
const batchOutputs = some(
  fc.record({
    kind: fc.constantFrom(...batchOutputKinds),
    targetNames: some(nastyText),
    sourceInputs: some(nastyText),
  }),
);

const versions = fc.oneof(
  fc.record({ latest: positive }),
  fc.record({ all: yes }),
  fc.record({ specific: some(long, 1) }),
);

const queuePolicy = {
  maxQueueSize: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  timeout: long,
  timeoutAction: fc.constantFrom("reject", "delay"),
  allowTimeoutOverride: fc.boolean(),
};
const batching = sparse(
  {
    preferredBatchSizes: some(positive),
    preserveOrdering: fc.boolean(),
    priorityQueuePolicies: fc.dictionary(long.map(String), fc.record(queuePolicy, { requiredKeys: [] }), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  },
  { ...queuePolicy, maxQueueDelay: long, priorityLevels: long, defaultPriorityLevel: long },
);

const control = sparse(
  { kind: fc.constantFrom(...controlKinds) },
  {
    int32FalseTrue: fc.tuple(int32, int32),
    fp32FalseTrue: fc.tuple(float32, float32),
    boolFalseTrue: fc.tuple(fc.boolean(), fc.boolean()),
    dataType,
  },
);
const initialState = fc
  .tuple(
    fc.record({ name: nastyText, dataType, dims }),
    fc.oneof(fc.constant({}), fc.record({ zeroData: yes }), fc.record({ dataFile: nastyPath })),
  )
  .map(([state, data]) => ({ ...state, ...data }));
const strategy = fc.oneof(
  fc.constant({}),
  fc.record({ direct: sparse({ minimumSlotUtilization: float32 }, { maxQueueDelay: long }) }),
  fc.record({
    oldest: sparse(
      { maxCandidateSequences: int32, preferredBatchSizes: some(positive), preserveOrdering: fc.boolean() },
      { maxQueueDelay: long },
    ),
  }),
);
const sequenceBatching = fc
  .tuple(
    strategy,
    sparse(
      {
        controlInputs: some(fc.record({ name: nastyName, controls: some(control) })),
        states: some(
          fc.record({
            inputName: nastyText,
            outputName: nastyText,
            dataType,
            dims,
            initialStates: some(initialState),
            useSameBufferForInputOutput: fc.boolean(),
            useGrowableMemory: fc.boolean(),
          }),
        ),
        iterativeSequence: fc.boolean(),
      },
      { maxSequenceIdle: long },
    ),
  )
  .map(([how, rest]) => ({ ...how, ...rest }));

const step = sparse(
  { model: nastyName, version: fc.integer({ min: -1 }), inputs: texts, outputs: texts },
  { namespace: nastyName },
);
const ensemble = sparse(
  { steps: some(step, 1) },
  { maxInflightRequests: fc.integer({ min: 1, max: 2 ** 32 - 1 }) },
);

const instances = some(
  sparse(
    { kind: fc.constantFrom("auto", "gpu", "cpu", "model"), passive: fc.boolean() },
    {
      name: nastyName,
      count: positive,
      gpus: some(natural, 1),
      rateLimiter: fc.record({
        resources: some(fc.record({ name: nastyText, global: fc.boolean(), count: uint32 })),
        priority: uint32,
      }),
      profiles: some(nastyText),
      secondaryDevices: some(fc.record({ kind: fc.constant("nvdla" as const), deviceId: fc.integer() })),
      hostPolicy: nastyName,
    },
  ),
);

const shapes = dictionary(some(fc.integer()));
const graphBound = { batchSize: int32, inputs: shapes };
const accelerators = some(fc.record({ name: nastyText, parameters: texts }));
const optimization = sparse(
  { gatherKernelBufferThreshold: uint32, eagerBatching: fc.boolean() },
  {
    graph: fc.record({ level: int32 }),
    priority: fc.constantFrom("default", "max", "min"),
    cuda: fc.record({
      graphs: fc.boolean(),
      busyWaitEvents: fc.boolean(),
      graphSpecs: some(sparse(graphBound, { graphLowerBound: fc.record(graphBound) })),
      outputCopyStream: fc.boolean(),
    }),
    executionAccelerators: fc.record({ gpu: accelerators, cpu: accelerators }),
    inputPinnedMemory: fc.boolean(),
    outputPinnedMemory: fc.boolean(),
  },
);

const warmupInput = fc
  .tuple(
    fc.oneof(
      fc.constant({}),
      fc.record({ data: fc.constantFrom("zero", "random") }),
      fc.record({ inputDataFile: nastyPath }),
    ),
    fc.record({ dataType, dims: some(dim) }, { requiredKeys: [] }),
  )
  .map(([data, rest]) => ({ ...data, ...rest }));
const warmup = some(
  sparse({ batchSize: uint32, count: uint32, inputs: dictionary(warmupInput) }, { name: nastyText }),
);

const fields = sparse(
  {
    name: modelName,
    description: fc.constant(""),
    maxBatchSize: natural,
    inputs,
    outputs,
    batchInputs,
    batchOutputs,
    ccModelFilenames: fc.dictionary(fc.stringMatching(/^\d{1,2}\.\d$/), nastyText, {
      maxKeys: 3,
      noNullPrototype: true,
    }),
    parameters: texts,
    warmup,
    metricTags: texts,
    files: some(nastyPath),
    objectives: fc.constant({}),
    silenced: fc.constant({}),
    idempotent: fc.boolean(),
    callTimeout: long,
    conversationAffinity: fc.boolean(),
  },
  {
    backend: fc.oneof(fc.constantFrom(...knownBackends), nastyName),
    platform: nastyName,
    runtime: nastyName,
    defaultModelFilename: nastyPath,
    versions,
    instances,
    optimization,
    operations: fc.record({ opLibraryFilenames: some(nastyText) }),
    transactionPolicy: fc.record({ decoupled: fc.boolean() }),
    repositoryAgents: some(fc.record({ name: nastyText, parameters: texts })),
    responseCache: fc.boolean(),
    modelMetrics: some(fc.record({ family: nastyText, buckets: some(float64) })),
  },
);

/** A config has one scheduler at most. */
const scheduler = fc.oneof(
  fc.constant({}),
  fc.record({ batching }),
  fc.record({ sequenceBatching }),
  fc.record({ ensemble }),
);

/** Any spec the schema lets through; most break one of Triton's rules. */
export const modelSpec: fc.Arbitrary<ModelSpec> = fc
  .tuple(fields, scheduler)
  .map(([spec, scheduled]) => ({ ...spec, ...scheduled }));

/** A record of which some fields may be missing. */
function sparse<Always extends object, Sometimes extends object>(
  required: { [Key in keyof Always]: fc.Arbitrary<Always[Key]> },
  optional: { [Key in keyof Sometimes]: fc.Arbitrary<Sometimes[Key]> },
) {
  return fc
    .tuple(fc.record(required), fc.record(optional, { requiredKeys: [] }))
    .map(([always, sometimes]) => ({ ...always, ...sometimes }));
}

function some<T>(values: fc.Arbitrary<T>, minLength = 0): fc.Arbitrary<T[]> {
  return fc.array(values, { minLength, maxLength: 3 });
}

function dictionary<T>(values: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> {
  return fc.dictionary(nastyName, values, { maxKeys: 3, noNullPrototype: true });
}
