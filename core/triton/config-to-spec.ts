import { mapValues, present } from "../objects.ts";
import { modelSchema, type ModelSpec } from "../spec/model.ts";
import { parseValue } from "../spec/parse.ts";
import type { Problem } from "../spec/problem.ts";
import { formatDuration } from "../spec/units.ts";
import { modelConfig } from "./config-from-spec.ts";
import { differences } from "./config-differences.ts";
import { firstOf, parseConfigPbtxt } from "./config-text.ts";
import type {
  BatchTensorConfig,
  ControlConfig,
  DynamicBatchingConfig,
  EnsembleConfig,
  InstanceGroupConfig,
  MetricControlConfig,
  ModelConfig,
  OptimizationConfig,
  QueuePolicyConfig,
  SequenceBatchingConfig,
  StateConfig,
  TensorConfig,
  WarmupConfig,
} from "./model-config.ts";

/**
 * The way back from Triton's ModelConfig to a model spec, for models that are there already. Nothing is lost: the spec
 * is turned into a config again and compared, and what has no place in a spec is a problem that names the field.
 */

export interface ImportedModel {
  /** What `model.yaml` is to say: defaults are left out. */
  readonly document: object;
  readonly spec: ModelSpec;
}

interface Refused {
  readonly problems: readonly Problem[];
}

/**
 * The spec of a `config.pbtxt`. A config without a name takes `name`, its folder's. Only shapes are judged here, no
 * rules of meaning. `file` names the text in problems.
 */
export function importConfigPbtxt(text: string, name: string, file: string): ImportedModel | Refused {
  const parsed = parseConfigPbtxt(text, file);
  if ("problems" in parsed) return parsed;
  const { name: own = "" } = parsed.config;
  return specFromConfig({ ...parsed.config, name: own === "" ? name : own }, file);
}

/** The spec of a config that has its name, or what a spec cannot say of it. */
export function specFromConfig(config: ModelConfig, file: string): ImportedModel | Refused {
  const document = modelDocument(config);
  const parsed = parseValue(modelSchema, document, file);
  if ("problems" in parsed) return parsed;
  const spec = { ...parsed.value, name: config.name ?? "" };
  const lost = differences(config, modelConfig(spec));
  return lost.length === 0
    ? { document, spec }
    : { problems: firstOf(lost.map(({ path, value, other }) => ({ file, path, ...noPlace(value, other) }))) };
}

function noPlace(value: string | undefined, written: string | undefined): Pick<Problem, "message" | "hint"> {
  if (value === undefined) {
    return {
      message: `missing, and model.yaml cannot leave it out: it would become ${written ?? ""}`,
      hint: `write it, if ${written ?? ""} is meant`,
    };
  }
  const message = `${value} has no place in model.yaml${written === undefined ? "" : `: it would become ${written}`}`;
  return { message, hint: "write what Triton makes of it, or leave it out" };
}

