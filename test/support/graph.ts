import yaml from "js-yaml";
import { plainInputs, type Registered } from "../../commands/plan/record.ts";
import { present } from "../../core/objects.ts";
import { shownInputs } from "../../core/plan/resources.ts";

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
      ...inputsOf(type, inputs),
    }),
  ]);
  return yaml.dump(Object.fromEntries(shown), { lineWidth: -1, noRefs: true });
}

function inputsOf(type: string, inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (type.startsWith("kubernetes:") && !type.startsWith("kubernetes:helm.sh/")) return {};
  if (type.startsWith("modelstore:")) return { inputs: { ...inputs, files: "[the model repository's]" } };
  return Object.keys(inputs).length === 0 ? {} : { inputs: shownInputs(plainInputs(inputs)) };
}
