import type { ModelSpec } from "../../spec/model.ts";
import { formatDuration } from "../../spec/units.ts";
import { isAtLeast, type Release } from "../releases.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** What users were promised against what the config makes of it, metrics, and fields that a release cannot read. */
export const serviceRules: readonly Rule[] = [
  {
    code: "field-needs-release",
    about:
      "The release knows every field of the config. Triton cannot read a config with one that it does not know.",
    severity: "error",
    source:
      "common/protobuf/model_config.proto of the releases; protobuf's text format refuses unknown fields",
    check: fieldRelease,
  },
  {
    code: "metric-tag-name",
    about:
      "A metric tag is a part of a label's name: letters, digits and _, which is not the first. The server dies of any other.",
    severity: "error",
    source:
      "core/src/metric_model_reporter.cc GetMetricLabels; prometheus-cpp core/src/check_names.cc CheckLabelName",
    check: metricTags,
  },
  {
    code: "metric-family",
    about: "Buckets are for a histogram that has a name.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelMetrics",
    since: "24.11",
    check: metricFamily,
  },
  {
    code: "metric-buckets",
    about: "A histogram has at least one bucket, and their bounds ascend.",
    severity: "error",
    source:
      "core/src/model_config_utils.cc ValidateModelMetrics; prometheus-cpp core/src/histogram.cc Histogram",
    since: "24.11",
    check: metricBuckets,
  },
  {
    code: "delay-exceeds-objective",
    about:
      "Requests do not wait for company as long as an answer may take: on a quiet server all of them would be late.",
    severity: "error",
    source: "this project: an objective that cannot be met raises alerts for ever",
    check: (context) => delays(context, (delay, objective) => delay >= objective),
  },
  {
    code: "delay-near-objective",
    about: "Waiting for company leaves at least half of the time of an answer to computing it.",
    severity: "advice",
    source: "this project: what is waited for cannot be computed in",
    check: (context) => delays(context, (delay, objective) => delay < objective && delay > objective / 2),
  },
  {
    code: "timeout-beyond-call",
    about: "A request does not wait in the queue for longer than its caller does.",
    severity: "advice",
    source: "this project: the balancer gives up after callTimeout, and the work is done for nobody",
    check: timeouts,
  },
];

const newerFields: readonly {
  readonly path: string;
  readonly since: Release;
  readonly isSet: (spec: ModelSpec) => boolean;
}[] = [
  { path: "modelMetrics", since: "24.11", isSet: ({ modelMetrics }) => modelMetrics !== undefined },
  {
    path: "ensemble.maxInflightRequests",
    since: "25.11",
    isSet: ({ ensemble }) => ensemble?.maxInflightRequests !== undefined,
  },
];

function fieldRelease({ model: { spec }, server: { release } }: RuleContext): Finding[] {
  return newerFields
    .filter(({ since, isSet }) => !isAtLeast(release, since) && isSet(spec))
    .map(({ path, since }) => ({
      path,
      message: `Triton ${release} does not know it`,
      hint: `leave it out, or use release ${since} or newer`,
    }));
}

function metricTags({ model: { spec } }: RuleContext): Finding[] {
  return Object.keys(spec.metricTags)
    .filter((tag) => !/^(?!_)\w*$/.test(tag))
    .map((tag) => ({
      path: `metricTags.${tag}`,
      message: `\`${tag}\` is no name for a label`,
      hint: "use letters, digits and _, and not _ at the start",
    }));
}

function metricFamily({ model: { spec } }: RuleContext): Finding[] {
  return (spec.modelMetrics ?? []).flatMap(({ family }, i) =>
    family === ""
      ? [
          {
            path: `modelMetrics[${String(i)}].family`,
            message: "missing",
            hint: "name a histogram, like nv_inference_first_response_histogram_ms",
          },
        ]
      : [],
  );
}

function metricBuckets({ model: { spec } }: RuleContext): Finding[] {
  return (spec.modelMetrics ?? []).flatMap(({ buckets }, i) => {
    const ascends = buckets.every((bound, j) => j === 0 || bound > (buckets[j - 1] ?? bound));
    return buckets.length > 0 && ascends
      ? []
      : [
          {
            path: `modelMetrics[${String(i)}].buckets`,
            message: buckets.length === 0 ? "there is no bucket" : `${buckets.join(", ")} do not ascend`,
            hint: "write upper bounds, each larger than the one before",
          },
        ];
  });
}

function delays(
  { model: { spec } }: RuleContext,
  isWrong: (delay: number, objective: number) => boolean,
): Finding[] {
  const objective = spec.objectives.latencyP99;
  if (objective === undefined) return [];
  const { batching, sequenceBatching } = spec;
  return [
    { path: "batching.maxQueueDelay", delay: batching?.maxQueueDelay },
    { path: "sequenceBatching.direct.maxQueueDelay", delay: sequenceBatching?.direct?.maxQueueDelay },
    { path: "sequenceBatching.oldest.maxQueueDelay", delay: sequenceBatching?.oldest?.maxQueueDelay },
  ].flatMap(({ path, delay = 0 }) =>
    delay > 0 && isWrong(delay, objective)
      ? [
          {
            path,
            message: `${formatDuration(delay)} of waiting out of ${formatDuration(objective)} for the whole answer (objectives.latencyP99)`,
            hint: "wait for a small part of it, or promise less",
          },
        ]
      : [],
  );
}

function timeouts({ model: { spec } }: RuleContext): Finding[] {
  const { batching, callTimeout } = spec;
  if (batching === undefined) return [];
  return [
    { path: "batching.timeout", timeout: batching.timeout },
    ...Object.entries(batching.priorityQueuePolicies).map(([level, { timeout }]) => ({
      path: `batching.priorityQueuePolicies.${level}.timeout`,
      timeout,
    })),
  ].flatMap(({ path, timeout = 0 }) =>
    timeout > callTimeout
      ? [
          {
            path,
            message: `${formatDuration(timeout)} in the queue are more than the ${formatDuration(callTimeout)} a call may take (callTimeout)`,
            hint: "write less than callTimeout, or raise that",
          },
        ]
      : [],
  );
}
