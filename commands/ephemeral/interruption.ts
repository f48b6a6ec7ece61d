/** What Ctrl-C asks for: the first time to take everything down in order, the second time to leave it as it is. */
export interface Interruption {
  readonly first: AbortSignal;
  readonly second: AbortSignal;
}

/** SIGHUP: a terminal or a connection that is gone. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs work that this process' signals interrupt. `onFirst` says what happens now, and what another one would do. */
export async function interruptible<T>(
  onFirst: () => void,
  work: (interruption: Interruption) => Promise<T>,
): Promise<T> {
  const [first, second] = [new AbortController(), new AbortController()];
  const hear = (): void => {
    if (first.signal.aborted) second.abort();
    else {
      first.abort();
      onFirst();
    }
  };
  for (const signal of signals) process.on(signal, hear);
  try {
    return await work({ first: first.signal, second: second.signal });
  } finally {
    for (const signal of signals) process.off(signal, hear);
  }
}

/**
 * From now on, output that nobody reads any more ends nothing: a terminal that is gone, a pipe whose reader has seen enough.
 * What this process has made must be taken down all the same.
 */
export function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners("error");
    stream.on("error", () => undefined);
  }
}

/** So many milliseconds, or until `signal` says so. */
export function pauseUntil(signal: AbortSignal): (milliseconds: number) => Promise<void> {
  return (milliseconds) =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      signal.addEventListener("abort", end);
    });
}
