import { formatPath } from "../spec/problem.ts";

/** In the place of what the engine knows only once a resource is there. */
export const unknown: unique symbol = Symbol("not known before it is there");

/** Thrown by whoever reads an unknown value: what depends on it cannot be decided yet. */
export class Undecided extends Error {
  constructor(readonly path: readonly (string | number)[]) {
    super(`${formatPath(path)} is not known before it is there`);
    this.name = "Undecided";
  }
}

/**
 * A value inside a resource's inputs, with its path. Inputs are other people's data: what is not of the kind that is
 * asked for counts as absent. What is unknown is present, and its content can be asked for in vain only.
 */
export class Value {
  constructor(
    readonly raw: unknown,
    readonly path: readonly (string | number)[] = [],
  ) {}

  /** What is inside, key by key; what is inside of an unknown is unknown too. */
  at(...keys: readonly (string | number)[]): Value {
    return keys.reduce<Value>((value, key) => value.#child(key), this);
  }

  /** The path as messages have it: `spec.containers[0].image`. */
  get place(): string {
    return formatPath(this.path);
  }

  get isPresent(): boolean {
    return this.raw !== undefined && this.raw !== null;
  }

  get isUnknown(): boolean {
    return this.raw === unknown;
  }

  get text(): string | undefined {
    const raw = this.#known();
    return typeof raw === "string" ? raw : undefined;
  }

  /** Numbers that come as text too, as AWS' provider has some. */
  get number(): number | undefined {
    const raw = this.#known();
    if (typeof raw === "number") return raw;
    return typeof raw === "string" && /^-?\d+(\.\d+)?$/.test(raw) ? Number(raw) : undefined;
  }

  /** Booleans that come as text too, as annotations and tags have them. */
  get boolean(): boolean | undefined {
    const raw = this.#known();
    if (typeof raw === "boolean") return raw;
    return raw === "true" ? true : raw === "false" ? false : undefined;
  }

  get items(): readonly Value[] {
    const raw = this.#known();
    return Array.isArray(raw) ? raw.map((_, i) => this.#child(i)) : [];
  }

  get entries(): readonly (readonly [key: string, value: Value])[] {
    const raw = this.#known();
    return typeof raw === "object" && raw !== null && !Array.isArray(raw)
      ? Object.keys(raw).map((key) => [key, this.#child(key)] as const)
      : [];
  }

  /** Texts of a list, or the one text where a list of one may be written so (IAM). */
  get texts(): readonly string[] {
    const { text } = this;
    return text === undefined ? this.items.flatMap((item) => item.text ?? []) : [text];
  }

  /** The document in a text of JSON, at the text's own path; absent where it is none. */
  get json(): Value {
    const { text } = this;
    try {
      return new Value(text === undefined ? this.raw : JSON.parse(text), this.path);
    } catch {
      return new Value(undefined, this.path);
    }
  }

  #known(): unknown {
    if (this.isUnknown) throw new Undecided(this.path);
    return this.raw;
  }

  #child(key: string | number): Value {
    const path = [...this.path, key];
    if (this.isUnknown) return new Value(unknown, path);
    return new Value(propertyOf(this.raw, key), path);
  }
}

function propertyOf(raw: unknown, key: string | number): unknown {
  if (typeof raw !== "object" || raw === null) return undefined;
  return Object.hasOwn(raw, key) ? Reflect.get(raw, key) : undefined;
}
