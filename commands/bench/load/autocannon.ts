import { createRequire } from "node:module";
import autocannon from "autocannon";
import * as z from "zod";
import type { Call } from "../../../core/benchmark/calls.ts";
import { httpRequest } from "../../../core/benchmark/payload.ts";
import { inferUrl } from "../targets.ts";
import { timeoutSeconds, type LoadGenerator, type LoadJob } from "./generator.ts";

/**
 * HTTP load of this process, one connection for each caller. For http:// alone: autocannon takes any certificate, and would
 * tell an API key to whoever shows one.
 */
export function autocannonGenerator(): LoadGenerator {
  const manifest: unknown = createRequire(import.meta.url)("autocannon/package.json");
  const { version } = z.object({ version: z.string() }).parse(manifest);
  return { name: "autocannon", version, from: "this machine", protocols: ["http"], run };
}

async function run({ series, endpoint, concurrency, bound, signal }: LoadJob): Promise<readonly Call[]> {
  const { headers, body } = httpRequest(series.payload);
  const calls: Call[] = [];
  const now = (): number => performance.timeOrigin + performance.now();
  await new Promise<void>((resolve, reject) => {
    const instance = autocannon(
      {
        url: inferUrl(endpoint.http, series.model.spec.name),
        method: "POST",
        headers: {
          ...headers,
          ...(endpoint.apiKey === undefined ? {} : { "x-api-key": endpoint.apiKey }),
        },
        body,
        connections: concurrency,
        timeout: timeoutSeconds(series),
        // It looks that often whether it is over.
        sampleInt: 100,
        ...("requests" in bound
          ? { amount: Math.max(bound.requests, concurrency) }
          : { duration: bound.seconds }),
      },
      (error: unknown) => {
        signal.removeEventListener("abort", stop);
        if (error instanceof Error) reject(error);
        else resolve();
      },
    );
    function stop(): void {
      instance.stop();
    }
    signal.addEventListener("abort", stop);
    instance.on("response", (_client, status, _bytes, latencyMs) => {
      calls.push({ endedAt: now(), latencyMs, ...(status === 200 ? {} : { failure: String(status) }) });
    });
    instance.on("reqError", (error: unknown) => {
      const isTimeout = error instanceof Error && /timed? ?out/i.test(error.message);
      calls.push({ endedAt: now(), latencyMs: 0, failure: isTimeout ? "timeout" : "connection" });
    });
  });
  return calls;
}
