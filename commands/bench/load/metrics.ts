import { setTimeout as sleep } from "node:timers/promises";
import { parseMetrics, type MetricsPage } from "../../../core/benchmark/counters.ts";
import { metricsPath, type Replica, type Replicas } from "./replicas.ts";

/** Triton's metrics of all replicas at this moment. */
async function readPages(replicas: readonly Replica[]): Promise<readonly MetricsPage[]> {
  return Promise.all(
    replicas.map(async (replica): Promise<MetricsPage> => {
      try {
        const text = await replica.get("metrics", metricsPath);
        return { replica: replica.name, samples: parseMetrics(text) };
      } catch {
        return { replica: replica.name };
      }
    }),
  );
}

/** Pages at the begin and at the end of a time, and in between for what is no counter. */
export interface Reading {
  readonly before: readonly MetricsPage[];
  readonly after: readonly MetricsPage[];
  readonly all: readonly (readonly MetricsPage[])[];
}

/** GPUs change within seconds, and Triton itself asks them twice a second (--metrics-interval-ms). */
const gpuIntervalMs = 1_000;

/**
 * Reads the metrics of a server group at the begin and the end of a window, given as milliseconds since 1970. Where the end is
 * not known before, `until` ends it. Replicas are looked for at the end alone: that takes programs, which are not to run beside
 * the load, and tells whether they were the same all the time. Where they were not, nothing is `after`.
 */
export function readDuring(
  replicas: Replicas,
  server: string,
  { from, to }: { readonly from: number; readonly to?: number },
  until: AbortSignal,
): { readonly begun: Promise<unknown>; readonly whole: Promise<Reading> } {
  const there = replicas.of(server);
  const begun = pause(from - Date.now(), until).then(() => readPages(there));
  const read = async (): Promise<Reading> => {
    const before = await begun;
    const all = [before];
    const end = to ?? Infinity;
    while (!until.aborted && Date.now() < end) {
      await pause(Math.min(gpuIntervalMs, end - Date.now()), until);
      all.push(await readPages(there));
    }
    const names = new Set((await replicas.find(server)).map(({ name }) => name));
    const areSame = names.size === there.length && there.every(({ name }) => names.has(name));
    return { before, after: areSame ? (all.at(-1) ?? before) : [], all };
  };
  return { begun, whole: read() };
}

async function pause(milliseconds: number, until: AbortSignal): Promise<void> {
  // Ended early is ended.
  await sleep(Math.max(0, milliseconds), undefined, { signal: until }).catch(() => undefined);
}
