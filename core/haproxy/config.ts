import type { ServerPlan } from "../platform.ts";

/**
 * haproxy.cfg of the balancer in front of the Tritons. Only directives that both Debian's 2.6 and the 3.x image accept.
 * HTTP is routed by the model in the path; gRPC, which hides the model's name inside the message, by port or by the
 * metadata `x-triton-server`; calls that name no model go to the default server.
 */
export interface BalancerPlan {
  /** Address the balancer listens on. */
  readonly address: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
  /** Unix socket for draining and status. */
  readonly adminSocket: string;
  readonly servers: readonly BalancedServer[];
}

/** One server group as the balancer sees it. */
export interface BalancedServer {
  readonly plan: ServerPlan;
  /** A gRPC port that leads to this group alone. */
  readonly grpcPort: number;
  readonly replicas: readonly Replica[];
}

/** One Triton process or pod. */
export interface Replica {
  readonly name: string;
  readonly host: string;
  readonly httpPort: number;
  readonly grpcPort: number;
}

/** Path of the balancer's own health: 200 only while the default server has a ready replica. */
export const healthPath = "/healthz";

/** Headers Triton hands to its models as request parameters: who calls, and which conversation it belongs to. */
export const forwardedHeaders = { caller: "x-caller-id", conversation: "x-conversation-id" } as const;

/** Metadata by which a gRPC client names the server group it wants. */
export const serverMetadata = "x-triton-server";

/** Words HAProxy takes on one line are few (64); ACLs of the same name add up over lines. */
const namesPerLine = 20;

export function renderHaproxyConfig(plan: BalancerPlan): string {
  const longest = Math.max(...plan.servers.map(({ plan: { timing } }) => timing.balancerClient));
  const blocks = [
    globalSection(plan, longest),
    defaultsSection(longest),
    httpFrontend(plan),
    grpcFrontend(plan),
    ...plan.servers.map((server) => grpcServerFrontend(plan, server)),
    metricsFrontend(plan),
    ...plan.servers.flatMap(backends),
  ];
  return `# Generated from the models' specs and the stack's config; not edited by hand.\n${blocks.join("\n")}`;
}

/** Every `backend/server` of a replica, by protocol: what a drain must address. */
export interface BalancerEntries {
  readonly http: readonly string[];
  readonly grpc: readonly string[];
}

export function balancerEntries({ plan }: BalancedServer, replica: Replica): BalancerEntries {
  const entries = (protocol: Protocol): string[] =>
    backendNames(plan, protocol).map((backend) => `${backend}/${replica.name}`);
  return { http: entries("http"), grpc: entries("grpc") };
}

function section(head: string, lines: readonly string[]): string {
  return `${head}\n${lines.map((line) => `    ${line}\n`).join("")}`;
}

function globalSection(plan: BalancerPlan, longest: number): string {
  return section("global", [
    "log stdout format raw local0 info",
    // `expose-fd listeners` hands the sockets to the next process of a reload: no connection is refused meanwhile.
    `stats socket ${plan.adminSocket} mode 600 level admin expose-fd listeners`,
    // After a reload the old process finishes its calls, and no longer.
    `hard-stop-after ${String(longest + 5)}s`,
    // Bodies up to about this size can be sent again to another replica. Larger buffers cost every request: 128 KiB
    // took 102 µs of processor time a request, 32 KiB 57 µs (docs/benchmarks.md).
    "tune.bufsize 32768",
  ]);
}

function defaultsSection(longest: number): string {
  return section("defaults", [
    "mode http",
    "log global",
    // Retries and errors are worth a line each, successes are counted in the metrics.
    "option dontlog-normal",
    "option httplog",
    "timeout connect 2s",
    `timeout client ${String(longest)}s`,
    `timeout server ${String(longest)}s`,
    "timeout http-request 60s",
    "timeout http-keep-alive 60s",
    // A client that hangs up before its call has reached a server is forgotten.
    "option abortonclose",
    // A reload closes a client's connection with the answer to its next call, not under it.
    "option idle-close-on-response",
    "retries 3",
    // The first retry already goes to another replica.
    "option redispatch 1",
  ]);
}

/** Who calls: by API key where one is given, else by address. A client's own claim is overwritten. */
const callerRules = [
  "http-request deny deny_status 400 if { req.fhdr_cnt(x-api-key) gt 1 }",
  `http-request set-header ${forwardedHeaders.caller} %[src]`,
  // `fhdr` is the whole value: `hdr` takes a key with a comma in it apart.
  `http-request set-header ${forwardedHeaders.caller} %[req.fhdr(x-api-key),sha2(256),hex,lower] if { req.fhdr(x-api-key) -m len gt 0 }`,
  "http-request del-header x-api-key",
];

/**
 * What a conversation is kept on one server by: the id alone would let callers share a server's history by chance. A
 * client's own claim is dropped.
 */
