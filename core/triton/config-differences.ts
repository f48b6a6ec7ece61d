import protobuf from "protobufjs/light.js";
import { withoutDefaults } from "./config-defaults.ts";
import { modelConfigType, textName } from "./model-config-type.ts";
import type { ModelConfig } from "./model-config.ts";

/** A field of one config that another does not have, or has otherwise. */
export interface Difference {
  /** As in config.pbtxt: `model_warmup[0].inputs.x.zero_data`. */
  readonly path: string;
  /** As JSON; undefined where only the other config has the field. */
  readonly value: string | undefined;
  /** The other config's, in the same way. */
  readonly other: string | undefined;
}

/** Where two configs are not the same message. Order of maps and defaults that are spelled out make no difference. */
export function differences(config: ModelConfig, other: ModelConfig): Difference[] {
  const type = modelConfigType();
  return inMessages(type, withoutDefaults(type, config), withoutDefaults(type, other), "");
}

function inMessages(type: protobuf.Type, one: object, other: object, path: string): Difference[] {
  return keysOf(one, other).flatMap((name) => {
    const field = type.fields[name];
    const below = `${path}${path && "."}${textName(name)}`;
    const [value, otherValue] = [valueOf(one, name), valueOf(other, name)];
    if (field?.map === true && isObject(value) && isObject(otherValue)) {
      return keysOf(value, otherValue).flatMap((key) =>
        inValues(field, valueOf(value, key), valueOf(otherValue, key), `${below}.${key}`),
      );
    }
    if (field?.repeated === true && isObject(value) && isObject(otherValue)) {
      return keysOf(value, otherValue).flatMap((index) =>
        inValues(field, valueOf(value, index), valueOf(otherValue, index), `${below}[${index}]`),
      );
    }
    return inValues(field, value, otherValue, below);
  });
}

function inValues(
  field: protobuf.Field | undefined,
  one: unknown,
  other: unknown,
  path: string,
): Difference[] {
  if (Object.is(one, other)) return [];
  return field?.resolvedType instanceof protobuf.Type && isObject(one) && isObject(other)
    ? inMessages(field.resolvedType, one, other, path)
    : [{ path, value: JSON.stringify(one), other: JSON.stringify(other) }];
}

function keysOf(one: object, other: object): string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])];
}

/** Only what an object has itself: a map may lack a key named `constructor`. */
function valueOf(object: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(object, key)?.value;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
