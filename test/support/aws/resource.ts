import type { Account, Stored } from "./account.ts";
import type { ShapeProblem } from "./shapes.ts";
import type { Properties } from "./values.ts";

/** What AWS answers to a call that it refuses, as the SDK words it: `api error Code: message`. */
export class AwsError extends Error {
  constructor(
    code: string,
    message: string,
    /** Whether the real provider tries again for minutes, since another deletion may be under way. */
    readonly passing = false,
  ) {
    super(`api error ${code}: ${message}`);
  }
}

/** A property that names another resource. */
export interface Reference {
  /** Dotted path of a text or of a list of texts. */
  readonly path: string;
  readonly type: string;
  /** By which of the other's properties; its id where left out. */
  readonly by?: string;
  /** What AWS says where there is no such; `{}` is the value. */
  readonly missing: readonly [code: string, message: string];
  /** What AWS says where the other is to go while this one is there; left out where that is nothing to it. */
  readonly inUse?: readonly [code: string, message: string];
}

export interface Scene {
  readonly account: Account;
  readonly region: string;
  /** The resource's name in the program. */
  readonly name: string;
  /** As checked, with defaults and tags. */
  readonly inputs: Properties;
}

/** One type of AWS' resources, as far as this simulation knows it. */
export interface ResourceType {
  /** Where properties that force a new resource, defaults and limits are from: a file of hashicorp/terraform-provider-aws. */
  readonly source: string;
  /** Dotted paths whose change needs a new resource, beside those of core/plan/aws-replacement.ts. */
  readonly forceNew: readonly string[];
  /** Paths of lists whose order says nothing: Terraform's sets. */
  readonly sets?: readonly string[];
  /** Properties that stay as they are where the program stops to give them: Terraform's `Optional` and `Computed`. */
  readonly kept?: readonly string[];
  /** A name that Pulumi makes of the resource's own where none is given. */
  readonly autoname?: { readonly property: string; readonly max: number; readonly prefix?: string };
  /** What the provider itself fills in, known before anything is there. */
  readonly defaults?: Properties;
  /** Groups of which one property at most may be given. */
  readonly exclusive?: readonly (readonly string[])[];
  /** Groups of which one property must be given. */
  readonly oneOf?: readonly (readonly string[])[];
  /** Rules that the provider checks before it calls AWS; what is not known yet is not seen. */
  validate?(inputs: Properties): readonly ShapeProblem[];
  readonly references?: readonly Reference[];
  /** Prefix of the id, as in `vpc-`, with 17 digits behind it; or the id. */
  readonly id: string | ((scene: Scene) => string);
  /** What AWS adds. Throws what it refuses. */
  create?(scene: Scene & { readonly id: string }): Properties;
  /** What a change of it changes beside the inputs. Throws what AWS refuses. */
  update?(scene: Scene & { readonly id: string; readonly olds: Properties }): Properties;
  /** Throws what AWS refuses; what goes with it is removed here. */
  remove?(account: Account, resource: Stored): void;
  /** Outputs that a preview of any update does not know. */
  readonly unstable?: readonly string[];
  /** Paths inside of given objects that AWS fills in, so that a preview does not know them. */
  readonly filledIn?: readonly string[];
}

export type ResourceTypes = Readonly<Record<string, ResourceType>>;

/** Problems of a property by a rule, where its value is known. */
export function rule(
  property: string,
  value: string | undefined,
  ok: (value: string) => boolean,
  reason: string,
): readonly ShapeProblem[] {
  return value === undefined || ok(value) ? [] : [{ property, reason: `"${value}": ${reason}` }];
}

export function oneOfValues(
  property: string,
  value: string | undefined,
  values: readonly string[],
): readonly ShapeProblem[] {
  return rule(property, value, (one) => values.includes(one), `expected one of ${values.join(", ")}`);
}
