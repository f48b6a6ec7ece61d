import fc from "fast-check";
import type { Model } from "../../core/spec/load.ts";
import { backends, dataTypes, type ModelSpec } from "../../core/spec/model.ts";
import type { PlatformConfig } from "../../core/spec/platform.ts";
import { modelWith, platformOf, specOf } from "./models.ts";

/** Text with everything a quoted string can be broken by. */
export const nastyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      ...['"', "'", "\\", "\n", "\r", "\t", "\0", "\x07", "\x1b", "\x7f", "\u0085", "\u2028", "\ufeff"],
      ...["{", "}", "#", ":", "%", "é", "語", "🙂", "0", "7", "x", "n"],
    ),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
  maxLength: 12,
});
/** Not `__proto__`, which no plain object keeps as a key. */
const nastyName = nastyText.filter((text) => text !== "" && text !== "__proto__");

const dims = fc.array(fc.oneof(fc.constant(-1), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })), {
  minLength: 1,
  maxLength: 4,
});
const tensor = { name: nastyName, dataType: fc.constantFrom(...dataTypes), dims };
const byName = { selector: ({ name }: { readonly name: string }) => name, minLength: 1, maxLength: 4 };
const inputs = fc.uniqueArray(fc.record({ ...tensor, optional: fc.boolean() }), byName);
const outputs = fc.uniqueArray(
  fc.record({ ...tensor, labelFilename: nastyName }, { requiredKeys: ["name", "dataType", "dims"] }),
  byName,
);
const positive = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const microseconds = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

const versions = fc.oneof(
  fc.record({ latest: positive }),
  fc.constant({ all: true as const }),
  fc.record({ specific: fc.uniqueArray(fc.integer({ min: 1 }), { minLength: 1, maxLength: 5 }) }),
);
const instances = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("cpu" as const), count: positive }),
    fc.record(
      {
        kind: fc.constant("gpu" as const),
        count: positive,
        gpus: fc.uniqueArray(fc.nat(15), { minLength: 1, maxLength: 8 }),
      },
      { requiredKeys: ["kind", "count"] },
    ),
  ),
  { minLength: 1, maxLength: 3 },
);
const mapping = fc.dictionary(nastyName, nastyName, { minKeys: 1, maxKeys: 4, noNullPrototype: true });

/** Any spec the schema lets through, apart from fields that only other parts of the platform read. */
export const modelSpec: fc.Arbitrary<ModelSpec> = fc
  .tuple(inputs, fc.integer({ min: 0, max: 2 ** 31 - 1 }))
  .chain(([ins, maxBatchSize]) => {
    const common = {
      name: modelName,
      description: fc.constant(""),
      maxBatchSize: fc.constant(maxBatchSize),
      inputs: fc.constant(ins),
      outputs,
      parameters: fc.dictionary(nastyName, nastyText, { maxKeys: 4, noNullPrototype: true }),
      versions,
      responseCache: fc.boolean(),
      objectives: fc.constant({}),
      idempotent: fc.boolean(),
      callTimeout: microseconds,
      conversationAffinity: fc.boolean(),
    };
    const batching = fc.record(
      {
        preferredBatchSizes: fc.array(fc.integer({ min: 1, max: Math.max(1, maxBatchSize) }), {
          maxLength: 4,
        }),
        maxQueueDelay: microseconds,
        maxQueueSize: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        timeout: microseconds,
        preserveOrdering: fc.boolean(),
      },
      { requiredKeys: ["preferredBatchSizes", "preserveOrdering"] },
    );
    const warmupInput = fc.record(
      { data: fc.constantFrom("zero" as const, "random" as const), dims },
      { requiredKeys: ["data"] },
    );
    const warmup = fc.record({
      batchSize: positive,
      count: positive,
      inputs: fc
        .subarray(ins.map(({ name }) => name))
        .chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), warmupInput))))
        .map((entries) => Object.fromEntries(entries)),
    });
    const step = fc.record({
      model: nastyName,
      version: fc.integer({ min: -1 }),
      inputs: mapping,
      outputs: mapping,
    });
    const served = fc.record(
      {
        ...common,
        backend: fc.constantFrom(...backends),
        instances,
        batching,
        warmup: fc.array(warmup, { maxLength: 2 }),
      },
      { requiredKeys: [...keysOf(common), "backend", "warmup"] },
    );
    const ensemble = fc.record({
      ...common,
      ensemble: fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 4 }) }),
      warmup: fc.constant<ModelSpec["warmup"]>([]),
    });
    return fc.oneof({ arbitrary: served, weight: 3 }, { arbitrary: ensemble, weight: 1 });
  });

/** The grammar that loadModels accepts, with words that mean something to HAProxy and YAML. */
export const modelName: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,30}[a-z0-9])?$/), weight: 4 },
  {
    arbitrary: fc.constantFrom("if", "or", "unless", "str", "true", "null", "no", "1", "a".repeat(255)),
    weight: 1,
  },
);

/** The grammar of server names, with names that other parts of the balancer's file are made of. */
export const serverName: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/), weight: 3 },
  {
    arbitrary: fc.constantFrom(
      ...["a", "a-conversations", "conversations", "costly-model", "of-a", "http", "grpc", "metrics"],
      ...["if", "or", "unless", "no", "true", "null", "constructor"],
    ),
    weight: 2,
  },
);

const anySpec = specOf("any");

export interface Platform {
  readonly models: readonly Model[];
  readonly config: PlatformConfig;
}

/** Up to six server groups with up to 150 models each; the first is the default and lists none. */
export const platform: fc.Arbitrary<Platform> = fc
  .uniqueArray(serverName, { minLength: 1, maxLength: 6 })
  .chain((servers) =>
    fc.tuple(
      ...servers.map((name) =>
        fc.record({
          name: fc.constant(name),
          replicas: fc.integer({ min: 1, max: 8 }),
          size: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 150 }), fc.constant(150)),
          stem: modelName,
          conversations: fc.boolean(),
          costly: fc.boolean(),
        }),
      ),
    ),
  )
  .map((groups) => {
    const members = groups.map(({ size, stem, conversations, costly }, g) =>
      Array.from({ length: size }, (_, i) =>
        modelWith(
          {
            ...anySpec,
            // Unique by its end, however alike the stems are.
            name: `${stem}-${String(g)}-${String(i)}`,
            conversationAffinity: conversations && i % 2 === 0,
            idempotent: !(costly && i % 3 === 0),
          },
          ["1/model.py"],
        ),
      ),
    );
    return {
      // A counterexample is told by its groups: all its models would be pages.
      [fc.toStringMethod]: () => fc.stringify(groups),
      models: members.flat(),
      config: platformOf({
        defaultServer: groups[0]?.name ?? "",
        servers: Object.fromEntries(
          groups.map(({ name, replicas }, g) => [
            name,
            g === 0 ? { replicas } : { replicas, models: (members[g] ?? []).map(({ spec }) => spec.name) },
          ]),
        ),
      }),
    };
  });

function keysOf<T extends object>(record: T): (keyof T)[] {
  const isKey = (key: string): key is keyof T & string => Object.hasOwn(record, key);
  return Object.keys(record).filter(isKey);
}
