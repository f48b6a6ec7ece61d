import * as z from "zod";
import { waitFor } from "./cluster.ts";
import type { TestPlatform } from "./platform.ts";

const alertsSchema = z.object({
  data: z.object({
    alerts: z.array(z.object({ state: z.string(), labels: z.record(z.string(), z.string()) })),
  }),
});

/** Prometheus of a test's platform. */
export function prometheusUrl({ ports }: TestPlatform): string {
  return `http://127.0.0.1:${String(ports.prometheusPort)}`;
}

/** What fires now, each as its name and what it is about: `TritonTargetDown gpu-1`. */
export async function firing(platform: TestPlatform): Promise<string[]> {
  const answer = await fetch(`${prometheusUrl(platform)}/api/v1/alerts`);
  const { data } = alertsSchema.parse(await answer.json());
  return data.alerts
    .filter(({ state }) => state === "firing")
    .map(({ labels }) =>
      [labels.alertname, labels.model ?? labels.replica ?? labels.server ?? ""].join(" ").trim(),
    )
    .sort();
}

/**
 * What began to fire while `fault` lasted: it ends once all of `expected` did, and everything that did by then, and until
 * `mend` was done, is returned.
 */
export async function drill(
  platform: TestPlatform,
  expected: readonly string[],
  fault: () => Promise<void>,
  mend: () => Promise<void>,
): Promise<string[]> {
  const before = new Set(await firing(platform));
  const seen = new Set<string>();
  const look = async (): Promise<void> => {
    for (const alert of await firing(platform)) if (!before.has(alert)) seen.add(alert);
  };
  await fault();
  try {
    await waitFor(
      `the alerts ${expected.join(", ")}`,
      async () => {
        await look();
        return expected.every((alert) => seen.has(alert));
      },
      { timeout: 120_000, interval: 200 },
    ).catch(() => undefined);
  } finally {
    await mend();
  }
  await look();
  return [...seen].sort();
}

/** Calls without a pause, so many at a time, until it is stopped. */
export class Traffic {
  #running = true;
  readonly #callers: Promise<void>[];

  /** `pause`: milliseconds between two calls of one caller. */
  constructor(callers: number, pause: number, call: () => Promise<Response>) {
    this.#callers = Array.from({ length: callers }, async () => {
      while (this.#running) {
        // What becomes of a call is the alerts' matter.
        await call()
          .then((answer) => answer.text())
          .catch(() => "");
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    });
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#callers);
  }
}
