import { Bucket } from "@pulumi/aws/s3/bucket.js";
import { BucketOwnershipControls } from "@pulumi/aws/s3/bucketOwnershipControls.js";
import { BucketPolicy } from "@pulumi/aws/s3/bucketPolicy.js";
import { BucketPublicAccessBlock } from "@pulumi/aws/s3/bucketPublicAccessBlock.js";
import { BucketServerSideEncryptionConfiguration } from "@pulumi/aws/s3/bucketServerSideEncryptionConfiguration.js";
import { BucketVersioning } from "@pulumi/aws/s3/bucketVersioning.js";
import * as pulumi from "@pulumi/pulumi";
import type { PolicyDocument } from "../../core/aws/plan.ts";

export interface PrivateBucketArgs {
  /** Its name, which is everybody's of AWS. */
  bucket: pulumi.Input<string>;
  /** Who may do what with it, beside the account's own policies. */
  policy: PolicyDocument;
  /** ARN of the KMS key of its objects. Default: a key of S3's own. */
  keyArn?: pulumi.Input<string>;
  /** Whether what is overwritten or deleted stays as an old version. Default: false. */
  versioned?: boolean;
  /** Whether Pulumi refuses to delete it; else it is deleted with all that is in it. */
  protect: boolean;
}

/**
 * A bucket of S3 that nothing opens to the public, whose objects are all this account's and encrypted.
 *
 * @example
 * ```ts
 * import { PrivateBucket } from "triton-platform/components";
 *
 * const bucket = new PrivateBucket("artifacts", {
 *   bucket: "example-artifacts-111122223333-us-east-1",
 *   policy: {
 *     Version: "2012-10-17",
 *     Statement: [
 *       {
 *         Effect: "Deny",
 *         Principal: "*",
 *         Action: "s3:*",
 *         Resource: "arn:aws:s3:::example-artifacts-111122223333-us-east-1/*",
 *         Condition: { Bool: { "aws:SecureTransport": "false" } },
 *       },
 *     ],
 *   },
 *   versioned: true,
 *   protect: false,
 * });
 *
 * export const { bucketName } = bucket;
 * ```
 */
export class PrivateBucket extends pulumi.ComponentResource {
  readonly bucketName: pulumi.Output<string>;

  constructor(name: string, args: PrivateBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:PrivateBucket", name, {}, opts);
    const { keyArn, versioned = false, protect } = args;
    const inside = { parent: this };
    const { bucket } = new Bucket(
      `${name}-bucket`,
      { bucket: args.bucket, forceDestroy: !protect },
      { ...inside, protect },
    );
    new BucketOwnershipControls(
      `${name}-ownership`,
      { bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
      inside,
    );
    const closed = new BucketPublicAccessBlock(
      `${name}-public-access-block`,
      {
        bucket,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      inside,
    );
    new BucketPolicy(
      `${name}-policy`,
      { bucket, policy: JSON.stringify(args.policy) },
      // S3 refuses two changes of a bucket at a time.
      { ...inside, dependsOn: closed },
    );
    new BucketServerSideEncryptionConfiguration(
      `${name}-encryption`,
      {
        bucket,
        rules: [
          keyArn === undefined
            ? { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }
            : {
                applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: keyArn },
                // A call of KMS for many objects, not for each.
                bucketKeyEnabled: true,
              },
        ],
      },
      inside,
    );
    if (versioned) {
      new BucketVersioning(
        `${name}-versioning`,
        { bucket, versioningConfiguration: { status: "Enabled" } },
        inside,
      );
    }
    this.bucketName = bucket;
    this.registerOutputs({ bucketName: bucket });
  }
}
