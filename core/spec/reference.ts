import { markdownTable } from "../markdown.ts";
import { isSchema, type JsonSchema } from "./known-keys.ts";

/** The reference part of docs/model-spec.md, made of the JSON Schema of a `model.yaml`. */

/** A field of the spec, at any depth. */
export interface Field {
  /** Like `inputs[].dims` or `batching.priorityQueuePolicies.*.timeout`. */
  readonly path: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
}

/** Markdown: a table of the fields at the top, and one for each that holds fields of its own, named by their paths. */
export function modelReference(schema: JsonSchema): string {
  const top = fieldsOf(schema);
  const isOwn = ({ path }: Field): boolean => ownFields.includes(path);
  const sections = top.filter((field) => fieldsIn(field).length > 0);
  return [
    "### Fields of Triton",
    table(top.filter((field) => !isOwn(field))),
    "### Fields of this platform",
    "Triton knows nothing of them.",
    table(top.filter(isOwn)),
    ...sections.flatMap((field) => [
      `### ${field.path}`,
      table(fieldsIn(field), new RegExp(`^${field.path}(\\[\\])?\\.`)),
    ]),
  ].join("\n\n");
}

/** Fields that are no part of Triton's ModelConfig. */
export const ownFields: readonly string[] = [
  ...["description", "files", "memory", "objectives", "idempotent", "callTimeout", "conversationAffinity"],
  ...["upstream", "silenced"],
];

/**
 * Where fields are in model_config.proto, below the message of the field that holds them. Names that are not here are
 * the same there, apart from the case.
 */
export const tritonNames: Readonly<Record<string, string>> = {
  versions: "version_policy",
  inputs: "input",
  outputs: "output",
  "inputs[].reshape": "reshape.shape",
  "outputs[].reshape": "reshape.shape",
  batchInputs: "batch_input",
  batchOutputs: "batch_output",
  "batchInputs[].targetNames": "target_name",
  "batchInputs[].sourceInputs": "source_input",
  "batchOutputs[].targetNames": "target_name",
  "batchOutputs[].sourceInputs": "source_input",
  batching: "dynamic_batching",
  "batching.preferredBatchSizes": "preferred_batch_size",
  "batching.maxQueueDelay": "max_queue_delay_microseconds",
  "batching.maxQueueSize": "default_queue_policy.max_queue_size",
  "batching.timeout": "default_queue_policy.default_timeout_microseconds",
  "batching.timeoutAction": "default_queue_policy.timeout_action",
  "batching.allowTimeoutOverride": "default_queue_policy.allow_timeout_override",
  "batching.priorityQueuePolicies": "priority_queue_policy",
  "batching.priorityQueuePolicies.*.timeout": "default_timeout_microseconds",
  "sequenceBatching.direct.maxQueueDelay": "max_queue_delay_microseconds",
  "sequenceBatching.oldest.maxQueueDelay": "max_queue_delay_microseconds",
  "sequenceBatching.oldest.preferredBatchSizes": "preferred_batch_size",
  "sequenceBatching.maxSequenceIdle": "max_sequence_idle_microseconds",
  "sequenceBatching.controlInputs": "control_input",
  "sequenceBatching.controlInputs[].controls": "control",
  "sequenceBatching.states": "state",
  "sequenceBatching.states[].initialStates": "initial_state",
  ensemble: "ensemble_scheduling",
  "ensemble.steps": "step",
  "ensemble.steps[].model": "model_name",
  "ensemble.steps[].version": "model_version",
  "ensemble.steps[].namespace": "model_namespace",
  "ensemble.steps[].inputs": "input_map",
  "ensemble.steps[].outputs": "output_map",
  instances: "instance_group",
  "instances[].profiles": "profile",
  "optimization.cuda.graphSpecs": "graph_spec",
  "optimization.cuda.graphSpecs[].inputs": "input",
  "optimization.cuda.graphSpecs[].graphLowerBound.inputs": "input",
  "optimization.executionAccelerators.gpu": "gpu_execution_accelerator",
  "optimization.executionAccelerators.cpu": "cpu_execution_accelerator",
  "optimization.inputPinnedMemory": "input_pinned_memory.enable",
  "optimization.outputPinnedMemory": "output_pinned_memory.enable",
  warmup: "model_warmup",
  "warmup[].inputs.*.data": "zero_data",
  operations: "model_operations",
  "operations.opLibraryFilenames": "op_library_filename",
  transactionPolicy: "model_transaction_policy",
  repositoryAgents: "model_repository_agents.agents",
  responseCache: "response_cache.enable",
  modelMetrics: "model_metrics.metric_control",
  "modelMetrics[].family": "metric_identifier.family",
  "modelMetrics[].buckets": "histogram_options.buckets",
};

