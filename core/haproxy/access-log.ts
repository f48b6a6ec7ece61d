/**
 * The access log of a cluster: a JSON object per line on standard output, a line for each call. Bodies, keys and query
 * strings are not in it. What HAProxy says of itself and of servers goes to standard error.
 */

/** How long a line may be; HAProxy cuts what is longer, and what is cut is no JSON. */
const longestLine = 8192;

/** The parts of a line that callers choose, so that it keeps below that: their JSON is up to six times as long. */
const longest = { path: 512, model: 256 } as const;

/** A caller's own id of a request is kept where it can do no harm in a header or in the log. */
const saneId = "{ req.fhdr_cnt(x-request-id) eq 1 } { req.fhdr(x-request-id) -m reg ^[\\w.:-]{1,128}$ }";

/** Times in milliseconds, -1 where it did not come to that; `-` for words that are not known. */
const fields = {
  // Seconds since 1970.
  time: "%Ts.%ms",
  id: '"%[var(txn.id)]"',
  caller: '"%[var(txn.caller)]"',
  client: '"%ci"',
  frontend: '"%f"',
  protocol: '"%HV"',
  method: '"%HM"',
  path: '"%[var(txn.path),json(utf8s)]"',
  model: `"%[var(txn.model),bytes(0,${String(longest.model)}),json(utf8s)]"`,
  backend: '"%b"',
  server: '"%s"',
  serverAddress: '"%si"',
  status: "%ST",
  // Only where a server sends no message before it: else it is in the trailers, which HAProxy does not look at.
  grpcStatus: '"%[var(txn.grpc_status),json(utf8s)]"',
  requestTime: "%TR",
  queueTime: "%Tw",
  connectTime: "%Tc",
  responseTime: "%Tr",
  totalTime: "%Ta",
  bytesIn: "%U",
  bytesOut: "%B",
  // How the call ended: "Session state at disconnection" of HAProxy's manual.
  termination: '"%tsc"',
} as const;

/** Connections that came to no request. */
const errorFields = {
  time: fields.time,
  client: fields.client,
  frontend: fields.frontend,
  status: fields.status,
  termination: fields.termination,
  error: '"%[fc_err_str,json(utf8s)]"',
} as const;

/** What a frontend does before anything else: a request has an id, which its answer, its server and the log know. */
export const accessLogRules: readonly string[] = [
  "no log",
  `log stdout len ${String(longestLine)} format raw local0 info`,
  `log-format '${jsonFormat(fields)}'`,
  `error-log-format '${jsonFormat(errorFields)}'`,
  // Load balancers that only look whether the port is open.
  "option dontlognull",
  `http-request set-header x-request-id %[uuid()] unless ${saneId}`,
  "http-request set-var(txn.id) req.fhdr(x-request-id)",
  `http-request set-var(txn.path) path,bytes(0,${String(longest.path)})`,
  "http-after-response set-header x-request-id %[var(txn.id)]",
  "http-after-response set-var(txn.grpc_status) res.hdr(grpc-status)",
];

function jsonFormat(format: Readonly<Record<string, string>>): string {
  return `{${Object.entries(format)
    .map(([name, value]) => `"${name}":${value}`)
    .join(",")}}`;
}
