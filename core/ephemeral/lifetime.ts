import { formatDuration, parseDuration } from "../spec/units.ts";

/** Milliseconds. */
type Milliseconds = number;

const minute = 60_000;
const hour = 60 * minute;

/** Hours that a benchmark cluster may live, unless a policy config says more or less (the rule `bench-ttl`). */
export const longestLifeHours = 72;

/** A cluster of EKS takes some 20 minutes to come and as long to go: with less nothing would be measured. */
const shortestLife = 45 * minute;

/**
 * How long a stack is left alone past its time: clocks of two machines differ, and whoever made it is taking it down just
 * then. Clocks that AWS' SDK finds to be wrong by more than its own five minutes are set right before.
 */
export const grace = 10 * minute;

/**
 * The longest that one operation of the engine takes: a control plane (the provider waits 30 minutes), node groups (60),
 * pods of large models (60). A lock that is older is of a process that is gone. Source of the waits:
 * hashicorp/terraform-provider-aws, internal/service/eks, `schema.DefaultTimeout`.
 */
export const longestOperation = 3 * hour;

export type ParsedLifetime =
  | { readonly value: Milliseconds }
  | { readonly problem: { readonly message: string; readonly hint: string } };

/** How a lifetime is written. */
export const lifetimeHint = `write it like 2h: ${formatDuration(shortestLife * 1_000)} to ${String(longestLifeHours)}h`;

/** `2h` → 7200000, with the reason where it is no time to live. */
export function parseLifetime(text: string): ParsedLifetime {
  const refused = (why: string): ParsedLifetime => ({
    problem: { message: `\`${text}\` is ${why}`, hint: lifetimeHint },
  });
  const microseconds = parseDuration(text);
  if (microseconds === undefined) return refused("no time to live");
  const value = microseconds / 1_000;
  if (value % minute !== 0) return refused("not whole minutes");
  if (value < shortestLife) return refused("less than a cluster takes to come and go");
  if (value > longestLifeHours * hour) return refused("longer than a benchmark lasts");
  return { value };
}

/** As tags have it: `2h`, `90m`. */
export function formatLifetime(value: Milliseconds): string {
  return formatDuration(value * 1_000);
}

export interface Lifetime {
  /** ISO 8601. */
  readonly createdAt: string;
  readonly expiresAt: string;
}

/**
 * Whether a stack's time is over. Where its own times cannot be right, longer than any stack may live, the clock of
 * whoever made it was wrong: it may live the longest life from when it says that it was made.
 */
export function isExpired({ createdAt, expiresAt }: Lifetime, now: number): boolean {
  const last = Math.min(Date.parse(expiresAt), Date.parse(createdAt) + longestLifeHours * hour);
  return now > last + grace;
}

/** Whether it says to be of a time that has not come yet: then nobody knows when it ends. */
export function isFromTheFuture({ createdAt }: Lifetime, now: number): boolean {
  return Date.parse(createdAt) > now + grace;
}

export function hoursBetween(from: number, until: number): number {
  return Math.max(0, until - from) / hour;
}
