import { leftoversAmong, nameOfLeftover, ownTags, type Found } from "../../core/ephemeral/leftovers.ts";
import { shortName, type Benchmark } from "../../core/ephemeral/stack.ts";
import { messageOf } from "../../core/errors.ts";
import type { Account } from "./account.ts";
import type { Backend } from "./backend.ts";
import type { Surroundings } from "./surroundings.ts";

/** What is still there, and AWS' last word on it. */
export interface Remaining {
  readonly found: Found;
  readonly reason: string;
}

/** Milliseconds between two rounds: AWS takes a minute or two to let go of interfaces and gateways. */
const pauseOfRounds = 20_000;

/**
 * Deletes what a benchmark left behind in AWS: what carries its and its owner's tags and is in no state of the backend. In
 * rounds, each in the order of what holds what, since deletions take their time; `rounds` are made at most. Returns what
 * is still there.
 */
export async function removeLeftovers(
  { stack, owner, name }: Pick<Benchmark, "stack" | "owner" | "name">,
  backend: Pick<Backend, "allResources" | "resources">,
  account: Account,
  {
    rounds,
    pause,
    say,
    signal,
  }: Pick<Surroundings, "pause" | "say" | "signal"> & { readonly rounds: number },
): Promise<readonly Remaining[]> {
  const own = ownTags({ stack: shortName(stack), owner });
  const reasons = new Map<string, string>();
  for (let round = 1; ; round += 1) {
    const found = await account.find(own, name);
    // Without anything there is nothing to compare with: states of a whole backend are many.
    const [known, ownState] =
      found.length === 0 ? [[], []] : [await backend.allResources(), await backend.resources(stack)];
    const left = leftoversAmong(found, own, known, ownState);
    if (left.length === 0 || round > rounds || signal?.aborted === true)
      return left.map((one) => ({ found: one, reason: reasons.get(one.arn) ?? "AWS is still deleting it" }));
    for (const one of left) {
      try {
        await account.remove(one);
        reasons.delete(one.arn);
        if (round === 1) say(`  left behind: ${nameOfLeftover(one)}: deleted`);
      } catch (error) {
        reasons.set(one.arn, messageOf(error));
      }
    }
    if (round > 1) await pause(pauseOfRounds);
  }
}
