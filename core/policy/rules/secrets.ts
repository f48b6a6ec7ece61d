import { holysheepSecret, upstreamLabel } from "../../kubernetes/names.ts";
import { commandOf, containersOf, podOf, podTypes } from "../resources.ts";
import { everywhere, violation } from "../rule.ts";
import type { PolicyRule, Violation } from "../rule.ts";
import type { Value } from "../value.ts";
import { asksForGpu } from "./pods.ts";

/** Credentials. No message here has the value in it: it may be one. */

export const secretRules: readonly PolicyRule[] = [
  {
    id: "no-plaintext-credentials",
    title: "No credential stands in an environment variable, an argument or a ConfigMap",
    why: "Whoever reads the object, the process list or the state has it",
    severity: "critical",
    levels: everywhere,
    references: ["Checkov CKV_SECRET_2", "Checkov CKV_SECRET_6", "CIS EKS 4.4.1"],
    types: [...podTypes, "kubernetes:core/v1:ConfigMap"],
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

/** Forms of keys that are told apart by how they begin. */
const knownForms: readonly { readonly kind: string; readonly form: RegExp }[] = [
  { kind: "an AWS access key", form: /\b(AKIA|ASIA)[0-9A-Z]{16}\b/ },
  { kind: "a private key", form: /-----BEGIN ([A-Z]+ )*PRIVATE KEY-----/ },
  { kind: "a GitHub token", form: /\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{40,}/ },
  { kind: "an API key of the form sk-…", form: /\bsk-[A-Za-z0-9_-]{16,}/ },
  { kind: "a token of NVIDIA's", form: /\bnvapi-[A-Za-z0-9_-]{20,}/ },
  { kind: "a token of Hugging Face", form: /\bhf_[A-Za-z0-9]{30,}/ },
  { kind: "a token of Slack", form: /\bxox[abprs]-[A-Za-z0-9-]{10,}/ },
  { kind: "a JSON web token", form: /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/ },
  { kind: "a URL with a password", form: /\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@$]+:[^\s:/@${]+@/ },
  { kind: "an AWS secret key", form: /aws_secret_access_key\s*[=:]\s*['"]?[A-Za-z0-9/+]{40}/i },
];

function* credentialIn(name: string, value: Value, where: string): Iterable<Violation> {
  const text = value.text ?? "";
  const known = knownForms.find(({ form }) => form.test(text));
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

/** `API_KEY`, `dbPassword`, `auth-token`; not what says where one lies, or how long it lives. */
function isCredentialName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1_$2")
    .toUpperCase()
    .split(/[^A-Z\d]+/);
  const last = words.at(-1) ?? "";
  if (
    [
      "FILE",
      "PATH",
      "DIR",
      "NAME",
      "ARN",
      "URL",
      "URI",
      "ID",
      "MAP",
      "TTL",
      "TIMEOUT",
      "COUNT",
      "LIMIT",
    ].includes(last)
  )
    return false;
  const text = words.join("_");
  return /(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|SECRET_?KEY)(_|$)/.test(
    text,
  );
}

/** Something is there, and it is no reference to something else, and no number or switch. */
function isLiteral(text: string): boolean {
  return !/^(|\$[({].*[)}]|\d+|true|false|null|none|\/.*)$/is.test(text.trim());
}