/** A model.yaml's content. Values that a spec does not allow are kept, for the schema to refuse them by name. */
export function modelDocument(config: ModelConfig): object {
  const isEnsemble = config.ensembleScheduling !== undefined;
  return {
    ...nonDefault({
      backend: config.backend,
      platform: isEnsemble && config.platform === "ensemble" ? "" : config.platform,
      runtime: config.runtime,
      defaultModelFilename: config.defaultModelFilename,
      ccModelFilenames: config.ccModelFilenames,
    }),
    ...present({ versions: config.versionPolicy && versions(config.versionPolicy) }),
    maxBatchSize: config.maxBatchSize ?? 0,
    ...nonDefault({
      inputs: config.input?.map(tensor),
      outputs: config.output?.map(tensor),
      batchInputs: config.batchInput?.map((batch) => ({
        ...batchTensor(batch, "BATCH_ELEMENT_COUNT"),
        ...typeField(batch.dataType),
      })),
      batchOutputs: config.batchOutput?.map((batch) => batchTensor(batch, "BATCH_SCATTER_WITH_INPUT_SHAPE")),
    }),
    ...present({
      batching: config.dynamicBatching && batching(config.dynamicBatching),
      sequenceBatching: config.sequenceBatching && sequenceBatching(config.sequenceBatching),
      ensemble: config.ensembleScheduling && ensemble(config.ensembleScheduling),
    }),
    ...nonDefault({ instances: config.instanceGroup?.map(instanceGroup) }),
    ...present({ optimization: config.optimization && optimization(config.optimization) }),
    ...nonDefault({
      parameters: config.parameters && mapValues(config.parameters, ({ stringValue }) => stringValue ?? ""),
      warmup: config.modelWarmup?.map((sample) => warmup(sample, config)),
    }),
    ...present({
      operations:
        config.modelOperations &&
        nonDefault({ opLibraryFilenames: config.modelOperations.opLibraryFilename }),
      transactionPolicy: config.modelTransactionPolicy,
      repositoryAgents:
        config.modelRepositoryAgents && (config.modelRepositoryAgents.agents ?? []).map(namedParameters),
      responseCache: config.responseCache && (config.responseCache.enable ?? false),
    }),
    ...nonDefault({ metricTags: config.metricTags }),
    ...present({
      modelMetrics: config.modelMetrics && (config.modelMetrics.metricControl ?? []).map(histogram),
    }),
  };
}

function versions({ latest, all, specific }: NonNullable<ModelConfig["versionPolicy"]>): object {
  if (all !== undefined) return { all: true };
  return specific === undefined
    ? { latest: latest?.numVersions ?? 0 }
    : { specific: specific.versions ?? [] };
}

function tensor({ name, dataType, dims, reshape, format, ...rest }: TensorConfig): object {
  return {
    name: name ?? "",
    ...typeField(dataType),
    dims: dims ?? [],
    ...present({
      reshape: reshape && (reshape.shape ?? []),
      format: format === undefined || format === "FORMAT_NONE" ? undefined : withoutPrefix(format),
    }),
    ...nonDefault(rest),
  };
}

function batchTensor({ kind, targetName, sourceInput }: BatchTensorConfig, defaultKind: string): object {
  return {
    kind: withoutPrefix(kind ?? defaultKind).toLowerCase(),
    targetNames: targetName ?? [],
    sourceInputs: sourceInput ?? [],
  };
}

function batching({
  maxQueueDelayMicroseconds,
  defaultQueuePolicy,
  ...policy
}: DynamicBatchingConfig): object {
  return {
    ...nonDefault({
      preferredBatchSizes: policy.preferredBatchSize,
      maxQueueDelay: microseconds(maxQueueDelayMicroseconds),
      preserveOrdering: policy.preserveOrdering,
    }),
    ...(defaultQueuePolicy && defaultPolicy(defaultQueuePolicy)),
    ...nonDefault({
      priorityLevels: policy.priorityLevels,
      defaultPriorityLevel: policy.defaultPriorityLevel,
      priorityQueuePolicies: policy.priorityQueuePolicy && mapValues(policy.priorityQueuePolicy, queuePolicy),
    }),
  };
}

/** A policy that is there and says nothing is told by its default: without any field there would be none. */
function defaultPolicy(policy: QueuePolicyConfig): object {
  const fields = queuePolicy(policy);
  return Object.keys(fields).length === 0 ? { timeoutAction: "reject" } : fields;
}

function queuePolicy(policy: QueuePolicyConfig): object {
  return nonDefault({
    maxQueueSize: policy.maxQueueSize,
    timeout: microseconds(policy.defaultTimeoutMicroseconds),
    timeoutAction: policy.timeoutAction === "DELAY" ? "delay" : "",
    allowTimeoutOverride: policy.allowTimeoutOverride,
  });
}

