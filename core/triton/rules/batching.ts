import type { ModelSpec } from "../../spec/model.ts";
import { ensemblesOf } from "./ensembles.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** How requests wait and become batches, and whether their answers are kept (spec/model/scheduling.ts). */
export const batchingRules: readonly Rule[] = [
  {
    code: "one-scheduler",
    about:
      "A model has one scheduler: dynamic batching, sequence batching, or the graph of an ensemble. They are one oneof of the config, which Triton cannot even read with two of them.",
    severity: "error",
    source: "common/protobuf/model_config.proto ModelConfig.scheduling_choice",
    check: oneScheduler,
  },
  {
    code: "preferred-size-too-large",
    about: "A preferred batch is no larger than the largest one.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig",
    check: preferredSizes,
  },
  {
    code: "default-priority",
    about: "Where there are priorities, requests that name none get one of them.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig",
    check: defaultPriority,
  },
  {
    code: "priority-policy-level",
    about: "A queue policy is for a priority that there is.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig",
    check: policyLevels,
  },
  {
    code: "ordering-with-priorities",
    about: "Responses in the order of requests exclude priorities, which change that order.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig",
    check: orderingWithPriorities,
  },
  {
    code: "ordering-with-delay",
    about: "Responses in the order of requests exclude putting late requests behind all others.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig",
    check: orderingWithDelay,
  },
  {
    code: "cache-with-sequences",
    about: "Answers in a sequence depend on what came before; Triton does not cache them.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig",
    check: cacheWithSequences,
  },
  {
    code: "cache-with-decoupled",
    about:
      "A decoupled model has any number of responses to a request; Triton does not cache them. An ensemble with a decoupled step is one too, though Triton only sees that after its check.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateModelConfig; ensemble_utils.cc ValidateEnsembleConfig",
    check: cacheWithDecoupled,
  },
  {
    code: "unbounded-queue",
    about:
      "A queue without a limit takes in more than can be answered in time, until every answer is late. With a limit or a timeout the rest is refused at once.",
    severity: "advice",
    source: "core/src/scheduler_utils.cc PriorityQueue::PolicyQueue::Enqueue (max_queue_size 0)",
    check: unboundedQueue,
  },
  {
    code: "batching-without-batch-dimension",
    about: "Where maxBatchSize is 0 no batches are formed; of dynamic batching only the queue is left.",
    severity: "advice",
    source: "core/src/dynamic_batch_scheduler.cc DynamicBatchScheduler::Create",
    check: withoutBatchDimension,
  },
  {
    code: "priorities-without-levels",
    about: "Priorities mean something only where priorityLevels says how many there are.",
    severity: "advice",
    source: "core/src/scheduler_utils.cc PriorityQueue::PriorityQueue",
    check: withoutLevels,
  },
  {
    code: "timeout-settings-without-timeout",
    about:
      "timeoutAction and allowTimeoutOverride act on a timeout; a request cannot set one where there is none.",
    severity: "advice",
    source: "core/src/scheduler_utils.cc PriorityQueue::PolicyQueue::Enqueue",
    check: withoutTimeout,
  },
];

type Batching = NonNullable<ModelSpec["batching"]>;
type QueuePolicy = Batching["priorityQueuePolicies"][string];

function oneScheduler({ model: { spec } }: RuleContext): Finding[] {
  const named = (["ensemble", "batching", "sequenceBatching"] as const).filter(
    (scheduler) => spec[scheduler] !== undefined,
  );
  return named.slice(1).map((scheduler) => ({
    path: scheduler,
    message:
      named[0] === "ensemble"
        ? `an ensemble has no \`${scheduler}\` of its own`
        : `a model has either \`${named[0] ?? ""}\` or \`${scheduler}\``,
    hint:
      named[0] === "ensemble"
        ? "move it to the models of its steps"
        : "keep the one its requests are made for",
  }));
}

function preferredSizes({ model: { spec } }: RuleContext): Finding[] {
  const places = [
    { path: "batching", sizes: spec.batching?.preferredBatchSizes ?? [] },
    { path: "sequenceBatching.oldest", sizes: spec.sequenceBatching?.oldest?.preferredBatchSizes ?? [] },
  ];
  return places.flatMap(({ path, sizes }) =>
    sizes.flatMap((size, i) =>
      size <= spec.maxBatchSize
        ? []
        : [
            {
              path: `${path}.preferredBatchSizes[${String(i)}]`,
              message: `${String(size)} is larger than maxBatchSize ${String(spec.maxBatchSize)}`,
              hint:
                spec.maxBatchSize === 0
                  ? "set maxBatchSize, or leave the preferred sizes out"
                  : `prefer sizes from 1 to ${String(spec.maxBatchSize)}`,
            },
          ],
    ),
  );
}

function defaultPriority({ model: { spec } }: RuleContext): Finding[] {
  const { priorityLevels, defaultPriorityLevel } = spec.batching ?? {};
  if (priorityLevels === undefined) return [];
  if (defaultPriorityLevel !== undefined && defaultPriorityLevel <= priorityLevels) return [];
  return [
    {
      path: "batching.defaultPriorityLevel",
      message:
        defaultPriorityLevel === undefined
          ? `missing, and there are ${String(priorityLevels)} priorities`
          : `${String(defaultPriorityLevel)} is none of the ${String(priorityLevels)} priorities`,
      hint: `write a number from 1 to ${String(priorityLevels)}: the priority of requests that name none`,
    },
  ];
}

