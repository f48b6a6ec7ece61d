import * as pulumi from "@pulumi/pulumi";

/** What the stack's config says of its environment; the engine hands the config to packs as to programs. */
export function stackConfig(): Parameters<typeof import("../core/policy/environment.ts").environmentOf>[0] {
  const config = new pulumi.Config("triton-platform");
  return { environment: config.get("environment"), eks: config.getObject("eks") };
}
