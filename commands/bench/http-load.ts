import { windowOf, type Call } from "../../core/benchmark/calls.ts";
import { attack } from "./load/vegeta.ts";
import type { Load } from "./statistics.ts";

/** How long a load runs, or how many calls it makes in all. */
export type Limit = { readonly seconds: number } | { readonly calls: number };

export interface HttpJob {
  /** The program that makes the load. */
  readonly vegeta: string;
  /** Where the calls go; with several, callers and calls are shared out evenly, a process for each. */
  readonly urls: readonly string[];
  readonly body: string;
  /** Each has a connection of its own and makes one call at a time. */
  readonly callers: number;
  readonly limit: Limit;
  readonly signal: AbortSignal;
}

/** POSTs one JSON document over and over. */
export async function httpLoad({ vegeta, urls, callers, limit, ...job }: HttpJob): Promise<Load> {
  const share = urls.length;
  const loads = await Promise.all(
    urls.map((url) =>
      attack(vegeta, {
        ...job,
        url,
        headers: { "content-type": "application/json" },
        callers: Math.ceil(callers / share),
        bound: "calls" in limit ? { requests: Math.ceil(limit.calls / share) } : limit,
        timeoutSeconds: 60,
        tls: {},
      }),
    ),
  );
  return loadOf(loads.flat());
}

/** Times count from the begin of the first call. */
export function loadOf(calls: readonly Call[]): Load {
  const { from } = windowOf(calls);
  const answered = calls.filter(({ failure }) => failure === undefined);
  return {
    calls: answered.map(({ endedAt, latencyMs }) => ({
      at: (endedAt - from) / 1000,
      milliseconds: latencyMs,
    })),
    errors: calls.length - answered.length,
  };
}
