import type { ModelConfig } from "../../core/triton/model-config.ts";

/** Where a checker's verdict and the server's may differ, each with its reason. All other differences are errors. */

interface DeliberateRefusal {
  /** Codes of rules, or places that the spec's schema refuses. */
  readonly rules: RegExp;
  readonly reason: string;
  /** What the config must be like; any will do where left out. */
  readonly config?: (config: ModelConfig) => boolean;
}

/** What is refused here although a server loads it. */
const deliberate: readonly DeliberateRefusal[] = [
  { rules: /^all-instances-passive$/, reason: "Triton loads it, and can answer no request" },
  {
    rules: /^warmup-|^spec: (model_)?warmup\b/,
    reason: "Triton warms up no passive instance, and so does not see what is wrong with the samples",
    config: ({ instanceGroup = [] }) =>
      instanceGroup.length > 0 && instanceGroup.every(({ passive }) => passive),
  },
  {
    rules: /^spec: (model_)?warmup\b/,
    reason:
      "Triton skips a sample of 0 rows with all it says; model.yaml still asks for types and shapes in it",
    config: ({ modelWarmup = [] }) => modelWarmup.some(({ batchSize = 0 }) => batchSize === 0),
  },
  {
    rules: /^warmup-(unknown-input|empty)$/,
    reason: "Triton hands a tensor of another name over as it is, which no backend reads",
  },
  { rules: /^duplicate-tensor$/, reason: "Triton loads it, and counts one input too many in every request" },
  {
    rules: /^tensor-(shape|type)$/,
    reason:
      "of an output that is listed twice Triton keeps the first, and does not see that the second differs",
    config: ({ output = [] }) => new Set(output.map(({ name }) => name)).size < output.length,
  },
  { rules: /^duplicate-state$/, reason: "Triton ignores the second of two, with a line in its log" },
  { rules: /^growable-state$/, reason: "Triton loads it; the first request then finds no state" },
  {
    rules: /^spec: sequenceBatching\.states\[\]\.(dataType|dims)/,
    reason: "Triton does not look at a state without type or shape before its first request",
  },
  { rules: /^rate-limiter-scope$/, reason: "Triton looks at it only where the rate limiter is on" },
  {
    rules: /^spec: batching\.priorityQueuePolicies\.0$/,
    reason:
      "Triton looks at the priorities of policies only where there are priority_levels; there is no priority 0",
  },
  {
    rules: /^spec: ccModelFilenames\b/,
    reason: "Triton looks for compute capabilities only; a file under another key is never used",
  },
  {
    rules: /^spec: instances\[\]\.count$/,
    reason: "Triton takes a count below 1 for 1; a spec says how many, or leaves it out",
  },
  {
    rules: /^spec: versions\.latest$/,
    reason:
      "a policy without a choice, which Triton reads as if there were none; a spec leaves `versions` out",
  },
  {
    rules: /^version-absent$|^spec: versions\.specific\b/,
    reason: "Triton goes without the versions that are not there, or cannot be",
  },
  {
    rules: /^tensor-written-twice$/,
    reason: "a step that writes the ensemble's own input: which of the two its readers get is chance",
  },
];

/** Why all that these rules refuse is refused on purpose; undefined where some of it is not. */
export function deliberateReasons(
  rules: readonly string[],
  config: ModelConfig,
): readonly string[] | undefined {
  const reasons = rules.map(
    (rule) => deliberate.find((one) => one.rules.test(rule) && one.config?.(config) !== false)?.reason,
  );
  return reasons.every((reason) => reason !== undefined) ? reasons : undefined;
}

/** A refusal that says something about the machine and not about the config. */
interface MachineRefusal {
  readonly reason: string;
  /** Part of what the server says. */
  readonly message: RegExp;
  /** What the config must be like; any will do where left out. */
  readonly config?: (config: ModelConfig) => boolean;
}

export const ofThisMachine: readonly MachineRefusal[] = [
  {
    reason: "this server has no GPU",
    message: /has kind KIND_GPU but no GPUs are available|specifies invalid or unsupported gpu id/,
  },
  {
    reason: "this server has no GPU, and takes KIND_AUTO for KIND_CPU",
    message: /has kind KIND_CPU but specifies one or more GPUs/,
    config: ({ instanceGroup = [] }) =>
      instanceGroup.some(({ kind = "KIND_AUTO", gpus = [] }) => kind === "KIND_AUTO" && gpus.length > 0),
  },
  {
    reason: "the wheel has the Python backend alone",
    message: /unable to find backend library for backend '(?!nonsense)/,
  },
  {
    reason: "a path outside the repository is the image's; here it leads nowhere",
    message: /Failed to get the canonical path for \/missing\.tar\.gz/,
  },
  {
    reason: "the wheel has no repository agents",
    message: /unable to find 'libtritonrepoagent_checksum\.so'/,
  },
];
