import autocannon from "autocannon";
import type { Call, Load } from "./statistics.ts";

/** How long a load runs, or how many calls it makes in all. */
export type Limit = { readonly seconds: number } | { readonly calls: number };

export interface HttpJob {
  /** Where the calls go; with several, callers and calls are shared out evenly. */
  readonly urls: readonly string[];
  readonly body: string;
  /** Each has a connection of its own and makes one call at a time. */
  readonly callers: number;
  readonly limit: Limit;
  readonly signal: AbortSignal;
}

/** POSTs one JSON document over and over. */
export async function httpLoad({ urls, callers, limit, ...job }: HttpJob): Promise<Load> {
  const share = urls.length;
  const loads = await Promise.all(
    urls.map((url) =>
      loadOne(url, {
        ...job,
        callers: Math.ceil(callers / share),
        limit: "calls" in limit ? { calls: Math.ceil(limit.calls / share) } : limit,
      }),
    ),
  );
  return {
    calls: loads.flatMap(({ calls }) => calls),
    errors: loads.reduce((sum, { errors }) => sum + errors, 0),
  };
}

/**
 * autocannon's own percentiles are whole milliseconds, too coarse for a balancer that costs a fraction of one: the
 * time of every answer is kept.
 */
async function loadOne(url: string, { body, callers, limit, signal }: Omit<HttpJob, "urls">): Promise<Load> {
  const calls: Call[] = [];
  let refused = 0;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    let started = performance.now();
    const instance = autocannon(
      {
        url,
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
        connections: callers,
        timeout: 60,
        // It looks that often whether it is over.
        sampleInt: 100,
        ...("calls" in limit ? { amount: limit.calls } : { duration: limit.seconds }),
      },
      (error: unknown, finished) => {
        signal.removeEventListener("abort", stop);
        if (error instanceof Error) reject(error);
        else resolve(finished);
      },
    );
    function stop(): void {
      instance.stop();
    }
    signal.addEventListener("abort", stop);
    instance.on("start", () => {
      started = performance.now();
    });
    instance.on("response", (_client, status, _bytes, milliseconds) => {
      if (status === 200) calls.push({ at: (performance.now() - started) / 1000, milliseconds });
      else refused += 1;
    });
  });
  return { calls, errors: refused + result.errors };
}
