import { isExpired, isFromTheFuture } from "./lifetime.ts";
import { benchmarkOf, benchmarkTag, keepTag, type Benchmark } from "./stack.ts";

/** A stack of the backend, as its tags show it. */
export interface TaggedStack {
  readonly stack: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** What a sweep makes of a stack. */
export type Verdict =
  | { readonly kind: "expired"; readonly stack: string; readonly benchmark: Benchmark }
  | { readonly kind: "alive"; readonly stack: string; readonly until: string }
  | { readonly kind: "kept"; readonly stack: string; readonly reason: string }
  /** It says to be a benchmark and nobody can tell until when: somebody must look at it. */
  | { readonly kind: "unclear"; readonly stack: string; readonly reason: string };

/** Undefined for what is no benchmark. `now` is AWS' time. */
export function verdictOn({ stack, tags }: TaggedStack, now: number): Verdict | undefined {
  if (tags[benchmarkTag] === undefined) return undefined;
  if (tags[keepTag] !== undefined)
    return { kind: "kept", stack, reason: `its tag ${keepTag} says so: ${tags[keepTag]}` };
  const benchmark = benchmarkOf(stack, tags);
  if (benchmark === undefined)
    return { kind: "unclear", stack, reason: "its tags are not those that bench:cluster gives" };
  if (isFromTheFuture(benchmark, now))
    return { kind: "unclear", stack, reason: `it was made at ${benchmark.createdAt}, which is yet to come` };
  return isExpired(benchmark, now)
    ? { kind: "expired", stack, benchmark }
    : { kind: "alive", stack, until: benchmark.expiresAt };
}
