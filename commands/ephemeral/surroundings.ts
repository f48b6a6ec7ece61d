/** What the work on stacks takes from outside, so that tests need no minutes. */
export interface Surroundings {
  /** Waits so many milliseconds; less where `signal` says so. */
  readonly pause: (milliseconds: number) => Promise<void>;
  readonly say: (line: string) => void;
  /** Asks to leave everything as it is, at once. */
  readonly signal?: AbortSignal | undefined;
}
