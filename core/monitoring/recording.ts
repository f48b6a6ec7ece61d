import { summaryQuantiles } from "../triton/server-flags.ts";
import { latencyBudget, type MonitoredModel, type MonitoredPlatform } from "./platform.ts";
import { day, hour, interval, minute, noneOf, oneOf, period, quoted, rateWindow, select } from "./promql.ts";
import type { RecordingRule, RuleGroup } from "./rule.ts";

/**
 * What alerts and dashboards are made of, worked out once. Names are `level:metric:operation` (Prometheus, "Recording
 * rules"); times in them are those of production, whatever `speedUp` makes of them.
 *
 * The promises of a model are series (`model:…_objective:…`), so that a rule of each kind serves all models: their number
 * does not grow with that of the models, and evaluating them hardly does.
 */
export function recordingGroups(platform: MonitoredPlatform): RuleGroup[] {
  const scoped = (rules: readonly RecordingRule[]): RecordingRule[] =>
    rules.map(({ record, expr, labels }) => {
      const all = { ...platform.target.scope, ...labels };
      return { record, expr, ...(Object.keys(all).length === 0 ? {} : { labels: all }) };
    });
  return [
    { name: "triton-objectives", interval: interval(platform, minute), rules: scoped(objectives(platform)) },
    { name: "triton-rates", rules: scoped(rates(platform)) },
    { name: "triton-sums", interval: interval(platform, 5 * minute), rules: scoped(sums(platform)) },
    {
      name: "triton-windows",
      interval: interval(platform, minute / 2),
      rules: scoped(shortWindows.flatMap((window) => ratios(platform, window))),
    },
    {
      name: "triton-long-windows",
      interval: interval(platform, 2 * minute),
      rules: scoped(longWindows.flatMap((window) => ratios(platform, window))),
    },
  ];
}

/** A window of an SLO: its name in series, and its seconds. */
export type Window = readonly [name: string, seconds: number];

/** Google's SRE Workbook, "Alerting on SLOs", table 5-8, with the ticket windows of sloth's `google-30d`. */
export const windows = {
  "5m": ["5m", 5 * minute],
  "30m": ["30m", 30 * minute],
  "1h": ["1h", hour],
  "2h": ["2h", 2 * hour],
  "6h": ["6h", 6 * hour],
  "1d": ["1d", day],
  "3d": ["3d", 3 * day],
} as const satisfies Readonly<Record<string, Window>>;

const shortWindows: readonly Window[] = [windows["5m"], windows["30m"], windows["1h"]];
/**
 * Added up from sums of five minutes each: a tenth of the samples for the same number. They are looked at more often than
 * Prometheus forgets a sample (five minutes), or alerts would blink.
 */
const longWindows: readonly Window[] = [windows["2h"], windows["6h"], windows["1d"], windows["3d"]];
const longestOfMinutes = hour;

/** The promises and limits of each model and server. */
function objectives({ models, servers }: MonitoredPlatform): RecordingRule[] {
  const constant = (record: string, value: number, labels: RecordingRule["labels"] = {}): RecordingRule => ({
    record,
    expr: `vector(${plain(value)})`,
    labels,
  });
  return [
    ...servers.map(({ name, startup }) =>
      constant("server:startup_limit:seconds", startup, { server: name }),
    ),
    ...models.flatMap(({ name, server, availability, latency, queueLimit }) => {
      const labels = { server, model: name };
      return [
        constant("model:queue_limit:seconds", queueLimit, labels),
        ...(availability === undefined
          ? []
          : [constant("model:availability_budget:ratio", 1 - availability.target, labels)]),
        ...(latency === undefined
          ? []
          : [constant("model:latency_objective:seconds", latency.seconds, labels)]),
      ];
    }),
  ];
}

/** 1 - 0.999 is 0.0010000000000000009 in binary. */
function plain(value: number): string {
  return String(Number(value.toPrecision(12)));
}

/** Outcomes of the LLM proxy that are the caller's own doing. Source: models/llm-backend/1/llm_proxy/errors.py. */
const callersOwn = ["LLM_INVALID_INPUT", "LLM_REJECTED", "LLM_CANCELLED"] as const;

