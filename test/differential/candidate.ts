import type { ModelConfig } from "../../core/triton/model-config.ts";

/** A model that a checker and a server are asked about. */
export interface Candidate {
  config: ModelConfig;
  /** Every file below the model's folder but config.pbtxt: path and content. */
  files: Record<string, string>;
  /** What was done to a config that should be valid, by name. */
  mutations: string[];
}

/** The folder's name, until a server gets it under another one. */
export const candidateName = "candidate";

/** The candidate in a folder of another name. */
export function named(candidate: Candidate, name: string): Candidate {
  const config = structuredClone(candidate.config);
  if (config.name === candidateName) config.name = name;
  for (const step of config.ensembleScheduling?.step ?? []) {
    if (step.modelName === candidateName) step.modelName = name;
  }
  return { ...candidate, config };
}
