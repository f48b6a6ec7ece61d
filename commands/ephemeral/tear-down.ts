import { hostname } from "node:os";
import { nameOfLeftover } from "../../core/ephemeral/leftovers.ts";
import { isRunning } from "../../components/processes.ts";
import { areOf, formatLocks, type Lock } from "../../core/ephemeral/lock.ts";
import type { Benchmark } from "../../core/ephemeral/stack.ts";
import { messageOf } from "../../core/errors.ts";
import type { Account } from "./account.ts";
import type { Backend, Outcome } from "./backend.ts";
import { removeLeftovers, type Remaining } from "./remove-leftovers.ts";
import type { Surroundings } from "./surroundings.ts";

/** How taking a stack down came out. */
export type TearDown =
  | { readonly kind: "gone" }
  /** Somebody else works on it. */
  | { readonly kind: "locked"; readonly locks: readonly Lock[] }
  | {
      readonly kind: "left";
      /** What is still there by name; none where only the state is. */
      readonly names: readonly string[];
      readonly reason: string;
    };

/** Destroys that are tried at most. */
const attempts = 4;
/** Milliseconds before the second, the third and the fourth. */
const pauses = [15_000, 60_000, 180_000] as const;
/** Searches for leftovers between two destroys, which may wait for them, and at the end: 20 seconds each. */
const rounds = { between: 3, last: 30 };

/**
 * Takes a stack down: destroys it in the program's own order, deletes what it left in AWS, and removes it from the backend
 * where nothing is left. What hinders a destroy may be in no state, as what an engine had begun that was killed, or a
 * controller has made: it goes between two attempts. `isUnsure`: the last operation was cut off, so that what is there is
 * to be looked at before.
 */
export async function tearDown(
  benchmark: Benchmark,
  backend: Backend,
  account: Account,
  { isUnsure, ...surroundings }: Surroundings & { readonly isUnsure: boolean },
): Promise<TearDown> {
  const { pause, say, signal } = surroundings;
  const { stack } = benchmark;
  let last = "";
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const outcome = await destroyOnce(stack, backend, {
      refreshes: isUnsure || attempt > 1,
      dropUnreachable: attempt === attempts,
      signal,
    });
    if (outcome.ok) return finish(benchmark, backend, account, surroundings);
    if (outcome.locks.length > 0) {
      // An engine of ours that is gone cannot give its lock back.
      if (!areOf(outcome.locks, hostname(), endedOf(backend)))
        return { kind: "locked", locks: outcome.locks };
      await backend.cancel(stack);
      continue;
    }
    last = lastWords(outcome.text);
    say(`  destroy ${String(attempt)} of ${String(attempts)} failed: ${last}`);
    if (signal?.aborted === true || attempt === attempts) break;
    // Whoever is not let in now is not in a minute.
    if (isOfCredentials(outcome.text)) return left([], last);
    await pause(pauses[attempt - 1] ?? 0);
    try {
      await removeLeftovers(benchmark, backend, account, { ...surroundings, rounds: rounds.between });
    } catch (error) {
      last = messageOf(error);
      if (isOfCredentials(last)) return left([], last);
    }
  }
  return left(
    (await backend.resources(stack)).flatMap(({ id }) => id ?? []),
    last,
  );
}

async function destroyOnce(
  stack: string,
  backend: Backend,
  {
    refreshes,
    ...options
  }: {
    readonly refreshes: boolean;
    readonly dropUnreachable: boolean;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Outcome> {
  if (refreshes) {
    const refreshed = await backend.refresh(stack, options);
    // What cannot be looked at may still be destroyed; a lock says that somebody else is at it.
    if (!refreshed.ok && refreshed.locks.length > 0) return refreshed;
  }
  return backend.destroy(stack, options);
}

async function finish(
  benchmark: Benchmark,
  backend: Backend,
  account: Account,
  surroundings: Surroundings,
): Promise<TearDown> {
  let remaining: readonly Remaining[];
  try {
    remaining = await removeLeftovers(benchmark, backend, account, { ...surroundings, rounds: rounds.last });
  } catch (error) {
    return left([], `destroyed, but AWS does not say whether anything was left behind: ${messageOf(error)}`);
  }
  const [first] = remaining;
  if (first !== undefined)
    return left(
      remaining.map(({ found }) => `${nameOfLeftover(found)} (${found.arn})`),
      first.reason,
    );
  await backend.remove(benchmark.stack);
  return { kind: "gone" };
}

function left(names: readonly string[], reason: string): TearDown {
  return { kind: "left", names, reason };
}

function endedOf({ processes }: Backend): readonly number[] {
  return processes.filter((pid) => !isRunning(pid));
}

/** Source: AWS, "Common errors" of STS and of the Query APIs; aws-sdk-go-v2's words for none at all. */
function isOfCredentials(text: string): boolean {
  return /ExpiredToken|InvalidClientTokenId|RequestExpired|UnrecognizedClient|AuthFailure|failed to refresh cached credentials|No valid credential sources|Could not load credentials|AWS account ID not allowed/.test(
    text,
  );
}

/** The engine's errors, without its picture of all that it did. */
function lastWords(text: string): string {
  const errors = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.includes("error: ") && !/error: (update|destroy|deletion) failed$/.test(line));
  return (errors.length > 0 ? [...new Set(errors)].slice(0, 5) : [text.trim().slice(-600)]).join("\n    ");
}

/** What is to be done by hand, as people read it. */
export function formatTearDown(stack: string, result: TearDown): string {
  if (result.kind === "gone") return `${stack} is gone, and nothing of it is left.`;
  if (result.kind === "locked")
    return `${stack} is worked on by ${formatLocks(result.locks)}, and was left alone.`;
  return [
    `${stack} is not gone: ${result.reason}`,
    ...(result.names.length === 0 ? [] : ["Still there, and paid for:"]),
    ...result.names.map((name) => `  - ${name}`),
  ].join("\n");
}
