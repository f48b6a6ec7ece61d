import * as z from "zod";
import { chart, existingName, kubernetesName, labels } from "./kubernetes.ts";
import { duration, percentage, size } from "./units.ts";

/** What a stack's config says about metrics, alerts and who gets them: `triton-platform:monitoring`. */

const positiveDuration = duration.refine((value) => value > 0, {
  error: "over at once: write more than 0",
});

/** From where on a person is told. Objectives of models are in their specs. */
const thresholdsSchema = z.strictObject({
  /** Share of a model's calls that fail, over five minutes. */
  failureRatio: percentage.default(0.05),
  /** Mean time in a model's queue, over five minutes; half of its latency objective where it has one. */
  queueTime: positiveDuration.default(100_000),
  /** Requests that wait for a model, for each replica. */
  pendingRequests: z.int().min(1).default(100),
  /** Used share of a GPU's memory, or of a MIG slice's. */
  gpuMemory: percentage.default(0.95),
  /** °C. NVIDIA's cards slow down by themselves a little above 85. */
  gpuTemperature: z.number().min(30).max(120).default(85),
  /** Share of the time in which a GPU runs slower than it could, for heat or for power. */
  gpuThrottling: percentage.default(0.1),
  /** Of certificates that cert-manager or a blackbox exporter knows. */
  certificateExpiry: positiveDuration.default(21 * 86_400_000_000),
});

/** A channel of messages; its address or key is in a Secret, and never here. */
const secretKey = z.strictObject({
  /** An existing Secret in the namespace of the monitoring. */
  secretName: existingName,
  key: z.string().regex(/^[\w.-]+$/, "this is no key of a Secret: use letters, digits and . _ -"),
});

const receiverSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("webhook"),
    /** Holds the URL. */
    url: secretKey,
  }),
  z.strictObject({
    kind: z.literal("slack"),
    /** Holds the URL of the incoming webhook. */
    url: secretKey,
    channel: z.string().regex(/^[#@]\S+$/, "this is no channel: write it like #on-call"),
  }),
  z.strictObject({
    kind: z.literal("pagerduty"),
    /** Holds the integration key of the Events API v2. */
    routingKey: secretKey,
  }),
]);

const receivers = z.record(
  z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, "use lower-case letters, digits and -"),
  receiverSchema,
);

const alertmanagerSchema = z
  .strictObject({
    receivers: receivers.default({}),
    /** Who is woken by `critical` alerts: names of receivers. */
    critical: z.array(z.string()).default([]),
    /** Who finds `warning` alerts in the morning. */
    warning: z.array(z.string()).default([]),
  })
  .superRefine(({ receivers: known, critical, warning }, context) => {
    for (const [field, names] of Object.entries({ critical, warning })) {
      names.forEach((name, i) => {
        if (Object.hasOwn(known, name)) return;
        const names = Object.keys(known).join(", ");
        context.addIssue({
          code: "custom",
          path: [field, i],
          input: name,
          message: `this is no receiver: ${names === "" ? "describe it under receivers" : `name one of ${names}`}`,
        });
      });
    }
  });

const volumeSchema = z.strictObject({
  size: size.default(50 * 1024 ** 3),
  /** Default: the cluster's. */
  storageClassName: existingName.optional(),
});

/** kube-prometheus-stack, installed by this program. */
const stackSchema = z.strictObject({
  kind: z.literal("kube-prometheus-stack"),
  namespace: kubernetesName.default("monitoring"),
  createNamespace: z.boolean().default(true),
  chart: chart("oci://ghcr.io/prometheus-community/charts", "kube-prometheus-stack", "91.5.1"),
  /** How long samples are kept, if the volume holds them. Slow burns look back three days. */
  retention: duration
    .refine((value) => value >= 3 * 86_400_000_000, {
      error: "shorter than the longest window of the alerts: write at least 72h",
    })
    .default(15 * 86_400_000_000),
  volume: volumeSchema.prefault({}),
  replicas: z.int().min(1).max(4).default(1),
  grafana: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** An existing Secret with the keys `admin-user` and `admin-password`. Default: one is made, with a random password. */
      adminSecretName: existingName.optional(),
      volume: volumeSchema.optional(),
    })
    .prefault({}),
  alertmanager: alertmanagerSchema.prefault({}),
});

/** A Prometheus of the operator's that is there already. */
const existingSchema = z.strictObject({
  kind: z.literal("existing"),
  /** What its `serviceMonitorSelector`, `podMonitorSelector` and `ruleSelector` want. */
  labels: labels.default({ release: "kube-prometheus-stack" }),
  /** Where its Grafana's sidecar looks for dashboards; none are made where left out. */
  dashboards: z
    .strictObject({
      namespace: kubernetesName.default("monitoring"),
      labels: labels.default({ grafana_dashboard: "1" }),
    })
    .optional(),
});

export const monitoringSchema = z.strictObject({
  thresholds: thresholdsSchema.prefault({}),
  /** What the LLM API may cost in 24 hours, in US dollars. Default: no alert. */
  dailyBudget: z.number().positive().optional(),
  /** When a stack that is not meant to stay must be gone. Default: it stays. */
  stackExpiry: z.iso
    .datetime({ error: "this is no time: write it in UTC, like 2026-12-01T18:00:00Z" })
    .optional(),
  /** Folder of the runbooks that alerts link to, as people on call reach it. Default: where they are in this repository. */
  runbooks: z
    .string()
    .regex(/[^/]$/, "write it without a slash at its end, like https://example.com/docs/runbooks")
    .default("docs/runbooks"),
  /**
   * By how much all windows and delays of the alerts are shortened: for drills on this machine, where nobody waits an
   * hour. Only for the target `local`.
   */
  speedUp: z.number().min(1).max(1_000).default(1),
  /** On Kubernetes. Default: pods can be scraped, and nothing else is made. */
  prometheus: z.discriminatedUnion("kind", [stackSchema, existingSchema]).optional(),
});

export type MonitoringConfig = Readonly<z.output<typeof monitoringSchema>>;
export type PrometheusStackConfig = z.output<typeof stackSchema>;
export type ReceiverConfig = z.output<typeof receiverSchema>;
