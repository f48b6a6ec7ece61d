import { knownBackends } from "../../core/spec/model.ts";
import { formatModelYaml } from "../../core/spec/model-yaml.ts";
import { defaultArtifact } from "../../core/triton/backends.ts";

/** What a new model can start from. */
export const templates = [...knownBackends, "ensemble"] as const;
export type Template = (typeof templates)[number];

/** The tensors of a new model; those of an ONNX file, or an example. */
export interface Tensors {
  /** Whether the tensors have a batch dimension, which is not in their dims. */
  readonly batches: boolean;
  readonly inputs: readonly TensorFields[];
  readonly outputs: readonly TensorFields[];
}

interface TensorFields {
  readonly name: string;
  readonly dataType: string;
  readonly dims: readonly number[];
}

/** A spec with comments that teach, complete but for what only its owner knows. */
export function specTemplate(template: Template, tensors: Tensors = exampleTensors(template)): string {
  return [
    "# Every field: docs/model-spec.md.\n",
    formatModelYaml({ description: "What it does, for people" }),
    ...(template === "ensemble" ? ensemble(tensors) : served(template, tensors)),
    "\n# What users are promised; alerts are made of it.\n",
    "# objectives: { latencyP99: 100ms, availability: 99.9% }\n",
  ].join("");
}

/** How many rows a batch of a new model holds: to be raised when its memory and its latency are known. */
const firstBatchSize = 8;

function served(backend: Exclude<Template, "ensemble">, { batches, inputs, outputs }: Tensors): string[] {
  const { platform, comment, kind, decoupled } = hints[backend];
  return [
    formatModelYaml({ backend, platform }),
    comment === undefined ? "" : `# ${comment}\n`,
    batches
      ? "# Rows that a request and a batch may hold. The tensors' dims are those of one row, -1 is any size.\n"
      : "# The model has no batch dimension: a request is one execution. -1 in dims is any size.\n",
    formatModelYaml({ maxBatchSize: batches ? firstBatchSize : 0, inputs, outputs }),
    ...(decoupled === true
      ? [
          "# A request has a stream of responses, over gRPC only.\n",
          formatModelYaml({ transactionPolicy: { decoupled } }),
        ]
      : []),
    "\n# On each visible GPU (gpu), on the CPU (cpu), or on GPUs where there are any (auto).\n",
    formatModelYaml({ instances: [{ kind, count: 1 }] }),
    ...(batches
      ? [
          "\n# Requests that wait share a batch. So many may wait, and so long; more are refused at once.\n",
          formatModelYaml({ batching: { maxQueueSize: 128, timeout: "1s" } }),
        ]
      : []),
    ...(decoupled !== true && inputs.every(({ dims }) => !dims.includes(-1))
      ? [
          "\n# Run before the model is ready, so that no user waits for what the first call has to set up.\n",
          formatModelYaml({ warmup: [{ batchSize: 1 }] }),
        ]
      : []),
  ];
}

function ensemble({ inputs, outputs }: Tensors): string[] {
  return [
    "# At most that of the steps' models.\n",
    formatModelYaml({ maxBatchSize: firstBatchSize, inputs, outputs }),
    "\n# Each step maps its model's tensors to tensors of the ensemble: its inputs, its outputs, and names of your own\n",
    "# between steps. Steps run as soon as their inputs are there.\n",
    formatModelYaml({
      ensemble: {
        steps: [
          { model: "first-model", inputs: { input: "input" }, outputs: { output: "between" } },
          { model: "second-model", inputs: { input: "between" }, outputs: { output: "output" } },
        ],
      },
    }),
  ];
}

interface Hints {
  readonly kind: "auto" | "gpu" | "cpu" | "model";
  readonly comment?: string;
  readonly platform?: string;
  readonly decoupled?: boolean;
}

const hints: Readonly<Record<Exclude<Template, "ensemble">, Hints>> = {
  onnxruntime: { kind: "gpu" },
  pytorch: {
    kind: "gpu",
    comment: "TorchScript has no names of tensors: they are counted, INPUT__0 and on.",
  },
  python: { kind: "cpu" },
  tensorrt: {
    kind: "gpu",
    comment:
      'A plan fits one kind of GPU: name others in ccModelFilenames, as in { "8.0": model-a100.plan }.',
  },
  tensorflow: {
    kind: "gpu",
    platform: "tensorflow_savedmodel",
    comment: "TensorFlow is in images up to 25.02 only.",
  },
  openvino: { kind: "cpu" },
  dali: { kind: "gpu" },
  fil: {
    kind: "gpu",
    comment: "parameters: { model_type: xgboost_ubj } names the library the trees are from.",
  },
  vllm: { kind: "model", comment: "1/model.json holds the engine's arguments.", decoupled: true },
  tensorrtllm: {
    kind: "cpu",
    comment: "parameters: { gpt_model_path: … } names the engine's folder.",
    decoupled: true,
  },
};

function exampleTensors(template: Template): Tensors {
  const row = { dataType: "FP32", dims: [4] };
  const text = { dataType: "STRING", dims: [1] };
  switch (template) {
    case "pytorch":
      return {
        batches: true,
        inputs: [{ name: "INPUT__0", ...row }],
        outputs: [{ name: "OUTPUT__0", ...row }],
      };
    case "fil":
      return {
        batches: true,
        inputs: [{ name: "input__0", ...row }],
        outputs: [{ name: "output__0", ...row, dims: [1] }],
      };
    case "vllm":
      return {
        batches: false,
        inputs: [{ name: "text_input", ...text }],
        outputs: [{ name: "text_output", ...text, dims: [-1] }],
      };
    default:
      return { batches: true, inputs: [{ name: "input", ...row }], outputs: [{ name: "output", ...row }] };
  }
}

/** Where the artifact of a new model belongs, relative to its folder; undefined where there is none. */
export function artifactPath(template: Template): string | undefined {
  const artifact = template === "ensemble" ? undefined : defaultArtifact(template);
  return artifact && `1/${artifact}`;
}
