import { answer, type Language } from "./answers.ts";
import type { ClusterOptions, RateLimit } from "./plan.ts";
import { callerName } from "../spec/kubernetes.ts";
import { acl, section } from "./text.ts";

/** Who calls, how often and how much: rules that every frontend of clients has before it routes. */

/** Headers Triton hands to its models as request parameters: who calls, and which conversation it belongs to. */
export const forwardedHeaders = { caller: "x-caller-id", conversation: "x-conversation-id" } as const;

/** `fhdr` is the whole value: `hdr` takes a key with a comma in it apart. */
const apiKey = "req.fhdr(x-api-key)";
const hashed = "sha2(256),hex,lower";

/** Who calls; in a cluster, who may call, how often, and with how much. */
export function accessRules(language: Language, cluster: ClusterOptions | undefined): string[] {
  const isClosed = cluster?.apiKeys !== undefined || cluster?.tls?.clientAuthorities !== undefined;
  return [
    "http-request deny deny_status 400 if { req.fhdr_cnt(x-api-key) gt 1 }",
    ...(isClosed ? knownCallers(language, cluster) : anyCaller(cluster)),
    "http-request del-header x-api-key",
    ...conversationRules,
    ...(cluster === undefined ? [] : limits(language, cluster)),
  ];
}

/** Tables of the rate limits, one for each period. */
export function rateTables(cluster: ClusterOptions): string[] {
  const periods = new Set(rateLimits(cluster).map(({ limit }) => milliseconds(limit)));
  return [...periods].map((period) =>
    section(`backend ${rateTable(period)}`, [
      `stick-table type string len 64 size 100k expire ${String(period * 2)}ms store gpc0_rate(${String(period)}ms)`,
    ]),
  );
}

/** Paths of health, which load balancers and clients ask without a key. */
const healthPaths: Readonly<Record<Language, readonly string[]>> = {
  json: ["/v2/health/live", "/v2/health/ready"],
  grpc: [
    ...["ServerLive", "ServerReady"].map((method) => `/inference.GRPCInferenceService/${method}`),
    "/grpc.health.v1.Health/Check",
  ],
};

/** Who has one address of IPv6 has a network of 2^64 (RFC 6177): limits go by that. */
const callerAddress = "src,ipmask(32,64)";

/** By API key where one is given, else by address. A client's own claim is overwritten. */
function anyCaller(cluster: ClusterOptions | undefined): string[] {
  return [
    `http-request set-header ${forwardedHeaders.caller} %[src]`,
    `http-request set-header ${forwardedHeaders.caller} %[${apiKey},${hashed}] if { ${apiKey} -m len gt 0 }`,
    // Nobody knows these keys: a caller could take a new one for each call, so that limits go by address.
    ...(cluster === undefined ? [] : [`http-request set-var(txn.caller) ${callerAddress}`]),
  ];
}

/**
 * By the subject's CN of a certificate, else by API key; whoever shows neither is refused (16 UNAUTHENTICATED). Keys
 * come as sha256 to a map of callers and go no further.
 */
function knownCallers(language: Language, { apiKeys, tls }: ClusterOptions): string[] {
  const known = "{ var(txn.caller) -m found }";
  const caller = `http-request set-var(txn.caller)`;
  const named = (key: string, map: string): string => `${caller} ${key},${hashed},map_str(${map})`;
  return [
    ...(tls?.clientAuthorities === undefined
      ? []
      : [
          `${caller} ssl_c_s_dn(cn) if { ssl_c_used } { ssl_c_verify 0 } { ssl_c_s_dn(cn) -m reg ${callerName.source} }`,
        ]),
    ...(apiKeys === undefined
      ? []
      : [
          `${named(apiKey, apiKeys.map)} if !${known} { ${apiKey} -m found }`,
          `${named("http_auth_bearer", apiKeys.map)} if !${known} !{ ${apiKey} -m found } { http_auth_bearer -m found }`,
        ]),
    "http-request del-header authorization",
    ...acl("asks-for-health", "path", healthPaths[language]),
    answer(
      language,
      {
        status: 401,
        code: 16,
        text: apiKeys === undefined ? "this needs a client certificate" : "this needs a valid API key",
        ...(apiKeys === undefined ? {} : { headers: { "www-authenticate": "Bearer" } }),
      },
      `!${known} !asks-for-health`,
    ),
    `${caller} ${callerAddress} if !${known}`,
    `http-request set-header ${forwardedHeaders.caller} %[var(txn.caller)]`,
  ];
}

/**
 * What a conversation is kept on one server by: the id alone would let callers share a server's history by chance. A
 * client's own claim is dropped.
 */
const conversationRules = [
  "http-request del-header x-conversation-key",
  `http-request set-header x-conversation-key %[req.fhdr(${forwardedHeaders.caller})]|%[req.fhdr(${forwardedHeaders.conversation})] if { req.fhdr(${forwardedHeaders.conversation}) -m found }`,
];

