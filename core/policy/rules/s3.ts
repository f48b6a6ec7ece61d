import { everywhere, onlyInProd, strictInProd, violation } from "../rule.ts";
import type { PolicyResource, PolicyRule, RuleContext } from "../rule.ts";
import type { Value } from "../value.ts";
import { statementsOf } from "./iam-documents.ts";

/** Buckets. Their settings are resources of their own: a bucket is judged with those that name it. */

const buckets = ["aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2"];

export const s3Rules: readonly PolicyRule[] = [
  {
    id: "s3-public-access-blocked",
    title: "Every bucket blocks public access, all four ways",
    why: "One wrong ACL or policy makes models and logs readable by everybody",
    severity: "critical",
    levels: everywhere,
    references: ["Checkov CKV2_AWS_6", "Checkov CKV_AWS_53", "Security Hub S3.8"],
    types: buckets,
    scope: "stack",
    limits: [],
    *check(bucket, context) {
      const blocks = partsOf(bucket, context, ["aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"]);
      if (blocks.length === 0)
        yield missing(
          "nothing blocks public access to it",
          "add a BucketPublicAccessBlock with all four true",
        );
      for (const { props } of blocks) {
        for (const way of [
          "blockPublicAcls",
          "blockPublicPolicy",
          "ignorePublicAcls",
          "restrictPublicBuckets",
        ]) {
          const value = props.at(way);
          if (value.boolean !== true)
            yield violation(value, `${shown(value)} on its public access block`, "set it to true");
        }
      }
    },
  },
  {
    id: "s3-encrypted",
    title: "Every bucket encrypts with a key of its own account (SSE-KMS)",
    why: "Without a key of one's own, nobody can take access away by the key, or see its use",
    severity: "high",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_145", "Checkov CKV_AWS_19", "Security Hub S3.17"],
    types: buckets,
    scope: "stack",
    limits: [],
    *check(bucket, context) {
      const parts = partsOf(bucket, context, [
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
      ]);
      const algorithms = parts.flatMap(({ props }) =>
        props.at("rules").items.map((rule) => rule.at("applyServerSideEncryptionByDefault", "sseAlgorithm")),
      );
      if (algorithms.length === 0 && !isLogBucket(bucket, context))
        yield missing(
          "no encryption with a key of KMS is set for it",
          "add a BucketServerSideEncryptionConfiguration with sseAlgorithm aws:kms",
        );
      for (const algorithm of algorithms) {
        // Server access logs are delivered to buckets with S3's own keys only.
        // Source: S3 user guide, "Enabling Amazon S3 server access logging".
        const allowed = isLogBucket(bucket, context)
          ? ["aws:kms", "aws:kms:dsse", "AES256"]
          : ["aws:kms", "aws:kms:dsse"];
        if (!allowed.includes(algorithm.text ?? ""))
          yield violation(
            algorithm,
            `${shown(algorithm)} is no encryption with a key of KMS`,
            "use aws:kms with a key of your own",
          );
      }
    },
  },
  {
    id: "s3-tls-only",
    title: "Every bucket's policy denies calls without TLS",
    why: "S3 answers plain HTTP where nothing forbids it",
    severity: "high",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_379", "Security Hub S3.5"],
    types: buckets,
    scope: "stack",
    limits: [],
    *check(bucket, context) {
      const policies = partsOf(bucket, context, ["aws:s3/bucketPolicy:BucketPolicy"]);
      if (!policies.some(({ props }) => statementsOf(props.at("policy")).some(deniesPlainHttp)))
        yield missing(
          "no policy of it denies calls without TLS",
          'add a BucketPolicy that denies s3:* to everybody under { Bool: { "aws:SecureTransport": "false" } }',
        );
    },
  },
  {
    id: "s3-versioned",
    title: "Every bucket keeps versions",
    why: "A deleted or overwritten object is gone, and with it the way back to an earlier model",
    severity: "medium",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_21", "Security Hub S3.14"],
    types: buckets,
    scope: "stack",
    limits: [],
    *check(bucket, context) {
      if (isLogBucket(bucket, context)) return;
      const parts = partsOf(bucket, context, [
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:s3/bucketVersioningV2:BucketVersioningV2",
      ]);
      if (parts.length === 0)
        yield missing("it keeps no versions", "add a BucketVersioning with status Enabled");
      for (const { props } of parts) {
        const status = props.at("versioningConfiguration", "status");
        if (status.text !== "Enabled")
          yield violation(status, `versioning is ${shown(status)}`, "set it to Enabled");
      }
    },
  },
  {
    id: "s3-no-force-destroy",
    title: "No bucket of prod is deleted with what is in it",
    why: "`pulumi destroy`, or a rename, would take every model along",
    severity: "high",
    levels: onlyInProd,
    references: [],
    types: buckets,
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("forceDestroy");
      if (value.boolean === true)
        yield violation(value, "true: what is in the bucket goes with it", "remove it, or set it to false");
    },
  },
];

/** The resources of these types that set up a bucket. */
function partsOf(
  bucket: PolicyResource,
  { stack }: RuleContext,
  types: readonly string[],
): readonly PolicyResource[] {
  return stack.filter((part) => types.includes(part.type) && isFor(part, "bucket", bucket));
}

/** Whether an input of a resource names the bucket: by what it is made of, else by the name itself. */
function isFor(part: PolicyResource, input: string, bucket: PolicyResource): boolean {
  const made = part.dependencies?.[input];
  if (made?.some(({ type, name }) => type === bucket.type && name === bucket.name) === true) return true;
  const named = part.props.at(input);
  if (named.isUnknown && made !== undefined) return false;
  const own = [bucket.props.at("bucket"), bucket.props.at("id")].filter(
    (name) => name.isPresent && !name.isUnknown,
  );
  return own.some((name) => name.text === named.text);
}

/** Whether another bucket's access logs go there. */
function isLogBucket(bucket: PolicyResource, { stack }: RuleContext): boolean {
  return stack.some(
    (part) =>
      ["aws:s3/bucketLogging:BucketLogging", "aws:s3/bucketLoggingV2:BucketLoggingV2"].includes(part.type) &&
      isFor(part, "targetBucket", bucket),
  );
}

function deniesPlainHttp(statement: Value): boolean {
  const bool = statement.at("Condition", "Bool", "aws:SecureTransport");
  return (
    statement.at("Effect").text === "Deny" &&
    statement.at("Action").texts.some((action) => action === "s3:*" || action === "*") &&
    bool.isPresent &&
    bool.boolean === false &&
    (statement.at("Principal").raw === "*" || statement.at("Principal", "AWS").texts.includes("*"))
  );
}

function missing(message: string, hint: string): { path: string; message: string; hint: string } {
  return { path: "", message, hint };
}

function shown(value: Value): string {
  return value.isPresent ? String(value.text ?? value.number ?? value.boolean) : "not set";
}
