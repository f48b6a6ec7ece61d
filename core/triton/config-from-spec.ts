import { mapValues, present } from "../objects.ts";
import type { ModelSpec } from "../spec/model.ts";
import { printConfigPbtxt } from "./config-text.ts";
import type {
  ControlConfig,
  DynamicBatchingConfig,
  EnsembleConfig,
  InstanceGroupConfig,
  ModelConfig,
  OptimizationConfig,
  QueuePolicyConfig,
  SequenceBatchingConfig,
  StateConfig,
  TensorConfig,
  WarmupConfig,
} from "./model-config.ts";

/**
 * A model's ModelConfig from its spec; config-to-spec.ts goes the other way. A message that is absent in the spec is
 * absent in the config: protobuf tells it apart from an empty one, and so does Triton.
 */

/** A model's `config.pbtxt`. */
export function renderConfigPbtxt(spec: ModelSpec): string {
  return printConfigPbtxt(modelConfig(spec));
}

export function modelConfig(spec: ModelSpec): ModelConfig {
  return {
    name: spec.name,
    ...present({
      platform: spec.ensemble === undefined ? spec.platform : "ensemble",
      backend: spec.backend,
      runtime: spec.runtime,
      versionPolicy: spec.versions && versionPolicy(spec.versions),
      defaultModelFilename: spec.defaultModelFilename,
      optimization: spec.optimization && optimization(spec.optimization),
      dynamicBatching: spec.batching && dynamicBatching(spec.batching),
      sequenceBatching: spec.sequenceBatching && sequenceBatching(spec.sequenceBatching),
      ensembleScheduling: spec.ensemble && ensembleScheduling(spec.ensemble),
      modelOperations: spec.operations && { opLibraryFilename: spec.operations.opLibraryFilenames },
      modelTransactionPolicy: spec.transactionPolicy,
      modelRepositoryAgents: spec.repositoryAgents && { agents: spec.repositoryAgents },
      responseCache: spec.responseCache === undefined ? undefined : { enable: spec.responseCache },
      modelMetrics: spec.modelMetrics && modelMetrics(spec.modelMetrics),
    }),
    maxBatchSize: spec.maxBatchSize,
    input: spec.inputs.map(({ format, ...input }) => ({
      ...tensor(input),
      ...(format === undefined ? {} : { format: `FORMAT_${format}` as const }),
      optional: input.optional,
      allowRaggedBatch: input.allowRaggedBatch,
    })),
    output: spec.outputs.map((output) => ({
      ...tensor(output),
      ...present({ labelFilename: output.labelFilename }),
    })),
    batchInput: spec.batchInputs.map((batch) => ({
      kind: `BATCH_${batch.kind.toUpperCase()}` as const,
      targetName: batch.targetNames,
      dataType: `TYPE_${batch.dataType}` as const,
      sourceInput: batch.sourceInputs,
    })),
    batchOutput: spec.batchOutputs.map((batch) => ({
      kind: `BATCH_${batch.kind.toUpperCase()}` as const,
      targetName: batch.targetNames,
      sourceInput: batch.sourceInputs,
    })),
    instanceGroup: (spec.instances ?? []).map(instanceGroup),
    ccModelFilenames: spec.ccModelFilenames,
    metricTags: spec.metricTags,
    parameters: mapValues(spec.parameters, (stringValue) => ({ stringValue })),
    modelWarmup: spec.warmup.map((sample) => warmup(sample, spec)),
  };
}

function versionPolicy(
  policy: NonNullable<ModelSpec["versions"]>,
): NonNullable<ModelConfig["versionPolicy"]> {
  if ("latest" in policy) return { latest: { numVersions: policy.latest } };
  return "all" in policy ? { all: {} } : { specific: { versions: policy.specific } };
}

type Tensor = Pick<
  ModelSpec["inputs"][number],
  "name" | "dataType" | "dims" | "reshape" | "isShapeTensor" | "isNonLinearFormatIo"
>;

function tensor({ name, dataType, dims, reshape, isShapeTensor, isNonLinearFormatIo }: Tensor): TensorConfig {
  return {
    name,
    dataType: `TYPE_${dataType}`,
    dims,
    ...(reshape === undefined ? {} : { reshape: { shape: reshape } }),
    isShapeTensor,
    isNonLinearFormatIo,
  };
}

