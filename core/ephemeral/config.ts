import * as z from "zod";
import { formatLifetime } from "./lifetime.ts";
import type { Benchmark } from "./stack.ts";

type Values = Readonly<Record<string, unknown>>;

const sectionSchema = z.record(z.string(), z.unknown()).catch({});

/**
 * A benchmark's config: the template's, with what makes it one that goes. Names, tags and what would stand in the way of its
 * deletion are not the template's to say. Unchecked, as the template is.
 */
export function benchmarkConfig(
  template: Values,
  { name, owner, expiresAt }: Pick<Benchmark, "name" | "owner" | "expiresAt">,
  lifetime: number,
): Values {
  const eks = sectionSchema.parse(template["triton-platform:eks"]);
  const tags = {
    ...sectionSchema.parse(eks.tags),
    owner,
    environment: "bench",
    ttl: formatLifetime(lifetime),
  };
  return {
    ...template,
    "triton-platform:environment": "bench",
    "triton-platform:eks": { ...eks, name, tags, protect: false, secretRecoveryDays: 0 },
    "triton-platform:monitoring": {
      ...sectionSchema.parse(template["triton-platform:monitoring"]),
      stackExpiry: expiresAt,
    },
  };
}
