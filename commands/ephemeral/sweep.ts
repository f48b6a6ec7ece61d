import { randomUUID } from "node:crypto";
import { grace, longestOperation } from "../../core/ephemeral/lifetime.ts";
import { areStale, formatLocks } from "../../core/ephemeral/lock.ts";
import { actualSpend } from "../../core/ephemeral/spend.ts";
import {
  benchmarkOf,
  benchmarkTag,
  claimTag,
  shortName,
  type Benchmark,
} from "../../core/ephemeral/stack.ts";
import { verdictOn, type TaggedStack, type Verdict } from "../../core/ephemeral/sweep.ts";
import { messageOf } from "../../core/errors.ts";
import type { Account, AccountPlace, OpenAccount } from "./account.ts";
import type { Backend } from "./backend.ts";
import { tearDown, type TearDown } from "./tear-down.ts";
import type { Surroundings } from "./surroundings.ts";

/** What became of one stack. */
export interface SweptStack {
  readonly stack: string;
  readonly owner?: string;
  readonly expiresAt?: string;
  /** `alive`, `kept` and `locked` are left alone; `expired` is what a dry run would destroy. */
  readonly state: "alive" | "kept" | "locked" | "expired" | "gone" | "left" | "unclear";
  readonly reason: string;
  /** What is still there. */
  readonly remaining: readonly string[];
  /** USD, from when it was made until it was gone, or now. */
  readonly spent?: number;
}

export interface SweepOptions extends Surroundings {
  /** Otherwise nothing is touched. */
  readonly destroys: boolean;
  /** Only this benchmark, whether its time is over or not. */
  readonly only?: string | undefined;
}

/** Milliseconds for which two sweeps that claim a stack at the same time wait for each other's claim to be there. */
const claimPause = 3_000;

/**
 * Looks at every benchmark of the backend, and takes down those whose time is over. One after the other: what they share is
 * the account, whose calls are limited. A stack that fails keeps no other from going.
 */
export async function sweep(
  backend: Backend,
  openAccount: OpenAccount,
  options: SweepOptions,
): Promise<readonly SweptStack[]> {
  const accounts = new Accounts(openAccount);
  const swept: SweptStack[] = [];
  for (const tagged of await backend.tagged(benchmarkTag)) {
    if (options.signal?.aborted === true) break;
    if (options.only !== undefined && shortName(tagged.stack) !== shortName(options.only)) continue;
    // Whoever names one has decided that its time is over.
    const now = options.only === undefined ? await accounts.clockFor(tagged) : Infinity;
    const verdict = verdictOn(tagged, now);
    if (verdict !== undefined) swept.push(await sweepOne(verdict, backend, accounts, options));
  }
  return swept;
}

/** Accounts by place, each opened once, with what AWS' clock says there. */
class Accounts {
  readonly #opened = new Map<string, { readonly account: Account; readonly offset: Promise<number> }>();

  constructor(private readonly openAccount: OpenAccount) {}

  of({ account, region }: AccountPlace): Account {
    return this.#open({ account, region }).account;
  }

  /**
   * AWS' time where a stack is, since a clock that is wrong here is no reason to destroy anything, or to forget it. This
   * machine's where AWS does not answer: then nothing is destroyed either.
   */
  async clockFor({ stack, tags }: TaggedStack): Promise<number> {
    const benchmark = benchmarkOf(stack, tags);
    if (benchmark === undefined) return Date.now();
    return Date.now() + (await this.#open(benchmark).offset.catch(() => 0));
  }

  #open({ account, region }: AccountPlace) {
    const key = `${account}/${region}`;
    const known = this.#opened.get(key);
    if (known !== undefined) return known;
    const made = this.openAccount({ account, region });
    const opened = { account: made, offset: made.now().then((now) => now - Date.now()) };
    // Whoever needs the account is told what is wrong with it.
    opened.offset.catch(() => undefined);
    this.#opened.set(key, opened);
    return opened;
  }
}

