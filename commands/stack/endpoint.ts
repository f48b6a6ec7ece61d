import { UserError } from "../setup/user-error.ts";
import { accessOptions, readAccess, type Access } from "./access.ts";

/** Where and how a stack's balancer is called. */
export interface StackEndpoint extends Access {
  /** Base URL of KServe v2. */
  readonly http: string;
  /** `host:port`; the server group is chosen by the metadata `x-triton-server`. */
  readonly grpc: string;
  /** Whether both speak TLS. */
  readonly isEncrypted: boolean;
}

/** The options of `parseArgs` that say how a stack is called. */
export const endpointOptions = {
  /** `host:port`, or a URL. */
  http: { type: "string" },
  /** `host:port` */
  grpc: { type: "string" },
  ...accessOptions,
} as const;

export type EndpointOptions = Readonly<Partial<Record<keyof typeof endpointOptions, string>>>;

/** A stack's addresses with what its user says: other addresses of the same balancer, an API key, certificates. */
export function endpointWith(
  known: Pick<StackEndpoint, "http" | "grpc">,
  { http, grpc, ...access }: EndpointOptions,
): StackEndpoint {
  const { protocol } = new URL(known.http);
  const url = http === undefined ? known.http : http.includes("://") ? http : `${protocol}//${http}`;
  if (!/^https?:/.test(url) || !URL.canParse(url))
    throw new UserError(`${url} is no address of HTTP`, "write it like --http localhost:8000");
  if (grpc !== undefined && !/^[^\s/]+:\d+$/.test(grpc))
    throw new UserError(`${grpc} is no address of gRPC`, "write it like --grpc localhost:8001");
  return {
    ...{ http: url.replace(/\/$/, ""), grpc: grpc ?? known.grpc, isEncrypted: url.startsWith("https:") },
    ...readAccess(access),
  };
}
