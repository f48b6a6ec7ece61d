import { accelerators } from "../../capacity/catalogue.ts";
import { gpuMemoryAnnotation } from "../../kubernetes/names.ts";
import { textsLimit } from "../limit.ts";
import { formatBytes } from "../../spec/units.ts";
import { containersOf, flagsOf, modelRepositoryType, podOf, podTypes, runsTriton } from "../resources.ts";
import { everywhere, strictInProd, violation } from "../rule.ts";
import type { PolicyRule } from "../rule.ts";
import type { Value } from "../value.ts";
import { asksForGpu } from "./pods.ts";

/** Triton and its models. */

const selfBounded = textsLimit("selfBounded", "Models that refuse by themselves what is too much", []);

export const tritonRules: readonly PolicyRule[] = [
  {
    id: "triton-no-poll",
    title: "Triton does not watch its repository for changes",
    why: "It has loaded half-copied models, and unloaded all of them when its credentials expired",
    severity: "high",
    levels: everywhere,
    references: ["Triton, Model Management, Model Control Mode POLL"],
    types: podTypes,
    scope: "resource",
    limits: [],
    *check(resource) {
      for (const container of containersOf(podOf(resource)).filter(runsTriton)) {
        for (const mode of flagsOf(container, "--model-control-mode")) {
          if (mode.text === "poll")
            yield violation(
              mode,
              "--model-control-mode=poll",
              "use none: a changed model is another deployment",
            );
        }
      }
    },
  },
  {
    id: "triton-repository-api",
    title: "Nobody loads and unloads models over the network",
    why: "Whoever reaches the port could take a model away, or load code of their own",
    severity: "high",
    levels: everywhere,
    references: ["Triton, Secure Deployment Considerations"],
    types: [...podTypes, "kubernetes:core/v1:ConfigMap"],
    scope: "resource",
    limits: [],
    *check(resource) {
      if (resource.type === "kubernetes:core/v1:ConfigMap") {
        const config = resource.props.at("data", "haproxy.cfg");
        if (!config.isPresent) return;
        const denials = (config.text ?? "")
          .split("\n")
          .filter((line) => /^\s*http-request (return|deny)\b/.test(line));
        for (const call of ["repository/models", "RepositoryModelLoad"]) {
          if (!denials.some((line) => line.includes(call)))
            yield violation(
              config,
              `calls of ${call} pass the balancer`,
              "deny them with http-request return status 403",
            );
        }
        return;
      }
      for (const container of containersOf(podOf(resource)).filter(runsTriton)) {
        const isExplicit = flagsOf(container, "--model-control-mode").some(
          (mode) => mode.text === "explicit",
        );
        const restricted = [
          ...flagsOf(container, "--http-restricted-api"),
          ...flagsOf(container, "--grpc-restricted-protocol"),
        ].filter((flag) => /(^|,)model-repository(,|:)/.test(flag.text ?? ""));
        if (isExplicit && restricted.length < 2)
          yield violation(
            container.at("args"),
            "--model-control-mode=explicit, and the repository API is not restricted over HTTP and gRPC both",
            "use none, or add --http-restricted-api and --grpc-restricted-protocol of model-repository",
          );
      }
    },
  },
  {
    id: "triton-bounded-queue",
    title: "Every queue of a model that batches is bounded, by Triton or by the model itself",
    why: "Under overload the queue grows until every answer is too late, or memory is gone",
    severity: "medium",
    levels: strictInProd,
    references: ["Triton, model_config.proto, ModelQueuePolicy.max_queue_size"],
    types: [modelRepositoryType],
    scope: "resource",
    limits: [selfBounded],
    *check({ props }, { limit }) {
      for (const file of props.at("files").items) {
        const path = file.at("path").text ?? "";
        const content = file.at("from", "content");
        if (!/^[^/]+\/config\.pbtxt$/.test(path) || !content.isPresent) continue;
        const model = path.split("/")[0] ?? "";
        const text = content.text ?? "";
        const batching = blockOf(text, "dynamic_batching");
        if (batching === undefined || boundsItself(text) || limit(selfBounded).includes(model)) continue;
        const bounds = [...batching.matchAll(/\bmax_queue_size: (\d+)/g)].map(([, size]) => Number(size));
        if (!batching.includes("default_queue_policy {") || bounds.length === 0 || bounds.includes(0))
          yield violation(
            file,
            `the queue of ${model} is unbounded`,
            "set batching.maxQueueSize in its model.yaml",
          );
      }
    },
  },
  {
    id: "triton-models-fit",
    title: "The models of a server fit its GPUs, and its pods go to nodes with that card",
    why: "CUDA runs out of memory when the last model loads, or under the first full batch",
    severity: "critical",
    levels: everywhere,
    references: ["docs/model-spec.md, memory"],
    types: ["kubernetes:apps/v1:Deployment"],
    scope: "resource",
    limits: [],
    *check(resource) {
      const containers = containersOf(podOf(resource));
      if (!containers.some((container) => runsTriton(container) && asksForGpu(container))) return;
      const annotation = resource.props.at("metadata", "annotations", gpuMemoryAnnotation);
      const memory = annotation.json;
      const name = memory.at("accelerator").text;
      if (name === undefined) {
        yield violation(
          annotation,
          "nothing says what its models take of a GPU",
          "write the annotation, as the component TritonServer does",
        );
        return;
      }
      const accelerator = accelerators.find((candidate) => candidate.name === name);
      if (accelerator === undefined) {
        yield violation(
          annotation,
          `${name} is no GPU of the catalogue`,
          "use one of core/capacity/catalogue.ts",
        );
        return;
      }
      for (const [device, used] of memory.at("used").items.entries()) {
        if ((used.number ?? 0) > accelerator.usable)
          yield violation(
            annotation,
            `its models take ${formatBytes(used.number ?? 0)} of GPU ${String(device)}, and ${name} has ${formatBytes(accelerator.usable)}`,
            "take a bigger GPU, fewer instances, or move a model to another server",
          );
      }
      const wrong = productsOf(podOf(resource)).filter(
        (product) =>
          !accelerator.gpu.labels.some(
            (label) => product.text === label || product.text?.startsWith(`${label}-MIG-`) === true,
          ),
      );
      for (const product of wrong)
        yield violation(
          product,
          `nodes with ${product.text ?? ""} will do, and the models are sized for ${name}`,
          "ask for the card that the models are sized for",
        );
    },
  },
  {
    id: "triton-shared-memory",
    title: "Triton's /dev/shm has a size of its own, in memory",
    why: "A container has 64 MiB; Python models crash with a bus error when it is full, and without a limit it takes the node's",
    severity: "medium",
    levels: everywhere,
    references: ["Triton, python_backend README, shared memory"],
    types: podTypes,
    scope: "resource",
    limits: [],
    *check(resource) {
      const pod = podOf(resource);
      for (const container of containersOf(pod).filter(runsTriton)) {
        const mount = container
          .at("volumeMounts")
          .items.find((candidate) => candidate.at("mountPath").text === "/dev/shm");
        const volume = pod
          .at("spec", "volumes")
          .items.find(
            (candidate) => mount !== undefined && candidate.at("name").text === mount.at("name").text,
          );
        const emptyDir = volume?.at("emptyDir");
        if (emptyDir?.at("medium").text !== "Memory")
          yield violation(
            container.at("volumeMounts"),
            "nothing in memory is mounted at /dev/shm",
            "mount an emptyDir with medium: Memory there",
          );
        else if (!emptyDir.at("sizeLimit").isPresent)
          yield violation(
            emptyDir.at("sizeLimit"),
            "missing: it grows until the node's memory is gone",
            "say how big it may be",
          );
      }
    },
  },
];

