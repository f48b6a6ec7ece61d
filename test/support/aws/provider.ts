import { awsForceNew } from "../../../core/plan/aws-replacement.ts";
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { omit } from "../../../core/objects.ts";
import { look, transact, type Account, type Stored, type Verb } from "./account.ts";
import { invokes } from "./invokes.ts";
import { AwsError, type Reference, type ResourceType, type Scene } from "./resource.ts";
import { argumentsOf, providerFields, shapeOf, shapeProblems, type ShapeProblem } from "./shapes.ts";
import { resourceTypes } from "./types.ts";
import * as values from "./values.ts";
import { unknownValue, type Properties } from "./values.ts";

export interface ProviderConfig {
  readonly region: string;
  readonly allowedAccountIds?: readonly string[];
  readonly defaultTags: Readonly<Record<string, string>>;
}

export interface Difference {
  /** Changed properties. */
  readonly changed: readonly string[];
  readonly replaces: readonly string[];
  readonly deleteBeforeReplace: boolean;
}

/** A resource that is there, but not as it should be: the engine keeps it, and tries again with the next update. */
export class HalfMade extends Error {
  constructor(
    message: string,
    readonly id: string,
    readonly outputs: Properties,
  ) {
    super(message);
  }
}

/** The simulated provider, apart from the engine's protocol. */
export class SimulatedProvider {
  #config: ProviderConfig = { region: "us-east-1", defaultTags: {} };

  constructor(readonly file: string) {}

  checkConfig(given: Properties): ShapeProblem[] {
    // The SDK's own; they say which plugin is meant.
    const known = new Map([
      ...providerFields(),
      ["version", { required: false, kind: { kind: "any" } }] as const,
    ]);
    return shapeProblems(known, given);
  }

  /** Throws as the real provider does. */
  configure(given: Properties): void {
    const region = values.text(given, "region");
    if (region === undefined) throw new Error("Missing region configuration");
    const { id, zones } = look(this.file).settings;
    // Source: aws-sdk-go-base, validation.go: InvalidRegionError.
    if (zones[region] === undefined) throw new Error(`invalid AWS Region: ${region}`);
    // Source: internal/conns/config.go, ConfigureProvider.
    if (given.allowedAccountIds !== undefined && !values.texts(given, "allowedAccountIds").includes(id))
      throw new Error(`AWS account ID not allowed: ${id}`);
    this.#config = { region, defaultTags: values.textMap(values.at(given, "defaultTags.tags")) };
  }

