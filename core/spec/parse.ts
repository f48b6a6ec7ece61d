import yaml from "js-yaml";
import type { z } from "zod";
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
    const line = (error as { mark?: { line: number } }).mark?.line;
    return {
      problems: [
        {
          file: line === undefined ? file : `${file}:${String(line + 1)}`,
          path: "",
          message: `this is no YAML: ${error.reason}`,
          hint: "mend the syntax of this line",
        },
      ],
    };
  }
  return parseValue(schema, document, file);
}

/** Checks plain data against a schema; every issue becomes a problem with a path and a hint. */
export function parseValue<S extends z.ZodType>(schema: S, value: unknown, file: string): Parsed<z.output<S>> {
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
      return [{ file, path, message: value, hint: suggest(String(issue.input ?? ""), issue.values.map(String)) }];
    }
    case "invalid_type":
      return [
        issue.input === undefined
          ? { file, path, message: "missing", hint: `add it; it is ${withArticle(issue.expected)}` }
          : {
              file,
              path,
              message: `${JSON.stringify(issue.input)} is not ${withArticle(issue.expected)}`,
              hint: issue.message.startsWith("Invalid input") ? `write ${withArticle(issue.expected)}` : issue.message,
            },
      ];
    case "too_small":
    case "too_big": {
      const counted = typeof issue.input === "number" ? String(issue.input) : "the number of entries";
      const bound =
        issue.code === "too_small" ? `at least ${String(issue.minimum)}` : `at most ${String(issue.maximum)}`;
      return [{ file, path, message: `${counted} is out of range`, hint: `it must be ${bound}` }];
    }
    default: {
      // The schemas' own messages say what is wrong, a colon, and the mend.
      const [message, ...hint] = issue.message.split(": ");
      return [{ file, path, message: message ?? "", hint: hint.join(": ") }];
    }
  }
}

function withArticle(type: string): string {
  const word = type === "int" ? "whole number" : type === "record" ? "object" : type;
  return `${/^[aeio]/.test(word) ? "an" : "a"} ${word}`;
}

/** The keys a strict object at this path of a schema knows. */
function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const def = (schema as z.core.$ZodTypes)._zod.def;
  switch (def.type) {
    case "optional":
    case "nullable":
    case "default":
    case "readonly":
      return knownKeys(def.innerType, path);
    case "pipe":
      return knownKeys(def.in, path);
    case "union":
      return def.options.flatMap((option) => knownKeys(option, path));
    case "array":
      return knownKeys(def.element, path.slice(1));
    case "record":
      return knownKeys(def.valueType, path.slice(1));
    case "object": {
      const [key, ...rest] = path;
      if (key === undefined) return Object.keys(def.shape);
      const child = def.shape[String(key)];
      return child === undefined ? [] : knownKeys(child, rest);
    }
    default:
      return [];
  }
}