const conversationRules = [
  "http-request del-header x-conversation-key",
  `http-request set-header x-conversation-key %[req.fhdr(${forwardedHeaders.caller})]|%[req.fhdr(${forwardedHeaders.conversation})] if { req.fhdr(${forwardedHeaders.conversation}) -m found }`,
];

const byDeployment = "this changes by deployment only";

/** What every gRPC frontend does before it routes. 7 is PERMISSION_DENIED. */
const grpcRules = [
  ...errorPages("grpc"),
  // An answer of the balancer's own is an HTTP success that carries a gRPC status, or clients look at HTTP's alone.
  "http-after-response set-header content-type application/grpc if { res.hdr(grpc-status) -m found }",
  "http-after-response set-status 200 if { res.hdr(grpc-status) -m found }",
  `http-request return status 200 hdr grpc-status 7 hdr grpc-message "${byDeployment}" if { path_reg /(RepositoryModelLoad|RepositoryModelUnload|LogSettings|TraceSetting)$ }`,
  ...callerRules,
  ...conversationRules,
];

function httpFrontend(plan: BalancerPlan): string {
  const others = plan.servers.filter((server) => !server.plan.isDefault);
  const fallback = defaultServer(plan);
  const replayNever = plan.servers
    .flatMap((server) => server.plan.models)
    .filter(({ spec }) => !spec.idempotent);
  const kept = plan.servers
    .flatMap((server) => server.plan.models)
    .filter(({ spec }) => spec.conversationAffinity);
  return section("frontend http", [
    `bind ${plan.address}:${String(plan.httpPort)}`,
    ...errorPages("json"),
    `http-request return status 200 content-type text/plain string ok if { path ${healthPath} } { nbsrv(http-${fallback.plan.name}) ge 1 }`,
    `http-request return status 503 content-type text/plain string "no replica is ready" if { path ${healthPath} }`,
    // Models, logging and tracing change by deployment only: these calls would change one replica, for everybody.
    `http-request return status 403 content-type application/json string '{"error":"${byDeployment}"}' if METH_POST { path_reg ^/v2/(repository/models/[^/]+/(load|unload)|logging|(models/.+/)?trace/setting)$ }`,
    ...callerRules,
    ...conversationRules,
    "http-request set-var(txn.model) path,field(4,/),url_dec if { path_beg /v2/models/ }",
    ...acl(
      "call-of-costly-model",
      replayNever.map(({ spec }) => spec.name),
    ),
    // A call that costs money is sent again only where no server can have seen it.
    ...(replayNever.length === 0 ? [] : ["http-request disable-l7-retry if call-of-costly-model"]),
    ...acl(
      "keeps-conversations",
      kept.map(({ spec }) => spec.name),
    ),
    ...others.flatMap((server) => {
      const name = server.plan.name;
      const isOurs = `model-of-${name}`;
      return [
        ...acl(
          isOurs,
          server.plan.models.map(({ spec }) => spec.name),
        ),
        ...(keepsConversations(server.plan)
          ? [
              `use_backend http-${name}.conversations if ${isOurs} keeps-conversations { req.hdr(x-conversation-key) -m found }`,
            ]
          : []),
        `use_backend http-${name} if ${isOurs}`,
      ];
    }),
    ...(keepsConversations(fallback.plan)
      ? [
          `use_backend http-${fallback.plan.name}.conversations if keeps-conversations { req.hdr(x-conversation-key) -m found }`,
        ]
      : []),
    `default_backend http-${fallback.plan.name}`,
  ]);
}

function grpcFrontend(plan: BalancerPlan): string {
  const others = plan.servers.filter((server) => !server.plan.isDefault);
  return section("frontend grpc", [
    `bind ${plan.address}:${String(plan.grpcPort)} proto h2`,
    ...grpcRules,
    // A mistyped name would go to the default server and fail there with an unknown model.
    `http-request return status 200 hdr grpc-status 5 hdr grpc-message "no server of this name: ${plan.servers.map((server) => server.plan.name).join(", ")}" if { req.hdr(${serverMetadata}) -m found } !{ req.hdr(${serverMetadata}) -m str ${plan.servers.map((server) => server.plan.name).join(" ")} }`,
    ...others.flatMap(({ plan: { name }, plan: server }) =>
      routeGrpc(server, `{ req.hdr(${serverMetadata}) -m str ${name} }`),
    ),
    ...routeGrpc(defaultServer(plan).plan),
  ]);
}

function grpcServerFrontend(plan: BalancerPlan, server: BalancedServer): string {
  return section(`frontend grpc-of-${server.plan.name}`, [
    `bind ${plan.address}:${String(server.grpcPort)} proto h2`,
    ...grpcRules,
    ...routeGrpc(server.plan),
  ]);
}