function sequenceBatching({ direct, oldest, ...policy }: SequenceBatchingConfig): object {
  return {
    ...present({
      direct:
        direct &&
        nonDefault({
          maxQueueDelay: microseconds(direct.maxQueueDelayMicroseconds),
          minimumSlotUtilization: direct.minimumSlotUtilization,
        }),
      oldest:
        oldest &&
        nonDefault({
          maxCandidateSequences: oldest.maxCandidateSequences,
          preferredBatchSizes: oldest.preferredBatchSize,
          maxQueueDelay: microseconds(oldest.maxQueueDelayMicroseconds),
          preserveOrdering: oldest.preserveOrdering,
        }),
    }),
    ...nonDefault({
      maxSequenceIdle: microseconds(policy.maxSequenceIdleMicroseconds),
      controlInputs: policy.controlInput?.map((input) => ({
        name: input.name ?? "",
        controls: (input.control ?? []).map(control),
      })),
      states: policy.state?.map(state),
      iterativeSequence: policy.iterativeSequence,
    }),
  };
}

function control({ kind, dataType, ...values }: ControlConfig): object {
  return {
    kind: (kind ?? "CONTROL_SEQUENCE_START").replace("CONTROL_SEQUENCE_", "").toLowerCase(),
    ...nonDefault({ ...values, dataType: dataType && withoutPrefix(dataType) }),
  };
}

function state({ inputName, outputName, dataType, dims, initialState, ...rest }: StateConfig): object {
  return {
    inputName: inputName ?? "",
    outputName: outputName ?? "",
    ...typeField(dataType),
    dims: dims ?? [],
    ...nonDefault({
      initialStates: initialState?.map((initial) => ({
        ...nonDefault({ name: initial.name }),
        ...typeField(initial.dataType),
        dims: initial.dims ?? [],
        ...nonDefault({ zeroData: initial.zeroData }),
        ...present({ dataFile: initial.dataFile }),
      })),
      ...rest,
    }),
  };
}

function ensemble({ step, maxInflightRequests }: EnsembleConfig): object {
  return {
    steps: (step ?? []).map(({ modelName, modelVersion, modelNamespace, inputMap, outputMap }) => ({
      model: modelName ?? "",
      ...(modelVersion === -1 ? {} : { version: modelVersion ?? 0 }),
      ...nonDefault({ namespace: modelNamespace }),
      inputs: inputMap ?? {},
      outputs: outputMap ?? {},
    })),
    ...nonDefault({ maxInflightRequests }),
  };
}

function instanceGroup({ kind, rateLimiter, secondaryDevices, ...group }: InstanceGroupConfig): object {
  return {
    kind: withoutPrefix(kind ?? "KIND_AUTO").toLowerCase(),
    ...nonDefault({
      name: group.name,
      count: group.count,
      gpus: group.gpus,
      profiles: group.profile,
      secondaryDevices: secondaryDevices?.map((device) => ({
        kind: "nvdla",
        ...nonDefault({ deviceId: device.deviceId }),
      })),
      hostPolicy: group.hostPolicy,
      passive: group.passive,
    }),
    ...present({
      rateLimiter:
        rateLimiter &&
        nonDefault({
          resources: rateLimiter.resources?.map(({ name, ...rest }) => ({
            name: name ?? "",
            ...nonDefault(rest),
          })),
          priority: rateLimiter.priority,
        }),
    }),
  };
}