/** Per second, over a minute: calls, calls that failed, calls that were slow, and calls that reached no server. */
function rates(platform: MonitoredPlatform): RecordingRule[] {
  const { models } = platform;
  const proxies = models.filter(({ isProxy }) => isProxy).map(({ name }) => name);
  const hasServed = proxies.length < models.length;
  const rate = (metric: string, ...matchers: readonly string[]): string =>
    `sum by (server, model) (rate(${select(platform, metric, ...matchers)}[${rateWindow(platform)}]))`;
  const served = proxies.length === 0 ? [] : [noneOf("model", proxies)];
  const failed = rate("nv_inference_request_failure", ...served, 'reason!="CANCELED"');
  const requests = rate("llm_requests_total", noneOf("outcome", callersOwn));
  const alternatives = (ofTriton: string, ofProxies: string): string =>
    [...(hasServed ? [ofTriton] : []), ...(proxies.length > 0 ? [ofProxies] : [])].join(" or ");
  return [
    {
      record: "model:requests:rate1m",
      expr: alternatives(`${rate("nv_inference_request_success", ...served)} + ${failed}`, requests),
    },
    {
      record: "model:failures:rate1m",
      expr: alternatives(failed, rate("llm_requests_total", noneOf("outcome", ["ok", ...callersOwn]))),
    },
    ...latencyRates(platform),
    ...queueTime(platform, served, hasServed),
    ...balancerRates(platform),
  ];
}

/** Mean time in the queue of those that left it; models whose calls are taken over at once have none to speak of. */
function queueTime(
  platform: MonitoredPlatform,
  served: readonly string[],
  hasServed: boolean,
): RecordingRule[] {
  const rate = (metric: string): string =>
    `sum by (server, model) (rate(${select(platform, metric, ...served)}[${rateWindow(platform)}]))`;
  return hasServed
    ? [
        {
          record: "model:queue_time:mean1m",
          expr: `${rate("nv_inference_queue_duration_us")} / 1e6 / (${rate("nv_inference_request_success")} > 0)`,
        },
      ]
    : [];
}

/**
 * Calls that were slower than the objective, and the answers they are a part of. From Triton's quantiles this is a lower
 * bound: it never says too much, and at most half too little.
 */
function latencyRates(platform: MonitoredPlatform): RecordingRule[] {
  const window = rateWindow(platform);
  const timedBy = (source: "triton" | "llm-proxy"): readonly MonitoredModel[] =>
    platform.models.filter(({ latency }) => latency?.source === source);
  const ofTriton = timedBy("triton").map(({ name }) => name);
  const success =
    ofTriton.length === 0
      ? undefined
      : `rate(${select(platform, "nv_inference_request_success", oneOf("model", ofTriton))}[${window}])`;
  const slow = [
    ...(success === undefined ? [] : [`sum by (server, model) (${slowShare(platform)} * ${success})`]),
    ...timedBy("llm-proxy").map(({ name, latency }) => {
      const model = `model=${quoted(name)}`;
      const bound = `le=${quoted(String(latency?.seconds))}`;
      const rate = (metric: string, ...matchers: readonly string[]): string =>
        `rate(${select(platform, metric, model, ...matchers)}[${window}])`;
      return `sum by (server, model) (${rate("llm_request_seconds_count")} - ignoring (le) ${rate("llm_request_seconds_bucket", bound)})`;
    }),
  ];
  const answered = [
    ...(success === undefined ? [] : [`sum by (server, model) (${success})`]),
    ...timedBy("llm-proxy").map(
      ({ name }) =>
        `sum by (server, model) (rate(${select(platform, "llm_request_seconds_count", `model=${quoted(name)}`)}[${window}]))`,
    ),
  ];
  return slow.length === 0
    ? []
    : [
        { record: "model:slow_requests:rate1m", expr: slow.join(" or ") },
        { record: "model:answered_requests:rate1m", expr: answered.join(" or ") },
      ];
}

/**
 * Share of a replica's calls of the last minute that were slower than the objective, at least: where the 80th percentile
 * is above it, 20 of 100 were. Of all quantiles that are above it, the lowest says most.
 */
