import type { EksConfig } from "../spec/eks.ts";
import { formatDuration } from "../spec/units.ts";
import { present } from "../objects.ts";

/** On everything that a stack makes: by these a bill is split, and what belongs to a stack is found again. */
export function stackTags(
  { tags }: Pick<EksConfig, "tags">,
  stack: string,
): Readonly<Record<string, string>> {
  const { owner, environment, costCenter, ttl, others } = tags;
  return {
    ...others,
    [stackTag]: stack,
    owner,
    environment,
    "cost-center": costCenter,
    ...present({ ttl: ttl === undefined ? undefined : formatDuration(ttl) }),
  };
}

/** Of the stack that made a resource. */
export const stackTag = "triton-platform:stack";

/** Keys that no other tag may have. */
export const ownTagKeys: readonly string[] = [stackTag, "owner", "environment", "cost-center", "ttl"];