function optimization({
  graph,
  priority,
  cuda,
  executionAccelerators,
  ...policy
}: OptimizationConfig): object {
  return {
    ...present({
      graph: graph && nonDefault(graph),
      priority:
        priority === undefined || priority === "PRIORITY_DEFAULT"
          ? undefined
          : withoutPrefix(priority).toLowerCase(),
      cuda:
        cuda &&
        nonDefault({
          graphs: cuda.graphs,
          busyWaitEvents: cuda.busyWaitEvents,
          graphSpecs: cuda.graphSpec?.map(({ graphLowerBound, ...spec }) => ({
            ...graphBound(spec),
            ...present({ graphLowerBound: graphLowerBound && graphBound(graphLowerBound) }),
          })),
          outputCopyStream: cuda.outputCopyStream,
        }),
      executionAccelerators:
        executionAccelerators &&
        nonDefault({
          gpu: executionAccelerators.gpuExecutionAccelerator?.map(namedParameters),
          cpu: executionAccelerators.cpuExecutionAccelerator?.map(namedParameters),
        }),
      inputPinnedMemory: policy.inputPinnedMemory && (policy.inputPinnedMemory.enable ?? false),
      outputPinnedMemory: policy.outputPinnedMemory && (policy.outputPinnedMemory.enable ?? false),
    }),
    ...nonDefault({
      gatherKernelBufferThreshold: policy.gatherKernelBufferThreshold,
      eagerBatching: policy.eagerBatching,
    }),
  };
}

interface GraphBound {
  readonly batchSize?: number;
  readonly input?: Readonly<Record<string, { dim?: number[] }>>;
}

function graphBound({ batchSize, input }: GraphBound): object {
  return nonDefault({ batchSize, inputs: input && mapValues(input, ({ dim }) => dim ?? []) });
}

function namedParameters({
  name,
  parameters,
}: {
  name?: string;
  parameters?: Record<string, string>;
}): object {
  return { name: name ?? "", ...nonDefault({ parameters }) };
}

function histogram({ metricIdentifier, histogramOptions }: MetricControlConfig): object {
  return { family: metricIdentifier?.family ?? "", buckets: histogramOptions?.buckets ?? [] };
}

/** An input's type and shape are written only where they are not those of the model's input. */
function warmup(sample: WarmupConfig, config: ModelConfig): object {
  const inputs = mapValues(sample.inputs ?? {}, ({ dataType, dims, ...value }) => ({
    ...(value.inputDataFile === undefined
      ? nonDefault({ data: value.randomData === true ? "random" : "" })
      : { inputDataFile: value.inputDataFile }),
    dataType: dataType && withoutPrefix(dataType),
    dims: dims ?? [],
  }));
  const batchSize = sample.batchSize ?? 0;
  const terse = Object.entries(inputs).flatMap(([name, { dataType, dims, ...data }]): [string, object][] => {
    const own = config.input?.find((input) => input.name === name);
    const value = {
      ...data,
      ...present({
        dataType: own?.dataType === (dataType && `TYPE_${dataType}`) ? undefined : dataType,
        dims: own !== undefined && equalDims(own.dims ?? [], dims) ? undefined : dims,
      }),
    };
    // A required input that is plain zeros need not be named, where the sample is not skipped.
    const filledIn = batchSize > 0 && own !== undefined && own.optional !== true;
    return filledIn && Object.keys(value).length === 0 ? [] : [[name, value]];
  });
  return {
    ...(sample.name === `batch ${String(batchSize)}` ? {} : { name: sample.name ?? "" }),
    batchSize,
    ...nonDefault({ count: sample.count, inputs: Object.fromEntries(terse) }),
  };
}

function equalDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** Left out where the config has none: the schema then says that it is missing. */
function typeField(dataType: TensorConfig["dataType"]): object {
  return present({ dataType: dataType && withoutPrefix(dataType) });
}

/** `TYPE_FP32` → `FP32`. */
function withoutPrefix(name: string): string {
  return name.slice(name.indexOf("_") + 1);
}

function microseconds(value: number | undefined): string | undefined {
  return value === undefined || value === 0 ? undefined : formatDuration(value);
}

/** The same without what is protobuf's default for scalars, lists and maps: absent, false, 0, "" and empty. */
function nonDefault(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isDefault(value)));
}

function isDefault(value: unknown): boolean {
  return typeof value === "object" && value !== null ? Object.keys(value).length === 0 : !value;
}
