import * as pulumi from "@pulumi/pulumi";
import type { Model } from "../core/spec/load.ts";
import type { PlatformConfig } from "../core/spec/platform.ts";
import type { Parsed } from "../core/spec/parse.ts";
import type { Advice } from "../core/spec/problem.ts";

/** What a stack runs on. */
export interface Target {
  /** Checks the platform for this target and plans it. Nothing is created; every problem is returned at once. */
  prepare(models: readonly Model[], options: TargetOptions): Parsed<Prepared>;
}

export interface TargetOptions {
  readonly config: PlatformConfig;
  /** Absolute folder of the project. */
  readonly project: string;
  /** Name of the stack's config file, for problems. */
  readonly file: string;
  /** The stack's own name, as in `dev`. */
  readonly stack: string;
}

export interface Prepared {
  /** What people should know of the plan. */
  readonly notes: readonly string[];
  /** How full GPUs and nodes are: lines of text. */
  readonly picture: readonly string[];
  readonly advice: readonly Advice[];
  /** Registers the resources and returns the stack's outputs; what has to be asked before is asked first. */
  build(): Record<string, unknown> | Promise<Record<string, unknown>>;
}

/** What stops the program with this text and nothing else. */
export function refusal(text: string): pulumi.RunError {
  const error = new pulumi.RunError(text);
  // Nobody sees it, and Pulumi would describe an error with a stack, and all that hangs on it, for its trace: 20 s.
  delete error.stack;
  return error;
}
