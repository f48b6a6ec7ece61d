import type { GrpcJob } from "./grpc-load.ts";
import type { HttpJob } from "./http-load.ts";
import type { Observer } from "./platform.ts";
import { summarise, type Load, type Summary } from "./statistics.ts";

/** One of several ways that are compared. */
export interface Contestant {
  readonly name: string;
  readonly load: (seconds: number) => Promise<Load>;
}

/** What makes the load. */
export type LoadPrograms = Pick<HttpJob, "vegeta"> & Pick<GrpcJob, "python">;

export interface RaceOptions extends Observer {
  /** How long each contestant runs in all, over all rounds. */
  readonly seconds: number;
}

export const rounds = 5;
/** The first connections and the server's first calls are not what is asked for. */
const warmUpSeconds = 1;
const startSeconds = 0.2;

/**
 * Runs the contestants in turn, in short rounds: whatever else keeps the machine busy meets all of them. Every round
 * begins with another one. The summaries are in the contestants' order, one per round.
 */
export async function race(contestants: readonly Contestant[], options: RaceOptions): Promise<Summary[][]> {
  const { seconds, progress, signal } = options;
  const slot = seconds / rounds;
  for (const { name, load } of contestants) {
    progress(`warming up: ${name}`);
    await load(warmUpSeconds);
    signal.throwIfAborted();
  }
  return inTurns(contestants, async (contestant, round) => {
    progress(`round ${String(round)} of ${String(rounds)}: ${contestant.name}`);
    const load = await contestant.load(startSeconds + slot);
    signal.throwIfAborted();
    return summarise(load, { from: startSeconds, to: startSeconds + slot });
  });
}

/** Measures each once a round, the rounds counted from 1. The results are in the items' order, one per round. */
export async function inTurns<T, R>(
  items: readonly T[],
  measure: (item: T, round: number) => Promise<R>,
): Promise<R[][]> {
  const results = items.map((): R[] => []);
  for (let round = 0; round < rounds; round++)
    for (const index of turn(items.length, round)) {
      const item = items[index];
      if (item !== undefined) results[index]?.push(await measure(item, round + 1));
    }
  return results;
}

/** The order of one round: 0 1 2, then 1 2 0, and so on. */
export function turn(count: number, round: number): number[] {
  return Array.from({ length: count }, (_, i) => (i + round) % count);
}
