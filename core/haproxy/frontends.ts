import type { Model } from "../spec/load.ts";
import type { ServerPlan } from "../platform.ts";
import { accessLogRules } from "./access-log.ts";
import { accessRules } from "./access.ts";
import { answer, errorPages, type Language } from "./answers.ts";
import { backendName, conversationsName, keepsConversations } from "./backends.ts";
import type { BalancedGroup, BalancerPlan, ClusterOptions } from "./plan.ts";
import { acl, section } from "./text.ts";

/** Where calls come in, and by what they are routed. */

/** Path of the balancer's own health: 200 only while the default server has a ready replica. */
export const healthPath = "/healthz";

/** Metadata by which a gRPC client names the server group it wants. */
export const serverMetadata = "x-triton-server";

export function frontends(plan: BalancerPlan): string[] {
  return [
    httpFrontend(plan),
    grpcFrontend(plan),
    ...plan.servers.flatMap((server) => grpcServerFrontend(plan, server)),
    metricsFrontend(plan),
    ...(plan.cluster === undefined ? [] : [healthFrontend(plan, plan.cluster)]),
  ];
}

function httpFrontend(plan: BalancerPlan): string {
  const models = plan.servers.flatMap((server) => server.plan.models);
  const namesOf = (isMeant: (model: Model) => boolean): string[] =>
    models.filter(isMeant).map(({ spec }) => spec.name);
  const costly = namesOf(({ spec }) => !spec.idempotent);
  return section("frontend http", [
    bind(plan, plan.httpPort, "json"),
    ...errorPages("json"),
    ...(plan.cluster === undefined ? [] : accessLogRules),
    ...balancerHealth(plan),
    // Models, logging and tracing change by deployment only: these calls would change one replica, for everybody.
    answer(
      "json",
      byDeployment,
      "METH_POST { path_reg ^/v2/(repository/models/[^/]+/(load|unload)|logging|(models/.+/)?trace/setting)$ }",
    ),
    answer("json", sharedMemory, "{ path_beg /v2/systemsharedmemory /v2/cudasharedmemory }"),
    ...accessRules("json", plan.cluster),
    "http-request set-var(txn.model) path,field(4,/),url_dec if { path_beg /v2/models/ }",
    ...acl("call-of-costly-model", "var(txn.model)", costly),
    // A call that costs money is sent again only where no server can have seen it.
    ...(costly.length === 0 ? [] : ["http-request disable-l7-retry if call-of-costly-model"]),
    ...acl(
      "keeps-conversations",
      "var(txn.model)",
      namesOf(({ spec }) => spec.conversationAffinity),
    ),
    ...plan.servers.filter((server) => !server.plan.isDefault).flatMap((server) => routeModels(server.plan)),
    ...routeRest(defaultServer(plan).plan),
  ]);
}

/** 200 while a call that names no model would find a server; a balancer that is to go says so before it goes. */
function balancerHealth(plan: BalancerPlan): string[] {
  const asked = `{ path ${healthPath} }`;
  const text = "content-type text/plain string";
  return [
    ...(plan.cluster === undefined
      ? []
      : [
          `http-request set-log-level silent if ${asked}`,
          `http-request return status 503 ${text} "this balancer is going" if ${asked} { lua.draining -m bool }`,
        ]),
    `http-request return status 200 ${text} ok if ${asked} { nbsrv(${backendName(defaultServer(plan).plan, "http")}) ge 1 }`,
    `http-request return status 503 ${text} "no replica is ready" if ${asked}`,
  ];
}

function routeModels(server: ServerPlan): string[] {
  const isOurs = `model-of-${server.name}`;
  return [
    ...acl(
      isOurs,
      "var(txn.model)",
      server.models.map(({ spec }) => spec.name),
    ),
    ...(keepsConversations(server)
      ? [
          `use_backend ${conversationsName(server, "http")} if ${isOurs} keeps-conversations ${inConversation}`,
        ]
      : []),
    `use_backend ${backendName(server, "http")} if ${isOurs}`,
  ];
}

function routeRest(fallback: ServerPlan): string[] {
  return [
    ...(keepsConversations(fallback)
      ? [`use_backend ${conversationsName(fallback, "http")} if keeps-conversations ${inConversation}`]
      : []),
    `default_backend ${backendName(fallback, "http")}`,
  ];
}

function grpcFrontend(plan: BalancerPlan): string {
  const names = plan.servers.map((server) => server.plan.name);
  const given = `req.hdr(${serverMetadata})`;
  return section("frontend grpc", [
    ...grpcRules(plan, plan.grpcPort),
    // A mistyped name would go to the default server and fail there with an unknown model.
    answer(
      "grpc",
      { status: 404, code: 5, text: `no server of this name: ${names.join(", ")}` },
      `{ ${given} -m found } !{ ${given} -m str ${names.join(" ")} }`,
    ),
    ...plan.servers
      .filter((server) => !server.plan.isDefault)
      .flatMap(({ plan: server }) => routeGrpc(server, `{ ${given} -m str ${server.name} }`)),
    ...routeGrpc(defaultServer(plan).plan),
  ]);
}