function limits(language: Language, cluster: ClusterOptions): string[] {
  return [...rateRules(language, cluster), ...sizeRules(language, cluster)];
}

/** A limit, and whom it is for: the named callers, or all whom no other names. */
interface NamedLimit {
  readonly limit: RateLimit;
  readonly callers?: readonly string[];
}

/** Limits that are alike are one. */
function rateLimits({ rateLimits: { everyone, callers } }: ClusterOptions): NamedLimit[] {
  const alike = new Map<string, { limit: RateLimit; callers: string[] }>();
  for (const [caller, limit] of Object.entries(callers)) {
    const key = `${String(limit.requests)} in ${String(milliseconds(limit))}`;
    const found = alike.get(key);
    if (found === undefined) alike.set(key, { limit, callers: [caller] });
    else found.callers.push(caller);
  }
  return [...alike.values(), ...(everyone === undefined ? [] : [{ limit: everyone }])];
}

/** What is refused (8 RESOURCE_EXHAUSTED) does not count, so that a caller who goes on asking gets its share. */
function rateRules(language: Language, cluster: ClusterOptions): string[] {
  const all = rateLimits(cluster);
  const named = all.flatMap(({ callers }, i) => (callers === undefined ? [] : [`limited-${String(i)}`]));
  const isHealth = acl("is-health", "path", healthPaths[language]);
  const rules = all.flatMap(({ limit, callers }, i) => {
    const period = milliseconds(limit);
    const table = rateTable(period);
    const isMeant =
      callers === undefined ? named.map((name) => `!${name}`).join(" ") : `limited-${String(i)}`;
    const condition = `${isMeant === "" ? "" : `${isMeant} `}!is-health`;
    return [
      ...acl(`limited-${String(i)}`, "var(txn.caller)", callers ?? []),
      `http-request track-sc0 var(txn.caller) table ${table} if ${condition}`,
      answer(
        language,
        {
          status: 429,
          code: 8,
          text: "too many requests: try again later",
          headers: { "retry-after": String(Math.ceil(period / 1_000)) },
        },
        `${condition} { sc0_gpc0_rate(${table}) ge ${String(limit.requests)} }`,
      ),
    ];
  });
  return all.length === 0 ? [] : [...isHealth, ...rules, "http-request sc-inc-gpc0(0)"];
}

/**
 * HTTP/1.1 says the size of a body before it sends one, or is asked to (411); HTTP/2 may send one without, whatever the
 * method. gRPC says it in each message's first five bytes (compressed, length): the first message is looked at, which for
 * all calls but streams is the only one.
 *
 * Compressed bodies are refused: Triton takes gzip and deflate, and only from 26.01 on limits what they become
 * (`--http-max-input-size`; server #8570). gRPC's have no limit but Triton's 2 GiB.
 */
function sizeRules(language: Language, { maxBodySize }: ClusterOptions): string[] {
  const size = String(maxBodySize);
  const tooLarge = { status: 413, code: 8, text: `the request is larger than ${size} bytes` };
  if (language === "json") {
    const sizeless = {
      status: 411,
      code: 3,
      text: "the size of the body is missing: send a content-length",
    };
    const saysNoSize = "{ req.ver 2.0 } !{ req.hdr(content-length) -m found }";
    return [
      compressed(language, "content-encoding"),
      answer(language, sizeless, "{ req.hdr(transfer-encoding) -m found }"),
      `http-request wait-for-body time 5s at-least 1 if ${saysNoSize}`,
      answer(language, sizeless, `${saysNoSize} { req.body_len gt 0 }`),
      answer(language, tooLarge, `{ req.hdr_val(content-length) gt ${size} }`),
    ];
  }
  return [
    compressed(language, "grpc-encoding"),
    // A stream may wait for an answer before its first message.
    "http-request wait-for-body time 5s at-least 5 unless { path_end /ModelStreamInfer }",
    answer(language, tooLarge, `{ req.body,bytes(1,4),be2dec(,4) -m int gt ${size} }`),
  ];
}

/** 12 is UNIMPLEMENTED, which gRPC has for this (its `compression.md`). */
function compressed(language: Language, header: string): string {
  const refusal = {
    status: 415,
    code: 12,
    text: "compressed requests are not taken: send the body as it is",
    headers: { [language === "json" ? "accept-encoding" : "grpc-accept-encoding"]: "identity" },
  };
  const value = `req.fhdr(${header})`;
  return answer(
    language,
    refusal,
    `{ ${value} -m found } !{ ${value} -m str -i identity } or { req.fhdr_cnt(${header}) gt 1 }`,
  );
}

function rateTable(period: number): string {
  return `rate-${String(period)}ms`;
}

/** HAProxy's tables count in milliseconds. */
function milliseconds({ period }: RateLimit): number {
  return Math.max(1, Math.ceil(period / 1_000));
}
