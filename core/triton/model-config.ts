import type { DataType } from "../spec/model/tensors.ts";

/**
 * Triton's ModelConfig as plain data: the messages of proto/model_config.proto, with protobufjs's camelCase names and
 * enums by name. A scalar, list or map that is absent has protobuf's default (0, false, "", empty).
 */
export interface ModelConfig {
  name?: string;
  platform?: string;
  backend?: string;
  runtime?: string;
  versionPolicy?: { latest?: { numVersions?: number }; all?: Empty; specific?: { versions?: number[] } };
  maxBatchSize?: number;
  input?: TensorConfig[];
  output?: TensorConfig[];
  batchInput?: BatchTensorConfig[];
  batchOutput?: BatchTensorConfig[];
  optimization?: OptimizationConfig;
  dynamicBatching?: DynamicBatchingConfig;
  sequenceBatching?: SequenceBatchingConfig;
  ensembleScheduling?: EnsembleConfig;
  instanceGroup?: InstanceGroupConfig[];
  defaultModelFilename?: string;
  ccModelFilenames?: Texts;
  metricTags?: Texts;
  parameters?: Record<string, { stringValue?: string }>;
  modelWarmup?: WarmupConfig[];
  modelOperations?: { opLibraryFilename?: string[] };
  modelTransactionPolicy?: { decoupled?: boolean };
  modelRepositoryAgents?: { agents?: NamedParameters[] };
  responseCache?: { enable?: boolean };
  modelMetrics?: { metricControl?: MetricControlConfig[] };
}

type Empty = Record<string, never>;
type Texts = Record<string, string>;
type DataTypeName = `TYPE_${DataType | "INVALID"}`;

/** ModelInput and ModelOutput in one: protobufjs refuses the fields that the other has. */
export interface TensorConfig {
  name?: string;
  dataType?: DataTypeName;
  dims?: number[];
  reshape?: { shape?: number[] };
  isShapeTensor?: boolean;
  isNonLinearFormatIo?: boolean;
  /** Inputs only. */
  format?: `FORMAT_${"NONE" | "NHWC" | "NCHW"}`;
  /** Inputs only. */
  allowRaggedBatch?: boolean;
  /** Inputs only. */
  optional?: boolean;
  /** Outputs only. */
  labelFilename?: string;
}

/** BatchInput and BatchOutput in one. */
export interface BatchTensorConfig {
  kind?: `BATCH_${string}`;
  targetName?: string[];
  /** Inputs only. */
  dataType?: DataTypeName;
  sourceInput?: string[];
}

export interface InstanceGroupConfig {
  name?: string;
  kind?: `KIND_${"AUTO" | "GPU" | "CPU" | "MODEL"}`;
  count?: number;
  gpus?: number[];
  rateLimiter?: { resources?: { name?: string; global?: boolean; count?: number }[]; priority?: number };
  secondaryDevices?: { kind?: "KIND_NVDLA"; deviceId?: number }[];
  profile?: string[];
  passive?: boolean;
  hostPolicy?: string;
}

export interface QueuePolicyConfig {
  timeoutAction?: "REJECT" | "DELAY";
  defaultTimeoutMicroseconds?: number;
  allowTimeoutOverride?: boolean;
  maxQueueSize?: number;
}

export interface DynamicBatchingConfig {
  preferredBatchSize?: number[];
  maxQueueDelayMicroseconds?: number;
  preserveOrdering?: boolean;
  priorityLevels?: number;
  defaultPriorityLevel?: number;
  defaultQueuePolicy?: QueuePolicyConfig;
  priorityQueuePolicy?: Record<string, QueuePolicyConfig>;
}

export interface SequenceBatchingConfig {
  direct?: { maxQueueDelayMicroseconds?: number; minimumSlotUtilization?: number };
  oldest?: {
    maxCandidateSequences?: number;
    preferredBatchSize?: number[];
    maxQueueDelayMicroseconds?: number;
    preserveOrdering?: boolean;
  };
  maxSequenceIdleMicroseconds?: number;
  controlInput?: { name?: string; control?: ControlConfig[] }[];
  state?: StateConfig[];
  iterativeSequence?: boolean;
}

export interface ControlConfig {
  kind?: `CONTROL_SEQUENCE_${"START" | "READY" | "END" | "CORRID"}`;
  int32FalseTrue?: number[];
  fp32FalseTrue?: number[];
  boolFalseTrue?: boolean[];
  dataType?: DataTypeName;
}

export interface StateConfig {
  inputName?: string;
  outputName?: string;
  dataType?: DataTypeName;
  dims?: number[];
  initialState?: {
    name?: string;
    dataType?: DataTypeName;
    dims?: number[];
    zeroData?: boolean;
    dataFile?: string;
  }[];
  useSameBufferForInputOutput?: boolean;
  useGrowableMemory?: boolean;
}

export interface EnsembleConfig {
  step?: {
    modelName?: string;
    modelVersion?: number;
    modelNamespace?: string;
    inputMap?: Texts;
    outputMap?: Texts;
  }[];
  maxInflightRequests?: number;
}

interface GraphBoundConfig {
  batchSize?: number;
  input?: Record<string, { dim?: number[] }>;
}

interface NamedParameters {
  name?: string;
  parameters?: Texts;
}

export interface OptimizationConfig {
  graph?: { level?: number };
  priority?: `PRIORITY_${"DEFAULT" | "MAX" | "MIN"}`;
  cuda?: {
    graphs?: boolean;
    busyWaitEvents?: boolean;
    graphSpec?: (GraphBoundConfig & { graphLowerBound?: GraphBoundConfig })[];
    outputCopyStream?: boolean;
  };
  executionAccelerators?: {
    gpuExecutionAccelerator?: NamedParameters[];
    cpuExecutionAccelerator?: NamedParameters[];
  };
  inputPinnedMemory?: { enable?: boolean };
  outputPinnedMemory?: { enable?: boolean };
  gatherKernelBufferThreshold?: number;
  eagerBatching?: boolean;
}

export interface WarmupConfig {
  name?: string;
  batchSize?: number;
  inputs?: Record<
    string,
    {
      dataType?: DataTypeName;
      dims?: number[];
      zeroData?: boolean;
      randomData?: boolean;
      inputDataFile?: string;
    }
  >;
  count?: number;
}

export interface MetricControlConfig {
  metricIdentifier?: { family?: string };
  histogramOptions?: { buckets?: number[] };
}
