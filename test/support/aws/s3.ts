import type { Account } from "./account.ts";
import { blank } from "./ec2.ts";
import { demandKey } from "./kms.ts";
import { policyProblems, statementsOf } from "./policy.ts";
import {
  AwsError,
  oneOfValues,
  rule,
  type Reference,
  type ResourceType,
  type ResourceTypes,
} from "./resource.ts";
import { at, isRecord, numberAt, records, requiredText, text, texts } from "./values.ts";

export const bucket = "aws:s3/bucket:Bucket";
const bucketPolicy = "aws:s3/bucketPolicy:BucketPolicy";
const publicAccessBlock = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock";
const encryption = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration";
const logging = "aws:s3/bucketLogging:BucketLogging";

/** Source: S3 user guide, "General purpose bucket naming rules". */
function isBucketName(name: string): boolean {
  return (
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
    !name.includes("..") &&
    !/^\d+\.\d+\.\d+\.\d+$/.test(name) &&
    !/^(xn--|sthree-|amzn-s3-demo-)/.test(name) &&
    !/(-s3alias|--ol-s3|\.mrap|--x-s3)$/.test(name)
  );
}

function ofBucket(path: string): Reference {
  return { path, type: bucket, missing: ["NoSuchBucket", "The specified bucket does not exist"] };
}

/** A setting of a bucket, which goes with it. */
function setting(source: string, rest: Partial<ResourceType> = {}): ResourceType {
  return {
    source: `internal/service/s3/${source}.go`,
    forceNew: ["bucket", "expectedBucketOwner"],
    references: [ofBucket("bucket")],
    id: ({ inputs }) => requiredText(inputs, "bucket"),
    ...rest,
  };
}

function policyDocumentOf(account: Account, name: string): unknown {
  return JSON.parse(text(account.find(bucketPolicy, name)?.properties ?? {}, "policy") ?? "{}");
}

/** Source: S3 user guide, "Enabling Amazon S3 server access logging": who writes, and how the target is encrypted. */
function demandLoggingTarget(account: Account, name: string): void {
  const document = policyDocumentOf(account, name);
  const lets =
    isRecord(document) &&
    statementsOf(document).some(
      ({ Effect, Principal }) =>
        Effect === "Allow" &&
        isRecord(Principal) &&
        texts(Principal, "Service").includes("logging.s3.amazonaws.com"),
    );
  if (!lets)
    throw new AwsError(
      "InvalidTargetBucketForLogging",
      "The owner for the bucket to be logged and the target bucket must be the same, and the target's policy must let logging.s3.amazonaws.com write",
    );
  const algorithm = at(
    account.find(encryption, name)?.properties ?? {},
    "rules.applyServerSideEncryptionByDefault.sseAlgorithm",
  );
  if (algorithm === "aws:kms")
    throw new AwsError(
      "InvalidTargetBucketForLogging",
      `SSE-KMS is not supported for the target of access logs, ${name}`,
    );
}

/** Source: S3 user guide, "Blocking public access": a policy for everybody without a condition. */
function isPublic(policy: string): boolean {
  const document: unknown = JSON.parse(policy);
  return (
    isRecord(document) &&
    statementsOf(document).some(
      ({ Effect, Principal, Condition }) =>
        Effect === "Allow" &&
        Condition === undefined &&
        (Principal === "*" || (isRecord(Principal) && Principal.AWS === "*")),
    )
  );
}

