import * as z from "zod";

/** A file that lies in S3, as one version of an object: what its owner puts there later has another. */
export interface S3Object {
  /** `s3://bucket/key`, the key as it is, without percent signs for other characters. */
  readonly uri: string;
  /** As S3 gave it; the bucket keeps versions. */
  readonly versionId: string;
  /** Of the bucket. Default: S3 is asked. */
  readonly region?: string | undefined;
  /** Another S3 than Amazon's, as the machine that publishes reaches it. */
  readonly endpoint?: string | undefined;
}

/**
 * The bucket with what S3s other than Amazon's take too; keys have up to 1024 bytes (S3 User Guide, Naming objects). YAML here
 * has no control characters, no halves of a character, and no U+FFFD, which stands for what is no text.
 */
const uriPattern = /^s3:\/\/([\w.-]{3,63})\/([^\p{Cc}\p{Cs}\uFFFD]{1,1024})$/u;

export const s3ObjectSchema = z.strictObject({
  uri: z.string().regex(uriPattern, "this is no object in S3: write it like s3://bucket/folder/model.plan"),
  versionId: z
    .string()
    .regex(/^[\x21-\x7e]{1,1024}$/, "this is no version id: write it as S3 shows it")
    .refine((id) => id !== "null", {
      error:
        "this version is written over by the next one: turn the bucket's versioning on, and upload the file again",
    }),
  region: z.string().min(1).optional(),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .refine(withoutCredentials, { error: "credentials are no part of it: remove them here" })
    .optional(),
});

/** Bucket and key of a URI that the schema has taken. */
export function placeOf({ uri }: Pick<S3Object, "uri">): { readonly bucket: string; readonly key: string } {
  const [, bucket = "", key = ""] = uriPattern.exec(uri) ?? [];
  return { bucket, key };
}

/** Also true of what is no URL: that is told otherwise. */
export function withoutCredentials(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const { username, password } = new URL(text);
  return username === "" && password === "";
}

/** What brings an object to a file, the file's folder too: a line for a shell. */
export function downloadCommand(object: S3Object, file: string): string {
  const { bucket, key } = placeOf(object);
  return [
    `mkdir -p ${quoted(file.slice(0, file.lastIndexOf("/")))} && aws s3api get-object`,
    `--bucket ${bucket} --key ${quoted(key)} --version-id ${quoted(object.versionId)}`,
    ...(object.region === undefined ? [] : [`--region ${quoted(object.region)}`]),
    ...(object.endpoint === undefined ? [] : [`--endpoint-url ${quoted(object.endpoint)}`]),
    quoted(file),
  ].join(" ");
}

function quoted(text: string): string {
  return /^[\w./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
