import { unknown } from "../core/policy/value.ts";

/**
 * Plain data of what the SDK hands to policies. It has proxies there that throw when a value is read which is not known
 * in the preview; a rule wants to see that it is there, and decide.
 */
export function plainOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value))
    return Array.from({ length: value.length }, (_, i) => propertyOf(value, String(i)));
  return Object.fromEntries(Object.keys(value).map((key) => [key, propertyOf(value, key)]));
}

/** Reading plain data throws for this one reason alone. */
function propertyOf(object: object, key: string): unknown {
  let value: unknown;
  try {
    value = Reflect.get(object, key);
  } catch {
    return unknown;
  }
  return plainOf(value);
}

/** Reads a value for what the SDK throws where it is unknown. */
export function touch(props: unknown, path: readonly (string | number)[]): void {
  let value: unknown = props;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return;
    value = Reflect.get(value, key);
  }
}
