import { BucketLifecycleConfiguration } from "@pulumi/aws/s3/bucketLifecycleConfiguration.js";
import { BucketLogging } from "@pulumi/aws/s3/bucketLogging.js";
import * as pulumi from "@pulumi/pulumi";
import type { BucketPlan } from "../../core/aws/plan.ts";
import { EncryptionKey } from "./EncryptionKey.ts";
import { PrivateBucket } from "./PrivateBucket.ts";

export interface ModelBucketArgs {
  /** Names, policies and how long access logs stay; plain data, checked before. */
  plan: BucketPlan;
  /** Folder of the model repositories, without slashes at its ends: old versions expire in it alone. */
  prefix: string;
  /** Whether Pulumi refuses to delete the bucket and its key; else they are deleted with all that is in them. Default: false. */
  protect?: boolean;
}

/**
 * The bucket of models: private, encrypted with a key of its own, TLS alone, versioned, each access logged in a bucket
 * beside it.
 *
 * No model expires by its age: which blobs and manifests are needed is what the model repositories' own sweep decides. What
 * that, or somebody, removes or overwrites can be had back for a month.
 *
 * @example
 * ```ts
 * import { ModelBucket } from "triton-platform/components";
 *
 * const models = new ModelBucket("models", {
 *   plan: {
 *     name: "example-models-111122223333-us-east-1",
 *     logBucket: "example-logs-111122223333-us-east-1",
 *     accessLogRetentionDays: 90,
 *     policy: { Version: "2012-10-17", Statement: [] },
 *     logPolicy: { Version: "2012-10-17", Statement: [] },
 *   },
 *   prefix: "triton",
 * });
 *
 * export const { bucketName, keyArn } = models;
 * ```
 */
export class ModelBucket extends pulumi.ComponentResource {
  readonly bucketName: pulumi.Output<string>;
  /** Of the key of its objects: readers need `kms:Decrypt`. */
  readonly keyArn: pulumi.Output<string>;

  constructor(name: string, args: ModelBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:ModelBucket", name, {}, opts);
    const { plan, prefix, protect = false } = args;
    const inside = { parent: this };
    const logs = new PrivateBucket(
      `${name}-logs`,
      { bucket: plan.logBucket, policy: plan.logPolicy, protect },
      inside,
    );
    new BucketLifecycleConfiguration(
      `${name}-logs-lifecycle`,
      {
        bucket: logs.bucketName,
        rules: [
          {
            id: "expire",
            status: "Enabled",
            filter: {},
            expiration: { days: plan.accessLogRetentionDays },
          },
          abortUploads,
        ],
      },
      inside,
    );
    const key = new EncryptionKey(
      `${name}-key`,
      { description: `Objects of the bucket ${plan.name}`, protect },
      inside,
    );
    const models = new PrivateBucket(
      name,
      { bucket: plan.name, policy: plan.policy, keyArn: key.arn, versioned: true, protect },
      inside,
    );
    new BucketLifecycleConfiguration(
      `${name}-lifecycle`,
      {
        bucket: models.bucketName,
        rules: [
          {
            id: "expire-old-versions",
            status: "Enabled",
            filter: { prefix: `${prefix}/` },
            noncurrentVersionExpiration: { noncurrentDays: keptVersionDays },
            expiration: { expiredObjectDeleteMarker: true },
          },
          abortUploads,
        ],
      },
      // Versions are kept before.
      { ...inside, dependsOn: models },
    );
    new BucketLogging(
      `${name}-logging`,
      { bucket: models.bucketName, targetBucket: logs.bucketName, targetPrefix: `${plan.name}/` },
      // S3 writes there only once the policy lets it.
      { ...inside, dependsOn: logs },
    );
    this.bucketName = models.bucketName;
    this.keyArn = key.arn;
    this.registerOutputs({ bucketName: this.bucketName, keyArn: this.keyArn });
  }
}

const keptVersionDays = 30;

/** Parts of an upload that never ended are seen nowhere, and cost. */
const abortUploads = {
  id: "abort-uploads",
  status: "Enabled",
  filter: {},
  abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
} as const;
