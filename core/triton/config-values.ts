import protobuf from "protobufjs/light.js";
import type { Problem } from "../spec/problem.ts";
import { textName } from "./model-config-type.ts";

type Finding = Omit<Problem, "file">;

/**
 * Values that protobuf can have and model.yaml cannot: whole numbers beyond 2^53 - 1, numbers that are not finite, a
 * negative zero that a default would stand for, numbers of an enum without a name, and the map key `__proto__`.
 */
export function unheldValues(type: protobuf.Type, message: object, path = ""): Finding[] {
  return Object.entries(message).flatMap(([name, value]: [string, unknown]) => {
    const field = type.fields[name];
    return field === undefined ? [] : inField(field, value, `${path}${path && "."}${textName(name)}`);
  });
}

function inField(field: protobuf.Field, value: unknown, path: string): Finding[] {
  if (field.map && isObject(value)) {
    return Object.entries(value).flatMap(([key, each]: [string, unknown]) =>
      key === "__proto__"
        ? [finding(path, "`__proto__` is no key that YAML and JavaScript keep", "name it otherwise")]
        : inValue(field, each, `${path}.${key}`),
    );
  }
  if (Array.isArray(value)) {
    return value.flatMap((each: unknown, i) => inValue(field, each, `${path}[${String(i)}]`));
  }
  // Where it stands alone, zero is the default and left out; in a list it is kept, sign and all.
  return Object.is(value, -0)
    ? [finding(path, "-0 is not kept apart from 0", "write 0")]
    : inValue(field, value, path);
}

function inValue({ resolvedType, type }: protobuf.Field, value: unknown, path: string): Finding[] {
  if (resolvedType instanceof protobuf.Type)
    return isObject(value) ? unheldValues(resolvedType, value, path) : [];
  if (resolvedType instanceof protobuf.Enum) {
    return resolvedType.valuesById[Number(value)] === undefined
      ? [
          finding(
            path,
            `${String(value)} is no value that has a name`,
            `use one of: ${Object.keys(resolvedType.values).join(", ")}`,
          ),
        ]
      : [];
  }
  if (type === "float" || type === "double") {
    const kept = type === "float" ? Math.fround(Number(value)) : Number(value);
    return Number.isFinite(kept)
      ? []
      : [finding(path, `${String(value)} is no finite number`, "write a number, or leave the field out")];
  }
  return (type === "int64" || type === "uint64") && !Number.isSafeInteger(Number(String(value)))
    ? [
        finding(
          path,
          `${String(value)} is beyond 2^53 - 1, up to which YAML and JavaScript keep whole numbers`,
          "write a smaller number",
        ),
      ]
    : [];
}

function finding(path: string, message: string, hint: string): Finding {
  return { path, message, hint };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
