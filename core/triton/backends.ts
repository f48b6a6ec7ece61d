import { present } from "../objects.ts";
import type { Artifacts } from "../spec/artifacts.ts";
import type { ModelSpec } from "../spec/model.ts";

/**
 * Which backend runs a model and which file it reads, as Triton fills them in where a config leaves them out, and
 * what is known of NVIDIA's backends.
 */
export interface ResolvedBackend {
  /** Undefined where neither the spec nor the files tell it; such a model does not load. */
  readonly backend?: string;
  readonly platform?: string;
  /** File or folder in each version folder; undefined where the backend reads none, or only it knows. */
  readonly artifact?: string;
  /** What the backend reads instead where the artifact is missing. */
  readonly fallback?: string;
}

type Named = Pick<
  ModelSpec,
  "name" | "ensemble" | "backend" | "platform" | "runtime" | "defaultModelFilename" | "parameters"
>;

/**
 * Source: triton-inference-server/core `src/model_config_utils.cc`, AutoCompleteBackendFields. `artifacts` are the
 * files of the served versions: Triton sees no others.
 */
export function resolveBackend(spec: Named, artifacts: Pick<Artifacts, "files">): ResolvedBackend {
  if (spec.ensemble !== undefined) return { platform: "ensemble" };
  const content = firstVersion(artifacts);
  const format = formats.find((candidate) => isFormat(candidate, spec, content));
  if (format === undefined && isBare(spec)) return customBackend(spec.name);
  const backend = spec.backend ?? format?.backend;
  const platform = spec.platform ?? platformOf(spec, backend, format, content);
  const artifact = spec.defaultModelFilename ?? artifactOf(spec, backend, platform, format);
  return present({ backend, platform, artifact, fallback: fallbackOf(spec, backend) });
}

/** The artifact's usual name; undefined for backends that have none. */
export function defaultArtifact(backend: string): string | undefined {
  return formats.find((format) => format.backend === backend)?.artifact ?? ownArtifacts.get(backend);
}

/** Whether backend and platform go together. Source: core `src/model_config_utils.cc`, GetBackendType and ValidateModelConfig. */
export function isPair(backend: string, platform: string | undefined): boolean {
  const platforms = platformsOf(backend);
  return platforms.length === 0 || (platform !== undefined && platforms.includes(platform));
}

/** Platforms that mean this backend; none where Triton lets any pass. */
export function platformsOf(backend: string): readonly string[] {
  return formats.flatMap((format) =>
    format.backend === backend && format.platform !== undefined ? [format.platform] : [],
  );
}

/** NVIDIA's images with backends, by the end of their tag. Source: release notes and `build.py` of the server. */
export type Image = "py3" | "vllm-python-py3" | "trtllm-python-py3";

/** The image a backend of NVIDIA's comes in; undefined for backends of others. */
export function imageOf(backend: string): Image | undefined {
  return images.get(backend);
}

/** Every backend of NVIDIA's images. */
export function imageBackends(): string[] {
  return [...images.keys()];
}

/** Names of artifacts by which Triton tells a backend even where a platform is given, so that an ensemble gets one too. */
export function tellingArtifacts(): string[] {
  return formats.filter(({ backend }) => backend !== "tensorflow").map(({ artifact }) => artifact);
}

/** Values of `runtime` for which a backend of NVIDIA's images has the library or the Python file. */
export function runtimesOf(backend: string): readonly string[] {
  const library = `libtriton_${backend}.so`;
  if (backend === "vllm") return ["model.py"];
  return backend === "pytorch" ? [library, "model.py"] : [library];
}

/** What a backend cannot do without in a config that nothing completes. */
export interface NeededTensors {
  /** Undefined where there may be none of this side. */
  readonly inputs?: NeededSide;
  readonly outputs?: NeededSide;
}

