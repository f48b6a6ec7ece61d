import { median } from "simple-statistics";
import { runCommand, type BenchPlatform } from "./platform.ts";
import type { RaceOptions } from "./race.ts";
import type { Section } from "./report.ts";

const repeats = 3;

/** The first start of a platform on a machine that is set up, and starts that change nothing. */
export async function upSection(
  { startSeconds }: BenchPlatform,
  { progress, signal }: RaceOptions,
): Promise<Section> {
  const unchanged: number[] = [];
  for (let i = 0; i < repeats; i++) {
    progress(`starting again without a change (${String(i + 1)} of ${String(repeats)})`);
    unchanged.push(await runCommand("start", { progress }));
    signal.throwIfAborted();
  }
  return {
    title: "Bringing the platform up",
    notes: [
      "Each is a whole `npm start`: set-up check, refresh, update, and one call of every model over HTTP and gRPC.",
    ],
    rows: [
      { what: "first start, everything is made", seconds: startSeconds },
      { what: `no change, median of ${String(repeats)}`, seconds: median(unchanged) },
    ],
  };
}
