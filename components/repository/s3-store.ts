import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { Readable } from "node:stream";
import { present } from "../../core/objects.ts";
import type { Bytes } from "../../core/spec/units.ts";
import { StoreError, type Store } from "./store.ts";

export interface S3Place {
  readonly bucket: string;
  /** Folder in the bucket, without slashes at its ends. */
  readonly prefix: string;
  readonly region: string;
  /** Another S3 than Amazon's. */
  readonly endpoint?: string | undefined;
}

/** S3 takes a multipart upload in 10 000 parts at most; a copy in one piece up to 5 GiB (S3 User Guide, Quotas). */
const mostParts = 10_000;
const partSize: Bytes = 8 * 1024 ** 2;
const biggestCopy: Bytes = 5 * 1024 ** 3;
const copyPartSize: Bytes = 1024 ** 3;

/** A store below a prefix of a bucket. Credentials are those of the machine: AWS's default chain. */
export class S3Store implements Store {
  readonly #client: S3Client;

  constructor(private readonly place: S3Place) {
    this.#client = new S3Client({
      region: place.region,
      // Other S3s are reached by path; their names have no bucket in front.
      ...present({ endpoint: place.endpoint, forcePathStyle: place.endpoint !== undefined }),
      maxAttempts: 5,
      // What is sent is signed with its sha256; newer checksums are refused by older S3s.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      requestHandler: { connectionTimeout: 10_000, socketTimeout: 120_000 },
    });
  }

  name(key = ""): string {
    const { bucket, prefix } = this.place;
    return `s3://${bucket}/${prefix}${key === "" ? "" : `/${key}`}`;
  }

  list(prefix: string): Promise<ReadonlyMap<string, Bytes>> {
    return this.#try(prefix, async () => {
      const found = new Map<string, Bytes>();
      const { Bucket, Key } = this.#at(prefix);
      for await (const page of paginateListObjectsV2({ client: this.#client }, { Bucket, Prefix: Key })) {
        for (const { Key: key = "", Size: bytes = 0 } of page.Contents ?? []) {
          found.set(key.slice(this.place.prefix.length + 1), bytes);
        }
      }
      return found;
    });
  }

  read(key: string): Promise<string | undefined> {
    return this.#try(key, async () => {
      try {
        const { Body } = await this.#client.send(new GetObjectCommand(this.#at(key)));
        return await Body?.transformToString();
      } catch (error) {
        // In a bucket that is gone there is nothing left to find or to remove.
        if (error instanceof Error && /^NoSuch(Key|Bucket)$/.test(error.name)) return undefined;
        throw error;
      }
    });
  }

  write(key: string, text: string): Promise<void> {
    return this.#try(key, async () => {
      await this.#client.send(
        new PutObjectCommand({ ...this.#at(key), Body: text, ContentLength: Buffer.byteLength(text) }),
      );
    });
  }

  upload(key: string, content: AsyncIterable<Buffer>, bytes: Bytes): Promise<void> {
    return this.#try(key, async () => {
      await new Upload({
        client: this.#client,
        params: {
          ...this.#at(key),
          Body: Readable.from(content, { objectMode: false }),
          ContentLength: bytes,
        },
        partSize: Math.max(partSize, Math.ceil(bytes / mostParts)),
      }).done();
    });
  }

  copy(from: string, to: string, bytes: Bytes): Promise<void> {
    return this.#try(to, async () => {
      const { Bucket, Key } = this.#at(from);
      const CopySource = [Bucket, ...Key.split("/")].map(encodeURIComponent).join("/");
      if (bytes > biggestCopy) await this.#copyInParts(CopySource, to, bytes);
      else await this.#client.send(new CopyObjectCommand({ ...this.#at(to), CopySource }));
    });
  }

  remove(key: string): Promise<void> {
    // One by one: removing many at once takes checksums that older S3s do not know.
    return this.#try(key, async () => {
      await this.#client.send(new DeleteObjectCommand(this.#at(key)));
    });
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.place.bucket, Key: `${this.place.prefix}/${key}` };
  }

  async #copyInParts(CopySource: string, to: string, bytes: Bytes): Promise<void> {
    const target = this.#at(to);
    const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand(target));
    try {
      const Parts = await Promise.all(
        Array.from({ length: Math.ceil(bytes / copyPartSize) }, async (_, i) => {
          const first = i * copyPartSize;
          const last = Math.min(first + copyPartSize, bytes) - 1;
          const { CopyPartResult } = await this.#client.send(
            new UploadPartCopyCommand({
              ...target,
              UploadId,
              CopySource,
              CopySourceRange: `bytes=${String(first)}-${String(last)}`,
              PartNumber: i + 1,
            }),
          );
          return { PartNumber: i + 1, ETag: CopyPartResult?.ETag };
        }),
      );
      await this.#client.send(
        new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }),
      );
    } catch (error) {
      await this.#client.send(new AbortMultipartUploadCommand({ ...target, UploadId }));
      throw error;
    }
  }

  async #try<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw explained(error, this.name(key), this.place);
    }
  }
}

