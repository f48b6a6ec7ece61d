import * as sdk from "@pulumi/policy";
import type {
  PolicyConfigSchema,
  PolicyResource as EngineResource,
  ResourceValidationArgs,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";
import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { check, contextOf, formatViolation } from "../core/policy/evaluate.ts";
import { resourceLabel } from "../core/policy/resources.ts";
import type { Environment } from "../core/policy/environment.ts";
import type { PolicyResource, PolicyRule } from "../core/policy/rule.ts";
import { unknown, Value, type Undecided } from "../core/policy/value.ts";
import { plainOf, touch } from "./plain.ts";

/** One rule as a policy of the engine. */
export function policyOf(
  rule: PolicyRule,
  environment: Environment,
): ResourceValidationPolicy | StackValidationPolicy {
  const { id, title, why, severity, levels, references, limits, scope } = rule;
  const about = {
    name: id,
    displayName: id,
    description: `${title}.`,
    severity,
    enforcementLevel: levels[environment],
    ...(references.length === 0 ? {} : { tags: [...references] }),
    remediationSteps: why,
    ...(limits.length === 0 ? {} : { configSchema: configSchema(rule) }),
  };
  return scope === "resource"
    ? { ...about, ...onResources(rule, environment) }
    : { ...about, ...onStacks(rule, environment) };
}

function onResources(
  rule: PolicyRule,
  environment: Environment,
): Pick<ResourceValidationPolicy, "validateResource" | "remediateResource"> {
  const isOfItsTypes = ({ type }: ResourceValidationArgs): boolean => rule.types.includes(type);
  const { remedy } = rule;
  return {
    validateResource: (args, report) => {
      if (!isOfItsTypes(args)) return;
      const resource = resourceOf(args);
      const context = contextOf(rule, [resource], settingsOf(rule, environment, args));
      const { violations, undecided } = check(rule, resource, context);
      for (const violation of violations) report(formatViolation(resourceLabel(resource), violation));
      if (undecided !== undefined) sayUndecided([args], undecided);
    },
    ...(remedy === undefined
      ? {}
      : {
          remediateResource: (args) => {
            if (!isOfItsTypes(args)) return undefined;
            const resource = resourceOf(args);
            const context = contextOf(rule, [resource], settingsOf(rule, environment, args));
            const patches = remedy(resource, context);
            for (const { path, value } of patches) put(args.props, path, value);
            return patches.length === 0 ? undefined : args.props;
          },
        }),
  };
}

function onStacks(rule: PolicyRule, environment: Environment): Pick<StackValidationPolicy, "validateStack"> {
  return {
    validateStack: (args, report) => {
      const inputs = new Map(args.resources.map((resource) => [resourceOf(resource), resource]));
      const stack = [...inputs.keys()];
      const context = contextOf(rule, stack, settingsOf(rule, environment, args));
      let first: Undecided | undefined;
      for (const [resource, { urn }] of inputs) {
        if (!rule.types.includes(resource.type)) continue;
        const { violations, undecided } = check(rule, resource, context);
        for (const violation of violations) report(formatViolation(resourceLabel(resource), violation), urn);
        first ??= undecided;
      }
      if (first !== undefined) sayUndecided(args.resources, first);
    },
  };
}

function settingsOf(
  { id }: PolicyRule,
  environment: Environment,
  { getConfig }: Pick<ResourceValidationArgs, "getConfig">,
): Parameters<typeof contextOf>[2] {
  return { environment, config: new Map([[id, { values: getConfig<Record<string, unknown>>() }]]) };
}

function resourceOf(resource: ResourceValidationArgs | EngineResource): PolicyResource {
  const { type, name, props, opts, provider } = resource;
  return {
    type,
    name,
    props: new Value(isToCome(resource) ? unknown : plainOf(props)),
    isProtected: opts.protect,
    ...(provider === undefined ? {} : { provider: new Value(plainOf(provider.props)) }),
    ...("propertyDependencies" in resource
      ? {
          dependencies: Object.fromEntries(
            Object.entries(resource.propertyDependencies).map(([input, of]) => [
              input,
              of.map((other) => ({ type: other.type, name: other.name })),
            ]),
          ),
        }
      : {}),
  };
}

/**
 * Of a cluster that is not there yet the provider cannot be asked, and the engine shows rules over the whole stack its objects
 * without anything in them; each has a kind at least.
 */
function isToCome({ type, props }: Pick<EngineResource, "type" | "props">): boolean {
  return type.startsWith("kubernetes:") && Object.keys(props).length === 0;
}

/**
 * The SDK says itself, and as a warning, that a policy cannot be decided in the preview: where an unknown value is read
 * from its own proxies. On `up` the value is known, and the policy decides.
 */
function sayUndecided(
  resources: readonly Pick<EngineResource, "props" | "provider">[],
  { path }: Undecided,
): void {
  for (const { props, provider } of resources) {
    touch(props, path);
    touch(provider?.props, path);
  }
  // Of what is not there at all nothing is a proxy. The class is the SDK's, but not among its types.
  const unknownValueError: unknown = Reflect.get(sdk, "UnknownValueError");
  if (typeof unknownValueError !== "function") throw new Error("@pulumi/policy has no UnknownValueError");
  const error: unknown = Reflect.construct(unknownValueError, [unknownValue, path.map(String)]);
  if (error instanceof Error) throw error;
}

function configSchema({ limits }: PolicyRule): PolicyConfigSchema {
  return {
    properties: Object.fromEntries(
      limits.map(({ name, about, schema }) => [name, { ...schema, description: about }]),
    ),
  };
}

/** Puts a value into inputs, with the objects on the way to it. */
function put(target: unknown, path: readonly (string | number)[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined || typeof target !== "object" || target === null) return;
  if (rest.length === 0) {
    Reflect.set(target, key, value);
    return;
  }
  if (Reflect.get(target, key) === undefined) Reflect.set(target, key, {});
  put(Reflect.get(target, key), rest, value);
}
