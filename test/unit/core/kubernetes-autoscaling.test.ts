import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import yaml from "js-yaml";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler";
import { describe, expect, it } from "vitest";
import { prometheusAdapterRules } from "../../../core/kubernetes/autoscaling.ts";
import {
  a100,
  keda,
  objectsOf,
  onCpu,
  onGpu,
  onPremises,
  planCluster,
  type ClusterFields,
} from "../../support/kubernetes-servers.ts";
import { needing, projectRoot, promtool, runTool } from "../../support/tools.ts";

type ServerFields = NonNullable<ClusterFields["servers"]>[string];
type Autoscaling = NonNullable<ServerFields["autoscaling"]>;

const hpa = { kind: "hpa" } as const;

/** Of the server `gpu`, which is not the default one. */
function scaled(autoscaling: Autoscaling, autoscaler: typeof keda | typeof hpa | "none" = keda) {
  return planCluster([onGpu, onCpu], {
    servers: { other: {}, gpu: { models: ["on-gpu"], accelerator: a100, autoscaling } },
    defaultServer: "other",
    kubernetes: autoscaler === "none" ? {} : { autoscaler },
  });
}

function objects(autoscaling: Autoscaling, autoscaler: typeof keda | typeof hpa = keda) {
  const { servers, problems } = scaled(autoscaling, autoscaler);
  expect(problems).toEqual([]);
  const found = servers.find(({ plan }) => plan.name === "gpu");
  if (found === undefined) throw new Error("there is no server gpu");
  return found.objects;
}

/** Expressions of KEDA's triggers, by name. */
function queries(autoscaling: Autoscaling): Record<string, string> {
  const triggers = objects(autoscaling).scaledObject?.spec.triggers ?? [];
  return Object.fromEntries(triggers.map(({ name = "", metadata }) => [name, metadata.query ?? ""]));
}

describe("KEDA's ScaledObject", () => {
  it("scales by queue time, and keeps the replicas where Prometheus is lost", () => {
    const { scaledObject, deployment, horizontalPodAutoscaler, timing } = objects({
      minReplicas: 2,
      maxReplicas: 6,
      targetQueueTime: "20ms",
    });
    new ScaledObject(scaledObject).validate();
    expect(horizontalPodAutoscaler).toBeUndefined();
    expect(deployment.spec.replicas).toBe(2);
    expect(scaledObject).toMatchObject({
      metadata: { name: "triton-gpu", namespace: "triton" },
      spec: {
        scaleTargetRef: { kind: "Deployment", name: deployment.metadata?.name },
        minReplicaCount: 2,
        maxReplicaCount: 6,
        fallback: { replicas: 2, behavior: "currentReplicasIfHigher" },
        triggers: [
          {
            type: "prometheus",
            metricType: "AverageValue",
            metadata: {
              serverAddress: keda.prometheusUrl,
              threshold: "20000",
              ignoreNullValues: "false",
            },
          },
        ],
        advanced: {
          horizontalPodAutoscalerConfig: {
            behavior: {
              scaleUp: { policies: [{ value: 100, periodSeconds: timing.download + timing.startup + 35 }] },
              scaleDown: { stabilizationWindowSeconds: 300 },
            },
          },
        },
      },
    });
  });

  it("lets a group sleep, wakes it by calls at the balancer, and where Prometheus is lost", () => {
    const { scaledObject, timing } = objects({
      minReplicas: 0,
      maxReplicas: 2,
      scaleDownStabilization: "1s",
    });
    new ScaledObject(scaledObject).validate();
    expect(scaledObject?.spec).toMatchObject({
      minReplicaCount: 0,
      fallback: { replicas: 1 },
      triggers: [{ name: "queue-time" }, { name: "calls", metadata: { threshold: "1" } }],
    });
    // It is not sent to sleep before it has woken.
    expect(scaledObject?.spec.cooldownPeriod).toBeGreaterThan(timing.download + timing.startup);
  });
});

