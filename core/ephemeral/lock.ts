import { longestOperation } from "./lifetime.ts";

/** Who works on a stack, or did when it was killed. */
export interface Lock {
  /** `user@host (pid 4711)`. */
  readonly holder: string;
  /** ISO 8601; undefined where the backend does not tell, as Pulumi Cloud, which ends leases of the dead by itself. */
  readonly since?: string;
}

/**
 * The locks in what the engine says of a stack that is locked; none where it failed of something else.
 * Source: pulumi, pkg/backend/diy/lock.go (`created by … at …`); sdk/go/auto/errors.go for Pulumi Cloud's words.
 */
export function locksIn(text: string): readonly Lock[] {
  if (
    !/the stack is currently locked by|\[409\] Conflict: Another update is currently in progress/.test(text)
  )
    return [];
  const known = [...text.matchAll(/created by (\S+ \(pid \d+\)) at (\S+)/g)].map(
    ([, holder = "", since = ""]): Lock => ({ holder, since }),
  );
  return known.length > 0 ? known : [{ holder: "somebody" }];
}

/** Whether all of them are older than any operation takes: whoever held them is gone. */
export function areStale(locks: readonly Lock[], now: number): boolean {
  return (
    locks.length > 0 &&
    locks.every(({ since }) => since !== undefined && Date.parse(since) + longestOperation < now)
  );
}

/** Whether each is of one of these processes of this machine. */
export function areOf(locks: readonly Lock[], host: string, pids: readonly number[]): boolean {
  const holders = pids.map((pid) => `@${host} (pid ${String(pid)})`);
  return locks.length > 0 && locks.every(({ holder }) => holders.some((own) => holder.endsWith(own)));
}

export function formatLocks(locks: readonly Lock[]): string {
  return locks
    .map(({ holder, since }) => (since === undefined ? holder : `${holder} since ${since}`))
    .join(", ");
}
