import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Model } from "../../../core/spec/load.ts";
import { checkEnsemble } from "../../../core/triton/ensemble.ts";
import { modelOf, x, y, type SpecFields } from "../../support/models.ts";

type Step = NonNullable<SpecFields["ensemble"]>["steps"][number];

const first: Step = { model: "first", inputs: { x: "x" }, outputs: { y: "between" } };
const second: Step = { model: "second", inputs: { x: "between" }, outputs: { y: "y" } };
const models = [modelOf("first"), modelOf("second")];

function check(steps: readonly Step[], fields: SpecFields = {}, others: readonly Model[] = models) {
  const ensemble = modelOf("both", { ...fields, ensemble: { steps: [...steps] } });
  return checkEnsemble(ensemble, new Map([ensemble, ...others].map((model) => [model.spec.name, model])));
}

describe("an ensemble", () => {
  it("is accepted where every tensor has one source of its type and shape", () => {
    expect(check([first, second])).toEqual([]);
  });

  it("is accepted with its steps in any order, as Triton runs them by their data", () => {
    expect(check([second, first])).toEqual([]);
  });

  it("is accepted without a step's optional input, and with -1 for any size", () => {
    const lenient = modelOf("second", {
      inputs: [
        { ...x, dims: [-1] },
        { ...y, optional: true },
      ],
    });
    expect(check([first, second], {}, [modelOf("first"), lenient])).toEqual([]);
  });

  it.each([
    {
      what: "a step that is the ensemble itself",
      problems: check([first, { ...second, model: "both" }]),
      at: "ensemble.steps[1].model",
      message: "an ensemble cannot be a step of itself",
    },
    {
      what: "a step's model that is not there",
      problems: check([first, { ...second, model: "secnd" }]),
      at: "ensemble.steps[1].model",
      message: "there is no model `secnd`",
      hint: "did you mean `second`?",
    },
    {
      what: "an input that is not mapped",
      problems: check([first, { ...second, inputs: {} }]),
      at: "ensemble.steps[1].inputs",
      message: "`x` of `second` is not mapped",
    },
    {
      what: "an output that is not mapped",
      problems: check([first, second], {}, [
        modelOf("first", { outputs: [y, { ...y, name: "score" }] }),
        modelOf("second"),
      ]),
      at: "ensemble.steps[0].outputs",
      message: "`score` of `first` is not mapped",
    },
    {
      what: "an input that the step has not",
      problems: check([first, { ...second, inputs: { x: "between", z: "x" } }]),
      at: "ensemble.steps[1].inputs.z",
      message: "`second` has no such input",
    },
    {
      what: "an output that the step has not",
      problems: check([first, { ...second, outputs: { y: "y", z: "z" } }]),
      at: "ensemble.steps[1].outputs.z",
      message: "`second` has no such output",
    },
    {
      what: "a batch larger than a step takes",
      problems: check([first, second], { maxBatchSize: 9 }, [
        modelOf("first"),
        modelOf("second", { maxBatchSize: 9 }),
      ]),
      at: "maxBatchSize",
      message: "9 is more than step `first` takes (8)",
    },
    {
      what: "a tensor with two sources",
      problems: check([first, second, { ...first, outputs: { y: "y" } }]),
      at: "ensemble.steps[2].outputs.y",
      message: "`y` is already made by output `y` of `second`",
    },
    {
      what: "an output in the place of an input",
      problems: check([first, second, { ...first, outputs: { y: "x" } }]),
      at: "ensemble.steps[2].outputs.y",
      message: "`x` is already made by the ensemble's input",
    },
    {
      what: "a tensor that nothing makes",
      problems: check([first, { ...second, inputs: { x: "betwen" } }]),
      at: "ensemble.steps[1].inputs.x",
      message: "nothing makes the tensor `betwen`",
      hint: "did you mean `between`?",
    },
    {
      what: "an output of the ensemble that nothing makes",
      problems: check([first, second], { outputs: [y, { ...y, name: "label" }] }),
      at: "outputs[1]",
      message: "nothing makes the tensor `label`",
    },
    {
      what: "types that disagree",
      problems: check([first, second], {}, [
        modelOf("first", { outputs: [{ ...y, dataType: "INT64" }] }),
        modelOf("second"),
      ]),
      at: "ensemble.steps[1].inputs.x",
      message: "`between` is INT64 from output `y` of `first`, and FP32 is wanted here",
    },
    {
      what: "shapes that disagree",
      problems: check([first, second], { outputs: [{ ...y, dims: [4, 1] }] }),
      at: "outputs[0]",
      message: "`y` is [4] from output `y` of `second`, and [4, 1] is wanted here",
    },
    {
      what: "steps that wait for each other",
      problems: check([
        { ...first, inputs: { x: "behind" } },
        { ...second, outputs: { y: "behind" } },
        { ...first, outputs: { y: "y" } },
      ]),
      at: "ensemble.steps",
      message: "first, second wait for each other's outputs",
    },
  ])("is refused with $what", ({ problems, at, message, hint }) => {
    expect(problems).toMatchObject([
      { file: "models/both/model.yaml", path: at, message, ...(hint === undefined ? {} : { hint }) },
    ]);
  });

  it("is told about a tensor with the name of an object's own method", () => {
    const odd = modelOf("second", { inputs: [x, { ...x, name: "constructor" }] });
    expect(check([first, second], {}, [modelOf("first"), odd])).toMatchObject([
      { message: "`constructor` of `second` is not mapped" },
    ]);
  });

  it("is told everything at once", () => {
    const problems = check([
      { ...first, model: "frst" },
      { ...second, inputs: { z: "x" } },
    ]);
    expect(problems.map(({ path }) => path)).toEqual([
      "ensemble.steps[0].model",
      "ensemble.steps[1].inputs",
      "ensemble.steps[1].inputs.z",
    ]);
  });
});

