import { GetObjectCommand, HeadObjectCommand, type HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import { Readable } from "node:stream";
import { placeOf, type S3Object } from "../../core/spec/s3-object.ts";
import type { Bytes } from "../../core/spec/units.ts";
import type { RepositoryFile } from "../../core/triton/repository.ts";
import { s3Client } from "./s3-client.ts";
import { explained, type Explanation } from "./s3-errors.ts";
import { StoreError } from "./store.ts";

/** An object whose newest version is meant where none is named. */
export type S3Reference = Omit<S3Object, "versionId"> & { readonly versionId?: string | undefined };

/** What S3 says of a version of an object. */
export interface ObjectFacts {
  /** Undefined in a bucket that keeps no versions, and `null` where it does no more. */
  readonly versionId: string | undefined;
  readonly bytes: Bytes;
  /** Lower-case hexadecimal; undefined where S3 has none of the whole object. */
  readonly sha256: string | undefined;
}

export async function factsOf(object: S3Reference): Promise<ObjectFacts> {
  const { bucket: Bucket, key: Key } = placeOf(object);
  try {
    const found = await s3Client(object, true).send(
      new HeadObjectCommand({ Bucket, Key, VersionId: object.versionId, ChecksumMode: "ENABLED" }),
    );
    return { versionId: found.VersionId, bytes: found.ContentLength ?? 0, sha256: checksumOf(found) };
  } catch (error) {
    throw explainedOf(error, object);
  }
}

/** What S3 says of an object, which must be what the lock pins. Its content is not read. */
export async function pinnedObject(
  object: S3Object,
  { bytes, sha256 }: Pick<RepositoryFile, "bytes" | "sha256">,
): Promise<ObjectFacts> {
  const facts = await factsOf(object);
  if (facts.bytes !== bytes)
    throw notAsPinned(
      object,
      `it has ${String(facts.bytes)} bytes, and artifacts.lock pins ${String(bytes)}`,
    );
  if (facts.sha256 !== undefined && facts.sha256 !== sha256)
    throw notAsPinned(object, `S3 has the sha256 ${facts.sha256}, and artifacts.lock pins ${sha256}`);
  return facts;
}

export function notAsPinned(object: S3Object, what: string): StoreError {
  return new StoreError(
    `${nameOf(object)}: ${what}`,
    "pin the version that is meant: npm run model:reference writes its size and sha256",
  );
}

/** How often in a row a stream may break without a byte. */
const mostBreaks = 5;

/** The bytes of an object, in pieces. A connection that breaks goes on where it broke: a version never changes. */
export async function* contentOfObject(object: S3Object): AsyncGenerator<Buffer> {
  const { bucket: Bucket, key: Key } = placeOf(object);
  const client = s3Client(object, true);
  let read: Bytes = 0;
  let total: Bytes = Infinity;
  for (let breaks = 0; read < total;) {
    try {
      const { Body, ContentLength = 0 } = await client.send(
        new GetObjectCommand({
          ...{ Bucket, Key, VersionId: object.versionId },
          ...(read === 0 ? {} : { Range: `bytes=${String(read)}-` }),
        }),
      );
      total = read + ContentLength;
      if (!(Body instanceof Readable)) return;
      for await (const chunk of Body) {
        if (!Buffer.isBuffer(chunk)) continue;
        read += chunk.length;
        breaks = 0;
        yield chunk;
      }
    } catch (error) {
      breaks += 1;
      if (isAnswer(error) || breaks > mostBreaks) throw explainedOf(error, object);
    }
  }
}

/** Whether S3 has answered so: then it has been asked several times where that is of use. */
function isAnswer(error: unknown): boolean {
  return typeof error === "object" && error !== null && "$fault" in error;
}

/** One of several parts is of their checksums, not of the content (S3 User Guide, Checking object integrity). */
function checksumOf({ ChecksumSHA256, ChecksumType }: HeadObjectCommandOutput): string | undefined {
  if (ChecksumSHA256 === undefined || ChecksumType === "COMPOSITE" || ChecksumSHA256.includes("-"))
    return undefined;
  return Buffer.from(ChecksumSHA256, "base64").toString("hex");
}

function nameOf({ uri, versionId }: S3Reference): string {
  return versionId === undefined ? uri : `${uri}, version ${versionId}`;
}

function explainedOf(error: unknown, object: S3Reference): unknown {
  return explained(error, nameOf(object), { ...object, ...placeOf(object) }, explanations);
}

/** What is wrong with an object that belongs to somebody else. An answer to HEAD has a status alone. */
const explanations: readonly Explanation[] = [
  {
    signs: /NoSuchKey|NoSuchVersion|NotFound|MethodNotAllowed|\b40[45]\b/,
    problem: "there is no such version, or no such object or bucket",
    hint: "its owner has deleted it, or a lifecycle rule for old versions has: pin one that is there with npm run model:reference (aws s3api list-object-versions shows them). What was published before stays in the store",
  },
  {
    signs: /NoSuchBucket/,
    problem: "there is no bucket {bucket}",
    hint: "correct the URI or the endpoint in artifacts.lock: npm run model:reference writes them",
  },
  {
    signs: /PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|\b301\b/,
    problem: "the bucket {bucket} is in another region",
    hint: "npm run model:reference with --region writes it into artifacts.lock",
  },
  {
    signs: /InvalidObjectState|ObjectNotInActiveTier/,
    problem: "it is archived",
    hint: "restore it (aws s3api restore-object) and run the command again when that is done",
  },
  {
    signs: /InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|RequestTimeTooSkewed/,
    problem: "S3 does not take this machine's credentials",
    hint: "log in anew, check AWS_PROFILE and the keys (echo $AWS_ACCESS_KEY_ID), and this machine's clock",
  },
  {
    signs: /AccessDenied|Forbidden|AllAccessDisabled|\b403\b/,
    problem: "access is denied to this machine's credentials",
    hint: "they need s3:GetObjectVersion on it (with SSE-KMS also kms:Decrypt), in another account from the bucket's policy too; s3:ListBucketVersions shows whether it is there",
  },
  {
    signs: /InvalidArgument|BadRequest|\b400\b/,
    problem: "S3 does not understand the request: there is no such version id, or the credentials are old",
    hint: "npm run model:reference finds the version; log in anew where that fails too",
  },
  {
    signs:
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|TimeoutError|EPIPE/,
    problem: "{where} cannot be reached",
    hint: "check the network, and the endpoint in artifacts.lock",
  },
];