/** The fields of an object, by name; of none where the schema is no object's. */
export function fieldsOf({ properties = {}, required = [] }: JsonSchema, prefix = ""): Field[] {
  return Object.entries(properties).flatMap(([name, schema]) =>
    isSchema(schema) ? [{ path: `${prefix}${name}`, schema, required: required.includes(name) }] : [],
  );
}

/** The fields inside a field, at any depth. */
export function fieldsIn({ path, schema }: Field): Field[] {
  const { items, additionalProperties } = schema;
  return [
    ...fieldsOf(schema, `${path}.`),
    ...(isSchema(items) ? fieldsOf(items, `${path}[].`) : []),
    ...(isSchema(additionalProperties) ? fieldsOf(additionalProperties, `${path}.*.`) : []),
  ].flatMap((field) => [field, ...fieldsIn(field)]);
}

function table(fields: readonly Field[], prefix = /^/): string {
  const rows = fields.map((field) => [nameOf(field, prefix), typeOf(field.schema), ...meaningOf(field)]);
  return markdownTable(["field", "type", "default", "meaning"], rows);
}

/** A field of the top that has a table of its own leads there. */
function nameOf(field: Field, prefix: RegExp): string {
  const name = `\`${field.path.replace(prefix, "")}\``;
  const hasTable = /^\w+$/.test(field.path) && fieldsIn(field).length > 0;
  return hasTable ? `[${name}](#${field.path.toLowerCase()})` : name;
}

/** Default and meaning. Where a default is no constant, the description ends in it. */
function meaningOf({ path, schema, required }: Field): [string, string] {
  const [meaning = "", toldDefault] = (schema.description ?? "").split(/(?:\. |^)Default: /);
  const names = longEnum(schema);
  const triton = tritonNames[path];
  return [
    required ? "required" : (toldDefault ?? constant(schema.default)),
    [
      meaning,
      ...(names === undefined ? [] : [names]),
      ...(triton === undefined ? [] : [`Triton: \`${triton}\``]),
    ]
      .filter((part) => part !== "")
      .join(". "),
  ];
}

/** Of lists, maps and texts, the default is that they are empty, which goes without saying. */
function constant(value: unknown): string {
  const text = JSON.stringify(value ?? "").replaceAll('"', "");
  return ["", "[]", "{}"].includes(text) ? "" : code(text);
}

/** Names that are too many for the column of types. */
const fewNames = 4;

function longEnum(schema: JsonSchema): string | undefined {
  const listed = (schema.enum ?? []).map(code).join(", ");
  if (schema.enum !== undefined && schema.enum.length > fewNames && schema.title === undefined)
    return `One of ${listed}`;
  const [names] = (schema.anyOf ?? []).filter(isSchema).map(({ enum: names }) => names);
  return names && `Like ${names.map(code).join(", ")}`;
}

function typeOf(schema: JsonSchema): string {
  const { title, items, anyOf, additionalProperties, properties } = schema;
  if (title !== undefined) return title;
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined && schema.enum.length <= fewNames) return schema.enum.map(code).join(", ");
  if (anyOf !== undefined) return [...new Set(anyOf.filter(isSchema).map(inlineType))].join(" or ");
  switch (schema.type) {
    case "array":
      if (Array.isArray(items)) return `[${items.filter(isSchema).map(typeOf).join(", ")}]`;
      return isSchema(items) ? `list of ${plural(typeOf(items))}` : "list";
    case "object":
      return properties === undefined && isSchema(additionalProperties)
        ? `map of ${plural(typeOf(additionalProperties))}`
        : "object";
    case "integer":
      return `whole number${bounds(schema)}`;
    case "string":
      return "text";
    default:
      return String(schema.type);
  }
}

/** The alternatives of a field have no table of their own. */
function inlineType(schema: JsonSchema): string {
  const fields = fieldsOf(schema).map(({ path, schema: inner }) => `${path}: ${typeOf(inner)}`);
  return fields.length === 0 ? typeOf(schema) : `{ ${fields.join(", ")} }`;
}

/** Bounds that are not only those of the type. */
function bounds({ minimum = -Infinity, maximum = Infinity, not }: JsonSchema): string {
  const least = minimum > -(2 ** 31) ? ` ≥ ${String(minimum)}` : "";
  const most = maximum < 2 ** 31 - 1 ? ` ≤ ${String(maximum)}` : "";
  return `${least}${most}${isSchema(not) && not.const === 0 ? ", not 0" : ""}`;
}

function plural(type: string): string {
  return type.replace(/^(text|path|object|boolean|(whole )?number|data type)\b/, "$1s");
}

function code(value: string | number | boolean | null): string {
  return `\`${String(value)}\``;
}