interface Graph {
  /** Per step, in layers: the tensors it reads; it makes `t<its index>`. */
  readonly reads: readonly (readonly string[])[];
}

/** Steps that read the ensemble's input or what earlier layers make. */
const layered: fc.Arbitrary<Graph> = fc
  .array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 })
  .chain((layers) => {
    const layerOf = layers.flatMap((size, layer) => Array.from({ length: size }, () => layer));
    return fc.tuple(
      ...layerOf.map((layer) => {
        const before = layerOf.flatMap((other, step) => (other < layer ? [`t${String(step)}`] : []));
        return fc.uniqueArray(fc.constantFrom("x", ...before), { minLength: 1, maxLength: 4 });
      }),
    );
  })
  .map((reads) => ({ reads }));

function checkGraph({ reads }: Graph, order: readonly number[]) {
  const input = (i: number): string => `in${String(i)}`;
  const tensors = reads.map((_, i) => `t${String(i)}`);
  const stepModels = reads.map((names, step) =>
    modelOf(`model-${String(step)}`, { inputs: names.map((_, i) => ({ ...x, name: input(i) })) }),
  );
  const steps = reads.map((names, step) => ({
    model: `model-${String(step)}`,
    inputs: Object.fromEntries(names.map((name, i) => [input(i), name])),
    outputs: { y: tensors[step] ?? "" },
  }));
  return check(
    order.flatMap((i) => steps[i] ?? []),
    { outputs: tensors.map((name) => ({ ...y, name })) },
    stepModels,
  );
}

const layeredInAnyOrder = layered.chain((graph) => {
  const steps = graph.reads.map((_, i) => i);
  return fc.record({
    graph: fc.constant(graph),
    order: fc.shuffledSubarray(steps, { minLength: steps.length, maxLength: steps.length }),
  });
});

describe("graphs of steps", () => {
  it("in layers are accepted, written in any order", () => {
    fc.assert(
      fc.property(layeredInAnyOrder, ({ graph, order }) => {
        expect(checkGraph(graph, order)).toEqual([]);
      }),
    );
  });

  it("with an edge back to where it came from are refused, with every step of the cycle named", () => {
    const withBackEdge = layeredInAnyOrder.chain(({ graph, order }) =>
      fc.record({
        graph: fc.constant(graph),
        order: fc.constant(order),
        from: fc.nat(graph.reads.length - 1),
      }),
    );
    fc.assert(
      fc.property(withBackEdge, ({ graph: { reads }, order, from }) => {
        // The edge leads to the first step on a way to `from`, which may be `from` itself.
        const way = wayTo(reads, from);
        const to = way[0] ?? from;
        const changed = reads.map((names, i) => (i === to ? [...names, `t${String(from)}`] : names));
        const problems = checkGraph({ reads: changed }, order);
        expect(problems).toMatchObject([{ path: "ensemble.steps" }]);
        const named = problems[0]?.message.replace(" wait for each other's outputs", "").split(", ");
        for (const step of way) expect(named).toContain(`model-${String(step)}`);
      }),
    );
  });
});

/** Steps from one that reads only the ensemble's input to this one, each reading the one before it. */
function wayTo(reads: readonly (readonly string[])[], step: number): number[] {
  const before = reads[step]?.find((name) => name !== "x");
  return [...(before === undefined ? [] : wayTo(reads, Number(before.slice(1)))), step];
}
