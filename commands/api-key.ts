import { createHash, randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { callerName } from "../core/spec/kubernetes.ts";
import { UserError } from "./setup/user-error.ts";

const usage = "npm run api-key -- <caller>";

/**
 * `npm run api-key -- <caller>`: makes a new API key of the balancer on a cluster or a Docker host. The key is shown this
 * once and kept nowhere; what the stack's config gets is its sha256, by which nobody can call.
 */
export function main(args: string[]): void {
  const { positionals } = parseArgs({ args, allowPositionals: true });
  const [caller] = positionals;
  if (caller === undefined || positionals.length > 1) throw new UserError("One caller is needed", usage);
  if (!callerName.test(caller))
    throw new UserError(`\`${caller}\` is no caller's name`, "use letters, digits and . _ @ -, at most 64");

  const key = newKey();
  console.log(`The key of ${caller}, shown this once:

  ${key}

For the stack's config, under balancer.apiKeys of triton-platform:kubernetes or triton-platform:docker:

  - { caller: ${JSON.stringify(caller)}, sha256: ${sha256(key)} }

Callers send it as the header x-api-key, or as authorization: Bearer <key>.`);
}

/** 256 random bits: too many to guess, so that a plain sha256 keeps them. */
function newKey(): string {
  return `tp-${randomBytes(32).toString("base64url")}`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
