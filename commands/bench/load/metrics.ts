import { setTimeout as sleep } from "node:timers/promises";
import { parseMetrics, type MetricsPage } from "../../../core/benchmark/counters.ts";

/** A replica's page of Triton's metrics. */
export interface MetricsSource {
  readonly replica: string;
  readonly url: string;
}

const timeoutMs = 2_000;

/** All pages; those that do not answer are left out. */
export async function readPages(sources: readonly MetricsSource[]): Promise<MetricsPage[]> {
  const pages = await Promise.all(
    sources.map(async ({ replica, url }): Promise<MetricsPage[]> => {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
        return response.ok ? [{ replica, samples: parseMetrics(await response.text()) }] : [];
      } catch {
        return [];
      }
    }),
  );
  return pages.flat();
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
 * Reads at the begin and the end of a window, given as milliseconds since 1970. Where the end is not known before, `until` ends it.
 */
export async function readDuring(
  sources: readonly MetricsSource[],
  { from, to }: { readonly from: number; readonly to?: number },
  until: AbortSignal,
): Promise<Reading> {
  await pause(from - Date.now(), until);
  const before = await readPages(sources);
  const all = [before];
  const end = to ?? Infinity;
  while (!until.aborted && Date.now() < end) {
    await pause(Math.min(gpuIntervalMs, end - Date.now()), until);
    all.push(await readPages(sources));
  }
  const after = all.at(-1) ?? before;
  return { before, after, all };
}

async function pause(milliseconds: number, until: AbortSignal): Promise<void> {
  // Ended early is ended.
  await sleep(Math.max(0, milliseconds), undefined, { signal: until }).catch(() => undefined);
}
