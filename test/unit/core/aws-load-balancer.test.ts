import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { behindLoadBalancer, loadBalancerProblems } from "../../../core/aws/load-balancer.ts";
import { eksSchema } from "../../../core/spec/eks.ts";
import { kubernetesSectionSchema } from "../../../core/spec/kubernetes.ts";
import { timingBudget } from "../../../core/timing/budget.ts";
import { balancerTiming } from "../../../core/timing/kubernetes.ts";
import {
  account,
  devConfig,
  file,
  llmModel,
  models,
  planAws,
  planOf,
  type AwsFields,
} from "./aws-support.ts";
import { modelOf } from "../../support/models.ts";

type BalancerFields = NonNullable<NonNullable<AwsFields["kubernetes"]>["balancer"]>;
type LoadBalancerFields = NonNullable<NonNullable<AwsFields["eks"]>["loadBalancer"]>;

const prefix = "service.beta.kubernetes.io/aws-load-balancer-";
const certificateArn = `arn:aws:acm:us-east-1:${account}:certificate/1`;

function balancerOf(fields: BalancerFields = {}) {
  return kubernetesSectionSchema.parse({ balancer: fields }).balancer;
}

function loadBalancerOf(fields: LoadBalancerFields = {}) {
  const tags = { owner: "o", environment: "e", costCenter: "c" };
  return eksSchema.parse({ account, region: "us-east-1", tags, loadBalancer: fields }).loadBalancer;
}

const calls = (seconds: number) => [timingBudget(0, seconds * 1e6)];

function fronted(balancer: BalancerFields, loadBalancer: LoadBalancerFields = {}, seconds = 30) {
  return behindLoadBalancer(balancerOf(balancer), {
    loadBalancer: loadBalancerOf(loadBalancer),
    tags: { owner: "ml", "cost-center": "4711" },
    budgets: calls(seconds),
  });
}

/** By the end of the annotation's name. */
function annotationsOf(...args: Parameters<typeof fronted>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fronted(...args).service.annotations).map(([key, value]) => {
      expect(key.startsWith(prefix)).toBe(true);
      return [key.slice(prefix.length), value];
    }),
  );
}

function attribute(text = "", key = ""): string | undefined {
  return text
    .split(",")
    .map((pair) => pair.split("="))
    .find(([name]) => name === key)?.[1];
}

describe("the load balancer", () => {
  it("is an NLB that leads to pods in all zones, inside unless the config says otherwise", () => {
    expect(fronted({}).service).toMatchObject({
      type: "LoadBalancer",
      loadBalancerClass: "service.k8s.aws/nlb",
      loadBalancerSourceRanges: [],
    });
    expect(annotationsOf({})).toMatchObject({
      "nlb-target-type": "ip",
      scheme: "internal",
      attributes: "load_balancing.cross_zone.enabled=true",
      "additional-resource-tags": "owner=ml,cost-center=4711",
    });
    expect(annotationsOf({}, { scheme: "internet-facing" }).scheme).toBe("internet-facing");
    expect(fronted({}, { sourceRanges: ["10.0.0.0/8"] }).service.loadBalancerSourceRanges).toEqual([
      "10.0.0.0/8",
    ]);
  });

  it("asks for health on the HTTP port, as clients talk to it", () => {
    expect(annotationsOf({})).toMatchObject({
      "healthcheck-protocol": "http",
      "healthcheck-port": "8000",
      "healthcheck-path": "/healthz",
    });
    expect(annotationsOf({ tls: { secretName: "tls" } })["healthcheck-protocol"]).toBe("https");
  });

  it("lets TLS through, or ends it with HTTP/2 for gRPC", () => {
    expect(Object.keys(annotationsOf({})).filter((key) => /ssl|alpn/.test(key))).toEqual([]);
    expect(annotationsOf({}, { certificateArn })).toMatchObject({
      "ssl-cert": certificateArn,
      "ssl-negotiation-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
      "alpn-policy": "HTTP2Preferred",
      "healthcheck-protocol": "http",
    });
  });

  it("keeps callers' addresses, or tells them by the PROXY protocol", () => {
    const attributes = (fields: BalancerFields) => annotationsOf(fields)["target-group-attributes"];
    expect(attribute(attributes({}), "preserve_client_ip.enabled")).toBe("true");
    expect(attribute(attributes({}), "proxy_protocol_v2.enabled")).toBe("false");
    expect(attribute(attributes({ proxyProtocol: true }), "preserve_client_ip.enabled")).toBe("false");
    expect(attribute(attributes({ proxyProtocol: true }), "proxy_protocol_v2.enabled")).toBe("true");
  });

  it("lets calls end on a pod that has become unhealthy", () => {
    const attributes = annotationsOf({})["target-group-attributes"];
    expect(attribute(attributes, "target_health_state.unhealthy.connection_termination.enabled")).toBe(
      "false",
    );
  });

  it("has a longer memory of connections than the balancer, on every port", () => {
    const annotations = annotationsOf({ grpcPorts: { llm: 8011 } }, {}, 900);
    const listeners = Object.keys(annotations).filter((key) => key.startsWith("listener-attributes"));
    expect(listeners).toEqual([8000, 8001, 8011].map((port) => `listener-attributes.TCP-${String(port)}`));
    const [{ balancerClient } = { balancerClient: 0 }] = calls(900);
    for (const key of listeners)
      expect(Number(attribute(annotations[key], "tcp.idle_timeout.seconds"))).toBeGreaterThan(balancerClient);
  });

  it("of TLS has no such setting", () => {
    expect(
      Object.keys(annotationsOf({}, { certificateArn })).filter((key) => key.startsWith("listener")),
    ).toEqual([]);
  });
});

