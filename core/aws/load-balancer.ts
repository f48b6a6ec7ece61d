import { healthPath } from "../haproxy/frontends.ts";
import { ports } from "../kubernetes/names.ts";
import type { LoadBalancerConfig } from "../spec/eks.ts";
import type { BalancerConfig } from "../spec/kubernetes.ts";
import type { Problem } from "../spec/problem.ts";
import type { TimingBudget } from "../timing/budget.ts";
import { balancerTiming } from "../timing/kubernetes.ts";

/**
 * The Network Load Balancer in front of the balancer's pods, as the Load Balancer Controller makes it from their Service.
 * Source of all annotations: kubernetes-sigs/aws-load-balancer-controller v3.5.0, docs/guide/service/annotations.md.
 */

/** What stands before the balancer, in words of the balancer's own config. */
export type FrontedBalancer = BalancerConfig & {
  readonly service: { readonly type: "LoadBalancer" };
};

export interface LoadBalancerFacts {
  readonly loadBalancer: LoadBalancerConfig;
  readonly tags: Readonly<Record<string, string>>;
  /** Of the servers behind it. */
  readonly budgets: readonly TimingBudget[];
}

/**
 * The balancer's config with a Service that an NLB leads to: straight to the pods' addresses, in whatever zone. Its times
 * are the balancer's: it forgets a connection only after the balancer has, and lets the connections of a pod that goes live
 * as long as the pod. A pod that is to go takes calls for two minutes at least: that long, and whatever its delay says, an
 * NLB goes on sending to addresses.
 */
export function behindLoadBalancer(balancer: BalancerConfig, facts: LoadBalancerFacts): FrontedBalancer {
  const { scheme, sourceRanges = [] } = facts.loadBalancer;
  const fronted = {
    ...balancer,
    deregistrationDelay: Math.max(deregistration, balancer.deregistrationDelay),
  };
  return {
    ...fronted,
    service: {
      ...balancer.service,
      type: "LoadBalancer",
      loadBalancerClass: "service.k8s.aws/nlb",
      loadBalancerSourceRanges: [...sourceRanges],
      annotations: annotations({
        "nlb-target-type": "ip",
        scheme,
        attributes: list({ "load_balancing.cross_zone.enabled": "true" }),
        "target-group-attributes": list(targetGroupAttributes(fronted, facts.budgets)),
        "additional-resource-tags": list(facts.tags),
        ...healthCheck(balancer),
        ...(facts.loadBalancer.certificateArn === undefined
          ? idleTimeouts(fronted, facts.budgets)
          : tls(facts.loadBalancer.certificateArn)),
      }),
    },
  };
}

/** What an NLB cannot do for the calls that the servers take. */
export function loadBalancerProblems(
  balancer: Pick<BalancerConfig, "tls" | "clientCertificates">,
  { certificateArn }: LoadBalancerConfig,
  budgets: readonly TimingBudget[],
  file: string,
): Problem[] {
  const idle = idleTimeout(budgets);
  const ended = certificateArn !== undefined;
  const longest = ended ? tlsIdleTimeout : idleRange.longest;
  return [
    ...(ended && balancer.tls !== undefined
      ? [
          {
            file,
            path: "triton-platform:eks.loadBalancer.certificateArn",
            message:
              "the load balancer would end TLS, and kubernetes.balancer.tls says that the balancer does",
            hint: "remove one of them: without certificateArn, TLS goes through to the balancer, which clients' certificates need",
          },
        ]
      : []),
    ...(idle > longest
      ? [
          {
            file,
            path: `triton-platform:eks.loadBalancer${ended ? ".certificateArn" : ""}`,
            message: `the longest call may be silent for ${String(longestSilence(budgets))}s, and a network load balancer ${
              ended ? "that ends TLS " : ""
            }forgets a connection after ${String(longest)}s`,
            hint: `shorten the models' callTimeout${ended ? ", or let TLS go through to the balancer: kubernetes.balancer.tls" : ""}`,
          },
        ]
      : []),
  ];
}

