import type { Environment } from "./environment.ts";

/** A value of a rule that a policy config may set. */
export interface Limit<out T> {
  /** Its key in the rule's policy config. */
  readonly name: string;
  readonly about: string;
  /** JSON Schema of what may be set. */
  readonly schema: LimitSchema;
  readonly defaults: Readonly<Record<Environment, T>>;
  /** A value that was set, or undefined where it is not of the limit's kind. */
  readonly read: (value: unknown) => T | undefined;
}

export type LimitSchema =
  | { readonly type: "number"; readonly minimum: number }
  | { readonly type: "array"; readonly items: { readonly type: "string" } }
  | { readonly type: "object"; readonly additionalProperties: { readonly type: "string" } };

/** A number that is not below 0. */
export function numberLimit(
  name: string,
  about: string,
  defaults: number | Readonly<Record<Environment, number>>,
): Limit<number> {
  return {
    name,
    about,
    schema: { type: "number", minimum: 0 },
    defaults: typeof defaults === "number" ? inAll(defaults) : defaults,
    read: (value) => (typeof value === "number" && value >= 0 ? value : undefined),
  };
}

/** A list of texts. */
export function textsLimit(
  name: string,
  about: string,
  defaults: readonly string[],
): Limit<readonly string[]> {
  return {
    name,
    about,
    schema: { type: "array", items: { type: "string" } },
    defaults: inAll(defaults),
    read: (value) => (Array.isArray(value) && value.every(isText) ? value : undefined),
  };
}

/** Texts by key. */
export function mapLimit(name: string, about: string): Limit<Readonly<Record<string, string>>> {
  return {
    name,
    about,
    schema: { type: "object", additionalProperties: { type: "string" } },
    defaults: inAll({}),
    read: readMap,
  };
}

function readMap(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  const texts = entries.flatMap(([key, text]): [string, string][] => (isText(text) ? [[key, text]] : []));
  return texts.length === entries.length ? Object.fromEntries(texts) : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function inAll<T>(value: T): Readonly<Record<Environment, T>> {
  return { dev: value, staging: value, prod: value, bench: value };
}
