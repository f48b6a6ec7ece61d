import type { ModelSpec } from "../../spec/model.ts";
import { suggest } from "../../spec/problem.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** What a backend may do to run faster (spec/model/optimization.ts). */
export const optimizationRules: readonly Rule[] = [
  {
    code: "unknown-accelerator",
    about: "An execution accelerator is one that the backend has on that device.",
    severity: "error",
    source:
      "onnxruntime_backend/src/onnxruntime.cc ModelState::LoadModel; tensorflow_backend/src/tensorflow.cc ModelState",
    check: unknownAccelerator,
  },
  {
    code: "graph-batch-size",
    about: "A CUDA graph is captured for a batch the model can have, and its lower bound is no larger.",
    severity: "error",
    source: "tensorrt_backend/src/instance_state.cc ValidateGraphSpec",
    check: graphBatchSize,
  },
  {
    code: "graph-shapes",
    about:
      "A lower bound of a CUDA graph has a shape for each input of the graph, no larger and of as many dims.",
    severity: "error",
    source: "tensorrt_backend/src/instance_state.cc ValidateGraphSpec",
    check: graphShapes,
  },
  {
    code: "accelerators-unused",
    about: "Execution accelerators mean something to onnxruntime and TensorFlow only.",
    severity: "advice",
    source: "the backends' sources, which do not read execution_accelerators",
    check: acceleratorsUnused,
  },
  {
    code: "tensorrt-only-setting",
    about: "Some optimisations are read by the TensorRT backend alone.",
    severity: "advice",
    source: "tensorrt_backend/src/tensorrt_model.cc TensorRTModel::ParseModelConfig",
    check: tensorRtOnly,
  },
];

type Optimization = NonNullable<ModelSpec["optimization"]>;
type Device = "gpu" | "cpu";

const accelerators: Readonly<Record<string, Readonly<Record<Device, readonly string[]>>>> = {
  onnxruntime: { gpu: ["tensorrt", "cuda"], cpu: ["openvino"] },
  tensorflow: { gpu: ["tensorrt", "gpu_io", "auto_mixed_precision"], cpu: [] },
};

function unknownAccelerator({ model: { spec }, resolved: { backend = "" } }: RuleContext): Finding[] {
  const known = accelerators[backend];
  if (known === undefined) return [];
  return (["gpu", "cpu"] as const).flatMap((device) =>
    (spec.optimization?.executionAccelerators?.[device] ?? []).flatMap(({ name }, i) =>
      known[device].includes(name)
        ? []
        : [
            {
              path: `optimization.executionAccelerators.${device}[${String(i)}].name`,
              message: `${backend} has no accelerator \`${name}\` on the ${device.toUpperCase()}`,
              hint: known[device].length === 0 ? "leave it out" : suggest(name, known[device]),
            },
          ],
    ),
  );
}

function acceleratorsUnused({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  const given = spec.optimization?.executionAccelerators;
  if (given === undefined || backend === undefined || accelerators[backend] !== undefined) return [];
  return (["gpu", "cpu"] as const)
    .filter((device) => given[device].length > 0)
    .map((device) => ({
      path: `optimization.executionAccelerators.${device}`,
      message: `the ${backend} backend does not read them`,
      hint: "leave them out",
    }));
}

type GraphSpec = NonNullable<Optimization["cuda"]>["graphSpecs"][number];

/** Graphs that are captured: those of TensorRT, where `graphs` is on. */
function graphsOf({ model: { spec }, resolved: { backend } }: RuleContext) {
  const { graphs = false, graphSpecs = [] } = spec.optimization?.cuda ?? {};
  if (backend !== "tensorrt" || !graphs) return [];
  return graphSpecs.map((graph, i) => ({ path: `optimization.cuda.graphSpecs[${String(i)}]`, graph }));
}

function graphBatchSize(context: RuleContext): Finding[] {
  const { maxBatchSize } = context.model.spec;
  const range = maxBatchSize === 0 ? "0" : `1 to ${String(maxBatchSize)}`;
  return graphsOf(context).flatMap(({ path, graph }) => {
    const lower = graph.graphLowerBound;
    const fits = (size: number): boolean => size >= Math.min(1, maxBatchSize) && size <= maxBatchSize;
    return [
      ...(fits(graph.batchSize)
        ? []
        : [
            {
              path: `${path}.batchSize`,
              message: `${String(graph.batchSize)} is no batch of this model`,
              hint: `write ${range}`,
            },
          ]),
      ...(lower === undefined || (fits(lower.batchSize) && lower.batchSize <= graph.batchSize)
        ? []
        : [
            {
              path: `${path}.graphLowerBound.batchSize`,
              message: `${String(lower.batchSize)} is no lower bound of ${String(graph.batchSize)}`,
              hint: `write ${range}, and at most the graph's own batchSize`,
            },
          ]),
    ];
  });
}

function graphShapes(context: RuleContext): Finding[] {
  return graphsOf(context).flatMap(({ path, graph }) =>
    Object.entries(graph.inputs).flatMap(([input, shape]) => {
      const lower = lowerShape(graph, input);
      const fits =
        lower?.length === shape.length &&
        shape.every((dim, i) => dim >= 0 && (lower[i] ?? -1) >= 0 && (lower[i] ?? 0) <= dim);
      return fits
        ? []
        : [
            {
              path: `${path}.${graph.graphLowerBound === undefined ? "" : "graphLowerBound."}inputs.${input}`,
              message: `${lower === undefined ? "no shape" : `[${lower.join(", ")}]`} is no lower bound of [${shape.join(", ")}]`,
              hint: "write as many numbers of at least 0, none larger than the graph's own",
            },
          ];
    }),
  );
}

function lowerShape(graph: GraphSpec, input: string): readonly number[] | undefined {
  const { inputs } = graph.graphLowerBound ?? graph;
  return Object.hasOwn(inputs, input) ? inputs[input] : undefined;
}

function tensorRtOnly({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  const { optimization } = spec;
  if (optimization === undefined || backend === undefined || backend === "tensorrt") return [];
  const { cuda, priority, gatherKernelBufferThreshold, eagerBatching } = optimization;
  const settings = [
    ["priority", priority !== undefined && priority !== "default"],
    ["cuda.graphs", cuda?.graphs === true],
    ["cuda.busyWaitEvents", cuda?.busyWaitEvents === true],
    ["cuda.graphSpecs", (cuda?.graphSpecs ?? []).length > 0],
    ["cuda.outputCopyStream", cuda?.outputCopyStream === true],
    ["gatherKernelBufferThreshold", gatherKernelBufferThreshold > 0],
    ["eagerBatching", eagerBatching],
  ] as const;
  return settings
    .filter(([, isSet]) => isSet)
    .map(([name]) => ({
      path: `optimization.${name}`,
      message: `only TensorRT reads it, not ${backend}`,
      hint: "leave it out",
    }));
}