/**
 * In microseconds. So long an address that is taken out still gets new connections, whatever its delay says. Source:
 * kubernetes-sigs/aws-load-balancer-controller, issue 2366; aws/containers-roadmap, issue 470: measured, AWS says nothing.
 */
const deregistration = 120_000_000;

/** Seconds. Source: Network Load Balancers, "Update the TCP idle timeout": 350 unless told otherwise, and always of TLS. */
const idleRange = { usual: 350, longest: 6_000 } as const;
const tlsIdleTimeout = 350;

/** Seconds that HAProxy lets a client be idle; then it closes the connection itself, which both sides see. */
function longestSilence(budgets: readonly TimingBudget[]): number {
  return Math.max(0, ...budgets.map(({ balancerClient }) => balancerClient));
}

function idleTimeout(budgets: readonly TimingBudget[]): number {
  return longestSilence(budgets) + 10;
}

/** One key for each listener. It is for listeners of TCP alone. */
function idleTimeouts(
  balancer: Pick<BalancerConfig, "grpcPorts">,
  budgets: readonly TimingBudget[],
): Readonly<Record<string, string>> {
  const seconds = Math.max(idleRange.usual, idleTimeout(budgets));
  return Object.fromEntries(
    listenerPorts(balancer).map((port) => [
      `listener-attributes.TCP-${String(port)}`,
      list({ "tcp.idle_timeout.seconds": String(seconds) }),
    ]),
  );
}

function listenerPorts({ grpcPorts }: Pick<BalancerConfig, "grpcPorts">): number[] {
  return [...new Set([ports.http, ports.grpc, ...Object.values(grpcPorts)])].sort((a, b) => a - b);
}

/**
 * TLS 1.2 and 1.3. gRPC clients want HTTP/2 by ALPN, which the balancer understands on its HTTP port too; others get
 * HTTP/1.1. What the NLB passes on is plain.
 */
function tls(certificateArn: string): Readonly<Record<string, string>> {
  return {
    "ssl-cert": certificateArn,
    "ssl-negotiation-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "alpn-policy": "HTTP2Preferred",
  };
}

/**
 * Callers are known by their address: the NLB keeps it, or tells it by the PROXY protocol. A pod that says it is going, or
 * that the default server is away, gets no new connections and keeps those it has, on which calls are under way; the NLB
 * would close them. Source: Network Load Balancers, "Target group attributes" (the delay: 0 to 3600 seconds), and "Connection
 * termination for unhealthy targets".
 */
function targetGroupAttributes(
  balancer: BalancerConfig,
  budgets: readonly TimingBudget[],
): Readonly<Record<string, string>> {
  const { terminationGracePeriod } = balancerTiming(budgets, balancer);
  return {
    "deregistration_delay.timeout_seconds": String(Math.min(3_600, terminationGracePeriod)),
    "target_health_state.unhealthy.connection_termination.enabled": "false",
    "preserve_client_ip.enabled": String(!balancer.proxyProtocol),
    "proxy_protocol_v2.enabled": String(balancer.proxyProtocol),
  };
}

/** On the HTTP port, for the targets of all ports; it answers there without a client's certificate or key. */
function healthCheck({ tls: ownTls }: BalancerConfig): Readonly<Record<string, string>> {
  return {
    "healthcheck-protocol": ownTls === undefined ? "http" : "https",
    "healthcheck-port": String(ports.http),
    "healthcheck-path": healthPath,
    "healthcheck-interval": "10",
    "healthcheck-healthy-threshold": "2",
    "healthcheck-unhealthy-threshold": "2",
  };
}

function annotations(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      `service.beta.kubernetes.io/aws-load-balancer-${key}`,
      value,
    ]),
  );
}

/** As the controller reads maps: it splits at commas, then at the first equals sign. */
function list(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
