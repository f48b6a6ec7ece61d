import protobuf from "protobufjs/light.js";

/**
 * The same message of plain data without defaults that are spelled out, and without fields that are undefined: what two
 * configs that say the same have in common, and what a text of them shows. protobufjs' own conversion drops them too, by
 * code that it compiles for each type when it first meets it, which takes as long as printing a hundred configs.
 */
export function withoutDefaults(type: protobuf.Type, message: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(message).flatMap(([name, value]: [string, unknown]) => {
      const field = type.fields[name];
      if (field === undefined || value === undefined || isDefault(field, value)) return [];
      return [[name, inField(field, value)]];
    }),
  );
}

function inField({ resolvedType, map, repeated }: protobuf.Field, value: unknown): unknown {
  if (!(resolvedType instanceof protobuf.Type) || !isObject(value)) return value;
  const inMessage = (each: unknown): unknown => (isObject(each) ? withoutDefaults(resolvedType, each) : each);
  if (repeated && Array.isArray(value)) return value.map(inMessage);
  return map
    ? Object.fromEntries(
        Object.entries(value).map(([key, each]: [string, unknown]) => [key, inMessage(each)]),
      )
    : inMessage(value);
}

/** An empty list or map, and a scalar that protobuf does not tell apart from an absent one. */
function isDefault({ resolvedType, map, repeated, hasPresence }: protobuf.Field, value: unknown): boolean {
  if (map || repeated) return isObject(value) && Object.keys(value).length === 0;
  if (hasPresence) return false;
  return resolvedType instanceof protobuf.Enum
    ? resolvedType.values[String(value)] === 0
    : value === "" || value === 0 || value === false;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