type Section<Name extends keyof ModelSpec> = NonNullable<ModelSpec[Name]>;
type QueuePolicy = Section<"batching">["priorityQueuePolicies"][string];

function dynamicBatching(batching: Section<"batching">): DynamicBatchingConfig {
  const policy = queuePolicy(batching);
  return {
    preferredBatchSize: batching.preferredBatchSizes,
    preserveOrdering: batching.preserveOrdering,
    ...present({
      maxQueueDelayMicroseconds: batching.maxQueueDelay,
      priorityLevels: batching.priorityLevels,
      defaultPriorityLevel: batching.defaultPriorityLevel,
      defaultQueuePolicy: Object.keys(policy).length === 0 ? undefined : policy,
    }),
    priorityQueuePolicy: mapValues(batching.priorityQueuePolicies, queuePolicy),
  };
}

function queuePolicy(policy: QueuePolicy): QueuePolicyConfig {
  return present({
    timeoutAction: policy.timeoutAction && timeoutActions[policy.timeoutAction],
    defaultTimeoutMicroseconds: policy.timeout,
    allowTimeoutOverride: policy.allowTimeoutOverride,
    maxQueueSize: policy.maxQueueSize,
  });
}

const timeoutActions = { reject: "REJECT", delay: "DELAY" } as const;

function sequenceBatching(batching: Section<"sequenceBatching">): SequenceBatchingConfig {
  const { direct, oldest } = batching;
  return {
    ...present({
      direct: direct && {
        minimumSlotUtilization: direct.minimumSlotUtilization,
        ...present({ maxQueueDelayMicroseconds: direct.maxQueueDelay }),
      },
      oldest: oldest && {
        maxCandidateSequences: oldest.maxCandidateSequences,
        preferredBatchSize: oldest.preferredBatchSizes,
        preserveOrdering: oldest.preserveOrdering,
        ...present({ maxQueueDelayMicroseconds: oldest.maxQueueDelay }),
      },
      maxSequenceIdleMicroseconds: batching.maxSequenceIdle,
    }),
    controlInput: batching.controlInputs.map(({ name, controls }) => ({
      name,
      control: controls.map(control),
    })),
    state: batching.states.map(state),
    iterativeSequence: batching.iterativeSequence,
  };
}

function control(
  value: Section<"sequenceBatching">["controlInputs"][number]["controls"][number],
): ControlConfig {
  return {
    kind: controlKinds[value.kind],
    ...present({
      int32FalseTrue: value.int32FalseTrue,
      fp32FalseTrue: value.fp32FalseTrue,
      boolFalseTrue: value.boolFalseTrue,
      dataType: value.dataType && (`TYPE_${value.dataType}` as const),
    }),
  };
}

const controlKinds = {
  start: "CONTROL_SEQUENCE_START",
  ready: "CONTROL_SEQUENCE_READY",
  end: "CONTROL_SEQUENCE_END",
  corrid: "CONTROL_SEQUENCE_CORRID",
} as const;

function state(value: Section<"sequenceBatching">["states"][number]): StateConfig {
  return {
    inputName: value.inputName,
    outputName: value.outputName,
    dataType: `TYPE_${value.dataType}`,
    dims: value.dims,
    initialState: value.initialStates.map((initial) => ({
      name: initial.name,
      dataType: `TYPE_${initial.dataType}` as const,
      dims: initial.dims,
      ...present({ zeroData: initial.zeroData, dataFile: initial.dataFile }),
    })),
    useSameBufferForInputOutput: value.useSameBufferForInputOutput,
    useGrowableMemory: value.useGrowableMemory,
  };
}

function ensembleScheduling({ steps, maxInflightRequests }: Section<"ensemble">): EnsembleConfig {
  return {
    step: steps.map((step) => ({
      modelName: step.model,
      modelVersion: step.version,
      inputMap: step.inputs,
      outputMap: step.outputs,
      ...present({ modelNamespace: step.namespace }),
    })),
    ...present({ maxInflightRequests }),
  };
}