/** An error of the SDK as one message: the object, what is wrong, what to mend. */
function explained(error: unknown, name: string, { bucket, region, endpoint }: S3Place): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const where = endpoint ?? `region ${region}`;
  const known = explanations.find(({ signs }) => signs.test(signsOf(error)));
  const { problem, hint } = known ?? {
    problem: `${error.name}: ${error.message}`,
    hint: "mend what the store reports and run the command again; it goes on where it stopped",
  };
  const fill = (text: string): string => text.replaceAll("{bucket}", bucket).replaceAll("{where}", where);
  return new StoreError(`${name} (${where}): ${fill(problem)}`, fill(hint), { cause: error });
}

/** Name and code of an error, and those of its causes. */
function signsOf(error: Error): string {
  const causes = error instanceof AggregateError ? error.errors : [error.cause];
  return [
    error.name,
    "code" in error ? String(error.code) : "",
    ...causes.filter((cause) => cause instanceof Error).map(signsOf),
  ].join(" ");
}

const explanations: readonly { readonly signs: RegExp; readonly problem: string; readonly hint: string }[] = [
  {
    signs: /CredentialsProviderError|TokenProviderError/,
    problem: "this machine has no AWS credentials",
    hint: "set AWS_PROFILE, log in (aws sso login), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
  },
  {
    signs: /InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|RequestTimeTooSkewed/,
    problem: "the store does not take this machine's credentials",
    hint: "log in anew, check AWS_PROFILE and the keys (echo $AWS_ACCESS_KEY_ID), and this machine's clock",
  },
  {
    signs: /NoSuchBucket/,
    problem: "there is no bucket {bucket}",
    hint: "make it, or correct bucket, region and endpoint under triton-platform:kubernetes.repository",
  },
  {
    signs: /PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint/,
    problem: "the bucket {bucket} is in another region",
    hint: "correct triton-platform:kubernetes.repository.region",
  },
  {
    signs: /AccessDenied|Forbidden|AllAccessDisabled/,
    problem: "access is denied to this machine's credentials",
    hint: "they need s3:ListBucket on the bucket, and s3:GetObject, PutObject, DeleteObject and AbortMultipartUpload below the prefix (with SSE-KMS also kms:GenerateDataKey and kms:Decrypt)",
  },
  {
    signs: /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/,
    problem: "the certificate of {where} is not trusted here",
    hint: "name its authority's certificate in NODE_EXTRA_CA_CERTS",
  },
  {
    signs:
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|TimeoutError|EPIPE/,
    problem: "{where} cannot be reached",
    hint: "check the network and triton-platform:kubernetes.repository.endpoint; deployEndpoint is how this machine reaches it where pods reach it otherwise",
  },
];