interface NeededSide {
  /** Tensors that must be there by these names; any others will do where there are none. */
  readonly names: readonly string[];
  /** The backend's tensors as model.yaml has them, where they are the same for every model. */
  readonly example?: string;
}

/** The tensors that a backend refuses to be without, or fails every request for. */
export function neededTensors(backend: string): NeededTensors {
  const readsFormat = formats.some((format) => format.backend === backend && backend !== "python");
  // These hold the config against the tensors of their artifact.
  return readsFormat ? { inputs: { names: [] }, outputs: { names: [] } } : (ownTensors.get(backend) ?? {});
}

interface Format {
  readonly backend: string;
  readonly platform?: string;
  readonly artifact: string;
  /** What the artifact must be for Triton to tell the backend by it; either where left out. */
  readonly is?: "file" | "folder";
}

/** In the order in which Triton tries them; names from core `src/constants.h`. */
const formats: readonly Format[] = [
  { backend: "tensorflow", platform: "tensorflow_savedmodel", artifact: "model.savedmodel", is: "folder" },
  { backend: "tensorflow", platform: "tensorflow_graphdef", artifact: "model.graphdef", is: "file" },
  { backend: "tensorrt", platform: "tensorrt_plan", artifact: "model.plan", is: "file" },
  { backend: "onnxruntime", platform: "onnxruntime_onnx", artifact: "model.onnx" },
  { backend: "openvino", artifact: "model.xml" },
  { backend: "pytorch", platform: "pytorch_libtorch", artifact: "model.pt", is: "file" },
  { backend: "pytorch", platform: "torch_aoti", artifact: "model.pt2", is: "file" },
  { backend: "python", artifact: "model.py" },
];

/**
 * Artifacts that only the backend itself knows. TensorRT-LLM has none: its parameter gpt_model_path names a folder.
 * Source: vllm_backend `src/model.py`, _VLLM_ENGINE_ARGS_FILENAME; dali_backend `src/dali_model.h`, GetModelFilename;
 * fil_backend `src/model.h`, model_file.
 */
const ownArtifacts: ReadonlyMap<string, string> = new Map([
  ["vllm", "model.json"],
  ["dali", "model.dali"],
  ["fil", "xgboost.model"],
]);

/** FIL's artifact by the parameter model_type, which is xgboost where left out. Source: the same. */
const treeArtifacts: ReadonlyMap<string, string> = new Map([
  ["xgboost", "xgboost.model"],
  ["xgboost_json", "xgboost.json"],
  ["xgboost_ubj", "xgboost.ubj"],
  ["lightgbm", "model.txt"],
  ["treelite_checkpoint", "checkpoint.tl"],
]);

/**
 * Tensors of backends whose model says nothing of them, or which always look at the config. Source: vllm_backend
 * `src/model.py`, auto_complete_config and initialize; fil_backend `src/model.h`, predict; dali_backend
 * `src/config_tools/config_tools.cc`, ValidateOutputs: a pipeline has outputs, and may have no inputs.
 */
const ownTensors: ReadonlyMap<string, NeededTensors> = new Map(
  Object.entries<NeededTensors>({
    vllm: {
      inputs: {
        names: [],
        example: flowList([
          "name: text_input, dataType: STRING, dims: [1]",
          ...["stream", "exclude_input_in_output"].map(
            (name) => `name: ${name}, dataType: BOOL, dims: [1], optional: true`,
          ),
          "name: sampling_parameters, dataType: STRING, dims: [1], optional: true",
        ]),
      },
      outputs: {
        names: ["text_output"],
        example: flowList(["name: text_output, dataType: STRING, dims: [-1]"]),
      },
    },
    fil: { inputs: { names: ["input__0"] }, outputs: { names: ["output__0"] } },
    dali: { outputs: { names: [] } },
  }),
);

function flowList(items: readonly string[]): string {
  return `[${items.map((item) => `{ ${item} }`).join(", ")}]`;
}