/** As the LLM proxy does: rows beyond its parameter `max_pending` are refused at once. */
function boundsItself(config: string): boolean {
  return /key: "max_pending"\s+value \{\s+string_value: "[1-9]\d*"/.test(config);
}

/** What a message of protobuf's text format has between its braces; undefined where it is not there. */
function blockOf(text: string, name: string): string | undefined {
  const start = new RegExp(`^${name} \\{`, "m").exec(text);
  if (start === null) return undefined;
  // Fields of the model itself are not indented.
  const end = text.indexOf("\n}", start.index);
  return text.slice(start.index, end === -1 ? undefined : end);
}

/** Values of the label of GPU feature discovery that a pod's nodes must have one of. */
function productsOf(pod: Value): readonly Value[] {
  const terms = pod.at(
    ...[
      "spec",
      "affinity",
      "nodeAffinity",
      "requiredDuringSchedulingIgnoredDuringExecution",
      "nodeSelectorTerms",
    ],
  ).items;
  const selected = pod.at("spec", "nodeSelector", "nvidia.com/gpu.product");
  return [
    ...(selected.isPresent ? [selected] : []),
    ...terms.flatMap((term) =>
      term
        .at("matchExpressions")
        .items.filter((expression) => expression.at("key").text === "nvidia.com/gpu.product")
        .flatMap((expression) => expression.at("values").items),
    ),
  ];
}
