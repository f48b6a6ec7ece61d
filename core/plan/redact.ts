import { credentialForms, isCredentialName, isLiteral } from "../policy/credentials.ts";

const redacted = "[redacted]";

/**
 * A text without what looks like a credential: known forms of keys, and values beside names of credentials, a line at a
 * time. Plans hold no secret by themselves; this is for what a person has put in the wrong place.
 */
export function redact(text: string): string {
  return text.split("\n").map(redactLine).join("\n");
}

function redactLine(line: string): string {
  const known = credentialForms.reduce(
    (rest, { form }) => rest.replaceAll(new RegExp(form.source, `g${form.flags}`), redacted),
    line,
  );
  return known.replace(
    /^(.*?)(["']?)([\w.-]+)\2(\s*[:=]\s*)(["']?)([^"'\s][^"']*?)\5(\s*[,;]?)$/,
    (
      all,
      before: string,
      quote: string,
      name: string,
      sign: string,
      open: string,
      value: string,
      end: string,
    ) =>
      isCredentialName(name) && isLiteral(value) && value !== redacted
        ? `${before}${quote}${name}${quote}${sign}${open}${redacted}${open}${end}`
        : all,
  );
}
