import fc from "fast-check";
import type { Model } from "../../core/spec/load.ts";
import type { PlatformConfig } from "../../core/spec/platform.ts";
import { modelWith, platformOf, specOf } from "./models.ts";
import { modelName } from "./spec-arbitraries.ts";

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
          size: fc.oneof(
            { arbitrary: fc.integer({ min: 1, max: 5 }), weight: 8 },
            { arbitrary: fc.integer({ min: 1, max: 150 }), weight: 1 },
            { arbitrary: fc.constant(150), weight: 1 },
          ),
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
