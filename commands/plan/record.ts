import * as pulumi from "@pulumi/pulumi";
import * as z from "zod";
import { mapValues } from "../../core/objects.ts";
import { laterValue } from "../../core/plan/later.ts";

/** What a program registers, without an engine: for plans and for tests. */

/** A resource as a program registers it. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Whether a provider makes it: no component. */
  readonly custom: boolean;
  /** Names of the resources it belongs to and waits for. */
  readonly parent?: string;
  readonly dependsOn: readonly string[];
  readonly protect: boolean;
  readonly ignoreChanges: readonly string[];
  /** The end of its URN: the types it belongs to and its own, and its name. By this the engine knows it again. */
  readonly path: string;
  /** Paths by which it was known before, those that follow from its parents' with them. */
  readonly formerPaths: readonly string[];
}

/** What stands in for the providers. */
export interface StandIns {
  /** Computed outputs, by what is registered. */
  readonly outputs: (
    resource: Pick<Registered, "type" | "name" | "inputs">,
  ) => Readonly<Record<string, unknown>>;
  /** Id of what is made new. Default: its name and `-id`. */
  readonly id?: (name: string) => string;
  /** Answers by a function's token. Throws where it refuses. */
  readonly answer: (token: string, args: Readonly<Record<string, unknown>>) => Record<string, unknown>;
  /** Secrets of the stack's config, by `namespace:key`. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** As in a preview: outputs that nobody computes are not known, instead of undefined. Default: false. */
  readonly isPreview?: boolean;
}

const inputsSchema = z.record(z.string(), z.unknown());

type Options = Omit<Registered, "type" | "name" | "inputs" | "custom">;

/** What a program came to: its outputs, or what it threw. */
export interface Run {
  /** Undefined for a preview. */
  readonly outputs: unknown;
  readonly error?: Error;
  /** All that it registered, sorted by type and name. */
  readonly resources: readonly Registered[];
}

function key({ type, name }: Pick<Registered, "type" | "name">): string {
  return `${type} ${name}`;
}

/** Where a resource is: its type behind those of its parents, and its name. */
interface Address {
  readonly types: string;
  readonly name: string;
}

interface Place extends Address {
  readonly former: readonly Address[];
}

function pathOf({ types, name }: Address): string {
  return `${types}::${name}`;
}

/**
 * Its own former names under each of its parent's names, and its name under the parent's former ones, of which it has the
 * beginning. Source: Pulumi's SDK, `inheritedChildAlias` in resource.ts.
 */
function placeOf(
  { type, name }: Pick<Registered, "type" | "name">,
  aliases: pulumi.ResourceOptions["aliases"],
  parent: Place | undefined,
): Place {
  const below = (above: Address | undefined, own: string): Address => ({
    types: above === undefined ? type : `${above.types}$${type}`,
    name: own,
  });
  const renamed = (above: Address, own: string): string =>
    parent !== undefined && own.startsWith(parent.name)
      ? `${above.name}${own.slice(parent.name.length)}`
      : own;
  const own = [name, ...formerNames(aliases)];
  const before = (parent?.former ?? []).flatMap((above) =>
    own.map((each) => below(above, renamed(above, each))),
  );
  return {
    ...below(parent, name),
    former: [...own.slice(1).map((each) => below(parent, each)), ...before],
  };
}

/** Names alone. Of its types before, which SDKs say themselves, nobody here has resources; another parent is no convention here. */
function formerNames(aliases: pulumi.ResourceOptions["aliases"]): string[] {
  const given: unknown = aliases;
  return aliasesSchema.parse(given ?? []).flatMap((alias) => (alias.name === undefined ? [] : [alias.name]));
}

const aliasesSchema = z.array(z.looseObject({ name: z.string().optional() }));

/** Inputs as plain data: of secrets, that they are; of what is not known, that it is not. */
export function plainInputs(inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return mapValues(inputs, plain);
}

function plain(value: unknown): unknown {
  if (pulumi.isUnknown(value)) return laterValue;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if (pulumi.runtime.specialSigKey in value) return "[secret]";
  return mapValues(Object.fromEntries(Object.entries(value)), plain);
}

/** Runs a program without an engine, though it may throw. */
export async function record(program: () => Promise<unknown>, standIns: StandIns): Promise<Run> {
  const {
    outputs,
    id: idOf = (name: string) => `${name}-id`,
    answer,
    secrets = {},
    isPreview = false,
  } = standIns;
  const made: Pick<Registered, "type" | "name" | "inputs" | "custom">[] = [];
  const options = new Map<string, Options>();
  const names = new Map<pulumi.Resource, string>();
  const places = new Map<pulumi.Resource, Place>();
  const failures: Error[] = [];
  pulumi.runtime.setAllConfig({ ...secrets }, Object.keys(secrets));
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, id, custom = false }) => {
        const resource = { type, name, inputs: inputsSchema.parse(inputs), custom };
        made.push(resource);
        return {
          id: id === undefined || id === "" ? idOf(name) : id,
          state: { ...resource.inputs, ...outputs(resource) },
        };
      },
      call: ({ token, inputs }) => answer(token, inputsSchema.parse(inputs)),
    },
    "triton-platform",
    "test",
    isPreview,
  );
  const result = await pulumi.runtime.runInPulumiStack(async () => {
    pulumi.runtime.registerStackTransformation(({ type, name, resource, opts }) => {
      names.set(resource, name);
      const known = (other: unknown): string[] =>
        pulumi.Resource.isInstance(other) ? [names.get(other) ?? "?"] : [];
      const parent = opts.parent === undefined ? undefined : names.get(opts.parent);
      const above = opts.parent === undefined ? undefined : places.get(opts.parent);
      const place = placeOf({ type, name }, opts.aliases, above);
      places.set(resource, place);
      options.set(key({ type, name }), {
        ...(parent === undefined ? {} : { parent }),
        dependsOn: [opts.dependsOn].flat().flatMap(known),
        protect: opts.protect ?? false,
        ignoreChanges: opts.ignoreChanges ?? [],
        path: pathOf(place),
        formerPaths: place.former.map(pathOf),
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
  // In a preview nobody is told what is not known.
  const shown: unknown = isPreview
    ? undefined
    : await new Promise((resolve) => {
        pulumi.output(result).apply(resolve);
      });
  await pulumi.runtime.disconnect();
  const [error] = failures;
  const resources = made
    .filter(({ type }) => type !== "pulumi:pulumi:Stack")
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
    .map((resource) => {
      const opts = options.get(key(resource));
      const path = pathOf({ types: resource.type, name: resource.name });
      const usual = { dependsOn: [], protect: false, ignoreChanges: [], path, formerPaths: [] };
      return { ...usual, ...opts, ...resource };
    });
  return { outputs: shown, resources, ...(error === undefined ? {} : { error }) };
}
