import type { MonitoredPlatform } from "../platform.ts";
import { panel, Queries, type DashboardPlan } from "./plan.ts";

/** HAProxy: what clients see, and what became of their calls. */
export function balancerDashboard(platform: MonitoredPlatform): DashboardPlan {
  const q = new Queries(platform);
  const backends = 'proxy=~"(http|grpc)-.+"';
  const rate = (metric: string, by: string, ...matchers: readonly string[]): string =>
    `sum by (${by}) (${q.rate(metric, ...matchers)})`;
  return {
    id: "triton-balancer",
    title: "Triton: balancer",
    description: "Calls as clients see them, and the way they take to a replica",
    rows: [
      {
        title: "Clients",
        panels: [
          panel(
            "Requests",
            "By the port they came in on; `grpc-of-…` are those of one server group",
            "reqps",
            rate("haproxy_frontend_http_requests_total", "proxy", 'proxy=~"http|grpc.*"'),
            "{{proxy}}",
          ),
          panel(
            "Answers, by status",
            "Of HTTP. A gRPC call that failed is a 2xx with a status of its own in it",
            "reqps",
            rate("haproxy_frontend_http_responses_total", "code", 'proxy=~"http|grpc.*"'),
            "{{code}}",
          ),
          panel(
            "Refused",
            "No valid key, too many calls, too large, or not allowed",
            "reqps",
            rate("haproxy_frontend_requests_denied_total", "proxy", 'proxy=~"http|grpc.*"'),
            "{{proxy}}",
          ),
          panel(
            "Connections",
            "Share of what a balancer takes",
            "percentunit",
            `max by (instance) (${q.raw("haproxy_process_current_connections")} / ${q.raw("haproxy_process_max_connections")})`,
            "{{instance}}",
            { max: 1, limits: [0.7, 0.9] },
          ),
        ],
      },
      {
        title: "Servers",
        panels: [
          panel(
            "Calls, by backend",
            "`….conversations` are those that keep to one replica",
            "reqps",
            rate("haproxy_backend_http_requests_total", "proxy", backends),
            "{{proxy}}",
          ),
          panel(
            "Ready replicas",
            "0 is an outage of the group",
            "none",
            `max by (proxy) (${q.raw("haproxy_backend_active_servers", backends)})`,
            "{{proxy}}",
          ),
          panel(
            "Running calls, by replica",
            "The balancer gives each call to the replica with the fewest",
            "none",
            `sum by (server) (${q.raw("haproxy_server_current_sessions", backends)})`,
            "{{server}}",
          ),
          panel(
            "Time to the first byte of an answer",
            "Mean of the last 1024 calls: HAProxy has no histogram, and cannot see the model of a gRPC call",
            "s",
            `max by (proxy) (${q.raw("haproxy_backend_response_time_average_seconds", backends)})`,
            "{{proxy}}",
          ),
        ],
      },
      {
        title: "Trouble",
        panels: [
          {
            title: "Lost calls",
            description: "That reached no replica, or got no answer from it, after all retries",
            kind: "lines",
            unit: "reqps",
            queries: [
              {
                expr: rate("haproxy_backend_connection_errors_total", "proxy", backends),
                legend: "{{proxy}} no connection",
              },
              {
                expr: rate("haproxy_backend_response_errors_total", "proxy", backends),
                legend: "{{proxy}} no answer",
              },
            ],
          },
          {
            title: "Sent again",
            description:
              "Calls that were tried a second time, and those of them that went to another replica",
            kind: "lines",
            unit: "reqps",
            queries: [
              {
                expr: rate("haproxy_backend_retry_warnings_total", "proxy", backends),
                legend: "{{proxy}} again",
              },
              {
                expr: rate("haproxy_backend_redispatch_warnings_total", "proxy", backends),
                legend: "{{proxy}} elsewhere",
              },
            ],
          },
          panel(
            "Clients that hung up",
            "Before their answer was there: often a timeout of theirs",
            "reqps",
            rate("haproxy_backend_client_aborts_total", "proxy", backends),
            "{{proxy}}",
          ),
          panel(
            "Replicas lost",
            "How often each was taken for dead in the last hour",
            "none",
            `max by (server) (increase(${q.raw("haproxy_server_check_up_down_total", 'proxy=~"http-[^.]+"')}[1h]))`,
            "{{server}}",
          ),
          panel(
            "Idle",
            "Share of the time in which a balancer's threads wait. Near 0, it is too small",
            "percentunit",
            `min by (instance) (${q.raw("haproxy_process_idle_time_percent")}) / 100`,
            "{{instance}}",
            { max: 1 },
          ),
        ],
      },
    ],
  };
}