describe("times", () => {
  it("hold for all calls: no problem, or longer at the load balancer, within what AWS has", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8_000 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 5_000 }),
        (seconds, ends, delay) => {
          const loadBalancer = ends ? { certificateArn } : {};
          const budgets = calls(seconds);
          const fields = { deregistrationDelay: `${String(delay)}s` };
          const problems = loadBalancerProblems(
            balancerOf(fields),
            loadBalancerOf(loadBalancer),
            budgets,
            file,
          );
          const annotations = annotationsOf(fields, loadBalancer, seconds);
          const balancer = fronted(fields, loadBalancer, seconds);
          const idle = ends
            ? 350
            : Number(attribute(annotations["listener-attributes.TCP-8000"], "tcp.idle_timeout.seconds"));
          const [{ balancerClient } = { balancerClient: 0 }] = budgets;
          expect(problems.length === 0).toBe(
            balancerClient < idle && balancerClient + 10 <= (ends ? 350 : 6_000),
          );
          expect(idle).toBeGreaterThanOrEqual(60);
          // A pod takes calls as long as an NLB may send them, and its connections live as long as it.
          expect(balancer.deregistrationDelay).toBe(Math.max(120, delay) * 1e6);
          const kept = Number(
            attribute(annotations["target-group-attributes"], "deregistration_delay.timeout_seconds"),
          );
          const { terminationGracePeriod } = balancerTiming(budgets, balancer);
          expect(kept).toBe(Math.min(3_600, terminationGracePeriod));
        },
      ),
    );
  });

  it("of calls that are too long are a problem, with the way out", () => {
    const slow = modelOf(llmModel.spec.name, {
      upstream: "holysheep",
      instances: [{ kind: "cpu" }],
      callTimeout: "10m",
    });
    const served = [...models.filter(({ spec }) => spec.name !== slow.spec.name), slow];
    const config = (loadBalancer: LoadBalancerFields) => devConfig({ eks: { loadBalancer } });
    expect(planAws(config({}), {}, served).problems).toEqual([]);
    const [problem, ...rest] = planAws(config({ certificateArn }), {}, served).problems;
    expect(rest).toEqual([]);
    expect(problem?.path).toBe("triton-platform:eks.loadBalancer.certificateArn");
    expect(problem?.message).toContain("350s");
    expect(problem?.hint).toContain("kubernetes.balancer.tls");
  });
});

it("a certificate at the load balancer and one at the balancer are one too many", () => {
  const { problems } = planAws(
    devConfig({
      eks: { loadBalancer: { certificateArn } },
      kubernetes: { createNamespace: false, balancer: { tls: { secretName: "tls" } } },
    }),
  );
  expect(problems.map(({ path }) => path)).toEqual(["triton-platform:eks.loadBalancer.certificateArn"]);
});

it("the Service of the plan is the load balancer's", () => {
  const { service, timing } = planOf(devConfig()).workload?.kubernetes.balancer ?? {};
  expect(service?.spec).toMatchObject({ type: "LoadBalancer", loadBalancerClass: "service.k8s.aws/nlb" });
  expect(timing?.preStop).toBe(120);
});
