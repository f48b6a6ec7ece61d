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
  options: EndpointOptions,
): StackEndpoint {
  const addresses = addressesWith(known, options);
  return { ...addresses, isEncrypted: addresses.http.startsWith("https:"), ...readAccess(options) };
}

/** A stack's addresses, or the others of the same balancer that its user says. Throws where one is none. */
export function addressesWith(
  known: Pick<StackEndpoint, "http" | "grpc">,
  { http, grpc }: Pick<EndpointOptions, "http" | "grpc">,
): Pick<StackEndpoint, "http" | "grpc"> {
  return { http: httpUrl(known.http, http), grpc: grpcAddress(known.grpc, grpc) };
}

/** Another address of the same balancer is as secure as its own, unless its URL says how it is. */
function httpUrl(own: string, given: string | undefined): string {
  if (given === undefined) return own;
  const url = given.includes("://") ? given : `${new URL(own).protocol}//${given}`;
  if (/^https?:/.test(url) && URL.canParse(url)) return url.replace(/\/$/, "");
  throw new UserError(`${given} is no address of HTTP`, "write it like --http localhost:8000");
}

function grpcAddress(own: string, given: string | undefined): string {
  if (given === undefined || /^[^\s/]+:\d+$/.test(given)) return given ?? own;
  throw new UserError(`${given} is no address of gRPC`, "write it like --grpc localhost:8001");
}
