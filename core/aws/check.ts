import { eksOf, type PlatformConfig } from "../spec/platform.ts";
import type { Problem } from "../spec/problem.ts";
import { nameProblems } from "./names.ts";

/** Everything wrong with a stack's config for AWS that the config alone tells. `file` names it. */
export function checkEks(config: PlatformConfig, stack: string, file: string): Problem[] {
  return nameProblems(eksOf(config), stack, file);
}