const images: ReadonlyMap<string, Image> = new Map(
  Object.entries<Image>({
    onnxruntime: "py3",
    pytorch: "py3",
    python: "py3",
    tensorrt: "py3",
    tensorflow: "py3",
    openvino: "py3",
    dali: "py3",
    fil: "py3",
    vllm: "vllm-python-py3",
    tensorrtllm: "trtllm-python-py3",
  }),
);

type Content = ReadonlyMap<string, "file" | "folder">;

/** Triton looks into one version folder only: the first by name, so that 10 comes before 2. */
function firstVersion({ files }: Pick<Artifacts, "files">): Content {
  let first: string | undefined;
  let content = new Map<string, "file" | "folder">();
  for (const { path } of files) {
    const [version = "", name = "", ...rest] = path.split("/");
    if (first === undefined || version < first) {
      first = version;
      content = new Map();
    }
    if (version === first) content.set(name, rest.length === 0 ? "file" : "folder");
  }
  return content;
}

function isFormat(format: Format, spec: Named, content: Content): boolean {
  if (spec.backend !== undefined) return false;
  if (spec.platform !== undefined && spec.platform === format.platform) return true;
  if (spec.defaultModelFilename !== undefined) return spec.defaultModelFilename === format.artifact;
  return spec.platform === undefined && holds(content, format);
}

function holds(content: Content, { artifact, is }: Format): boolean {
  const found = content.get(artifact);
  return found !== undefined && (is === undefined || is === found);
}

function isBare({ backend, platform, defaultModelFilename }: Named): boolean {
  return backend === undefined && platform === undefined && defaultModelFilename === undefined;
}

/** A model named `anything.backend` is run by the backend of that name; whether it reads `model.backend`, only it knows. */
function customBackend(name: string): ResolvedBackend {
  const point = name.indexOf(".");
  return point === -1 ? {} : { backend: name.slice(point + 1) };
}

/** TensorFlow's platform is told by the file; PyTorch's is TorchScript unless the files alone told the backend. */
function platformOf(
  spec: Named,
  backend: string | undefined,
  format: Format | undefined,
  content: Content,
): string | undefined {
  const own = formats.filter((candidate) => candidate.backend === backend);
  if (backend === "tensorflow") {
    const { defaultModelFilename } = spec;
    // The last: where both are there, Triton takes the graph.
    return own.findLast((candidate) =>
      defaultModelFilename === undefined
        ? holds(content, candidate)
        : candidate.artifact === defaultModelFilename,
    )?.platform;
  }
  return (isBare(spec) ? format?.platform : undefined) ?? own[0]?.platform;
}

function artifactOf(
  spec: Named,
  backend: string | undefined,
  platform: string | undefined,
  format: Format | undefined,
): string | undefined {
  if (backend === undefined) return undefined;
  if (isPythonRuntime(spec, backend)) return "model.py";
  // A platform of TensorFlow's settles the name for whatever backend.
  const own = formats.find(
    (candidate) =>
      platform !== undefined &&
      candidate.platform === platform &&
      (candidate.backend === backend || candidate.backend === "tensorflow"),
  );
  const byParameter =
    backend === "fil" ? treeArtifacts.get(spec.parameters.model_type ?? "xgboost") : undefined;
  return (own ?? format)?.artifact ?? byParameter ?? defaultArtifact(backend);
}

/** Source: pytorch_backend `src/model.py`, _get_model_path; dali_backend `src/dali_model.h`, LoadModel. */
function fallbackOf(spec: Named, backend: string | undefined): string | undefined {
  if (isPythonRuntime(spec, backend)) return "model.pt";
  return backend === "dali" ? "dali.py" : undefined;
}

/** Whether PyTorch runs a module of the model's own, or TorchScript, from Python. */
function isPythonRuntime({ runtime }: Named, backend: string | undefined): boolean {
  return backend === "pytorch" && runtime === "model.py";
}
