import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { present } from "../objects.ts";
import { arn, type AwsNames } from "./names.ts";
import type { PolicyDocument, PolicyStatement } from "./plan.ts";
import { partitionOf } from "./regions.ts";

/** What may do what in AWS, as documents of IAM. ARNs of keys and of the OIDC provider, not known before, are arguments. */

type Place = Pick<AwsNames, "account" | "region">;

export function policy(...statements: readonly PolicyStatement[]): PolicyDocument {
  return { Version: "2012-10-17", Statement: statements };
}

/** AWS' own policy: `service-role/AmazonEBSCSIDriverPolicy`. */
export function managedPolicyArn({ region }: Pick<Place, "region">, name: string): string {
  return `arn:${partitionOf(region).name}:iam::aws:policy/${name}`;
}

/**
 * Lets pods of certain ServiceAccounts, each `namespace:name`, take a role by their tokens. `issuer` is the cluster's, an URL.
 * Source: EKS user guide, "Assign IAM roles to Kubernetes service accounts".
 */
export function podTrustPolicy(
  provider: { readonly arn: string; readonly issuer: string },
  serviceAccounts: readonly string[],
): PolicyDocument {
  const issuer = provider.issuer.replace(/^https:\/\//, "");
  return policy({
    Effect: "Allow",
    Principal: { Federated: provider.arn },
    Action: "sts:AssumeRoleWithWebIdentity",
    Condition: {
      StringEquals: {
        [`${issuer}:sub`]: serviceAccounts.map((account) => `system:serviceaccount:${account}`),
        [`${issuer}:aud`]: "sts.amazonaws.com",
      },
    },
  });
}

/** Lets one of AWS' services take a role. */
export function serviceTrustPolicy(
  service: "ec2" | "eks" | "vpc-flow-logs",
  { account, region }: Place,
): PolicyDocument {
  // Of the services here only EC2 is called otherwise in China. Source: IAM in the China regions, "Service principals".
  const suffix = service === "ec2" ? partitionOf(region).dnsSuffix : "amazonaws.com";
  return policy({
    Effect: "Allow",
    Principal: { Service: `${service}.${suffix}` },
    Action: service === "eks" ? ["sts:AssumeRole", "sts:TagSession"] : "sts:AssumeRole",
    // Else another account's flow log could be made to write with it. EC2 gives no such context for instance profiles.
    ...(service === "vpc-flow-logs" ? { Condition: { StringEquals: { "aws:SourceAccount": account } } } : {}),
  });
}

/** Of a cluster's control plane. */
export const clusterPolicies = ["AmazonEKSClusterPolicy"] as const;

/**
 * Of nodes. Addresses for pods are the VPC CNI's own affair, by a role of its own; a session by Systems Manager is the way
 * onto a node that has no SSH.
 */
export const nodePolicies = [
  "AmazonEKSWorkerNodePolicy",
  "AmazonEC2ContainerRegistryPullOnly",
  "AmazonSSMManagedInstanceCore",
] as const;

/** Source: VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs"; of one group, which is there before. */
export function flowLogPolicy(names: Pick<AwsNames, "account" | "region" | "flowLogGroup">): PolicyDocument {
  const group = arn(names, "logs", `log-group:${names.flowLogGroup}`);
  return policy(
    {
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
      Resource: [group, `${group}:*`],
    },
    { Effect: "Allow", Action: "logs:DescribeLogGroups", Resource: "*" },
  );
}

/** Reads everything below a prefix of the bucket, and lists nothing else of it. */
export function modelReaderPolicy(
  names: Pick<AwsNames, "account" | "region" | "modelBucket">,
  prefix: string,
): PolicyDocument {
  const bucket = arn(names, "s3", names.modelBucket);
  return policy(
    {
      Sid: "ListModels",
      Effect: "Allow",
      Action: "s3:ListBucket",
      Resource: bucket,
      Condition: { StringLike: { "s3:prefix": [prefix, `${prefix}/*`] } },
    },
    { Sid: "ReadModels", Effect: "Allow", Action: "s3:GetObject", Resource: `${bucket}/${prefix}/*` },
  );
}

/** Reads these secrets, by name. Secrets Manager ends their ARNs in six characters of its own. */
export function secretReaderPolicy(place: Place, secrets: readonly string[]): PolicyDocument {
  return policy({
    Sid: "ReadSecrets",
    Effect: "Allow",
    Action: ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
    Resource: secrets.map((name) => arn(place, "secretsmanager", `secret:${name}-??????`)),
  });
}

/**
 * Decrypts with a key, as far as a service asks for the caller: what the role may not read there, it cannot decrypt either.
 * Source: KMS developer guide, "kms:ViaService".
 */
export function decryptPolicy(
  keyArn: string,
  service: "s3" | "secretsmanager",
  { region }: Pick<Place, "region">,
): PolicyDocument {
  return policy({
    Sid: "Decrypt",
    Effect: "Allow",
    Action: "kms:Decrypt",
    Resource: keyArn,
    Condition: {
      StringEquals: { "kms:ViaService": `${service}.${region}.${partitionOf(region).dnsSuffix}` },
    },
  });
}

/** Of any bucket: nothing without TLS, and nothing below TLS 1.2. */
export function tlsOnlyStatements(bucketArn: string): readonly PolicyStatement[] {
  const everything = { Principal: "*", Action: "s3:*", Resource: [bucketArn, `${bucketArn}/*`] } as const;
  return [
    {
      Sid: "DenyWithoutTls",
      Effect: "Deny",
      ...everything,
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    },
    {
      Sid: "DenyOldTls",
      Effect: "Deny",
      ...everything,
      Condition: { NumericLessThan: { "s3:TlsVersion": "1.2" } },
    },
  ];
}

export function modelBucketPolicy(
  names: Pick<AwsNames, "account" | "region" | "modelBucket">,
): PolicyDocument {
  return policy(...tlsOnlyStatements(arn(names, "s3", names.modelBucket)));
}

/** Source: S3 user guide, "Enabling Amazon S3 server access logging", permissions of the logging service principal. */
export function logBucketPolicy(
  names: Pick<AwsNames, "account" | "region" | "modelBucket" | "logBucket">,
): PolicyDocument {
  const bucket = arn(names, "s3", names.logBucket);
  return policy(
    {
      Sid: "WriteAccessLogs",
      Effect: "Allow",
      Principal: { Service: "logging.s3.amazonaws.com" },
      Action: "s3:PutObject",
      Resource: `${bucket}/*`,
      Condition: {
        ArnLike: { "aws:SourceArn": arn(names, "s3", names.modelBucket) },
        StringEquals: { "aws:SourceAccount": names.account },
      },
    },
    ...tlsOnlyStatements(bucket),
  );
}

/**
 * The Load Balancer Controller's own, of v3.5.0 (and of v2.17.1, which has the same):
 * kubernetes-sigs/aws-load-balancer-controller, docs/install/iam_policy.json. Those of the other partitions there differ in
 * the partition of ARNs alone.
 */
export function loadBalancerControllerPolicy({ region }: Pick<Place, "region">): PolicyDocument {
  const text = loadBalancerController.replaceAll("arn:aws:", `arn:${partitionOf(region).name}:`);
  const { Statement } = documentSchema.parse(JSON.parse(text));
  return policy(...Statement.map(({ Condition, ...rest }) => ({ ...rest, ...present({ Condition }) })));
}

const loadBalancerController = readFileSync(
  path.join(import.meta.dirname, "policies", "load-balancer-controller.json"),
  "utf8",
);

const oneOrMore = z.union([z.string(), z.array(z.string())]);

const documentSchema = z.strictObject({
  Version: z.literal("2012-10-17"),
  Statement: z.array(
    z.strictObject({
      Effect: z.enum(["Allow", "Deny"]),
      Action: oneOrMore,
      Resource: oneOrMore,
      Condition: z.record(z.string(), z.record(z.string(), oneOrMore)).optional(),
    }),
  ),
});

/**
 * The Cluster Autoscaler's: it may look at everything, and change the groups of this cluster alone, which EKS tags so.
 * Source: kubernetes/autoscaler, cluster-autoscaler/cloudprovider/aws/README.md, "Full Cluster Autoscaler Features Policy".
 */
export function clusterAutoscalerPolicy(cluster: string): PolicyDocument {
  return policy(
    {
      Sid: "Look",
      Effect: "Allow",
      Action: [
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeLaunchConfigurations",
        "autoscaling:DescribeScalingActivities",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:GetInstanceTypesFromInstanceRequirements",
        "eks:DescribeNodegroup",
      ],
      Resource: "*",
    },
    {
      Sid: "Scale",
      Effect: "Allow",
      Action: ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
      Resource: "*",
      Condition: {
        StringEquals: { [`aws:ResourceTag/k8s.io/cluster-autoscaler/${cluster}`]: "owned" },
      },
    },
  );
}