async function sweepOne(
  verdict: Verdict,
  backend: Backend,
  accounts: Accounts,
  options: SweepOptions,
): Promise<SweptStack> {
  const { stack } = verdict;
  const nothing = { stack, remaining: [] };
  if (verdict.kind === "alive")
    return { ...nothing, state: "alive", reason: `until ${verdict.until}`, expiresAt: verdict.until };
  if (verdict.kind !== "expired") return { ...nothing, state: verdict.kind, reason: verdict.reason };
  const { benchmark } = verdict;
  const { owner, expiresAt, createdAt, pricePerHour } = benchmark;
  const about = { ...nothing, owner, expiresAt };
  try {
    const isProtected = (await backend.resources(stack)).some(({ protect }) => protect === true);
    if (isProtected) return { ...about, state: "kept", reason: "something in it is protected" };
    const account = accounts.of(benchmark);
    const now = await account.now();
    const spent = (until: number): number =>
      actualSpend(pricePerHour, createdAt, new Date(until).toISOString());
    if (!options.destroys)
      return { ...about, state: "expired", reason: `its time was over at ${expiresAt}`, spent: spent(now) };
    const result = await claimAndTearDown(benchmark, backend, account, now, options);
    return { ...about, ...resultOf(result), spent: spent(await account.now().catch(() => now)) };
  } catch (error) {
    return { ...about, state: "left", reason: messageOf(error) };
  }
}

/**
 * Two sweeps may find the same stack at once. Before anything is done each writes its claim and looks whose it is after a
 * while: the last one's counts, and the other stands back. The engine's own lock is what makes it safe where that fails:
 * it lets one in. Only whoever has the claim breaks an old lock, and looks once more whether it still is the old one.
 */
async function claimAndTearDown(
  benchmark: Benchmark,
  backend: Backend,
  account: Account,
  now: number,
  { pause, say, signal }: SweepOptions,
): Promise<TearDown> {
  const { stack } = benchmark;
  const other = claimIn(await backend.tags(stack));
  if (other !== undefined && other.since + longestOperation > now && other.since < now + grace)
    return locked(`another sweep`, other.since);
  const claim = `${randomUUID()} ${new Date(now).toISOString()}`;
  await backend.setTag(stack, claimTag, claim);
  await pause(claimPause);
  const tags = await backend.tags(stack);
  if (tags[claimTag] !== claim) return locked("another sweep", now);
  try {
    say(`Destroying ${stack} of ${benchmark.owner}, whose time was over at ${benchmark.expiresAt} …`);
    const surroundings = { pause, say, signal, isUnsure: true };
    const result = await tearDown(benchmark, backend, account, surroundings);
    if (result.kind !== "locked" || !areStale(result.locks, now)) return await released(result);
    // Nobody lives that long: cancelled, looked at and destroyed.
    say(`  its lock is older than any operation, and is broken`);
    await backend.cancel(stack);
    return await released(await tearDown(benchmark, backend, account, surroundings));
  } catch (error) {
    await backend.setTag(stack, claimTag, noClaim).catch(() => undefined);
    throw error;
  }

  /** So that the next sweep need not wait for the claim to be old. */
  async function released(result: TearDown): Promise<TearDown> {
    if (result.kind !== "gone") await backend.setTag(stack, claimTag, noClaim);
    return result;
  }
}

const noClaim = "none";

function claimIn(tags: Readonly<Record<string, string>>): { readonly since: number } | undefined {
  const [, since = ""] = (tags[claimTag] ?? "").split(" ");
  const time = Date.parse(since);
  return Number.isNaN(time) ? undefined : { since: time };
}

function locked(holder: string, since: number): TearDown {
  return { kind: "locked", locks: [{ holder, since: new Date(since).toISOString() }] };
}

function resultOf(result: TearDown): Pick<SweptStack, "state" | "reason" | "remaining"> {
  switch (result.kind) {
    case "gone":
      return { state: "gone", reason: "nothing of it is left", remaining: [] };
    case "locked":
      return { state: "locked", reason: formatLocks(result.locks), remaining: [] };
    default:
      return { state: "left", reason: result.reason, remaining: result.names };
  }
}
