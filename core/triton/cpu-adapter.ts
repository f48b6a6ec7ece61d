import type { Artifact } from "../spec/artifacts.ts";
import type { Model } from "../spec/load.ts";
import { omit, present } from "../objects.ts";
import type { ModelSpec } from "../spec/model.ts";
import type { Problem } from "../spec/problem.ts";
import { backendOf, servedVersions, type RepositoryFile } from "./repository.ts";

/** Backends whose artifacts the CPU adapter runs inside Triton's Python backend. */
const adapted: readonly string[] = ["onnxruntime", "pytorch"];
/** Backends that run without a GPU as they are. */
const native: readonly string[] = ["python"];

/** The files of the CPU adapter: Python modules that stand beside each adapted artifact. */
export interface AdapterSource {
  readonly directory: string;
  readonly files: readonly Artifact[];
}

export interface CpuModel {
  /** The model with the Python backend and CPU instances; names, types, shapes, batching and versions are kept. */
  readonly model: Model;
  /** What its repository holds besides the model's own files. */
  readonly files: readonly RepositoryFile[];
  /** What differs from a GPU host, for people; undefined where nothing does. */
  readonly difference?: string;
}

/** A model as a host without GPUs and without its backend can serve it, or why it cannot. */
export function runOnCpu(model: Model, adapter: AdapterSource): CpuModel | Problem {
  const { spec } = model;
  const fitted = withoutNewerFields(spec);
  if (spec.ensemble !== undefined) return cpuModel(model, fitted.spec, fitted.differences);
  const { backend, artifact } = backendOf(model);
  const { batching, unbounded } = withoutQueueLimits(spec.batching);
  const here = { ...fitted.spec, instances: cpuInstances(spec), ...present({ batching }) };
  const differences = [
    ...fitted.differences,
    ...(unbounded ? ["no queue limits, with which this Triton stalls"] : []),
  ];
  if (native.includes(backend ?? "")) {
    const onGpu = spec.instances?.some(({ kind }) => kind === "gpu") ?? false;
    return cpuModel(model, here, [...(onGpu ? ["instances on the CPU"] : []), ...differences]);
  }
  const obstacle = whyNotAdapted(spec, backend);
  if (obstacle !== undefined) return { file: model.file, ...obstacle };
  const name = backend ?? "";
  const served = {
    ...omit(here, "platform", "runtime", "defaultModelFilename"),
    backend: "python",
    ccModelFilenames: {},
    parameters: {
      ...spec.parameters,
      cpu_adapter_backend: name,
      cpu_adapter_artifact: artifact ?? "",
      cpu_adapter_threads: "1",
    },
  };
  const files = servedVersions(model).flatMap((version) =>
    adapter.files.map((file) => ({
      ...file,
      path: `${spec.name}/${String(version)}/${file.path}`,
      from: { file: `${adapter.directory}/${file.path}` },
    })),
  );
  return {
    ...cpuModel(model, served, [`${name} on the CPU, called from Triton's Python backend`, ...differences]),
    files,
  };
}

function cpuModel(model: Model, spec: ModelSpec, differences: readonly string[]): CpuModel {
  return {
    model: { ...model, spec },
    files: [],
    ...(differences.length === 0 ? {} : { difference: differences.join("; ") }),
  };
}

/** One instance is enough where there is no device to fill, and each is a process with its own copy. */
function cpuInstances({ instances = [] }: ModelSpec): ModelSpec["instances"] {
  const onGpu = instances.some(({ kind }) => kind === "gpu");
  const count = onGpu ? 1 : Math.max(1, ...instances.map((group) => group.count ?? 1));
  return [{ kind: "cpu", count, passive: false }];
}

/** What the adapter has no hands for; a GPU host's backend does it. */
function whyNotAdapted(spec: ModelSpec, backend: string | undefined): Omit<Problem, "file"> | undefined {
  const hint = "targets with GPUs serve it";
  if (backend === undefined || !adapted.includes(backend))
    return {
      path: "backend",
      message: `the ${backend ?? "unknown"} backend does not run on this machine`,
      hint,
    };
  if (spec.runtime?.endsWith(".py") === true)
    return {
      path: "runtime",
      message: "the CPU adapter of this machine runs the backend's usual runtime only",
      hint,
    };
  if (spec.inputs.length === 0 || spec.outputs.length === 0) {
    return {
      path: spec.inputs.length === 0 ? "inputs" : "outputs",
      message: "left to the backend, and the CPU adapter of this machine cannot tell them",
      hint: "write them down; then they are checked before anything starts, too",
    };
  }
  const unknown = (["sequenceBatching", "batchInputs", "batchOutputs"] as const).find((key) => {
    const value = spec[key];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  return unknown === undefined
    ? undefined
    : { path: unknown, message: "the CPU adapter of this machine does not do this", hint };
}

/**
 * The spec without what the wheel's Triton (2.51, release 24.10) cannot read or has not: it would refuse the config. A
 * host with the configured release serves it whole.
 */
function withoutNewerFields(spec: ModelSpec): { readonly spec: ModelSpec; readonly differences: string[] } {
  const { modelMetrics, repositoryAgents, ...kept } = spec;
  const limited = kept.ensemble?.maxInflightRequests !== undefined;
  const differences = [
    ...(modelMetrics === undefined ? [] : ["Triton's own histogram buckets"]),
    ...(repositoryAgents === undefined ? [] : ["no repository agents"]),
    ...(limited ? ["no limit on requests in flight"] : []),
  ];
  if (kept.ensemble === undefined) return { spec: kept, differences };
  return { spec: { ...kept, ensemble: { steps: kept.ensemble.steps } }, differences };
}

/**
 * The batching without `maxQueueSize` and `timeout`. With either, the Triton of the wheel (2.51) leaves requests waiting
 * for 500 ms under load: throughput falls to a fraction (docs/benchmarks.md, "Queue limits").
 */
function withoutQueueLimits(batching: ModelSpec["batching"]): {
  readonly batching: ModelSpec["batching"];
  readonly unbounded: boolean;
} {
  if (batching === undefined) return { batching, unbounded: false };
  const limits = ["maxQueueSize", "timeout", "timeoutAction", "allowTimeoutOverride"] as const;
  const byPriority = Object.keys(batching.priorityQueuePolicies).length > 0;
  return {
    batching: { ...omit(batching, ...limits), priorityQueuePolicies: {} },
    unbounded: byPriority || batching.maxQueueSize !== undefined || batching.timeout !== undefined,
  };
}