function instanceGroup(group: Section<"instances">[number]): InstanceGroupConfig {
  return {
    kind: instanceKinds[group.kind],
    passive: group.passive,
    ...present({
      name: group.name,
      count: group.count,
      gpus: group.gpus,
      rateLimiter: group.rateLimiter,
      profile: group.profiles,
      secondaryDevices: group.secondaryDevices?.map(({ deviceId }) => ({
        kind: "KIND_NVDLA" as const,
        deviceId,
      })),
      hostPolicy: group.hostPolicy,
    }),
  };
}

const instanceKinds = { auto: "KIND_AUTO", gpu: "KIND_GPU", cpu: "KIND_CPU", model: "KIND_MODEL" } as const;

function optimization(policy: Section<"optimization">): OptimizationConfig {
  const { graph, priority, cuda, executionAccelerators, inputPinnedMemory, outputPinnedMemory } = policy;
  return {
    ...present({
      graph,
      priority: priority && priorities[priority],
      cuda: cuda && {
        graphs: cuda.graphs,
        busyWaitEvents: cuda.busyWaitEvents,
        outputCopyStream: cuda.outputCopyStream,
        graphSpec: cuda.graphSpecs.map(({ graphLowerBound, ...spec }) => ({
          ...graphBound(spec),
          ...present({ graphLowerBound: graphLowerBound && graphBound(graphLowerBound) }),
        })),
      },
      executionAccelerators: executionAccelerators && {
        gpuExecutionAccelerator: executionAccelerators.gpu,
        cpuExecutionAccelerator: executionAccelerators.cpu,
      },
      inputPinnedMemory: inputPinnedMemory === undefined ? undefined : { enable: inputPinnedMemory },
      outputPinnedMemory: outputPinnedMemory === undefined ? undefined : { enable: outputPinnedMemory },
    }),
    gatherKernelBufferThreshold: policy.gatherKernelBufferThreshold,
    eagerBatching: policy.eagerBatching,
  };
}

const priorities = { default: "PRIORITY_DEFAULT", max: "PRIORITY_MAX", min: "PRIORITY_MIN" } as const;

function graphBound({ batchSize, inputs }: { batchSize: number; inputs: Record<string, number[]> }) {
  return { batchSize, input: mapValues(inputs, (dim) => ({ dim })) };
}

function modelMetrics(histograms: Section<"modelMetrics">): NonNullable<ModelConfig["modelMetrics"]> {
  return {
    metricControl: histograms.map(({ family, buckets }) => ({
      metricIdentifier: { family },
      histogramOptions: { buckets },
    })),
  };
}

/** Every required input gets a value: Triton refuses a sample that leaves one out, if it does not skip it. */
function warmup(sample: ModelSpec["warmup"][number], spec: ModelSpec): WarmupConfig {
  const required = sample.batchSize === 0 ? [] : spec.inputs.filter(({ optional }) => !optional);
  const names = [...new Set([...required.map(({ name }) => name), ...Object.keys(sample.inputs)])];
  return {
    name: sample.name ?? `batch ${String(sample.batchSize)}`,
    batchSize: sample.batchSize,
    count: sample.count,
    inputs: Object.fromEntries(names.map((name) => [name, warmupInput(name, sample, spec)])),
  };
}

function warmupInput(
  name: string,
  sample: ModelSpec["warmup"][number],
  spec: ModelSpec,
): NonNullable<WarmupConfig["inputs"]>[string] {
  const input = spec.inputs.find((candidate) => candidate.name === name);
  const given = Object.hasOwn(sample.inputs, name) ? sample.inputs[name] : undefined;
  const dataType = given?.dataType ?? input?.dataType;
  const dims = given?.dims ?? input?.dims;
  return {
    ...present({ dataType: dataType && (`TYPE_${dataType}` as const), dims }),
    ...warmupData(given),
  };
}

function warmupData(given: ModelSpec["warmup"][number]["inputs"][string] | undefined) {
  if (given?.inputDataFile !== undefined) return { inputDataFile: given.inputDataFile };
  return given?.data === "random" ? { randomData: true } : { zeroData: true };
}
