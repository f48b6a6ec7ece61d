import type { ModelSpec } from "../spec/model.ts";
import { EnumValue, message, printMessage, type Field, type Message } from "./text-format.ts";

/**
 * A model's `config.pbtxt`, from its spec. Field names, order and meaning are those of ModelConfig in
 * triton-inference-server/common `protobuf/model_config.proto`.
 */
export function renderConfigPbtxt(spec: ModelSpec): string {
  return printMessage(modelConfig(spec));
}

function modelConfig(spec: ModelSpec): Message {
  return message(
    ["name", spec.name],
    spec.ensemble === undefined ? ["backend", spec.backend] : ["platform", "ensemble"],
    ["version_policy", versionPolicy(spec.versions)],
    ["max_batch_size", spec.maxBatchSize],
    ...spec.inputs.map((input): Field => [
      "input",
      message(
        ["name", input.name],
        ["data_type", dataType(input.dataType)],
        ["dims", input.dims],
        ["optional", input.optional || undefined],
      ),
    ]),
    ...spec.outputs.map((output): Field => [
      "output",
      message(
        ["name", output.name],
        ["data_type", dataType(output.dataType)],
        ["dims", output.dims],
        ["label_filename", output.labelFilename],
      ),
    ]),
    ["dynamic_batching", spec.batching && dynamicBatching(spec.batching)],
    ["ensemble_scheduling", spec.ensemble && ensembleScheduling(spec.ensemble)],
    ...(spec.instances ?? []).map((group): Field => [
      "instance_group",
      message(
        ["count", group.count],
        ["kind", new EnumValue(group.kind === "gpu" ? "KIND_GPU" : "KIND_CPU")],
        ["gpus", group.gpus],
      ),
    ]),
    ...Object.entries(spec.parameters).map(([key, value]): Field => [
      "parameters",
      message(["key", key], ["value", message(["string_value", value])]),
    ]),
    ...spec.warmup.map((sample): Field => ["model_warmup", warmup(sample, spec)]),
    ["response_cache", spec.responseCache ? message(["enable", true]) : undefined],
  );
}

function dataType(name: string): EnumValue {
  return new EnumValue(`TYPE_${name}`);
}

function versionPolicy(policy: ModelSpec["versions"]): Message {
  if ("latest" in policy) return message(["latest", message(["num_versions", policy.latest])]);
  if ("all" in policy) return message(["all", message()]);
  return message(["specific", message(["versions", policy.specific])]);
}

function dynamicBatching(batching: NonNullable<ModelSpec["batching"]>): Message {
  const bounded = batching.timeout !== undefined || batching.maxQueueSize !== undefined;
  return message(
    ["preferred_batch_size", batching.preferredBatchSizes],
    ["max_queue_delay_microseconds", batching.maxQueueDelay],
    ["preserve_ordering", batching.preserveOrdering || undefined],
    [
      "default_queue_policy",
      bounded
        ? message(
            ["timeout_action", new EnumValue("REJECT")],
            ["default_timeout_microseconds", batching.timeout],
            ["max_queue_size", batching.maxQueueSize],
          )
        : undefined,
    ],
  );
}

function ensembleScheduling(ensemble: NonNullable<ModelSpec["ensemble"]>): Message {
  const map = (name: string, entries: Readonly<Record<string, string>>): Field[] =>
    Object.entries(entries).map(([key, value]) => [name, message(["key", key], ["value", value])]);
  return message(
    ...ensemble.steps.map((step): Field => [
      "step",
      message(
        ["model_name", step.model],
        ["model_version", step.version],
        ...map("input_map", step.inputs),
        ...map("output_map", step.outputs),
      ),
    ]),
  );
}

/** Every input gets a value: Triton refuses a sample that leaves one out. */
function warmup(sample: ModelSpec["warmup"][number], spec: ModelSpec): Message {
  return message(
    ["name", `batch ${String(sample.batchSize)}`],
    ["batch_size", sample.batchSize],
    ...spec.inputs
      .filter((input) => !input.optional || Object.hasOwn(sample.inputs, input.name))
      .map((input): Field => {
        const given = sample.inputs[input.name];
        return [
          "inputs",
          message(
            ["key", input.name],
            [
              "value",
              message(
                ["data_type", dataType(input.dataType)],
                ["dims", given?.dims ?? input.dims],
                given?.data === "random" ? ["random_data", true] : ["zero_data", true],
              ),
            ],
          ),
        ];
      }),
    ["count", sample.count],
  );
}