  check(
    type: string,
    name: string,
    olds: Properties,
    given: Properties,
    seed: string,
  ): { readonly inputs: Properties; readonly failures: readonly ShapeProblem[] } {
    const resource = typeOf(type);
    const inputs = named(resource, name, olds, given, seed);
    const { inputs: fields } = shapeOf(type);
    const has = (property: string): boolean => values.at(inputs, property) !== undefined;
    return {
      inputs,
      failures: [
        ...shapeProblems(fields, inputs),
        ...(resource.exclusive ?? [])
          .filter((group) => group.filter(has).length > 1)
          .map((group) => ({
            property: group.filter(has).join(", "),
            reason: "only one of them may be given",
          })),
        ...(resource.oneOf ?? [])
          .filter((group) => !group.some(has))
          .map((group) => ({ property: group.join(", "), reason: "one of them must be given" })),
        ...tagProblems(this.#tagsOf(type, inputs)),
        ...(resource.validate?.(inputs) ?? []),
      ],
    };
  }

  diff(type: string, outputs: Properties, oldInputs: Properties, news: Properties): Difference {
    const resource = typeOf(type);
    const given = { ...kept(resource, oldInputs, news), ...news };
    const differs = (path: string): boolean => {
      const isSet = resource.sets?.includes(path) ?? false;
      const [old, now] = [values.at(oldInputs, path), values.at(given, path)];
      return !isDeepStrictEqual(isSet ? sorted(old) : old, isSet ? sorted(now) : now);
    };
    const leaves = resource.sets ?? [];
    const keys = [...new Set([...Object.keys(oldInputs), ...Object.keys(given)])].filter(
      (key) => !key.startsWith("__"),
    );
    const changed = keys.filter((key) => {
      const nested = leaves.filter((path) => path.startsWith(`${key}.`));
      if (nested.length === 0) return differs(key);
      const without = (properties: Properties): unknown =>
        nested.reduce<Properties>((rest, path) => values.withValue(rest, path, []), properties)[key];
      return !isDeepStrictEqual(without(oldInputs), without(given)) || nested.some(differs);
    });
    const tags = this.#tagsOf(type, given);
    const retagged =
      tags !== undefined && !values.hasUnknown(tags) && !isDeepStrictEqual(outputs.tagsAll ?? {}, tags);
    const forcing = new Set([...(awsForceNew[type]?.properties ?? []), ...resource.forceNew]);
    const replaces = [...forcing].filter(differs).map((path) => path.split(".")[0] ?? path);
    return {
      changed: [...changed, ...(retagged && !changed.includes("tags") ? ["tagsAll"] : [])],
      replaces,
      deleteBeforeReplace: replaces.length > 0 && keepsItsName(resource, oldInputs, news),
    };
  }

  /** What a new resource will be, as far as it is known before. */
  planCreate(type: string, inputs: Properties): Properties {
    const { inputs: fields, outputs, alwaysThere } = shapeOf(type);
    const resource = typeOf(type);
    const known = { ...resource.defaults, ...withoutMarks(inputs), ...this.#placed(type, inputs) };
    // What only a program can give is not there without it; the rest is AWS' to say.
    const isToCome = (key: string): boolean =>
      !fields.has(key) || alwaysThere.includes(key) || (resource.kept?.includes(key) ?? false);
    const planned = Object.fromEntries([
      ...outputs
        .filter((key) => known[key] === undefined && isToCome(key))
        .map((key) => [key, unknownValue] as const),
      ...Object.entries(known),
    ]);
    return unknownPaths(resource.filledIn ?? [], planned);
  }

  planUpdate(type: string, olds: Properties, oldInputs: Properties, news: Properties): Properties {
    const resource = typeOf(type);
    const unstable = (resource.unstable ?? []).map((key) => [key, unknownValue] as const);
    return {
      ...merged(olds, oldInputs, news, resource),
      ...this.#placed(type, news),
      ...Object.fromEntries(unstable),
    };
  }

  async create(
    type: string,
    name: string,
    inputs: Properties,
  ): Promise<{ readonly id: string; readonly outputs: Properties }> {
    const resource = typeOf(type);
    return this.#journaled("create", type, name, "", async () => {
      await this.#delay("create", type);
      return transact(this.file, (account) => {
        const scene = this.#scene(type, resource, account, name, inputs);
        demandReferences(resource, account, inputs);
        const id = typeof resource.id === "string" ? `${resource.id}${account.hex(17)}` : resource.id(scene);
        if (account.find(type, id) !== undefined)
          throw new AwsError("ResourceAlreadyExists", `${type} ${id} exists already`);
        const added = resource.create?.({ ...scene, id }) ?? {};
        const outputs = { ...unusedPrefixes(type), ...overlaid(scene.inputs, added) };
        demandOutputs(type, outputs);
        account.put({ type, id, name, properties: outputs });
        return { id, outputs };
      });
    });
  }

  read(type: string, id: string): Properties | undefined {
    typeOf(type);
    return look(this.file).find(type, id)?.properties;
  }