function grpcServerFrontend(plan: BalancerPlan, { plan: server, grpcPort }: BalancedGroup): string[] {
  return grpcPort === undefined
    ? []
    : [section(`frontend grpc-of-${server.name}`, [...grpcRules(plan, grpcPort), ...routeGrpc(server)])];
}

/** 7 is PERMISSION_DENIED. */
const byDeployment = { status: 403, code: 7, text: "this changes by deployment only" } as const;

/**
 * Triton maps whatever region of its own /dev/shm a caller names, other callers' and its Python models' too, and may answer
 * from another machine than the caller's.
 */
const sharedMemory = {
  status: 403,
  code: 7,
  text: "shared memory is not served here: send tensors in the request",
} as const;

/** What every gRPC frontend does before it routes. */
function grpcRules(plan: BalancerPlan, port: number): string[] {
  return [
    bind(plan, port, "grpc"),
    ...errorPages("grpc"),
    // An answer of the balancer's own is an HTTP success that carries a gRPC status, or clients look at HTTP's alone.
    "http-after-response set-header content-type application/grpc if { res.hdr(grpc-status) -m found }",
    "http-after-response set-status 200 if { res.hdr(grpc-status) -m found }",
    ...(plan.cluster === undefined ? [] : accessLogRules),
    answer(
      "grpc",
      byDeployment,
      "{ path_reg /(RepositoryModelLoad|RepositoryModelUnload|LogSettings|TraceSetting)$ }",
    ),
    answer("grpc", sharedMemory, "{ path_reg /(System|Cuda)SharedMemory(Status|Register|Unregister)$ }"),
    ...accessRules("grpc", plan.cluster),
  ];
}

const inConversation = "{ req.hdr(x-conversation-key) -m found }";

function routeGrpc(server: ServerPlan, condition?: string): string[] {
  const kept = keepsConversations(server)
    ? [
        `use_backend ${conversationsName(server, "grpc")} if ${condition === undefined ? "" : `${condition} `}${inConversation}`,
      ]
    : [];
  return [
    ...kept,
    condition === undefined
      ? `default_backend ${backendName(server, "grpc")}`
      : `use_backend ${backendName(server, "grpc")} if ${condition}`,
  ];
}

function metricsFrontend(plan: BalancerPlan): string {
  return section("frontend metrics", [
    `bind ${plan.address}:${String(plan.metricsPort)}`,
    ...(plan.cluster === undefined ? [] : ["no log"]),
    "http-request use-service prometheus-exporter if { path /metrics }",
    "stats enable",
    "stats uri /stats",
    "stats refresh 5s",
    "http-request redirect location /stats if { path / }",
  ]);
}

/**
 * The pod's own health, whatever that of the servers: `/live` while HAProxy runs, `/ready` while it takes calls. One
 * that has just started takes none before it knows a replica of every group, or had the time to find one.
 */
function healthFrontend(plan: BalancerPlan, { healthPort, discovery }: ClusterOptions): string {
  const text = "content-type text/plain string";
  return section("frontend health", [
    `bind ${plan.address}:${String(healthPort)}`,
    "no log",
    `http-request return status 200 ${text} ok if { path /live }`,
    "acl going lua.draining -m bool",
    "acl going stopping",
    ...plan.servers.map((server) => `acl searching nbsrv(${backendName(server.plan, "http")}) lt 1`),
    `acl searched-long date,sub(proc.started) gt ${String(discovery)}`,
    `http-request return status 503 ${text} "this balancer is going" if { path /ready } going`,
    `http-request return status 503 ${text} "looking for servers" if { path /ready } searching !searched-long`,
    `http-request return status 200 ${text} ok if { path /ready }`,
    `http-request return status 404`,
  ]);
}

/** Where clients connect: gRPC is HTTP/2 from the first byte, under TLS what both sides agree on. */
function bind({ address, cluster }: BalancerPlan, port: number, language: Language): string {
  const { tls } = cluster ?? {};
  const protocol = language === "grpc" ? [tls === undefined ? "proto h2" : "alpn h2"] : [];
  return [
    `bind ${address}:${String(port)}`,
    ...(tls === undefined ? [] : [`ssl crt ${tls.certificate}`]),
    ...(tls !== undefined && language === "json" ? ["alpn h2,http/1.1"] : protocol),
    // Optional, so that health can be asked without one; the rules refuse the rest.
    ...(tls?.clientAuthorities === undefined ? [] : [`ca-file ${tls.clientAuthorities} verify optional`]),
    ...(cluster?.proxyProtocol === true ? ["accept-proxy"] : []),
  ].join(" ");
}

function defaultServer(plan: BalancerPlan): BalancedGroup {
  const found = plan.servers.find((server) => server.plan.isDefault);
  if (found === undefined)
    throw new Error("the platform's check lets no plan without a default server through");
  return found;
}
