import * as pulumi from "@pulumi/pulumi";
import * as z from "zod";

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

/** What a program came to: its outputs, or what it threw. */
export interface Run {
  readonly outputs: unknown;
  readonly error?: Error;
  /** All that it registered, sorted by type and name. */
  readonly resources: readonly Registered[];
}

/** Inputs of the resource of this name, which must be among those registered. */
export function inputsIn(resources: readonly Registered[], name: string): Registered["inputs"] {
  const found = resources.find((resource) => resource.name === name);
  if (found !== undefined) return found.inputs;
  const names = resources.map((resource) => resource.name).join(", ");
  throw new Error(`${name} was not registered; there are ${names}`);
}

/** Runs a program without an engine, to its end. */
export async function register(program: () => Promise<unknown>, standIns: StandIns): Promise<Run> {
  const run = await attempt(program, standIns);
  if (run.error !== undefined) throw run.error;
  return run;
}

/** Runs a program without an engine, though it may throw. */
export async function attempt(
  program: () => Promise<unknown>,
  { outputs, answer, secrets = {} }: StandIns,
): Promise<Run> {
  const made: Pick<Registered, "type" | "name" | "inputs">[] = [];
  const options = new Map<string, Options>();
  const names = new Map<pulumi.Resource, string>();
  const failures: Error[] = [];
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
      // Nobody else handles it.
      failures.push(error instanceof Error ? error : new Error(String(error)));
      return {};
    }
  });
  const shown: unknown = await new Promise((resolve) => {
    pulumi.output(result).apply(resolve);
  });
  await pulumi.runtime.disconnect();
  const [error] = failures;
  const key = ({ type, name }: Pick<Registered, "type" | "name">): string => `${type} ${name}`;
  const resources = made
    .filter(({ type }) => type !== "pulumi:pulumi:Stack")
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
    .map((resource) => {
      const opts = options.get(key(resource));
      return { dependsOn: [], protect: false, ignoreChanges: [], ...opts, ...resource };
    });
  return { outputs: shown, resources, ...(error === undefined ? {} : { error }) };
}
