import yaml from "js-yaml";
import * as pulumi from "@pulumi/pulumi";
import type { Registered } from "../../commands/plan/record.ts";
import { mapValues, present } from "../../core/objects.ts";


/**
 * A program's resources as reviewers read them: by type and name, with what each belongs to and waits for. Policies and
 * other JSON are shown as what they say, secrets as such, and objects of Kubernetes by their names: those have files of
 * their own.
 */
export function graphText(resources: readonly Registered[]): string {
  const shown = resources.map(({ type, name, inputs, parent, dependsOn, protect, ignoreChanges }) => [
    `${type} ${name}`,
    present({
      in: parent,
      after: dependsOn.length === 0 ? undefined : dependsOn,
      protect: protect || undefined,
      ignoreChanges: ignoreChanges.length === 0 ? undefined : ignoreChanges,
      ...shownInputs(type, inputs),
    }),
  ]);
  return yaml.dump(Object.fromEntries(shown), { lineWidth: -1, noRefs: true });
}

function shownInputs(type: string, inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (type.startsWith("kubernetes:") && !type.startsWith("kubernetes:helm.sh/")) return {};
  if (type.startsWith("modelstore:")) return { inputs: { ...inputs, files: "[the model repository's]" } };
  return Object.keys(inputs).length === 0 ? {} : { inputs: mapValues(decoded(inputs), readable) };
}

/** User data is text in base64. */
function decoded(inputs: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { userData } = inputs;
  return typeof userData === "string"
    ? { ...inputs, userData: Buffer.from(userData, "base64").toString("utf8") }
    : inputs;
}

function readable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value === "object" && value !== null) {
    return pulumi.runtime.specialSigKey in value
      ? "[secret]"
      : mapValues(Object.fromEntries(Object.entries(value)), readable);
  }
  return typeof value === "string" && value.startsWith("{") ? readable(JSON.parse(value)) : value;
}
