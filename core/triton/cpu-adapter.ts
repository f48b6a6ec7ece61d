import type { Artifact } from "../spec/artifacts.ts";
import type { Model } from "../spec/load.ts";
import { defaultArtifacts } from "../spec/model.ts";
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
  const instances = [
    { kind: "cpu" as const, count: onCpu ? Math.max(1, ...(spec.instances ?? []).map((i) => i.count)) : 1 },
  ];
  if (native.includes(backend)) {
    return {
      model: { ...model, spec: { ...spec, instances } },
      files: [],
      ...(onCpu ? {} : { difference: "instances on the CPU" }),
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
    model: { ...model, spec: { ...spec, backend: "python", instances, parameters } },
    files: servedVersions(model).flatMap((version) =>
      adapter.files.map((file) => ({
        ...file,
        path: `${spec.name}/${String(version)}/${file.path}`,
        from: { file: `${adapter.directory}/${file.path}` },
      })),
    ),
    difference: `${backend} on the CPU, called from Triton's Python backend`,
  };
}
