import { describe, expect, it } from "vitest";
import { awsNames } from "../../../core/aws/names.ts";
import type { PolicyDocument } from "../../../core/aws/plan.ts";
import {
  clusterAutoscalerPolicy,
  decryptPolicy,
  flowLogPolicy,
  loadBalancerControllerPolicy,
  logBucketPolicy,
  modelBucketPolicy,
  modelReaderPolicy,
  podTrustPolicy,
  secretReaderPolicy,
  serviceTrustPolicy,
} from "../../../core/aws/policies.ts";
import { account } from "./aws-support.ts";

const names = awsNames({ account, region: "us-east-1", name: "triton" }, "dev");
const china = awsNames({ account, region: "cn-north-1", name: "triton" }, "dev");
const bucket = "arn:aws:s3:::triton-models-111122223333-us-east-1";

describe("who takes a role", () => {
  it("are pods of the ServiceAccounts that are named, with tokens for AWS", () => {
    const provider = {
      arn: `arn:aws:iam::${account}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC`,
      issuer: "https://oidc.eks.us-east-1.amazonaws.com/id/ABC",
    };
    expect(podTrustPolicy(provider, ["triton:triton-gpu", "triton:triton-llm"]).Statement).toEqual([
      {
        Effect: "Allow",
        Principal: { Federated: provider.arn },
        Action: "sts:AssumeRoleWithWebIdentity",
        Condition: {
          StringEquals: {
            "oidc.eks.us-east-1.amazonaws.com/id/ABC:sub": [
              "system:serviceaccount:triton:triton-gpu",
              "system:serviceaccount:triton:triton-llm",
            ],
            "oidc.eks.us-east-1.amazonaws.com/id/ABC:aud": "sts.amazonaws.com",
          },
        },
      },
    ]);
  });

  it("are services, by their names in the partition", () => {
    const principal = (document: PolicyDocument) => document.Statement[0]?.Principal;
    expect(principal(serviceTrustPolicy("ec2", names))).toEqual({ Service: "ec2.amazonaws.com" });
    expect(principal(serviceTrustPolicy("ec2", china))).toEqual({ Service: "ec2.amazonaws.com.cn" });
    expect(principal(serviceTrustPolicy("eks", china))).toEqual({ Service: "eks.amazonaws.com" });
  });

  it("is the service for flow logs of this account alone", () => {
    expect(serviceTrustPolicy("vpc-flow-logs", names).Statement[0]?.Condition).toEqual({
      StringEquals: { "aws:SourceAccount": account },
    });
  });
});

describe("who reads models", () => {
  it("lists and gets below the prefix, and nothing else", () => {
    expect(modelReaderPolicy(names, "team/triton").Statement).toEqual([
      {
        Sid: "ListModels",
        Effect: "Allow",
        Action: "s3:ListBucket",
        Resource: bucket,
        Condition: { StringLike: { "s3:prefix": ["team/triton", "team/triton/*"] } },
      },
      { Sid: "ReadModels", Effect: "Allow", Action: "s3:GetObject", Resource: `${bucket}/team/triton/*` },
    ]);
  });

  it("decrypts through S3 alone", () => {
    const key = `arn:aws:kms:us-east-1:${account}:key/1`;
    expect(decryptPolicy(key, "s3", names).Statement).toEqual([
      {
        Sid: "Decrypt",
        Effect: "Allow",
        Action: "kms:Decrypt",
        Resource: key,
        Condition: { StringEquals: { "kms:ViaService": "s3.us-east-1.amazonaws.com" } },
      },
    ]);
    expect(decryptPolicy(key, "secretsmanager", china).Statement[0]?.Condition).toEqual({
      StringEquals: { "kms:ViaService": "secretsmanager.cn-north-1.amazonaws.com.cn" },
    });
  });
});

it("secrets are read by their own ARNs, whatever six characters these end in", () => {
  expect(secretReaderPolicy(names, [names.holysheepSecret]).Statement).toEqual([
    {
      Sid: "ReadSecrets",
      Effect: "Allow",
      Action: ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
      Resource: [`arn:aws:secretsmanager:us-east-1:${account}:secret:triton/holysheep-??????`],
    },
  ]);
});

describe("buckets", () => {
  it("let nobody in without TLS 1.2", () => {
    for (const document of [modelBucketPolicy(names), logBucketPolicy(names)]) {
      const denied = document.Statement.filter(({ Effect }) => Effect === "Deny");
      expect(denied.map(({ Condition }) => Condition)).toEqual([
        { Bool: { "aws:SecureTransport": "false" } },
        { NumericLessThan: { "s3:TlsVersion": "1.2" } },
      ]);
      for (const { Principal, Action } of denied) expect([Principal, Action]).toEqual(["*", "s3:*"]);
    }
  });

  it("of logs take those of the models' bucket, from this account", () => {
    const [allowed] = logBucketPolicy(names).Statement;
    expect(allowed).toMatchObject({
      Principal: { Service: "logging.s3.amazonaws.com" },
      Action: "s3:PutObject",
      Condition: {
        ArnLike: { "aws:SourceArn": bucket },
        StringEquals: { "aws:SourceAccount": account },
      },
    });
  });
});

describe("controllers", () => {
  it("have the policy of the Load Balancer Controller in the region's partition", () => {
    const text = JSON.stringify(loadBalancerControllerPolicy(china));
    expect(text).toContain("arn:aws-cn:elasticloadbalancing:*:*:targetgroup/*/*");
    expect(text).not.toContain("arn:aws:");
    expect(JSON.stringify(loadBalancerControllerPolicy(names))).toContain("arn:aws:ec2:*:*:security-group/*");
  });

  it("change the groups of their own cluster alone", () => {
    const { Statement } = clusterAutoscalerPolicy("triton");
    const writing = Statement.filter(({ Action }) => /Set|Terminate/.test(JSON.stringify(Action)));
    expect(writing.map(({ Condition }) => Condition)).toEqual([
      { StringEquals: { "aws:ResourceTag/k8s.io/cluster-autoscaler/triton": "owned" } },
    ]);
  });
});

it("fit into IAM: 6144 characters without blanks", () => {
  const documents = [
    loadBalancerControllerPolicy(names),
    clusterAutoscalerPolicy(names.name),
    flowLogPolicy(names),
    modelReaderPolicy(names, "triton"),
  ];
  // Source: IAM user guide, "IAM and AWS STS quotas", managed policies.
  for (const document of documents) expect(JSON.stringify(document).length).toBeLessThanOrEqual(6_144);
});
