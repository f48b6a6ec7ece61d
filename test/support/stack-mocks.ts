import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";

/** A resource as a program registers it. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Names of the resources it belongs to and waits for. */
  readonly parent?: string;
  readonly dependsOn: readonly string[];
  readonly protect: boolean;
  readonly ignoreChanges: readonly string[];
}

/** What stands in for the providers: computed outputs by a resource's type, and answers by a function's token. */
export interface StandIns {
  readonly outputs: (
    resource: Pick<Registered, "type" | "name" | "inputs">,
  ) => Readonly<Record<string, unknown>>;
  /** Throws where it refuses. */
  readonly answer: (token: string, args: Readonly<Record<string, unknown>>) => Record<string, unknown>;
  /** Secrets of the stack's config, by `namespace:key`. */
  readonly secrets?: Readonly<Record<string, string>>;
}

const inputsSchema = z.record(z.string(), z.unknown());

type Options = Omit<Registered, "type" | "name" | "inputs">;

/**
 * Runs a program without an engine, and returns its outputs and all that it registers, sorted by type and name. What it
 * throws is thrown.
 */
export async function register(
  program: () => Promise<unknown>,
  { outputs, answer, secrets = {} }: StandIns,
): Promise<{ readonly outputs: unknown; readonly resources: readonly Registered[] }> {
  const made: Pick<Registered, "type" | "name" | "inputs">[] = [];
  const options = new Map<string, Options>();
  const names = new Map<pulumi.Resource, string>();
  const failure: unknown[] = [];
  pulumi.runtime.setAllConfig({ ...secrets }, Object.keys(secrets));
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, id }) => {
        const resource = { type, name, inputs: inputsSchema.parse(inputs) };
        made.push(resource);
        return {
          id: id === undefined || id === "" ? `${name}-id` : id,
          state: { ...resource.inputs, ...outputs(resource) },
        };
      },
      call: ({ token, inputs }) => answer(token, inputsSchema.parse(inputs)),
    },
    "triton-platform",
    "test",
    false,
  );
  const result = await pulumi.runtime.runInPulumiStack(async () => {
    pulumi.runtime.registerStackTransformation(({ type, name, resource, opts }) => {
      names.set(resource, name);
      const known = (other: unknown): string[] =>
        pulumi.Resource.isInstance(other) ? [names.get(other) ?? "?"] : [];
      const parent = opts.parent === undefined ? undefined : names.get(opts.parent);
      options.set(`${type} ${name}`, {
        ...(parent === undefined ? {} : { parent }),
        dependsOn: [opts.dependsOn].flat().flatMap(known),
        protect: opts.protect ?? false,
        ignoreChanges: opts.ignoreChanges ?? [],
      });
      return undefined;
    });
    try {
      return await program();
    } catch (error) {
      // Thrown on below: nobody else handles it.
      failure.push(error);
      return {};
    }
  });
  const shown: unknown = await new Promise((resolve) => {
    pulumi.output(result).apply(resolve);
  });
  await pulumi.runtime.disconnect();
  for (const error of failure) throw error;
  const key = ({ type, name }: Pick<Registered, "type" | "name">): string => `${type} ${name}`;
  const resources = made
    .filter(({ type }) => type !== "pulumi:pulumi:Stack")
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
    .map((resource) => {
      const opts = options.get(key(resource));
      return { dependsOn: [], protect: false, ignoreChanges: [], ...opts, ...resource };
    });
  return { outputs: shown, resources };
}
