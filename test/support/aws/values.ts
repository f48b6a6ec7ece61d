/** What the engine sends for one resource: plain values. */
export type Properties = Readonly<Record<string, unknown>>;

/** Stands for a value that a preview does not know yet. Source: pulumi/sdk `resource/plugin`, UnknownStringValue. */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function isRecord(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a dotted path; of a list the path goes on in its first item, as Terraform's blocks have one. */
export function at(properties: Properties, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => {
    const place: unknown = Array.isArray(value) ? value[0] : value;
    return isRecord(place) ? place[key] : undefined;
  }, properties);
}

/** Undefined also where it is not known yet. */
export function text(properties: Properties, path: string): string | undefined {
  const value = at(properties, path);
  return typeof value === "string" && value !== unknownValue ? value : undefined;
}

/** Of what has passed the check: it is there. */
export function requiredText(properties: Properties, path: string): string {
  const value = text(properties, path);
  if (value === undefined) throw new Error(`the simulation needs ${path}`);
  return value;
}

export function numberAt(properties: Properties, path: string): number | undefined {
  const value = at(properties, path);
  return typeof value === "number" ? value : undefined;
}

/** All texts at a path, through all items of lists on the way; without what is not known yet. */
export function texts(properties: Properties, path: string): string[] {
  const found = path
    .split(".")
    .reduce<readonly unknown[]>(
      (places, key) => places.flatMap((place) => (isRecord(place) ? asList(place[key]) : [])),
      [properties],
    );
  return found.filter((item): item is string => typeof item === "string" && item !== unknownValue);
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

export function records(properties: Properties, path: string): Properties[] {
  return asList(at(properties, path)).filter(isRecord);
}

/** A map of texts, as tags and labels are. */
export function textMap(value: unknown): Record<string, string> {
  return isRecord(value)
    ? Object.fromEntries(
        Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
      )
    : {};
}

/** Whether a value has anything in it that is not known yet. */
export function hasUnknown(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isRecord(value) ? Object.values(value).some(hasUnknown) : value === unknownValue;
}

/** Sets a dotted path of a plain value, and returns the new value. */
export function withValue(properties: Properties, path: string, value: unknown): Properties {
  const [key = "", ...rest] = path.split(".");
  if (rest.length === 0) return { ...properties, [key]: value };
  const inner = properties[key];
  return { ...properties, [key]: withValue(isRecord(inner) ? inner : {}, rest.join("."), value) };
}

/** Without keys that are undefined: the wire has no such value. */
export function defined(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined));
}
