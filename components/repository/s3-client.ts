import { S3Client } from "@aws-sdk/client-s3";
import process from "node:process";
import { present } from "../../core/objects.ts";

export interface S3Reach {
  /** Default: us-east-1, and where S3 says that the bucket is elsewhere, there. */
  readonly region?: string | undefined;
  /** Another S3 than Amazon's. */
  readonly endpoint?: string | undefined;
}

/** The SDK is pinned here: which Node its later versions want is no news for whoever publishes models. */
const silenceNodeNews = "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED";

/** Credentials are those of the machine: AWS's default chain. */
export function s3Client(
  { region = "us-east-1", endpoint }: S3Reach,
  followRegionRedirects = false,
): S3Client {
  process.env[silenceNodeNews] ??= "true";
  return new S3Client({
    region,
    followRegionRedirects,
    // Other S3s are reached by path; their names have no bucket in front.
    ...present({ endpoint, forcePathStyle: endpoint !== undefined }),
    maxAttempts: 5,
    // What is sent is signed with its sha256; newer checksums are refused by older S3s.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: { connectionTimeout: 10_000, socketTimeout: 120_000 },
  });
}

/** Whether two endpoints are one S3, which can copy between its buckets and regions. Amazon's has none. */
export function isSameS3(one: string | undefined, other: string | undefined): boolean {
  const of = (endpoint: string | undefined): string => (endpoint === undefined ? "" : new URL(endpoint).href);
  return of(one) === of(other);
}
