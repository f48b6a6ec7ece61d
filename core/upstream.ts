import type { ServerPlan } from "./platform.ts";
import type { Problem } from "./spec/problem.ts";

/** Whether any model of the servers calls HolySheep's API, so that they need its key. */
export function callsUpstream(servers: readonly Pick<ServerPlan, "upstream">[]): boolean {
  return servers.some(({ upstream }) => upstream !== undefined);
}

/** Of a stack without HolySheep's key. `also` ends the hint: where the key is kept, or what can be done instead. */
export function missingApiKey(file: string, also = ""): Problem {
  return {
    file,
    path: "holysheep:apiKey",
    message: "missing, and models call HolySheep's API",
    hint: `set it with \`pulumi config set --secret holysheep:apiKey\`${also}`,
  };
}
