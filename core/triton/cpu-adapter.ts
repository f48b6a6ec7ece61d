import type { Artifact } from "../spec/artifacts.ts";
import type { Model } from "../spec/load.ts";
import { defaultArtifacts, type ModelSpec } from "../spec/model.ts";
import type { Problem } from "../spec/problem.ts";
import { servedVersions, type RepositoryFile } from "./repository.ts";

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
  if (spec.ensemble !== undefined) return { model, files: [] };
  const backend = spec.backend ?? "";
  const onCpu = (spec.instances ?? []).every(({ kind }) => kind === "cpu");
  // One instance per group is enough where there is no device to fill, and each is a process with its own copy.
  const count = onCpu ? Math.max(1, ...(spec.instances ?? []).map((group) => group.count)) : 1;
  const instances = [{ kind: "cpu" as const, count }];
  const { batching, unbounded } = withoutQueueLimits(spec.batching);
  const here: ModelSpec = { ...spec, instances, ...(batching === undefined ? {} : { batching }) };
  const queue = unbounded ? ["no queue limits, with which this Triton stalls"] : [];
  if (native.includes(backend)) {
    const differences = [...(onCpu ? [] : ["instances on the CPU"]), ...queue];
    return {
      model: { ...model, spec: here },
      files: [],
      ...(differences.length === 0 ? {} : { difference: differences.join("; ") }),
    };
  }
  if (!adapted.includes(backend)) {
    return {
      file: model.file,
      path: "backend",
      message: `the ${backend} backend does not run on this machine`,
      hint: `leave ${spec.name} out of \`servers\` here, or deploy it to a target with GPUs`,
    };
  }
  const artifact = defaultArtifacts[spec.backend ?? "python"] ?? "";
  const parameters = {
    ...spec.parameters,
    cpu_adapter_backend: backend,
    cpu_adapter_artifact: artifact,
    cpu_adapter_threads: "1",
  };
  return {
    model: { ...model, spec: { ...here, backend: "python", parameters } },
    files: servedVersions(model).flatMap((version) =>
      adapter.files.map((file) => ({
        ...file,
        path: `${spec.name}/${String(version)}/${file.path}`,
        from: { file: `${adapter.directory}/${file.path}` },
      })),
    ),
    difference: [`${backend} on the CPU, called from Triton's Python backend`, ...queue].join("; "),
  };
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
  const { maxQueueSize, timeout, ...rest } = batching;
  return { batching: rest, unbounded: maxQueueSize !== undefined || timeout !== undefined };
}
