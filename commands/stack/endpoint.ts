import { readFileSync } from "node:fs";
import path from "node:path";
import { userPath } from "../files/user-path.ts";
import { UserError } from "../setup/user-error.ts";

/** Where and how a stack's balancer is called. */
export interface StackEndpoint {
  /** Base URL of KServe v2. */
  readonly http: string;
  /** `host:port`; the server group is chosen by the metadata `x-triton-server`. */
  readonly grpc: string;
  /** Whether both speak TLS. */
  readonly isEncrypted: boolean;
  /** Authorities that signed the balancer's certificate, where this machine does not know them. An absolute path. */
  readonly caFile?: string;
  /** Sent as `x-api-key`. Never an argument of a process, and never in a result. */
  readonly apiKey?: string;
}

/** What a user says about it. */
export interface EndpointOptions {
  /** `host:port`, or a URL. */
  readonly http?: string | undefined;
  /** `host:port`. */
  readonly grpc?: string | undefined;
  readonly "api-key-file"?: string | undefined;
  readonly ca?: string | undefined;
}

/** The options of `parseArgs` that say how a stack is called. */
export const endpointOptions = {
  http: { type: "string" },
  grpc: { type: "string" },
  "api-key-file": { type: "string" },
  ca: { type: "string" },
} as const;

/** A stack's addresses with what its user says: other addresses, an API key, authorities. */
export function endpointWith(
  known: Pick<StackEndpoint, "http" | "grpc">,
  { http, grpc, ca, "api-key-file": keyFile }: EndpointOptions,
): StackEndpoint {
  const scheme = known.http.startsWith("https:") ? "https" : "http";
  const url = http === undefined ? known.http : http.includes("://") ? http : `${scheme}://${http}`;
  if (!URL.canParse(url))
    throw new UserError(`\`${url}\` is no address of HTTP`, "write it like --http 127.0.0.1:8000");
  return {
    http: url.replace(/\/$/, ""),
    grpc: grpc ?? known.grpc,
    isEncrypted: url.startsWith("https:"),
    ...(ca === undefined ? {} : { caFile: readable(ca, "--ca").file }),
    ...(keyFile === undefined ? {} : { apiKey: apiKeyOf(keyFile) }),
  };
}

function apiKeyOf(file: string): string {
  const key = readable(file, "--api-key-file").text.trim();
  if (key !== "" && !/\s/.test(key)) return key;
  throw new UserError(`${file} is no API key: it is empty or has several words`, "a key alone stands in it");
}

function readable(file: string, option: string): { readonly file: string; readonly text: string } {
  const absolute = path.resolve(userPath(file));
  try {
    return { file: absolute, text: readFileSync(absolute, "utf8") };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${option} cannot be read: ${reason}`, "name a file that this user may read");
  }
}