describe("HPA v2", () => {
  it.each([
    {
      metric: "queueTime" as const,
      object: {
        metric: { name: "triton_queue_time_us" },
        target: { type: "Value", value: "50000" },
      },
    },
    {
      metric: "pendingRequests" as const,
      object: {
        metric: { name: "triton_pending_requests" },
        target: { type: "AverageValue", averageValue: "16" },
      },
    },
  ])("scales by $metric of the group's Service, by a rule of the adapter", ({ metric, object }) => {
    const { horizontalPodAutoscaler, scaledObject, service, deployment } = objects(
      { maxReplicas: 3, metric },
      hpa,
    );
    new HorizontalPodAutoscaler(horizontalPodAutoscaler).validate();
    expect(scaledObject).toBeUndefined();
    expect(deployment.spec.replicas).toBe(1);
    expect(horizontalPodAutoscaler?.spec).toMatchObject({
      minReplicas: 1,
      maxReplicas: 3,
      metrics: [
        { object: { describedObject: { kind: "Service", name: service.metadata?.name }, ...object } },
      ],
    });
    expect(prometheusAdapterRules.map(({ name }) => name.as)).toContain(object.metric.name);
  });
});

describe("the Prometheus adapter's rules", () => {
  it("stand in the docs as they are", () => {
    const docs = readFileSync(path.join(projectRoot, "docs", "kubernetes.md"), "utf8");
    expect(docs).toContain(yaml.dump({ rules: prometheusAdapterRules }, { lineWidth: -1, noRefs: true }));
  });
});

describe("what cannot scale", () => {
  it.each<{ what: string; problems: readonly string[]; plan: () => ReturnType<typeof scaled> }>([
    {
      what: "a group without an autoscaler",
      plan: () => scaled({ maxReplicas: 2 }, "none"),
      problems: ["autoscaling: there is no autoscaler to scale this server"],
    },
    {
      what: "a group that HPA would have to wake",
      plan: () => scaled({ minReplicas: 0, maxReplicas: 2 }, hpa),
      problems: ["autoscaling.minReplicas: 0, and HPA v2 never starts the first replica"],
    },
    {
      what: "a default group that sleeps",
      plan: () =>
        planCluster([onCpu], {
          servers: { gpu: { autoscaling: { minReplicas: 0, maxReplicas: 2 } } },
          kubernetes: { autoscaler: keda },
        }),
      problems: [
        "autoscaling.minReplicas: 0, and the balancer says that it is healthy only while a replica of the default server is",
      ],
    },
    {
      what: "a window that Kubernetes refuses",
      plan: () => scaled({ maxReplicas: 2, scaleDownStabilization: "2h" }),
      problems: ["autoscaling.scaleDownStabilization: 2h, and Kubernetes looks back 60 minutes at most"],
    },
  ])("is $what", ({ plan, problems }) => {
    expect(
      plan().problems.map(({ path: at, message }) => `${at.split("servers.gpu.")[1] ?? at}: ${message}`),
    ).toEqual(problems);
  });

  it("is a group whose most replicas find no room, on the most nodes there may be", () => {
    const fields = (maxReplicas: number) => ({
      servers: { gpu: { accelerator: a100, autoscaling: { maxReplicas } } },
      nodes: { pool: onPremises(2, { count: 1, maxCount: 2 }) },
      kubernetes: { autoscaler: keda },
    });
    expect(planCluster([onGpu], fields(4)).problems).toEqual([]);
    expect(planCluster([onGpu], fields(5)).problems).toMatchObject([{ path: "triton-platform:servers.gpu" }]);
  });
});

describe("headroom", () => {
  it("is pods that ask for what a replica asks for and give way to it", () => {
    const { headroom, deployment } = objects({ maxReplicas: 3, headroom: 2 });
    const { spec } = headroom ?? {};
    expect(spec?.replicas).toBe(2);
    const pod = spec?.template.spec;
    const triton = deployment.spec.template.spec;
    expect(pod?.priorityClassName).toBe("triton-headroom-triton");
    expect(pod?.containers[0]?.resources).toEqual(triton.containers[0]?.resources);
    expect(pod?.affinity).toEqual(triton.affinity);
    expect(pod?.tolerations).toEqual(triton.tolerations);
    // No Service, no budget and no Deployment takes them for Tritons.
    expect(spec?.template.metadata?.labels).not.toMatchObject({ "app.kubernetes.io/name": "triton-server" });
  });

  it("is none where none is asked for", () => {
    expect(objects({ maxReplicas: 3 }).headroom).toBeUndefined();
    expect(objectsOf([onCpu], {}).headroom).toBeUndefined();
  });
});

