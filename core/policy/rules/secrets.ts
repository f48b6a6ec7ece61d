import { holysheepSecret, upstreamLabel } from "../../kubernetes/names.ts";
import { credentialForms, isCredentialName, isLiteral } from "../credentials.ts";
import { commandOf, containersOf, modelRepositoryType, podOf, podTypes } from "../resources.ts";
import { everywhere, violation } from "../rule.ts";
import type { PolicyRule, Violation } from "../rule.ts";
import type { Value } from "../value.ts";
import { asksForGpu } from "./pods.ts";

/** Credentials. No message here has the value in it: it may be one. */

export const secretRules: readonly PolicyRule[] = [
  {
    id: "no-plaintext-credentials",
    title:
      "No credential stands in an environment variable, an argument, a ConfigMap or a model's parameters",
    why: "Whoever reads the object, the process list or the state has it",
    severity: "critical",
    levels: everywhere,
    references: ["Checkov CKV_SECRET_2", "Checkov CKV_SECRET_6", "CIS EKS 4.4.1"],
    types: [...podTypes, "kubernetes:core/v1:ConfigMap", modelRepositoryType],
    scope: "resource",
    limits: [],
    *check(resource) {
      if (resource.type === "kubernetes:core/v1:ConfigMap") {
        for (const [key, value] of [
          ...resource.props.at("data").entries,
          ...resource.props.at("binaryData").entries,
        ])
          yield* credentialIn(key, value, `the entry ${key}`);
        return;
      }
      if (resource.type === modelRepositoryType) {
        for (const file of resource.props.at("files").items) yield* credentialsInModel(file);
        return;
      }
      for (const container of containersOf(podOf(resource))) {
        for (const variable of container.at("env").items) {
          const name = variable.at("name").text ?? "";
          if (variable.at("value").isPresent)
            yield* credentialIn(name, variable.at("value"), `the variable ${name}`);
        }
        for (const word of commandOf(container)) {
          const [, flag = "", value = ""] = /^--?([\w-]+)[= ](.+)$/s.exec(word.text ?? "") ?? [];
          if (flag !== "" && isCredentialName(flag) && isLiteral(value))
            yield found(word, `the flag --${flag} has a credential in it`);
          else yield* credentialIn("", word, "an argument");
        }
      }
    },
  },
  {
    id: "llm-key-on-proxies-only",
    title: "HolySheep's key is on the pods that call HolySheep alone, and these have no GPU",
    why: "Every other pod that has it is one more that can spend the money; an outage upstream must not idle a GPU",
    severity: "high",
    levels: everywhere,
    references: [],
    types: podTypes,
    scope: "resource",
    limits: [],
    *check(resource) {
      const pod = podOf(resource);
      const mounted = pod
        .at("spec", "volumes")
        .items.map((volume) => volume.at("secret", "secretName"))
        .filter((name) => name.text === holysheepSecret.name);
      for (const name of mounted) {
        const labels = pod.at("metadata", "labels");
        const isProxy = Object.entries(upstreamLabel).every(([key, value]) => labels.at(key).text === value);
        if (!isProxy)
          yield violation(
            name,
            "the key is mounted, and no label says that the pod calls HolySheep",
            "remove the volume",
          );
        if (containersOf(pod).some(asksForGpu))
          yield violation(
            name,
            "the key is mounted on a pod with a GPU",
            "give the models that call HolySheep a server of their own",
          );
      }
    },
  },
];

/** A model's parameters are files that everybody reads who reads the repository. */
function* credentialsInModel(file: Value): Iterable<Violation> {
  const content = file.at("from", "content");
  const path = file.at("path").text ?? "";
  if (!content.isPresent || !path.endsWith("/config.pbtxt")) return;
  for (const [, name = "", value = ""] of (content.text ?? "").matchAll(
    /key: "([^"]*)"\s+value \{\s+string_value: "((?:[^"\\]|\\.)*)"/g,
  )) {
    const known = credentialForms.find(({ form }) => form.test(value));
    if (known !== undefined || (isCredentialName(name) && isLiteral(value)))
      yield found(file, `the parameter ${name} in ${path} has ${known?.kind ?? "a credential"} in it`);
  }
}

function* credentialIn(name: string, value: Value, where: string): Iterable<Violation> {
  const text = value.text ?? "";
  const known = credentialForms.find(({ form }) => form.test(text));
  if (known !== undefined) yield found(value, `${where} has ${known.kind} in it`);
  else if (isCredentialName(name) && isLiteral(text))
    yield found(value, `${where} has a credential in it, by its name`);
}

function found(value: Value, message: string): Violation {
  return violation(
    value,
    message,
    "put it in a Secret, mount that as a folder, and take a new one: this one has been seen",
  );
}