  async update(
    type: string,
    name: string,
    id: string,
    oldInputs: Properties,
    news: Properties,
  ): Promise<Properties> {
    const resource = typeOf(type);
    const { outputs } = await this.#journaled("update", type, name, id, async () => {
      await this.#delay("update", type);
      return transact(this.file, (account) => {
        const before = account.find(type, id);
        if (before === undefined)
          throw new AwsError("ResourceNotFoundException", `${type} ${id} is not there`);
        const inputs = merged(before.properties, oldInputs, news, resource);
        const scene = this.#scene(type, resource, account, name, inputs);
        demandReferences(resource, account, inputs);
        const changed = resource.update?.({ ...scene, id, olds: before.properties }) ?? {};
        const properties = overlaid(scene.inputs, changed);
        account.put({ type, id, name, properties });
        return { id, outputs: properties };
      });
    });
    return outputs;
  }

  async delete(type: string, name: string, id: string): Promise<void> {
    const resource = typeOf(type);
    await this.#journaled("delete", type, name, id, async () => {
      await this.#delay("delete", type);
      await this.#patiently(() => {
        transact(this.file, (account) => {
          const there = account.find(type, id);
          if (there === undefined) return;
          refuseInUse(account, there);
          resource.remove?.(account, there);
          account.remove(type, id);
        });
      });
      return { id };
    });
  }

  invoke(token: string, given: Properties): Properties {
    const answer = invokes[token];
    if (answer === undefined)
      throw new Error(
        `the simulated AWS does not know the function ${token}: give test/support/aws its rules`,
      );
    const [problem] = shapeProblems(argumentsOf(token), given);
    if (problem !== undefined) throw new Error(`${token}: ${problem.property}: ${problem.reason}`);
    return answer(
      { ...given },
      { account: look(this.file), region: values.text(given, "region") ?? this.#config.region },
    );
  }

  #scene(type: string, resource: ResourceType, account: Account, name: string, inputs: Properties): Scene {
    const { region } = this.#config;
    return {
      ...{ account, region, name },
      inputs: { ...resource.defaults, ...withoutMarks(inputs), ...this.#placed(type, inputs) },
    };
  }

  /** The region and all tags, where a type has them. */
  #placed(type: string, inputs: Properties): Properties {
    const { outputs } = shapeOf(type);
    const tagsAll = this.#tagsOf(type, inputs);
    return {
      ...(outputs.includes("region") ? { region: values.text(inputs, "region") ?? this.#config.region } : {}),
      ...(tagsAll === undefined ? {} : { tagsAll }),
    };
  }

  #tagsOf(type: string, inputs: Properties): Properties | undefined {
    if (!shapeOf(type).outputs.includes("tagsAll")) return undefined;
    return { ...this.#config.defaultTags, ...(values.isRecord(inputs.tags) ? inputs.tags : {}) };
  }

  async #journaled<T extends { readonly id: string }>(
    verb: Verb,
    type: string,
    name: string,
    id: string,
    work: () => Promise<T>,
  ): Promise<T> {
    const { began, fault } = transact(this.file, (account) => ({
      began: account.begin({ verb, type, name, id }),
      fault: account.takeFault(verb, type, name),
    }));
    const end = (outcome: { readonly id?: string; readonly error?: string }): void => {
      transact(this.file, (account) => {
        account.end(began, outcome);
      });
    };
    try {
      if (fault !== undefined && fault.leavesRemains !== true) throw new Error(fault.message);
      const done = await work();
      if (fault !== undefined) {
        const made = this.read(type, done.id) ?? {};
        throw new HalfMade(fault.message, done.id, made);
      }
      end({ id: done.id });
      return done;
    } catch (error) {
      end({ error: error instanceof Error ? error.message : String(error) });
      throw error;
    }
  }

  async #delay(verb: Verb, type: string): Promise<void> {
    const delay = look(this.file).settings.delays[`${verb} ${type}`];
    if (delay !== undefined) await sleep(delay);
  }

  /** Again and again while what AWS says may pass. */
  async #patiently(work: () => void): Promise<void> {
    const deadline = Date.now() + look(this.file).settings.patience;
    for (;;) {
      try {
        work();
        return;
      } catch (error) {
        if (!(error instanceof AwsError) || !error.passing || Date.now() > deadline) throw error;
      }
      await sleep(50);
    }
  }
}

function typeOf(type: string): ResourceType {
  const known = resourceTypes[type];
  if (known === undefined)
    throw new Error(
      `the simulated AWS does not know resources of type ${type}: give test/support/aws its rules`,
    );
  return known;
}

/**
 * Pulumi's own names: the resource's name and seven digits; the one that is there stays.
 * Source: pulumi-terraform-bridge, `tfbridge/names.go`, AutoNameOptions.
 */
function named(
  { autoname }: ResourceType,
  name: string,
  olds: Properties,
  given: Properties,
  seed: string,
): Properties {
  if (autoname === undefined || given[autoname.property] !== undefined) return given;
  if (given[`${autoname.property}Prefix`] !== undefined) return given;
  const digits = createHash("sha256").update(seed).digest("hex").slice(0, 7);
  const made = olds[autoname.property] ?? `${autoname.prefix ?? ""}${name.toLowerCase()}-${digits}`;
  return { ...given, [autoname.property]: made, [defaultsMark]: [autoname.property] };
}

/** Where inputs say which of them Pulumi made. Source: pulumi-terraform-bridge, `tfbridge/schema.go`, defaultsKey. */
const defaultsMark = "__defaults";

function withoutMarks(inputs: Properties): Properties {
  return omit(inputs, defaultsMark);
}

/**
 * Whether a name of the program's own stays: two cannot have it at a time, so the old one goes first.
 * Source: pulumi-terraform-bridge, `tfbridge/provider.go`, nameRequiresDeleteBeforeReplace.
 */
function keepsItsName({ autoname }: ResourceType, olds: Properties, news: Properties): boolean {
  if (autoname === undefined || values.texts(news, defaultsMark).includes(autoname.property)) return false;
  return news[autoname.property] !== undefined && news[autoname.property] === olds[autoname.property];
}

