import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Model } from "../../../../core/spec/load.ts";
import { modelOf, x, y, type SpecFields } from "../../../support/models.ts";
import { judge } from "./setup.ts";

type Step = NonNullable<SpecFields["ensemble"]>["steps"][number];

const first: Step = { model: "first", inputs: { x: "x" }, outputs: { y: "between" } };
const second: Step = { model: "second", inputs: { x: "between" }, outputs: { y: "y" } };
const models = [modelOf("first"), modelOf("second")];

function check(steps: readonly Step[], fields: SpecFields = {}, others: readonly Model[] = models) {
  return judge({ fields: { ...fields, ensemble: { steps: [...steps] } }, others });
}

describe("an ensemble", () => {
  it("is accepted with its steps in any order, as Triton runs them by their data", () => {
    expect(check([second, first])).toEqual({ problems: [], advice: [] });
  });

  it("is accepted without a step's optional input, and with -1 for any size", () => {
    const lenient = modelOf("second", {
      inputs: [
        { ...x, dims: [-1] },
        { ...y, optional: true },
      ],
    });
    expect(check([first, second], {}, [modelOf("first"), lenient])).toEqual({ problems: [], advice: [] });
  });

  it("is accepted with a tensor that several steps take", () => {
    const join = modelOf("join", { inputs: [x, { ...x, name: "z" }] });
    const steps = [
      first,
      second,
      { model: "join", inputs: { x: "between", z: "between" }, outputs: { y: "end" } },
    ];
    const outputs = [y, { ...y, name: "end" }];
    expect(check(steps, { outputs }, [...models, join])).toEqual({ problems: [], advice: [] });
  });

  it.each([
    {
      what: "a step that is the ensemble itself",
      found: check([first, { ...second, model: "m" }]),
      message: "an ensemble cannot be a step of itself",
    },
    {
      what: "a step's model that is not there",
      found: check([first, { ...second, model: "secnd" }]),
      message: "there is no model `secnd`",
      hint: "did you mean `second`?",
    },
    {
      what: "a batch larger than a step takes",
      found: check([first, second], { maxBatchSize: 9 }, [
        modelOf("first"),
        modelOf("second", { maxBatchSize: 9 }),
      ]),
      message: "9 is more than step `first` takes (8)",
    },
    {
      what: "a tensor with two sources",
      found: check([first, second, { ...first, outputs: { y: "y" } }]),
      message: "`y` is already made by output `y` of `second`",
    },
    {
      what: "an output in the place of an input",
      found: check([first, second, { ...first, outputs: { y: "x" } }]),
      message: "`x` is already made by the ensemble's input",
    },
    {
      what: "types that disagree",
      found: check([first, second], {}, [
        modelOf("first", { outputs: [{ ...y, dataType: "INT64" }] }),
        modelOf("second"),
      ]),
      message: "`between` is INT64 from output `y` of `first`, and FP32 is wanted here",
    },
    {
      what: "shapes that disagree",
      found: check([first, second], { outputs: [{ ...y, dims: [4, 1] }] }),
      message: "`y` is [4] from output `y` of `second`, and [4, 1] is wanted here",
    },
    {
      what: "a version that is not served",
      found: check([{ ...first, version: 3 }, second]),
      message: "`first` does not serve version 3",
      hint: "leave it out for the newest, or name one that is served: 1",
    },
    {
      what: "steps that wait for each other",
      found: check([
        { ...first, inputs: { x: "behind" } },
        { ...second, outputs: { y: "behind" } },
        { ...first, outputs: { y: "y" } },
      ]),
      message: "first, second wait for each other's outputs",
    },
  ])("tells people of $what", ({ found, message, hint }) => {
    expect(found.problems).toMatchObject([{ message, ...(hint === undefined ? {} : { hint }) }]);
  });

  it("is told about a tensor with the name of an object's own method", () => {
    const odd = modelOf("second", { inputs: [x, { ...x, name: "constructor" }] });
    expect(check([first, second], {}, [modelOf("first"), odd]).problems).toMatchObject([
      { message: "`constructor` of `second` is not mapped" },
    ]);
  });

  it("is told in one line of all outputs that a step computes for nobody", () => {
    const outputs = [y, { ...y, name: "score" }, { ...y, name: "label" }];
    expect(
      check([first, second], {}, [modelOf("first", { outputs }), modelOf("second")]).advice,
    ).toMatchObject([{ message: "of `first` not mapped, and computed all the same: score, label" }]);
  });

  it("is told everything at once", () => {
    const { problems } = check([
      { ...first, model: "frst" },
      { ...second, inputs: { z: "x" } },
    ]);
    expect(problems.map(({ path }) => path)).toEqual([
      "ensemble.steps[0].model",
      "ensemble.steps[1].inputs.z",
      "ensemble.steps[1].inputs",
      "ensemble.steps[0].outputs.y",
    ]);
  });

  it("is judged in time linear in its size", () => {
    const steps = Array.from({ length: 5_000 }, (_, i): Step => ({
      model: "first",
      inputs: { x: i === 0 ? "x" : `t${String(i)}` },
      outputs: { y: i === 4_999 ? "y" : `t${String(i + 1)}` },
    }));
    expect(check(steps.reverse())).toEqual({ problems: [], advice: [] });
  });
});

describe("ensembles of ensembles", () => {
  it("are told of a cycle wherever they stand in it, and not behind it", () => {
    const through = (name: string, model: string) =>
      modelOf(name, { ensemble: { steps: [{ model, inputs: { x: "x" }, outputs: { y: "y" } }] } });
    const others = [through("a", "b"), through("b", "a"), modelOf("plain")];
    const using = (model: string) => check([{ model, inputs: { x: "x" }, outputs: { y: "y" } }], {}, others);
    expect(using("plain").problems).toEqual([]);
    expect(using("a").problems).toEqual([]);
    expect(
      judge({
        fields: { ensemble: { steps: [{ ...first, model: "a", outputs: { y: "y" } }] } },
        others: [through("a", "m")],
      }).problems,
    ).toMatchObject([{ code: "ensemble-recursion" }]);
  });

  it("may be long chains", () => {
    const length = 3_000;
    const others = Array.from({ length }, (_, i) =>
      modelOf(
        `e${String(i)}`,
        i === length - 1
          ? { transactionPolicy: { decoupled: true } }
          : {
              ensemble: { steps: [{ model: `e${String(i + 1)}`, inputs: { x: "x" }, outputs: { y: "y" } }] },
            },
      ),
    );
    const steps = [{ model: "e0", inputs: { x: "x" }, outputs: { y: "y" } }];
    expect(check(steps, { responseCache: true }, others).problems).toMatchObject([
      { code: "cache-with-decoupled" },
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
  ).problems;
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
