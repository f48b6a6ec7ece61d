import { isDeepStrictEqual } from "node:util";
import type * as provider from "@pulumi/pulumi/provider/index.js";
import * as z from "zod";
import { omit } from "../../core/objects.ts";

/** What the engine sends for one resource: plain values, with secrets in an envelope. */
export type Properties = Readonly<Record<string, unknown>>;

/** One kind of resource: how it is made, found, changed and removed. Inputs are checked before any of them runs. */
export interface Handler<I> {
  readonly schema: z.ZodType<I>;
  /** Inputs whose change needs a new resource; any other change is an update. */
  readonly replaceOn?: readonly (keyof I & string)[];
  /** Optional inputs that say only how it is made: their change is no change, and they are no outputs. */
  readonly onlyToCreate?: readonly (keyof I & string)[];
  /** The identity of one that is to be made. */
  id(inputs: I): string;
  create(inputs: I, id: string): Promise<void>;
  /** Whether it is still there and as it was made. */
  exists(inputs: I): Promise<boolean>;
  update(olds: I, news: I): Promise<void>;
  delete(inputs: I, id: string): Promise<void>;
}

/** A handler behind the engine's protocol. Outputs are inputs, secrets still in their envelopes. */
export type Service = Required<
  Pick<provider.Provider, "check" | "diff" | "create" | "read" | "update" | "delete">
>;

export function serve<I>(handler: Handler<I>): Service {
  const parse = (properties: Properties): I => handler.schema.parse(openSecrets(properties));
  const lasting = (properties: Properties): Properties => omit(properties, ...(handler.onlyToCreate ?? []));
  return {
    check: (_urn, _olds, news: Properties) => {
      const result = handler.schema.safeParse(openSecrets(news));
      const failures = result.success
        ? []
        : result.error.issues.map(({ path, message }) => ({ property: path.join("."), reason: message }));
      return Promise.resolve({ inputs: news, failures });
    },
    diff: (_id, _urn, allOlds: Properties, allNews: Properties) => {
      const [olds, news] = [lasting(allOlds), lasting(allNews)];
      const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])];
      const changed = keys.filter((key) => !isDeepStrictEqual(olds[key], news[key]));
      const replaces = changed.filter((key) => handler.replaceOn?.some((name) => name === key) ?? false);
      return Promise.resolve({ changes: changed.length > 0, replaces });
    },
    create: async (_urn, inputs: Properties) => {
      const parsed = parse(inputs);
      const id = handler.id(parsed);
      await handler.create(parsed, id);
      return { id, outs: lasting(inputs) };
    },
    read: async (id, _urn, properties: Properties = {}) => {
      // What an earlier version of this provider wrote may no longer fit: then it is made anew.
      const known = handler.schema.safeParse(openSecrets(properties));
      const there = known.success && (await handler.exists(known.data));
      return there ? { id, props: properties } : { id: "", props: {} };
    },
    update: async (_id, _urn, olds: Properties, news: Properties) => {
      await handler.update(parse(olds), parse(news));
      return { outs: lasting(news) };
    },
    delete: async (id, _urn, properties: Properties) => {
      await handler.delete(parse(properties), id);
    },
  };
}

/** Marks a secret on the engine's wire (pulumi/sdk `resource/properties`, signature of secrets). */
const signature = "4dabf18193072939515e22adb298388d";
const envelope = z.object({ [signature]: z.literal("1b47061264138c4ac30d75fd1eb44270"), value: z.unknown() });

function openSecrets(value: unknown): unknown {
  const secret = envelope.safeParse(value);
  if (secret.success) return openSecrets(secret.data.value);
  if (Array.isArray(value)) return value.map(openSecrets);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, openSecrets(child)]));
}
