import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { Readable } from "node:stream";
import { present } from "../../core/objects.ts";
import type { Bytes } from "../../core/spec/units.ts";
import { placeOf, type S3Object } from "../../core/spec/s3-object.ts";
import type { RepositoryFile } from "../../core/triton/repository.ts";
import { inParallel } from "./in-parallel.ts";
import { s3Client, isSameS3 } from "./s3-client.ts";
import { explained, type Explanation } from "./s3-errors.ts";
import { pinnedObject } from "./s3-source.ts";
import type { Store } from "./store.ts";

export interface S3Place {
  readonly bucket: string;
  /** Folder in the bucket, without slashes at its ends. */
  readonly prefix: string;
  readonly region: string;
  /** Another S3 than Amazon's. */
  readonly endpoint?: string | undefined;
}

/** S3 takes a multipart upload in 10 000 parts at most (S3 User Guide, Amazon S3 multipart upload limits). */
const mostParts = 10_000;
const partSize: Bytes = 8 * 1024 ** 2;

/** How copies are made: S3 takes up to 5 GiB in one piece and as a part (API reference, CopyObject and UploadPartCopy). */
const copySizes = { atOnce: 5 * 1024 ** 3, part: 1024 ** 3 } as const;

/** A store below a prefix of a bucket. Credentials are those of the machine: AWS's default chain. */
export class S3Store implements Store {
  readonly #client: S3Client;

  /** `sizes` are S3's own where they are left out; a test has no 5 GiB to copy. */
  constructor(
    private readonly place: S3Place,
    private readonly sizes: { readonly atOnce: Bytes; readonly part: Bytes } = copySizes,
  ) {
    this.#client = s3Client(place);
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
    return this.#try(to, () => {
      const { Bucket, Key } = this.#at(from);
      return this.#copyFrom(copySource(Bucket, Key), to, bytes);
    });
  }

  async take(
    object: S3Object,
    key: string,
    content: Pick<RepositoryFile, "bytes" | "sha256">,
  ): Promise<boolean> {
    const { endpoint, region } = this.place;
    if (!isSameS3(object.endpoint, endpoint)) return false;
    const { bytes } = await pinnedObject({ ...object, region: object.region ?? region }, content);
    const { bucket, key: from } = placeOf(object);
    const source = `${copySource(bucket, from)}?versionId=${encodeURIComponent(object.versionId)}`;
    await this.#try(key, () => this.#copyFrom(source, key, bytes), [deniedCopy(object)]);
    return true;
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

  /** By S3 itself. Tags stay behind: to read and to write them takes rights of its own. */
  async #copyFrom(CopySource: string, to: string, bytes: Bytes): Promise<void> {
    if (bytes > this.sizes.atOnce) await this.#copyInParts(CopySource, to, bytes);
    else {
      const target = { ...this.#at(to), CopySource, TaggingDirective: "REPLACE" as const };
      await this.#client.send(new CopyObjectCommand(target));
    }
  }

  async #copyInParts(CopySource: string, to: string, bytes: Bytes): Promise<void> {
    const target = this.#at(to);
    const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand(target));
    try {
      const partSize = Math.max(this.sizes.part, Math.ceil(bytes / mostParts));
      const Parts: CompletedPart[] = [];
      await inParallel([...Array(Math.ceil(bytes / partSize)).keys()], async (i) => {
        const first = i * partSize;
        const last = Math.min(first + partSize, bytes) - 1;
        const part = new UploadPartCopyCommand({
          ...target,
          UploadId,
          CopySource,
          CopySourceRange: `bytes=${String(first)}-${String(last)}`,
          PartNumber: i + 1,
        });
        const { CopyPartResult } = await this.#client.send(part);
        Parts[i] = { PartNumber: i + 1, ...present({ ETag: CopyPartResult?.ETag }) };
      });
      await this.#client.send(
        new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }),
      );
    } catch (error) {
      await this.#client.send(new AbortMultipartUploadCommand({ ...target, UploadId }));
      throw error;
    }
  }

  async #try<T>(key: string, work: () => Promise<T>, first: readonly Explanation[] = []): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw explained(error, this.name(key), this.place, [...first, ...storeExplanations]);
    }
  }
}

function copySource(bucket: string, key: string): string {
  return [bucket, ...key.split("/")].map(encodeURIComponent).join("/");
}

/** The object was found before: what is refused is its content, or writing here. */
function deniedCopy({ uri }: S3Object): Explanation {
  return {
    signs: /AccessDenied|Forbidden|AllAccessDisabled/,
    problem: `it cannot be copied from ${uri}: access is denied to this machine's credentials`,
    hint: "they need s3:GetObjectVersion there and s3:PutObject here (with SSE-KMS also kms:Decrypt on the key there, and kms:GenerateDataKey and kms:Decrypt here)",
  };
}

/** What a store's config can mend. */
const storeExplanations: readonly Explanation[] = [
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
    signs:
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|TimeoutError|EPIPE/,
    problem: "{where} cannot be reached",
    hint: "check the network and triton-platform:kubernetes.repository.endpoint; deployEndpoint is how this machine reaches it where pods reach it otherwise",
  },
];