function routeGrpc(server: ServerPlan, condition?: string): string[] {
  const kept = keepsConversations(server)
    ? [
        `use_backend grpc-${server.name}.conversations if ${condition === undefined ? "" : `${condition} `}{ req.hdr(x-conversation-key) -m found }`,
      ]
    : [];
  return [
    ...kept,
    condition === undefined
      ? `default_backend grpc-${server.name}`
      : `use_backend grpc-${server.name} if ${condition}`,
  ];
}

function metricsFrontend(plan: BalancerPlan): string {
  return section("frontend metrics", [
    `bind ${plan.address}:${String(plan.metricsPort)}`,
    "http-request use-service prometheus-exporter if { path /metrics }",
    "stats enable",
    "stats uri /stats",
    "stats refresh 5s",
    "http-request redirect location /stats if { path / }",
  ]);
}

function backends(server: BalancedServer): string[] {
  const { plan } = server;
  const replayable = plan.models.every(({ spec }) => spec.idempotent);
  const http = backend(server, "http", [
    ...healthCheck,
    // The HTTP frontend forbids the replay per model.
    "retry-on conn-failure empty-response",
    "balance leastconn",
    // Reusing a connection that the server is about to close costs a replay, which a costly call must not have.
    `http-reuse ${replayable ? "always" : "safe"}`,
  ]);
  const grpc = backend(server, "grpc", [
    ...healthCheck,
    // The model is not to be seen here: the whole group is replayed, or nothing of it.
    `retry-on conn-failure${replayable ? " empty-response" : ""}`,
    "balance leastconn",
    `http-reuse ${replayable ? "always" : "safe"}`,
  ]);
  if (!keepsConversations(plan)) return [http, grpc];
  const hashed = (protocol: Protocol): string =>
    backend(
      server,
      protocol,
      ["retry-on conn-failure", "balance hdr(x-conversation-key)", "hash-type consistent sdbm avalanche"],
      "conversations",
    );
  return [http, hashed("http"), grpc, hashed("grpc")];
}

type Protocol = "http" | "grpc";

function backend(
  { plan, replicas }: BalancedServer,
  protocol: Protocol,
  options: readonly string[],
  variant?: string,
): string {
  const name = `${protocol}-${plan.name}`;
  const checks =
    variant === undefined
      ? // Failed connections count as failed checks, so a dead replica is out at once.
        (replica: Replica) =>
          `check port ${String(replica.httpPort)} check-proto h1 inter 1s fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down`
      : (replica: Replica) => `track ${name}/${replica.name}`;
  return section(`backend ${name}${variant === undefined ? "" : `.${variant}`}`, [
    `timeout server ${String(plan.timing.balancerServer)}s`,
    ...options,
    ...replicas.map((replica) => {
      const port = protocol === "http" ? replica.httpPort : replica.grpcPort;
      return `server ${replica.name} ${replica.host}:${String(port)}${protocol === "grpc" ? " proto h2" : ""} ${checks(replica)}`;
    }),
  ]);
}

/** A replica is in while Triton says that it and all its models are ready. */
const healthCheck = [
  "option httpchk",
  "http-check send meth GET uri /v2/health/ready",
  "http-check expect status 200",
];

/**
 * The balancer's own errors, those of the backends too, in the language of the caller: Triton's JSON for HTTP, a gRPC
 * status for gRPC (14 UNAVAILABLE, 4 DEADLINE_EXCEEDED), without which a client sees only "unknown".
 */
function errorPages(language: "json" | "grpc"): string[] {
  const pages = [
    [502, "the server broke the connection", 14],
    [503, "no replica of this server is ready", 14],
    [504, "the server did not answer in time", 4],
  ] as const;
  return pages.map(([status, text, code]) =>
    language === "json"
      ? `http-error status ${String(status)} content-type application/json string '{"error":"${text}"}'`
      : `http-error status ${String(status)} hdr grpc-status ${String(code)} hdr grpc-message "${text}"`,
  );
}

function acl(name: string, models: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < models.length; i += namesPerLine) {
    lines.push(`acl ${name} var(txn.model) -m str ${models.slice(i, i + namesPerLine).join(" ")}`);
  }
  return lines;
}

function keepsConversations(plan: ServerPlan): boolean {
  return plan.models.some(({ spec }) => spec.conversationAffinity);
}

function backendNames(plan: ServerPlan, protocol: Protocol): string[] {
  // The dot is in no server's name: no other server's backend can have this name.
  const variants = keepsConversations(plan) ? ["", ".conversations"] : [""];
  return variants.map((variant) => `${protocol}-${plan.name}${variant}`);
}

function defaultServer(plan: BalancerPlan): BalancedServer {
  const found = plan.servers.find((server) => server.plan.isDefault);
  if (found === undefined)
    throw new Error("the platform's check lets no plan without a default server through");
  return found;
}
