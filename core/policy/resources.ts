import { typeToken } from "../kubernetes/type-token.ts";
import type { PolicyResource } from "./rule.ts";
import { Value } from "./value.ts";

/** Resources as rules see them, and what they have in common. */

/** The stack itself: what a rule looks at that is about all resources together. */
export const stackType = "pulumi:pulumi:Stack";

/** Of the models that a server reads; served by this project's own provider. */
export const modelRepositoryType = "modelstore:index:ModelRepository";

/** An object of the Kubernetes API as core plans it. */
export function resourceOfObject(object: {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: object;
}): PolicyResource {
  const props = new Value(object);
  return { type: typeToken(object), name: props.at("metadata", "name").text ?? "", props };
}

/**
 * A resource for people, the same from a plan as from the engine: objects of Kubernetes by kind, namespace and name,
 * model repositories by their server, others by the last part of their type and their name.
 */
export function resourceLabel({ type, name, props }: PolicyResource): string {
  const kind = type.slice(type.lastIndexOf(":") + 1);
  if (type === stackType) return "the stack";
  if (type === modelRepositoryType) return `${kind} ${nameIn(props.at("server"), name)}`;
  if (!type.startsWith("kubernetes:")) return `${kind} ${name}`;
  const namespace = props.at("metadata", "namespace");
  const place = namespace.isPresent && !namespace.isUnknown ? `${namespace.text ?? ""}/` : "";
  return `${kind} ${place}${nameIn(props.at("metadata", "name"), name)}`;
}

function nameIn(value: Value, otherwise: string): string {
  return (value.isUnknown ? undefined : value.text) ?? otherwise;
}

/** Types that have a pod's spec in them, and where. */
const podPaths: Readonly<Record<string, readonly string[]>> = {
  "kubernetes:core/v1:Pod": [],
  "kubernetes:apps/v1:Deployment": ["spec", "template"],
  "kubernetes:apps/v1:StatefulSet": ["spec", "template"],
  "kubernetes:apps/v1:DaemonSet": ["spec", "template"],
  "kubernetes:apps/v1:ReplicaSet": ["spec", "template"],
  "kubernetes:batch/v1:Job": ["spec", "template"],
  "kubernetes:batch/v1:CronJob": ["spec", "jobTemplate", "spec", "template"],
};

export const podTypes: readonly string[] = Object.keys(podPaths);

/** Metadata and spec of the pods that a resource is or makes. */
export function podOf({ type, props }: PolicyResource): Value {
  return props.at(...(podPaths[type] ?? []));
}

/** Containers of a pod, those that only run before the others too. */
export function containersOf(pod: Value): readonly Value[] {
  const spec = pod.at("spec");
  return [...spec.at("initContainers").items, ...spec.at("containers").items];
}

/** Containers of a pod that run all its life. */
export function mainContainersOf(pod: Value): readonly Value[] {
  return pod.at("spec", "containers").items;
}

/** A container's command and arguments as one list. */
export function commandOf(container: Value): readonly Value[] {
  return [...container.at("command").items, ...container.at("args").items];
}

/** Whether a container runs Triton, by its program or its image. */
export function runsTriton(container: Value): boolean {
  return (
    commandOf(container).some((word) => /(^|[/\s])tritonserver(\s|$)/.test(word.text ?? "")) ||
    /(^|\/)tritonserver(:|@|$)/.test(container.at("image").text ?? "")
  );
}

/** The value of a flag in an argument list, as `--flag=value`, `--flag value`, or in a line of shell. */
export function flagsOf(container: Value, flag: string): readonly Value[] {
  const words = commandOf(container);
  return words.flatMap((word, i) => {
    const text = word.text ?? "";
    if (text === flag) return words[i + 1] ?? [];
    const inLine = new RegExp(`(?:^|\\s)${flag}[= ](\\S+)`).exec(text)?.[1];
    return inLine === undefined ? [] : [new Value(inLine, word.path)];
  });
}

/** Whether labels are those that a selector asks for. Expressions are beyond it: they match nothing. */
export function selects(selector: Value, labels: Value): boolean {
  if (selector.at("matchExpressions").items.length > 0) return false;
  return selector.at("matchLabels").entries.every(([key, value]) => labels.at(key).text === value.text);
}
