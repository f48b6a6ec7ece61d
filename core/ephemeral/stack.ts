import * as z from "zod";

/** What a benchmark's stack says of itself in the backend: all that taking it down needs, wherever it is done. */
export interface Benchmark {
  /** Eight letters and digits. */
  readonly id: string;
  /** Its stack: `bench-<id>`. */
  readonly stack: string;
  /** Who answers for it: the tag `owner` of all that it makes. */
  readonly owner: string;
  /** AWS account and region. */
  readonly account: string;
  readonly region: string;
  /** Beginning of its names in AWS. */
  readonly name: string;
  /** ISO 8601, by AWS' clock. */
  readonly createdAt: string;
  readonly expiresAt: string;
  /** USD, with everything scaled out; what its lifetime is multiplied with. */
  readonly pricePerHour: number;
}

const prefix = "bench-";
const idPattern = /^[a-z][a-z0-9]{7}$/;
const letters = "abcdefghijklmnopqrstuvwxyz";
const alphabet = `${letters}0123456789`;

/** Of eight random bytes; two of a hundred thousand are the same once in five hundred times that so many are made. */
export function benchmarkId(bytes: Uint8Array): string {
  return Array.from(
    { length: 8 },
    (_, i) => (i === 0 ? letters : alphabet)[(bytes[i] ?? 0) % (i === 0 ? 26 : 36)],
  ).join("");
}

export function stackOf(id: string): string {
  return `${prefix}${id}`;
}

/** The stack's own name of what backends give: `organization/triton-platform/bench-…`. */
export function shortName(name: string): string {
  return name.split("/").pop() ?? name;
}

/** Key by which the backend finds benchmarks. Source: pulumi, `pkg/backend`, ValidateStackTags: 40 characters of \w.:- */
export const benchmarkTag = "triton-platform:benchmark";

const tagKeys = {
  id: benchmarkTag,
  owner: "triton-platform:owner",
  account: "triton-platform:account",
  region: "triton-platform:region",
  name: "triton-platform:name",
  createdAt: "triton-platform:created",
  expiresAt: "triton-platform:expires",
  pricePerHour: "triton-platform:price-per-hour",
} as const;

/** Set by hand on a stack that is to stay: no sweep touches it. */
export const keepTag = "triton-platform:keep";
/** Which sweep is at a stack, and since when: `<uuid> <time>`. */
export const claimTag = "triton-platform:reaper";

export function stackTagsOf(benchmark: Benchmark): Readonly<Record<string, string>> {
  return {
    [tagKeys.id]: benchmark.id,
    [tagKeys.owner]: benchmark.owner,
    [tagKeys.account]: benchmark.account,
    [tagKeys.region]: benchmark.region,
    [tagKeys.name]: benchmark.name,
    [tagKeys.createdAt]: benchmark.createdAt,
    [tagKeys.expiresAt]: benchmark.expiresAt,
    [tagKeys.pricePerHour]: String(benchmark.pricePerHour),
  };
}

const tagsSchema = z.object({
  [tagKeys.id]: z.string().regex(idPattern),
  [tagKeys.owner]: z.string().min(1),
  [tagKeys.account]: z.string().regex(/^\d{12}$/),
  [tagKeys.region]: z.string().min(1),
  [tagKeys.name]: z.string().min(1),
  [tagKeys.createdAt]: z.iso.datetime(),
  [tagKeys.expiresAt]: z.iso.datetime(),
  [tagKeys.pricePerHour]: z.coerce.number().min(0),
});

/** Undefined where these are not the tags of a benchmark, or of another stack than the one that has this name. */
export function benchmarkOf(stack: string, tags: Readonly<Record<string, string>>): Benchmark | undefined {
  const parsed = tagsSchema.safeParse(tags);
  if (!parsed.success) return undefined;
  const values = parsed.data;
  const id = values[tagKeys.id];
  if (shortName(stack) !== stackOf(id)) return undefined;
  return {
    id,
    stack,
    owner: values[tagKeys.owner],
    account: values[tagKeys.account],
    region: values[tagKeys.region],
    name: values[tagKeys.name],
    createdAt: values[tagKeys.createdAt],
    expiresAt: values[tagKeys.expiresAt],
    pricePerHour: values[tagKeys.pricePerHour],
  };
}