/** Source: AWS Tagging user guide, "Tag naming limits and requirements". */
function tagProblems(all: Properties | undefined): ShapeProblem[] {
  const tags = Object.entries(values.textMap(all));
  const bad = (key: string, reason: string): ShapeProblem => ({ property: `tags.${key}`, reason });
  return [
    ...(tags.length > 50 ? [{ property: "tags", reason: "more than 50 tags" }] : []),
    ...tags.flatMap(([key, value]) => [
      ...(key.length < 1 || key.length > 128 ? [bad(key, "a key has 1 to 128 characters")] : []),
      ...(/^aws:/i.test(key) ? [bad(key, "keys that begin with aws: are reserved")] : []),
      ...(value.length > 256 ? [bad(key, "a value has at most 256 characters")] : []),
      ...(value === unknownValue || /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(value)
        ? []
        : [bad(key, `"${value}" has characters that tags may not have`)]),
    ]),
  ];
}

function kept(resource: ResourceType, olds: Properties, news: Properties): Properties {
  const keys = (resource.kept ?? []).filter((key) => news[key] === undefined && olds[key] !== undefined);
  return Object.fromEntries(keys.map((key) => [key, olds[key]]));
}

function sorted(value: unknown): unknown {
  return Array.isArray(value) ? value.map((item: unknown) => JSON.stringify(item)).sort() : (value ?? []);
}

/**
 * What was, with what the program has changed. What it has not is not sent to AWS: the size of a node group stays what an
 * autoscaler made of it. What AWS filled in inside of given objects stays too.
 */
function merged(
  olds: Properties,
  oldInputs: Properties,
  news: Properties,
  resource: ResourceType,
): Properties {
  const given = withoutMarks({ ...kept(resource, oldInputs, news), ...news });
  const removed = Object.keys(oldInputs).filter((key) => given[key] === undefined);
  const changed = Object.entries(given).filter(([key, value]) => !isDeepStrictEqual(oldInputs[key], value));
  return {
    ...resource.defaults,
    ...omit(olds, ...removed),
    ...Object.fromEntries(changed.map(([key, value]) => [key, overlaidValue(olds[key], value)])),
  };
}

function overlaidValue(below: unknown, above: unknown): unknown {
  return values.isRecord(below) && values.isRecord(above) ? { ...below, ...above } : above;
}

/** What AWS adds, also inside of given objects. */
function overlaid(inputs: Properties, added: Properties): Properties {
  const entries = Object.entries(values.defined(added));
  return {
    ...inputs,
    ...Object.fromEntries(entries.map(([key, value]) => [key, overlaidValue(inputs[key], value)])),
  };
}

function unknownPaths(paths: readonly string[], properties: Properties): Properties {
  return paths.reduce<Properties>(
    (planned, path) =>
      values.at(planned, path.split(".")[0] ?? path) === unknownValue ||
      values.at(planned, path) !== undefined
        ? planned
        : values.withValue(planned, path, unknownValue),
    properties,
  );
}

const filled = ([code, message]: readonly [string, string], value: string, passing = false): AwsError =>
  new AwsError(code, message.replaceAll("{}", value), passing);

function refersTo(reference: Reference, resource: Stored, value: string): boolean {
  if (reference.type !== resource.type) return false;
  return (reference.by === undefined ? resource.id : resource.properties[reference.by]) === value;
}

function demandReferences(resource: ResourceType, account: Account, inputs: Properties): void {
  for (const reference of resource.references ?? [])
    for (const value of values.texts(inputs, reference.path))
      if (!account.all(reference.type).some((other) => refersTo(reference, other, value)))
        throw filled(reference.missing, value);
}

function refuseInUse(account: Account, resource: Stored): void {
  for (const other of account.resources)
    for (const reference of resourceTypes[other.type]?.references ?? []) {
      const { inUse, path } = reference;
      if (inUse === undefined) continue;
      if (values.texts(other.properties, path).some((value) => refersTo(reference, resource, value)))
        throw filled(inUse, resource.id, true);
    }
}

/** A name's prefix that was not asked for is empty. */
function unusedPrefixes(type: string): Properties {
  const prefixes = shapeOf(type).alwaysThere.filter((key) => /[nN]amePrefix$|^bucketPrefix$/.test(key));
  return Object.fromEntries(prefixes.map((key) => [key, ""]));
}

/** A type whose rules leave an output out would hand programs an undefined that the real provider never gives. */
function demandOutputs(type: string, outputs: Properties): void {
  const missing = shapeOf(type).alwaysThere.filter((key) => outputs[key] === undefined);
  if (missing.length > 0)
    throw new Error(
      `the simulated AWS gives ${type} no ${missing.join(", ")}: give test/support/aws its rules`,
    );
}