export const s3Types: ResourceTypes = {
  [bucket]: {
    source: "internal/service/s3/bucket.go",
    forceNew: ["objectLockEnabled", "bucketNamespace"],
    autoname: { property: "bucket", max: 63 },
    kept: [
      ...[
        "accelerationStatus",
        "acl",
        "corsRules",
        "grants",
        "lifecycleRules",
        "logging",
        "policy",
        "requestPayer",
      ],
      ...["serverSideEncryptionConfiguration", "versioning", "website", "replicationConfiguration"],
    ],
    defaults: { forceDestroy: false },
    exclusive: [["bucket", "bucketPrefix"]],
    validate: (inputs) =>
      rule(
        "bucket",
        text(inputs, "bucket"),
        isBucketName,
        "3 to 63 lower-case letters, digits and -, and S3's other rules of names",
      ),
    id: ({ inputs }) => requiredText(inputs, "bucket"),
    create: ({ account, region, id, inputs }) => {
      if (account.settings.takenBuckets.includes(id))
        throw new AwsError(
          "BucketAlreadyExists",
          "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
        );
      return {
        ...{ arn: `arn:aws:s3:::${id}`, bucketDomainName: `${id}.s3.amazonaws.com`, bucketRegion: region },
        ...{ bucketRegionalDomainName: `${id}.s3.${region}.amazonaws.com`, hostedZoneId: "Z3AQBSTGFYJSTF" },
        ...blank("accelerationStatus", "policy", "websiteDomain", "websiteEndpoint", "bucketNamespace"),
        ...{
          acl: "private",
          corsRules: [],
          grants: [],
          lifecycleRules: [],
          logging: {},
          requestPayer: "BucketOwner",
        },
        ...{ objectLockConfiguration: {}, objectLockEnabled: inputs.objectLockEnabled ?? false, website: {} },
        ...{
          replicationConfiguration: {},
          serverSideEncryptionConfiguration: {},
          versioning: { enabled: false },
        },
      };
    },
    remove: (account, { id, properties }) => {
      const objects = account.settings.objects[id] ?? 0;
      if (objects > 0 && properties.forceDestroy !== true)
        throw new AwsError(
          "BucketNotEmpty",
          `The bucket you tried to delete is not empty: ${id} has ${String(objects)} objects`,
        );
      for (const other of account.resources)
        if (other.type.startsWith("aws:s3/") && other.type !== bucket && other.id === id)
          account.remove(other.type, id);
    },
  },
  [publicAccessBlock]: setting("bucket_public_access_block", {
    forceNew: ["bucket"],
    defaults: {
      blockPublicAcls: false,
      blockPublicPolicy: false,
      ignorePublicAcls: false,
      restrictPublicBuckets: false,
      skipDestroy: false,
    },
  }),
  "aws:s3/bucketVersioning:BucketVersioning": setting("bucket_versioning", {
    validate: (inputs) =>
      oneOfValues("versioningConfiguration.status", text(inputs, "versioningConfiguration.status"), [
        "Enabled",
        "Suspended",
        "Disabled",
      ]),
  }),
  [encryption]: setting("bucket_server_side_encryption_configuration", {
    validate: (inputs) =>
      records(inputs, "rules").flatMap((one) => {
        const algorithm = text(one, "applyServerSideEncryptionByDefault.sseAlgorithm");
        return [
          ...oneOfValues("rules.sseAlgorithm", algorithm, ["AES256", "aws:kms", "aws:kms:dsse"]),
          ...(algorithm === "AES256" &&
          at(one, "applyServerSideEncryptionByDefault.kmsMasterKeyId") !== undefined
            ? [{ property: "rules.kmsMasterKeyId", reason: "only aws:kms takes a key" }]
            : []),
        ];
      }),
    create: ({ account, inputs }) => {
      for (const one of records(inputs, "rules"))
        demandKey(account, text(one, "applyServerSideEncryptionByDefault.kmsMasterKeyId"));
      return {};
    },
  }),
  [bucketPolicy]: setting("bucket_policy", {
    forceNew: ["bucket"],
    // Source: S3 user guide, "Bucket policies": 20 KB.
    validate: (inputs) => policyProblems("policy", text(inputs, "policy"), "resource", 20_480),
    create: ({ account, inputs, id }) => {
      const name = requiredText(inputs, "bucket");
      const policy = requiredText(inputs, "policy");
      if (account.find(publicAccessBlock, id)?.properties.blockPublicPolicy === true && isPublic(policy))
        throw new AwsError(
          "AccessDenied",
          "because public policies are blocked by the BlockPublicPolicy block public access setting",
        );
      // Source: S3, PutBucketPolicy: "Policy has invalid resource" for another bucket than its own.
      const document: unknown = JSON.parse(policy);
      const resources = isRecord(document)
        ? statementsOf(document).flatMap((one) => texts(one, "Resource"))
        : [];
      if (!resources.every((one) => one === "*" || one.startsWith(`arn:aws:s3:::${name}`)))
        throw new AwsError("MalformedPolicy", "Policy has invalid resource");
      return {};
    },
  }),
  [logging]: setting("bucket_logging", {
    references: [ofBucket("bucket"), ofBucket("targetBucket")],
    create: ({ account, inputs }) => {
      demandLoggingTarget(account, requiredText(inputs, "targetBucket"));
      return {};
    },
  }),
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls": setting("bucket_ownership_controls", {
    forceNew: ["bucket"],
    validate: (inputs) =>
      oneOfValues("rule.objectOwnership", text(inputs, "rule.objectOwnership"), [
        "BucketOwnerPreferred",
        "ObjectWriter",
        "BucketOwnerEnforced",
      ]),
  }),
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": setting(
    "bucket_lifecycle_configuration",
    {
      kept: ["expectedBucketOwner", "transitionDefaultMinimumObjectSize"],
      validate: (inputs) =>
        records(inputs, "rules").flatMap((one) => [
          ...oneOfValues("rules.status", text(one, "status"), ["Enabled", "Disabled"]),
          // Source: S3 API, LifecycleRule: one action at least, and days are positive.
          ...([
            "expiration",
            "noncurrentVersionExpiration",
            "abortIncompleteMultipartUpload",
            "transitions",
            "noncurrentVersionTransitions",
          ].some((action) => one[action] !== undefined)
            ? []
            : [{ property: "rules", reason: "a rule without an action" }]),
          ...((numberAt(one, "expiration.days") ?? 1) < 1
            ? [{ property: "rules.expiration.days", reason: "1 at least" }]
            : []),
        ]),
      create: () => ({
        expectedBucketOwner: "",
        transitionDefaultMinimumObjectSize: "all_storage_classes_128K",
      }),
    },
  ),
};
