import yaml from "js-yaml";
import { z } from "zod";
import { formatPath, suggest, type Problem } from "./problem.ts";

/** Either the parsed value, or all that is wrong with it. */
export type Parsed<T> = { readonly value: T } | { readonly problems: readonly Problem[] };

/** Reads YAML text with js-yaml and checks it against a schema. `file` names the text in problems. */
export function parseYaml<S extends z.ZodType>(schema: S, text: string, file: string): Parsed<z.output<S>> {
  let document: unknown;
  try {
    document = yaml.load(text, { filename: file });
  } catch (error) {
    if (!(error instanceof yaml.YAMLException)) throw error;
    // js-yaml's types promise a mark; a text of several documents is refused without one.
    const line = isObject(error.mark) ? `:${String(error.mark.line + 1)}` : "";
    return {
      problems: [
        {
          file: `${file}${line}`,
          path: "",
          message: `this is no YAML: ${error.reason}`,
          hint: line === "" ? "write one document" : "mend the syntax of this line",
        },
      ],
    };
  }
  return parseValue(schema, document, file);
}

/** Checks plain data against a schema; every issue becomes a problem with a path and a hint. */
export function parseValue<S extends z.ZodType>(
  schema: S,
  value: unknown,
  file: string,
): Parsed<z.output<S>> {
  const result = schema.safeParse(value, { reportInput: true });
  return result.success
    ? { value: result.data }
    : { problems: result.error.issues.flatMap((issue) => problemsOf(issue, schema, file)) };
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType, file: string): Problem[] {
  const path = formatPath(issue.path);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = knownKeys(schema, issue.path);
      return issue.keys.map((key) => ({
        file,
        path: formatPath([...issue.path, key]),
        message: `unknown key \`${key}\``,
        hint: suggest(key, known),
      }));
    }
    case "invalid_value": {
      const value = issue.input === undefined ? "missing" : `${JSON.stringify(issue.input)} is not allowed`;
      return [
        {
          file,
          path,
          message: value,
          hint: suggest(typeof issue.input === "string" ? issue.input : "", issue.values.map(String)),
        },
      ];
    }
    case "invalid_type":
      return [
        issue.input === undefined
          ? { file, path, message: "missing", hint: `add it; it is ${withArticle(issue.expected)}` }
          : {
              file,
              path,
              message: `${JSON.stringify(issue.input)} is not ${withArticle(issue.expected)}`,
              hint: issue.message.startsWith("Invalid input")
                ? `write ${withArticle(issue.expected)}`
                : issue.message,
            },
      ];
    case "too_small":
    case "too_big": {
      if (issue.origin === "string")
        return [{ file, path, message: "empty", hint: "write at least one character" }];
      const counted = typeof issue.input === "number" ? String(issue.input) : "the number of entries";
      const bound =
        issue.code === "too_small" ? `at least ${String(issue.minimum)}` : `at most ${String(issue.maximum)}`;
      return [{ file, path, message: `${counted} is out of range`, hint: `it must be ${bound}` }];
    }
    case "invalid_key":
      return issue.issues.map((inner) => inOwnWords(inner.message, file, path));
    default:
      return [inOwnWords(issue.message, file, path)];
  }
}

/** The schemas' own messages say what is wrong, a colon, and the mend. */
function inOwnWords(words: string, file: string, path: string): Problem {
  const [message, ...hint] = words.split(": ");
  return { file, path, message: message ?? "", hint: hint.join(": ") };
}

function withArticle(type: string): string {
  const word = type === "int" ? "whole number" : type === "record" ? "object" : type;
  return `${/^[aeio]/.test(word) ? "an" : "a"} ${word}`;
}

/** The keys that an object at this path of a schema knows. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return path
    .reduce<JsonSchema[]>((places, key) => places.flatMap((place) => below(place, key)), [root])
    .flatMap((place) => alternatives(place).flatMap(({ properties }) => Object.keys(properties ?? {})));
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

function below(schema: JsonSchema, key: PropertyKey): JsonSchema[] {
  return alternatives(schema).flatMap(({ properties, items, additionalProperties }) =>
    [properties?.[String(key)] ?? additionalProperties, items].filter(isSchema),
  );
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  return [schema, ...(schema.anyOf ?? []).filter(isSchema).flatMap(alternatives)];
}

/** JSON Schema writes "anything" and "nothing" as true and false. */
function isSchema(value: unknown): value is JsonSchema {
  return isObject(value) && !Array.isArray(value);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
