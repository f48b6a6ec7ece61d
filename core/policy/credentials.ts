/** What credentials look like, in names and in values. */

/** Forms of keys that are told apart by how they begin. */
export const credentialForms: readonly { readonly kind: string; readonly form: RegExp }[] = [
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

/** `API_KEY`, `dbPassword`, `auth-token`; not what says where one lies, or how long it lives. */
export function isCredentialName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1_$2")
    .toUpperCase()
    .split(/[^A-Z\d]+/);
  if (notCredentials.has(words.at(-1) ?? "")) return false;
  return /(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|SECRET_?KEY)(_|$)/.test(
    words.join("_"),
  );
}

/** Last words of names that are about a credential and hold none. */
const notCredentials: ReadonlySet<string> = new Set([
  ...["FILE", "PATH", "DIR", "NAME", "ARN", "URL", "URI", "ID", "MAP", "TTL", "TIMEOUT", "COUNT", "LIMIT"],
]);

/** Something is there, and it is no reference to something else, no path, number or switch. */
export function isLiteral(text: string): boolean {
  return !/^(|\$[({].*[)}]|\d+|true|false|null|none|\/.*)$/is.test(text.trim());
}
