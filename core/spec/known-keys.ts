import * as z from "zod";

/** The keys that an object at this path of a schema knows. */
export function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  return schemasAt(schema, path).flatMap(({ properties }) => Object.keys(properties ?? {}));
}

/** The least and the largest number that this path of a schema takes, where it takes numbers and bounds them. */
export function boundsAt(
  schema: z.ZodType,
  path: readonly PropertyKey[],
): { readonly minimum?: number | undefined; readonly maximum?: number | undefined } {
  const numbers = schemasAt(schema, path).filter(({ type }) => type === "integer" || type === "number");
  return { minimum: numbers[0]?.minimum, maximum: numbers[0]?.maximum };
}

/** The schemas of what may be at a path, each of several forms by itself. */
function schemasAt(schema: z.ZodType, path: readonly PropertyKey[]): JsonSchema[] {
  return path
    .reduce<JsonSchema[]>(
      (places, key) => places.flatMap((place) => below(place, key)),
      [jsonSchemaOf(schema)],
    )
    .flatMap(alternatives);
}

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Making one takes two milliseconds: too long for each of many files with a misspelt key. */
const jsonSchemas = new WeakMap<z.ZodType, JsonSchema>();

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const known = jsonSchemas.get(schema) ?? z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  jsonSchemas.set(schema, known);
  return known;
}

function below(schema: JsonSchema, key: PropertyKey): JsonSchema[] {
  return alternatives(schema).flatMap(({ properties, items, additionalProperties }) =>
    [properties?.[String(key)] ?? additionalProperties, items].filter(isSchema),
  );
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  return [schema, ...(schema.anyOf ?? []).filter(isSchema).flatMap(alternatives)];
}

/** JSON Schema writes "anything" and "nothing" as true and false. */
export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
