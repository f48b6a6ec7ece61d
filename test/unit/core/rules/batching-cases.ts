import { modelOf, type SpecFields } from "../../../support/models.ts";
import { ensemble, step, type Case } from "./setup.ts";

type Batching = NonNullable<SpecFields["batching"]>;

/** A queue with a limit, which gives no advice. */
const batched = (batching: Batching = {}, fields: SpecFields = {}): { fields: SpecFields } => ({
  fields: { ...fields, batching: { maxQueueSize: 64, ...batching } },
});
const withObjective = { objectives: { latencyP99: "10ms" } };

export const batchingCases: readonly Case[] = [
  {
    code: "one-scheduler",
    what: "an ensemble has no batching",
    keeps: { fields: ensemble },
    breaks: batched({}, ensemble),
    at: "batching",
  },
  {
    code: "one-scheduler",
    what: "requests are batched dynamically or by sequence",
    keeps: { fields: { sequenceBatching: {} } },
    breaks: batched({}, { sequenceBatching: {} }),
    at: "sequenceBatching",
  },
  {
    code: "preferred-size-too-large",
    what: "preferred batches fit into the largest",
    keeps: batched({ preferredBatchSizes: [1, 8] }),
    breaks: batched({ preferredBatchSizes: [8, 9] }),
    at: "batching.preferredBatchSizes[1]",
  },
  {
    code: "preferred-size-too-large",
    what: "without a batch dimension no size is preferred",
    keeps: batched({}, { maxBatchSize: 0 }),
    breaks: batched({ preferredBatchSizes: [1] }, { maxBatchSize: 0 }),
    at: "batching.preferredBatchSizes[0]",
  },
  {
    code: "preferred-size-too-large",
    what: "preferred batches of sequences fit into the largest",
    keeps: { fields: { sequenceBatching: { oldest: { preferredBatchSizes: [8] } } } },
    breaks: { fields: { sequenceBatching: { oldest: { preferredBatchSizes: [9] } } } },
    at: "sequenceBatching.oldest.preferredBatchSizes[0]",
  },
  {
    code: "default-priority",
    what: "requests without a priority get one",
    keeps: batched({ priorityLevels: 2, defaultPriorityLevel: 2 }),
    breaks: batched({ priorityLevels: 2 }),
    at: "batching.defaultPriorityLevel",
  },
  {
    code: "default-priority",
    what: "the default is one of the priorities",
    keeps: batched({ priorityLevels: 2, defaultPriorityLevel: 1 }),
    breaks: batched({ priorityLevels: 2, defaultPriorityLevel: 3 }),
    at: "batching.defaultPriorityLevel",
  },
  {
    code: "priority-policy-level",
    what: "a policy is for a priority that there is",
    keeps: batched({ priorityLevels: 2, defaultPriorityLevel: 1, priorityQueuePolicies: { "2": {} } }),
    breaks: batched({ priorityLevels: 2, defaultPriorityLevel: 1, priorityQueuePolicies: { "3": {} } }),
    at: "batching.priorityQueuePolicies.3",
  },
  {
    code: "ordering-with-priorities",
    what: "responses in order have one priority",
    keeps: batched({ preserveOrdering: true, priorityLevels: 1, defaultPriorityLevel: 1 }),
    breaks: batched({ preserveOrdering: true, priorityLevels: 2, defaultPriorityLevel: 1 }),
    at: "batching.preserveOrdering",
  },
  {
    code: "ordering-with-delay",
    what: "responses in order are not put off",
    keeps: batched({ preserveOrdering: true, timeout: "1s", timeoutAction: "reject" }),
    breaks: batched({ preserveOrdering: true, timeout: "1s", timeoutAction: "delay" }),
    at: "batching.timeoutAction",
  },
  {
    code: "ordering-with-delay",
    what: "nor are those of one priority",
    keeps: batched({ preserveOrdering: true, timeoutAction: "delay" }),
    breaks: batched({
      preserveOrdering: true,
      priorityLevels: 1,
      defaultPriorityLevel: 1,
      priorityQueuePolicies: { "1": { timeout: "1s", timeoutAction: "delay" } },
    }),
    at: "batching.priorityQueuePolicies.1.timeoutAction",
  },
  {
    code: "cache-with-sequences",
    what: "sequences are not cached",
    keeps: { fields: { responseCache: false, sequenceBatching: {} } },
    breaks: { fields: { responseCache: true, sequenceBatching: {} } },
    at: "responseCache",
  },
  {
    code: "cache-with-decoupled",
    what: "decoupled models are not cached",
    keeps: { fields: { responseCache: true, transactionPolicy: { decoupled: false } } },
    breaks: { fields: { responseCache: true, transactionPolicy: { decoupled: true } } },
    at: "responseCache",
  },
  {
    code: "cache-with-decoupled",
    what: "ensembles are cached, unless a step is decoupled",
    keeps: { fields: { ...ensemble, responseCache: true } },
    breaks: {
      fields: { ...ensemble, responseCache: true },
      others: [modelOf("step", { transactionPolicy: { decoupled: true } })],
    },
    at: "responseCache",
  },
  {
    code: "cache-with-decoupled",
    what: "also a step of a step",
    keeps: { fields: { ...ensemble, responseCache: true } },
    breaks: {
      fields: { ...ensemble, responseCache: true },
      others: [
        modelOf("step", { ensemble: { steps: [{ ...step, model: "inner" }] } }),
        modelOf("inner", { transactionPolicy: { decoupled: true } }),
      ],
    },
    at: "responseCache",
  },
  {
    code: "unbounded-queue",
    what: "a queue has a limit or a timeout",
    keeps: { fields: { batching: { timeout: "1s" } } },
    breaks: { fields: { batching: {} } },
    at: "batching.maxQueueSize",
  },
  {
    code: "unbounded-queue",
    what: "a timeout that only delays is no limit",
    keeps: {
      fields: {
        batching: {
          priorityLevels: 1,
          defaultPriorityLevel: 1,
          priorityQueuePolicies: { "1": { maxQueueSize: 1 } },
        },
      },
    },
    breaks: { fields: { batching: { timeout: "1s", timeoutAction: "delay" } } },
    at: "batching.maxQueueSize",
  },
  {
    code: "batching-without-batch-dimension",
    what: "without a batch dimension only the queue is left",
    keeps: batched({}, { maxBatchSize: 0 }),
    breaks: batched({ maxQueueDelay: "1ms" }, { maxBatchSize: 0 }),
    at: "batching",
  },
  {
    code: "priorities-without-levels",
    what: "priorities need levels",
    keeps: batched({ priorityLevels: 1, defaultPriorityLevel: 1 }),
    breaks: batched({ defaultPriorityLevel: 1 }),
    at: "batching.defaultPriorityLevel",
  },
  {
    code: "timeout-settings-without-timeout",
    what: "an override needs a timeout",
    keeps: batched({ timeout: "1s", allowTimeoutOverride: true }),
    breaks: batched({ allowTimeoutOverride: true }),
    at: "batching.allowTimeoutOverride",
  },
  {
    code: "delay-exceeds-objective",
    what: "waiting for company leaves time for the answer",
    keeps: batched({ maxQueueDelay: "5ms" }, withObjective),
    breaks: batched({ maxQueueDelay: "10ms" }, withObjective),
    at: "batching.maxQueueDelay",
  },
  {
    code: "delay-near-objective",
    what: "waiting for company leaves half of it",
    keeps: { fields: { ...withObjective, sequenceBatching: { oldest: { maxQueueDelay: "5ms" } } } },
    breaks: { fields: { ...withObjective, sequenceBatching: { oldest: { maxQueueDelay: "6ms" } } } },
    at: "sequenceBatching.oldest.maxQueueDelay",
  },
  {
    code: "timeout-beyond-call",
    what: "nobody waits in the queue for longer than for the answer",
    keeps: batched({ timeout: "2s" }, { callTimeout: "2s" }),
    breaks: batched({ timeout: "2001ms" }, { callTimeout: "2s" }),
    at: "batching.timeout",
  },
];
