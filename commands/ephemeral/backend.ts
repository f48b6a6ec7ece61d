import type { Lock } from "../../core/ephemeral/lock.ts";
import type { TaggedStack } from "../../core/ephemeral/sweep.ts";
import type { StateResource } from "../../core/ephemeral/leftovers.ts";

/** How an operation of the engine came out. */
export type Outcome =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** The engine's own words. */
      readonly text: string;
      /** Whoever works on the stack, where that is why. */
      readonly locks: readonly Lock[];
    };

export interface OperationOptions {
  /** Asks the engine to end what is under way and to begin nothing more, as Ctrl-C does. */
  readonly signal?: AbortSignal | undefined;
  /** Objects of a cluster that is gone are taken to be gone as well. */
  readonly dropUnreachable?: boolean;
}

/** Pulumi's backend, whichever it is, with the stacks of this project in it. */
export interface Backend {
  /** Stacks with this tag, with all of their tags. */
  tagged(tag: string): Promise<readonly TaggedStack[]>;
  tags(stack: string): Promise<Readonly<Record<string, string>>>;
  setTag(stack: string, key: string, value: string): Promise<void>;
  /** Makes an empty stack; where that fails there is none. `secrets` are encrypted config values by key. */
  create(
    stack: string,
    config: Readonly<Record<string, unknown>>,
    secrets: Readonly<Record<string, string>>,
  ): Promise<void>;
  up(stack: string, options?: OperationOptions): Promise<Outcome>;
  /** Also forgets what it does not know to be there: a creation that was cut off. */
  refresh(stack: string, options?: OperationOptions): Promise<Outcome>;
  destroy(stack: string, options?: OperationOptions): Promise<Outcome>;
  /** Breaks the stack's locks. */
  cancel(stack: string): Promise<void>;
  /** What the stack's state has. */
  resources(stack: string): Promise<readonly StateResource[]>;
  /** What the states of all stacks of the backend have, of other projects too. */
  allResources(): Promise<readonly StateResource[]>;
  /** Removes a stack that has nothing any more. */
  remove(stack: string): Promise<void>;
  /** Numbers of the engine's processes that were started here. */
  readonly processes: readonly number[];
}
