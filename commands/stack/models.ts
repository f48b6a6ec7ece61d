import path from "node:path";
import { withKnownHashes } from "../../components/hash-cache.ts";
import { loadModels, type Model } from "../../core/spec/load.ts";
import type { PlatformConfig } from "../../core/spec/platform.ts";
import type { Checked } from "../../core/spec/problem.ts";
import { projectRoot } from "../setup/places.ts";

/** The models of a stack, by its config. Files that were hashed before are not read again. */
export function modelsOf({ models }: Pick<PlatformConfig, "models">): Checked<readonly Model[]> {
  return withKnownHashes(projectRoot, (known) => loadModels(path.resolve(projectRoot, models), known));
}
