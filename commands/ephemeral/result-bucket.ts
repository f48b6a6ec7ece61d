import { createReadStream } from "node:fs";
import { HeadBucketCommand, S3ServiceException, type S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { s3Client, type S3Reach } from "../../components/repository/s3-client.ts";
import { explained, type Explanation } from "../../components/repository/s3-errors.ts";

/** A bucket that results are kept in. It may be in another region than the cluster: S3 says which, and is followed there. */
export class ResultBucket {
  readonly #reach: S3Reach;
  readonly #client: S3Client;

  constructor(private readonly name: string) {
    const { AWS_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
    this.#reach = { region: AWS_REGION, endpoint: AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL };
    this.#client = s3Client(this.#reach, true);
  }

  /** Throws where there is no such bucket, or nobody can be asked. */
  async check(): Promise<void> {
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.name }));
    } catch (error) {
      // An answer to HEAD has no body, and so no name of an error.
      const isDenied = error instanceof S3ServiceException && error.$metadata.httpStatusCode === 403;
      if (!isDenied) throw this.#explained(error, "");
    }
  }

  /** A file of any size: from 5 MiB on in parts, each of which is tried again where it fails. */
  async put(file: string, key: string): Promise<void> {
    try {
      const params = { Bucket: this.name, Key: key, Body: createReadStream(file) };
      await new Upload({ client: this.#client, params }).done();
    } catch (error) {
      throw this.#explained(error, `/${key}`);
    }
  }

  #explained(error: unknown, key: string): unknown {
    return explained(error, `s3://${this.name}${key}`, { bucket: this.name, ...this.#reach }, explanations);
  }
}

const explanations: readonly Explanation[] = [
  {
    signs: /NoSuchBucket|NotFound|\b404\b/,
    problem: "there is no bucket {bucket}",
    hint: "make it, or name another one with --keep-results",
  },
  {
    signs: /AccessDenied|Forbidden|AllAccessDisabled/,
    problem: "access is denied to this machine's credentials",
    hint: "they need s3:PutObject and s3:AbortMultipartUpload below the prefix (with SSE-KMS also kms:GenerateDataKey and kms:Decrypt)",
  },
  {
    signs:
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|TimeoutError|EPIPE/,
    problem: "{where} cannot be reached",
    hint: "check the network, AWS_REGION and AWS_ENDPOINT_URL_S3",
  },
];