function policyLevels({ model: { spec } }: RuleContext): Finding[] {
  const { priorityLevels, priorityQueuePolicies = {} } = spec.batching ?? {};
  if (priorityLevels === undefined) return [];
  return Object.keys(priorityQueuePolicies)
    .filter((level) => Number(level) > priorityLevels)
    .map((level) => ({
      path: `batching.priorityQueuePolicies.${level}`,
      message: `there is no priority ${level}, only ${String(priorityLevels)} of them`,
      hint: `write a number from 1 to ${String(priorityLevels)}, or raise priorityLevels`,
    }));
}

function orderingWithPriorities({ model: { spec } }: RuleContext): Finding[] {
  const { preserveOrdering, priorityLevels = 0 } = spec.batching ?? {};
  return preserveOrdering === true && priorityLevels > 1
    ? [
        {
          path: "batching.preserveOrdering",
          message: `${String(priorityLevels)} priorities change the order that is to be preserved`,
          hint: "leave one of the two out",
        },
      ]
    : [];
}

function orderingWithDelay({ model: { spec } }: RuleContext): Finding[] {
  if (spec.batching?.preserveOrdering !== true) return [];
  return queuePolicies(spec.batching)
    .filter(({ policy }) => policy.timeoutAction === "delay" && (policy.timeout ?? 0) > 0)
    .map(({ path }) => ({
      path: `${path}.timeoutAction`,
      message: "delaying requests that waited too long changes the order that is to be preserved",
      hint: "reject them, or leave preserveOrdering out",
    }));
}

/** The policy beside `batching`'s other fields, and those of single priorities. */
function queuePolicies(batching: Batching): { readonly path: string; readonly policy: QueuePolicy }[] {
  return [
    { path: "batching", policy: batching },
    ...Object.entries(batching.priorityQueuePolicies).map(([level, policy]) => ({
      path: `batching.priorityQueuePolicies.${level}`,
      policy,
    })),
  ];
}

function cacheWithSequences({ model: { spec } }: RuleContext): Finding[] {
  return spec.responseCache === true && spec.sequenceBatching !== undefined
    ? [
        {
          path: "responseCache",
          message: "answers that depend on a sequence cannot be cached",
          hint: "leave it out",
        },
      ]
    : [];
}

function cacheWithDecoupled({ model: { spec }, models }: RuleContext): Finding[] {
  if (spec.responseCache !== true) return [];
  const byItself = spec.transactionPolicy?.decoupled === true;
  if (!byItself && !ensemblesOf(models).decoupled.has(spec.name)) return [];
  return [
    {
      path: "responseCache",
      message: byItself
        ? "a decoupled model's answers cannot be cached"
        : "one of the steps is decoupled, so this ensemble is too, and its answers cannot be cached",
      hint: "leave it out, or set it on the steps worth caching",
    },
  ];
}

function unboundedQueue({ model: { spec } }: RuleContext): Finding[] {
  const { batching } = spec;
  if (batching === undefined || isBounded(batching)) return [];
  const levels = Object.values(batching.priorityQueuePolicies);
  const all = batching.priorityLevels !== undefined && levels.length >= batching.priorityLevels;
  return all && levels.every(isBounded)
    ? []
    : [
        {
          path: "batching.maxQueueSize",
          message: "missing, and so is a timeout: under too much load every request waits, and all are late",
          hint: "set maxQueueSize to what can be answered in time, or a timeout, or silence this with the reason",
        },
      ];
}

function isBounded({ maxQueueSize, timeout, timeoutAction }: QueuePolicy): boolean {
  return maxQueueSize !== undefined || (timeout !== undefined && timeout > 0 && timeoutAction !== "delay");
}

function withoutBatchDimension({ model: { spec } }: RuleContext): Finding[] {
  const { batching, maxBatchSize } = spec;
  if (batching === undefined || maxBatchSize > 0) return [];
  const limitsQueue =
    batching.priorityLevels !== undefined ||
    queuePolicies(batching).some(
      ({ policy }) => policy.maxQueueSize !== undefined || policy.timeout !== undefined,
    );
  return limitsQueue && batching.maxQueueDelay === undefined
    ? []
    : [
        {
          path: "batching",
          message: "maxBatchSize is 0, so no batches are formed and nothing is worth waiting for",
          hint: "set maxBatchSize, or keep only the queue's limits and priorities",
        },
      ];
}

function withoutLevels({ model: { spec } }: RuleContext): Finding[] {
  const { batching } = spec;
  if (batching === undefined || batching.priorityLevels !== undefined) return [];
  const unused = [
    ...(batching.defaultPriorityLevel === undefined ? [] : ["defaultPriorityLevel"]),
    ...(Object.keys(batching.priorityQueuePolicies).length === 0 ? [] : ["priorityQueuePolicies"]),
  ];
  return unused.map((field) => ({
    path: `batching.${field}`,
    message: "there are no priorities for it",
    hint: "set priorityLevels, or leave it out",
  }));
}

function withoutTimeout({ model: { spec } }: RuleContext): Finding[] {
  if (spec.batching === undefined) return [];
  return queuePolicies(spec.batching)
    .filter(({ policy }) => (policy.timeout ?? 0) === 0)
    .flatMap(({ path, policy }) => [
      ...(policy.timeoutAction === "delay" ? [`${path}.timeoutAction`] : []),
      ...(policy.allowTimeoutOverride === true ? [`${path}.allowTimeoutOverride`] : []),
    ])
    .map((path) => ({
      path,
      message: "without a `timeout` beside it this has no effect",
      hint: "set `timeout`, or leave it out",
    }));
}
