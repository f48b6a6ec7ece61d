import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SpecFields } from "../../../support/models.ts";
import { judge } from "./setup.ts";

/** Specs that are right by construction: nothing that Triton loads is to be refused by mistake. */

type Tensors = NonNullable<SpecFields["inputs"]>;
type Batching = NonNullable<SpecFields["batching"]>;
type Sequence = NonNullable<SpecFields["sequenceBatching"]>;

const dataType = fc.constantFrom("FP32", "INT64", "STRING", "BF16", "BOOL");
const dims = fc.array(fc.constantFrom(-1, 1, 2, 7), { minLength: 1, maxLength: 3 });

/** Names are given by position, so that none is there twice. */
const tensors = (prefix: string): fc.Arbitrary<Tensors> =>
  fc
    .array(fc.record({ dataType, dims, reshaped: fc.boolean() }), { minLength: 1, maxLength: 4 })
    .map((list) =>
      list.map(({ reshaped, ...tensor }, i) => ({
        ...tensor,
        name: `${prefix}${String(i)}`,
        ...(reshaped ? { reshape: [1, ...tensor.dims, 1] } : {}),
      })),
    );

const batching = (maxBatchSize: number): fc.Arbitrary<Batching> =>
  fc
    .record({
      preferredBatchSizes: fc.array(fc.integer({ min: 1, max: Math.max(1, maxBatchSize) }), { maxLength: 3 }),
      maxQueueSize: fc.integer({ min: 1, max: 1_000 }),
      levels: fc.integer({ min: 0, max: 3 }),
      preserveOrdering: fc.boolean(),
      timeoutAction: fc.constantFrom("reject", "delay"),
    })
    .map(({ levels, preserveOrdering, timeoutAction, ...rest }) => ({
      ...rest,
      preferredBatchSizes: maxBatchSize === 0 ? [] : rest.preferredBatchSizes,
      timeout: "1s",
      preserveOrdering: preserveOrdering && levels < 2,
      timeoutAction: preserveOrdering ? "reject" : timeoutAction,
      ...(levels === 0
        ? {}
        : {
            priorityLevels: levels,
            defaultPriorityLevel: levels,
            priorityQueuePolicies: { [String(levels)]: { maxQueueSize: 5 } },
          }),
    }));

const sequence = (maxBatchSize: number): fc.Arbitrary<Sequence> =>
  fc
    .record({
      strategy: fc.constantFrom<Partial<Sequence>>(
        {},
        { direct: { minimumSlotUtilization: 0.5 } },
        { oldest: { preferredBatchSizes: maxBatchSize === 0 ? [] : [maxBatchSize] } },
      ),
      controls: fc.subarray(["start", "end", "ready", "corrid"] as const),
      states: fc.integer({ min: 0, max: 2 }),
    })
    .map(({ strategy, controls, states }): Sequence => ({
      ...strategy,
      controlInputs: controls.map((kind) => ({
        name: kind.toUpperCase(),
        controls: [kind === "corrid" ? { kind, dataType: "UINT64" } : { kind, fp32FalseTrue: [0, 1] }],
      })),
      states: Array.from({ length: states }, (_, i) => ({
        inputName: `in${String(i)}`,
        outputName: `out${String(i)}`,
        dataType: "FP32" as const,
        dims: [-1],
        initialStates: [{ name: "zeros", dataType: "FP32" as const, dims: [3], zeroData: true as const }],
      })),
    }));

const scheduler = (maxBatchSize: number): fc.Arbitrary<SpecFields> =>
  fc.oneof(
    fc.constant({}),
    batching(maxBatchSize).map((value) => ({ batching: value })),
    sequence(maxBatchSize).map((value) => ({ sequenceBatching: value })),
  );

const instances: fc.Arbitrary<SpecFields["instances"]> = fc.array(
  fc.constantFrom(
    { kind: "cpu" as const },
    { kind: "gpu" as const, gpus: [0] },
    { kind: "auto" as const, count: 2 },
    { kind: "model" as const },
  ),
  { minLength: 1, maxLength: 3 },
);

/** Concrete dims for every input of any size. */
const warmup = (inputs: Tensors, batchSize: number): SpecFields["warmup"] => [
  {
    batchSize,
    inputs: Object.fromEntries(
      inputs
        .filter((input) => input.dims.includes(-1))
        .map((input) => [input.name, { dims: input.dims.map((dim) => (dim === -1 ? 5 : dim)) }]),
    ),
  },
];

const valid: fc.Arbitrary<SpecFields> = fc
  .record({
    maxBatchSize: fc.constantFrom(0, 1, 8),
    backend: fc.constantFrom("python", "onnxruntime", "openvino"),
  })
  .chain((base) =>
    fc
      .record({
        inputs: tensors("in-"),
        outputs: tensors("out-"),
        scheduled: scheduler(base.maxBatchSize),
        instances,
        isWarmed: fc.boolean(),
        decoupled: fc.boolean(),
      })
      .map(({ scheduled, isWarmed, decoupled, ...rest }) => ({
        ...base,
        ...rest,
        ...scheduled,
        ...(isWarmed ? { warmup: warmup(rest.inputs, Math.max(1, base.maxBatchSize)) } : {}),
        transactionPolicy: { decoupled },
        responseCache: !decoupled && scheduled.sequenceBatching === undefined,
      })),
  );

describe("a spec that is right by construction", () => {
  it("has no problems, on the oldest release and on the newest", () => {
    fc.assert(
      fc.property(valid, fc.constantFrom("24.10" as const, "26.07" as const), (fields, release) => {
        expect(judge({ fields, server: { release } }).problems).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
