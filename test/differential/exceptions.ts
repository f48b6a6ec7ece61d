import type { ModelConfig } from "../../core/triton/model-config.ts";

/** Where a checker's verdict and the server's may differ, each with its reason. All other differences are errors. */

export interface DeliberateRefusal {
  readonly reason: string;
  /** Other rules that then ask what the server does not get to. */
  readonly also?: RegExp;
}

/** Rules that refuse what a server loads, by code. */
export const deliberate: Readonly<Record<string, DeliberateRefusal>> = {
  "all-instances-passive": {
    reason: "Triton loads it, warms nothing up, and can answer no request",
    also: /^warmup-|^spec: model_warmup\b/,
  },
  "duplicate-tensor": { reason: "Triton keeps the last of two and drops the other in silence" },
  "duplicate-state": { reason: "Triton ignores the second of two, with a line in its log" },
  "growable-state": { reason: "Triton loads it; the first request then finds no state" },
  "rate-limiter-scope": { reason: "Triton looks at it only where the rate limiter is on" },
  "spec: batching.priorityQueuePolicies.0": {
    reason:
      "Triton looks at the priorities of policies only where there are priority_levels; there is no priority 0",
  },
  "spec: ccModelFilenames.no number": {
    reason: "Triton looks for compute capabilities only; a file under another key is never used",
  },
  "spec: instances[].count": {
    reason: "Triton takes a count below 1 for 1; a spec says how many, or leaves it out",
  },
  "spec: versions.latest": {
    reason:
      "a policy without a choice, which Triton reads as if there were none; a spec leaves `versions` out",
  },
  "tensor-written-twice": {
    reason: "a step that writes the ensemble's own input: which of the two its readers get is chance",
  },
  "version-absent": { reason: "Triton logs an error and goes without the version" },
  "warmup-unknown-input": { reason: "Triton makes an override of it that no backend reads" },
};

/** Whether all that these rules refuse is refused on purpose. */
export function isDeliberate(rules: readonly string[]): boolean {
  const reasons = rules.flatMap((code) => (Object.hasOwn(deliberate, code) ? (deliberate[code] ?? []) : []));
  return rules.every(
    (code) => Object.hasOwn(deliberate, code) || reasons.some(({ also }) => also?.test(code) === true),
  );
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
