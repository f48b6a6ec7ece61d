import yaml from "js-yaml";
import { mapValues, present } from "../objects.ts";
import type { PolicyResource, ResourceName } from "../policy/rule.ts";
import { unknown, Value } from "../policy/value.ts";
import { isLater, latersIn } from "./later.ts";

/** A resource as the program registers it, in a plan: plain data, with marks for secrets and for what is known on `up` alone. */
export interface PlannedResource extends ResourceName {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly protect: boolean;
  /** Paths whose changes Pulumi leaves alone. */
  readonly ignoreChanges: readonly string[];
}

/** What a plan shows of it as a file, and reads from one of the base's. */
export interface ResourceFile extends ResourceName {
  readonly protect?: true;
  readonly ignoreChanges?: readonly string[];
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** Folder of the files of a plan that are resources. */
export const resourcesFolder = "resources/";

/** Whether a file of a plan is an object of Kubernetes or a resource; the others are what these have in them. */
export function isObject(path: string): boolean {
  return path.startsWith("manifests/") || path.startsWith(resourcesFolder);
}

/**
 * Resources as files for people and for diffs: text by path. Policies and other JSON are shown as what they say, user data
 * as its text.
 */
export function resourceFiles(resources: readonly PlannedResource[]): [path: string, text: string][] {
  return resources.map(({ type, name, inputs, protect, ignoreChanges }) => {
    const file = present({
      ...{ type, name, protect: protect || undefined },
      ignoreChanges: ignoreChanges.length === 0 ? undefined : ignoreChanges,
      inputs: shownInputs(inputs),
    });
    return [pathOf({ type, name }), yaml.dump(file, { lineWidth: -1, noRefs: true })];
  });
}

/** `resources/s3-bucket-triton-dev-models-bucket.yaml`; a name may have slashes in it. */
function pathOf({ type, name }: ResourceName): string {
  const [, module = "", kind = ""] = type.split(":");
  const words = [module.split("/")[0] ?? "", kind.toLowerCase(), name.replaceAll("/", "_")];
  return `${resourcesFolder}${words.join("-")}.yaml`;
}

/** Inputs as people read them. */
export function shownInputs(inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { userData } = inputs;
  const decoded = typeof userData === "string" ? Buffer.from(userData, "base64").toString("utf8") : undefined;
  return mapValues({ ...inputs, ...present({ userData: decoded }) }, readable);
}

/**
 * Resources as policies see them. Inside a document the rest is judged though a name in it is not known; a text that is made
 * of such a name is unknown as a whole.
 */
export function policyResources(resources: readonly PlannedResource[]): readonly PolicyResource[] {
  const byName = new Map(resources.map(({ type, name }) => [name, { type, name }]));
  const provider = resources.find(({ type }) => type === "pulumi:providers:aws");
  return resources.map(({ type, name, inputs, protect }) => ({
    ...{ type, name, isProtected: protect },
    props: new Value({ id: unknown, ...mapValues(inputs, judged) }),
    ...(provider === undefined || !type.startsWith("aws:") ? {} : { provider: new Value(provider.inputs) }),
    dependencies: mapValues(inputs, (value) =>
      [...textsIn(value)].flatMap(latersIn).flatMap(({ owner }) => byName.get(owner) ?? []),
    ),
  }));
}

/** With documents of JSON as what they say, also where one is inside another. */
function readable(value: unknown): unknown {
  return changeTexts(value, (text) => documentIn(text) ?? text);
}

function judged(value: unknown): unknown {
  return changeTexts(value, (text) => {
    if (!isLater(text)) return text;
    const document = documentIn(text);
    return document === undefined ? unknown : judged(document);
  });
}

/** The document in a text of JSON, as policies of IAM are; undefined where it is none. */
function documentIn(text: string): unknown {
  if (!text.startsWith("{")) return undefined;
  try {
    return readable(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The same with every text changed, at any depth. */
function changeTexts(value: unknown, change: (text: string) => unknown): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item) => changeTexts(item, change));
  if (typeof value !== "object" || value === null) return value;
  return mapValues(Object.fromEntries(Object.entries(value)), (item) => changeTexts(item, change));
}

function* textsIn(value: unknown): Iterable<string> {
  if (typeof value === "string") yield value;
  else if (typeof value === "object" && value !== null)
    for (const item of Object.values(value)) yield* textsIn(item);
}