describe.skipIf(promtool.program === undefined)(
  needing(promtool, "what Prometheus answers to the queries, by promtool test rules"),
  () => {
    const matched = 'namespace="triton",service="triton-gpu"';
    const series = (name: string, labels: string, values: string) => ({
      series: `${name}{${labels}}`,
      values,
    });
    /** `queue` µs and one request each 30 s from the start on, of one model on one pod. */
    const model = (name: string, pod: string, queue: number, requests: number) => {
      const labels = `${matched},pod="${pod}",model="${name}",version="1"`;
      return [
        series("nv_inference_queue_duration_us", labels, `0+${String(queue)}x20`),
        series("nv_inference_request_success", labels, `0+${String(requests)}x20`),
        series("nv_inference_pending_request_count", labels, `${String(requests)}x20`),
      ];
    };
    const haproxy = (values: string) =>
      series(
        "haproxy_backend_http_requests_total",
        'namespace="triton",proxy="grpc-gpu.conversations"',
        values,
      );
    const others = [
      ...model("a", "p9", 9e9, 1).map((one) => ({
        ...one,
        series: one.series.replace("triton-gpu", "triton-x"),
      })),
      series("haproxy_backend_http_requests_total", 'namespace="triton",proxy="http-gpu-2"', "0+90x20"),
    ];
    const awake = { maxReplicas: 4 };
    const sleepy = { minReplicas: 0, maxReplicas: 4 };
    const pending = { maxReplicas: 4, metric: "pendingRequests" } as const;
    const adapterRule = prometheusAdapterRules[0]?.metricsQuery
      .replaceAll("<<.LabelMatchers>>", matched)
      .replaceAll("<<.GroupBy>>", "service");

    const cases = [
      {
        what: "the longest of the models' queue times, for each replica",
        input: [
          ...model("slow", "p1", 3e6, 30),
          ...model("slow", "p2", 3e6, 30),
          ...model("fast", "p1", 3e3, 3_000),
        ],
        expression: queries(awake)["queue-time"],
        value: 2 * 100_000,
      },
      {
        what: "nothing to do where no model has requests",
        input: model("a", "p1", 0, 0),
        expression: queries(awake)["queue-time"],
        value: 0,
      },
      {
        what: "the same while one model of two has none",
        input: [...model("a", "p1", 3e6, 30), ...model("idle", "p1", 0, 0)],
        expression: queries(sleepy)["queue-time"],
        value: 100_000,
      },
      { what: "no value where series are lost", input: [], expression: queries(awake)["queue-time"] },
      { what: "no value where those of a sleeper are", input: [], expression: queries(sleepy)["queue-time"] },
      {
        what: "nothing to do while the group sleeps",
        input: [haproxy("0x20")],
        expression: queries(sleepy)["queue-time"],
        value: 0,
      },
      {
        what: "that nobody calls a sleeper",
        input: [haproxy("7x20")],
        expression: queries(sleepy).calls,
        value: 0,
      },
      {
        what: "one replica for a sleeper that is called, however often",
        input: [haproxy("0+3000x20")],
        expression: queries(sleepy).calls,
        value: 1,
      },
      {
        what: "the requests that wait, of all replicas and models",
        input: [...model("a", "p1", 0, 3), ...model("b", "p2", 0, 4)],
        expression: queries(pending)["pending-requests"],
        value: 7,
      },
      {
        what: "the longest queue time for the adapter",
        input: [...model("a", "p1", 3e6, 30), ...model("b", "p1", 3e5, 30), ...model("idle", "p1", 0, 0)],
        expression: adapterRule,
        labels: '{service="triton-gpu"}',
        value: 100_000,
      },
    ];

    it.each(cases)("is $what", ({ input, expression = "", value, labels = "{}" }) => {
      const folder = mkdtempSync(path.join(tmpdir(), "queries-"));
      try {
        const test = {
          interval: "30s",
          input_series: [...input, ...others],
          promql_expr_test: [
            {
              expr: expression,
              eval_time: "5m",
              exp_samples: value === undefined ? [] : [{ labels, value }],
            },
          ],
        };
        const file = path.join(folder, "test.yml");
        // YAML reads JSON.
        writeFileSync(file, JSON.stringify({ tests: [test] }));
        expect(runTool(promtool, ["test", "rules", file])).toContain("SUCCESS");
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  },
);
