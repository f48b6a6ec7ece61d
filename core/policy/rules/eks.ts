import { kubernetesVersions } from "../../spec/eks.ts";
import { textsLimit } from "../limit.ts";
import { everywhere, onlyInProd, reminder, strictInProd, violation } from "../rule.ts";
import type { PolicyRule } from "../rule.ts";

/** The cluster of the target `eks`, and what belongs to it. */

const cluster = "aws:eks/cluster:Cluster";

const supportedVersions = textsLimit(
  "supportedVersions",
  "Minor versions of Kubernetes in EKS' standard support",
  kubernetesVersions,
);

/** Source: EKS API, LogSetup, `types`. */
const logTypes = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

export const eksRules: readonly PolicyRule[] = [
  {
    id: "eks-endpoint-restricted",
    title: "The Kubernetes API is not open to the whole internet",
    why: "Everybody may try stolen credentials and new holes of the API server",
    severity: "critical",
    levels: everywhere,
    references: ["Checkov CKV_AWS_38", "Checkov CKV_AWS_39", "Security Hub EKS.1", "CIS EKS 5.4.1"],
    types: [cluster],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const config = props.at("vpcConfig");
      // AWS' own defaults: public, and for everybody.
      if (config.at("endpointPublicAccess").boolean === false) return;
      const cidrs = config.at("publicAccessCidrs");
      if (!cidrs.isPresent)
        yield violation(
          cidrs,
          "the endpoint is public and open to 0.0.0.0/0, AWS' default",
          "set endpointPublicAccess to false, or publicAccessCidrs to your networks",
        );
      for (const cidr of cidrs.items) {
        if (isEverybody(cidr.text))
          yield violation(
            cidr,
            `the endpoint is public and open to ${cidr.text ?? ""}`,
            "set endpointPublicAccess to false, or publicAccessCidrs to your networks",
          );
      }
    },
  },
  {
    id: "eks-endpoint-private-in-prod",
    title: "The Kubernetes API of prod is inside the VPC only",
    why: "Who deploys to prod can do it from inside",
    severity: "medium",
    levels: { ...onlyInProd, prod: "advisory" },
    references: ["Checkov CKV_AWS_39", "Security Hub EKS.1", "CIS EKS 5.4.2"],
    types: [cluster],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("vpcConfig", "endpointPublicAccess");
      if (value.boolean !== false)
        yield violation(value, "the endpoint is public", "leave out eks.cluster.publicAccessCidrs");
      const inside = props.at("vpcConfig", "endpointPrivateAccess");
      if (inside.boolean !== true)
        yield violation(inside, "nodes call the API over the internet", "set endpointPrivateAccess to true");
    },
  },
  {
    id: "eks-control-plane-logs",
    title: "All five logs of the control plane are kept",
    why: "Without the audit log nobody can say who did what",
    severity: "medium",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_37", "Security Hub EKS.8", "CIS EKS 2.1.1"],
    types: [cluster],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("enabledClusterLogTypes");
      const missing = logTypes.filter((type) => !value.texts.includes(type));
      if (missing.length > 0)
        yield violation(value, `without the logs ${missing.join(", ")}`, `set it to ${logTypes.join(", ")}`);
    },
  },
  {
    id: "eks-secrets-encrypted",
    title: "Secrets in the cluster are encrypted with a key of KMS of one's own",
    why: "A copy of etcd would have the API keys in it",
    severity: "high",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_58", "Security Hub EKS.3", "CIS EKS 5.3.1"],
    types: [cluster],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("encryptionConfig");
      if (!value.at("resources").texts.includes("secrets"))
        yield violation(
          value,
          "secrets are not encrypted with a key of your own",
          "name resources: [secrets] and a key",
        );
      // Not known before the key is there, which is enough.
      else if (!value.at("provider", "keyArn").isPresent)
        yield violation(value.at("provider", "keyArn"), "no key is named", "name the ARN of a key");
    },
  },
  {
    id: "eks-version-supported",
    title: "The cluster's version of Kubernetes is in standard support",
    why: "Extended support costs six times as much, and after it AWS upgrades when it likes",
    severity: "medium",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_339", "Security Hub EKS.2"],
    types: [cluster],
    scope: "resource",
    limits: [supportedVersions],
    *check({ props }, { limit }) {
      const value = props.at("version");
      const supported = limit(supportedVersions);
      if (!value.isPresent)
        yield violation(
          value,
          "not set: a new cluster gets whatever is newest that day",
          `set it, like "${supported[0] ?? ""}"`,
        );
      else if (!supported.includes(value.text ?? ""))
        yield violation(
          value,
          `${value.text ?? ""} is not in standard support`,
          `upgrade to ${supported.join(" or ")}`,
        );
    },
  },
  {
    id: "eks-access-entries",
    title: "Who may use the cluster is said by access entries alone (authentication mode API)",
    why: "The aws-auth ConfigMap is changed by whoever can edit ConfigMaps, and a typo in it locks everybody out",
    severity: "medium",
    levels: strictInProd,
    references: ["EKS best practices, Identity and Access Management"],
    types: [cluster],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("accessConfig", "authenticationMode");
      if (value.text !== "API")
        yield violation(
          value,
          value.text ?? "not set, which is CONFIG_MAP",
          "set it to API, and make access entries",
        );
      const creator = props.at("accessConfig", "bootstrapClusterCreatorAdminPermissions");
      if (creator.boolean !== false)
        yield violation(
          creator,
          "whoever creates the cluster is its administrator for ever, and stands in no access entry",
          "set it to false, and give deployers an access entry",
        );
    },
  },
  {
    id: "kms-key-rotation",
    title: "Keys rotate",
    why: "What a key encrypted for years is lost with it",
    severity: "low",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_7", "Security Hub KMS.4"],
    types: ["aws:kms/key:Key"],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("enableKeyRotation");
      if (value.boolean !== true) yield violation(value, "the key does not rotate", "set it to true");
    },
  },
  {
    id: "ecr-images-fixed",
    title: "Images in ECR are scanned when they are pushed, and their tags cannot be moved",
    why: "A moved tag is another program under the name that was reviewed",
    severity: "medium",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_51", "Checkov CKV_AWS_163", "Security Hub ECR.1", "Security Hub ECR.2"],
    types: ["aws:ecr/repository:Repository"],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const mutability = props.at("imageTagMutability");
      if (mutability.text !== "IMMUTABLE")
        yield violation(mutability, `tags are ${mutability.text ?? "MUTABLE"}`, "set it to IMMUTABLE");
      const scan = props.at("imageScanningConfiguration", "scanOnPush");
      if (scan.boolean !== true) yield violation(scan, "images are not scanned", "set it to true");
    },
  },
  {
    id: "logs-expire",
    title: "Every log group says how long it keeps logs",
    why: "By default CloudWatch keeps them, and charges for them, for ever",
    severity: "low",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_66", "Security Hub CloudWatch.16"],
    types: ["aws:cloudwatch/logGroup:LogGroup"],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("retentionInDays");
      if (value.number === undefined || value.number === 0)
        yield violation(value, "logs are kept for ever", "set the days, like 90");
    },
  },
  {
    id: "vpc-flow-logs",
    title: "Every VPC has flow logs",
    why: "Without them nobody can say who talked to whom",
    severity: "low",
    levels: strictInProd,
    references: ["Checkov CKV2_AWS_11", "Security Hub EC2.6"],
    types: ["aws:ec2/vpc:Vpc"],
    scope: "stack",
    limits: [],
    *check(vpc, { stack }) {
      const isLogged = stack.some(({ type, props, dependencies }) => {
        if (type !== "aws:ec2/flowLog:FlowLog") return false;
        const made = dependencies?.vpcId;
        return made === undefined
          ? props.at("vpcId").text === vpc.props.at("id").text
          : made.some(({ type: of, name }) => of === vpc.type && name === vpc.name);
      });
      if (!isLogged)
        yield { path: "", message: "nothing logs its traffic", hint: "add a FlowLog for the VPC" };
    },
  },
  {
    id: "subnet-no-public-addresses",
    title: "No subnet gives its machines public addresses",
    why: "A node with one is reached from the internet by one wrong security group",
    severity: "medium",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_130", "Security Hub EC2.15"],
    types: ["aws:ec2/subnet:Subnet"],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("mapPublicIpOnLaunch");
      if (value.boolean === true)
        yield violation(
          value,
          "true: machines get public addresses",
          "remove it; load balancers and NAT gateways need none of it",
        );
    },
  },
  {
    id: "secret-recoverable",
    title: "Secrets in Secrets Manager of prod can be had back for some days",
    why: "A secret that is deleted by mistake takes every model that calls with it down",
    severity: "medium",
    levels: { ...reminder, dev: "disabled", bench: "disabled" },
    references: [],
    types: ["aws:secretsmanager/secret:Secret"],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("recoveryWindowInDays");
      if (value.isPresent && value.number === 0)
        yield violation(
          value,
          "0: a deleted secret is gone at once",
          "set 7 to 30 days (eks.secretRecoveryDays)",
        );
    },
  },
];

export function isEverybody(cidr: string | undefined): boolean {
  return cidr === "0.0.0.0/0" || cidr === "::/0";
}