function slowShare(platform: MonitoredPlatform): string {
  const objective = `(1e6 * ${select(platform, "model:latency_objective:seconds")})`;
  const shares = summaryQuantiles.map(([quantile]) => {
    const summary = select(
      platform,
      "nv_inference_request_summary_us",
      `quantile=${quoted(String(quantile))}`,
    );
    return `${plain(1 - quantile)} * (${summary} > bool on (server, model) group_left () ${objective})`;
  });
  return `max without (quantile) (${shares.join(" or ")})`;
}

/**
 * What the balancer could bring to no replica. Calls that a replica answered with an error are the model's; calls that
 * were sent again and then answered are nobody's.
 */
function balancerRates(platform: MonitoredPlatform): RecordingRule[] {
  const rate = (metric: string): string =>
    `rate(${select(platform, metric, 'proxy=~"(http|grpc)-.+"')}[${rateWindow(platform)}])`;
  const byServer = (expr: string): string => `sum by (server) (${withServer(expr)})`;
  return [
    { record: "server:calls:rate1m", expr: byServer(rate("haproxy_backend_http_requests_total")) },
    {
      record: "server:lost_calls:rate1m",
      expr: byServer(
        `${rate("haproxy_backend_connection_errors_total")} + ${rate("haproxy_backend_response_errors_total")}`,
      ),
    },
  ];
}

/** HAProxy's series with the server group of their backend: see core/haproxy/backends.ts for its name. */
export function withServer(expr: string): string {
  return `label_replace(${expr}, "server", "$1", "proxy", "(?:http|grpc)-(.+?)(?:[.]conversations)?")`;
}

const summed = [
  "model:requests",
  "model:failures",
  "model:slow_requests",
  "model:answered_requests",
  "server:calls",
  "server:lost_calls",
] as const;

function sums(platform: MonitoredPlatform): RecordingRule[] {
  return summed
    .filter((name) => hasLatency(platform) || !isOfLatency(name))
    .map((name) => ({
      record: `${name}:sum5m`,
      expr: `sum_over_time(${select(platform, `${name}:rate1m`)}[${period(platform, 5 * minute)}])`,
    }));
}

function hasLatency({ models }: MonitoredPlatform): boolean {
  return models.some(({ latency }) => latency !== undefined);
}

function isOfLatency(name: (typeof summed)[number]): boolean {
  return name === "model:slow_requests" || name === "model:answered_requests";
}

/**
 * Bad calls among all of a window, weighted by how many there were. A model's errors are those of its own and, of the rest,
 * the share that its server's balancer lost; where all are lost, the model has seen none.
 */
function ratios(platform: MonitoredPlatform, [name, seconds]: Window): RecordingRule[] {
  const sum = (series: (typeof summed)[number]): string =>
    seconds <= longestOfMinutes
      ? `sum_over_time(${select(platform, `${series}:rate1m`)}[${period(platform, seconds)}])`
      : `sum_over_time(${select(platform, `${series}:sum5m`)}[${period(platform, seconds)}])`;
  const lost = `server:lost_calls:ratio_${name}`;
  // Every model and every server has a limit: what no call was made to has no errors.
  const none = (series: string): string => `0 * ${select(platform, series)}`;
  const failures = `(${sum("model:failures")} / (${sum("model:requests")} > 0) or ${none("model:queue_limit:seconds")})`;
  return [
    {
      record: lost,
      expr: `clamp_max(${sum("server:lost_calls")} / (${sum("server:calls")} > 0), 1) or ${none("server:startup_limit:seconds")}`,
    },
    {
      record: `model:availability_errors:ratio_${name}`,
      expr: `1 - (1 - ${failures}) * on (server) group_left () (1 - ${select(platform, lost)})`,
    },
    ...(hasLatency(platform)
      ? [
          {
            record: `model:latency_errors:ratio_${name}`,
            expr: `${sum("model:slow_requests")} / (${sum("model:answered_requests")} > 0)`,
          },
        ]
      : []),
  ];
}

/** The error budget of a promise, as a factor of how much of it each call may be. */
export function budget(platform: MonitoredPlatform, promise: "availability" | "latency"): string {
  return promise === "availability"
    ? select(platform, "model:availability_budget:ratio")
    : `(${plain(latencyBudget)} + 0 * ${select(platform, "model:latency_objective:seconds")})`;
}
