import { everywhere, violation } from "../rule.ts";
import type { PolicyResource, PolicyRule } from "../rule.ts";
import type { Value } from "../value.ts";
import { statementsOf } from "./iam-documents.ts";

/** Rights in AWS. */

/** Types with a policy in them, and where. */
const policyPaths: Readonly<Record<string, string>> = {
  "aws:iam/policy:Policy": "policy",
  "aws:iam/rolePolicy:RolePolicy": "policy",
  "aws:iam/userPolicy:UserPolicy": "policy",
  "aws:iam/groupPolicy:GroupPolicy": "policy",
};

const attachments = [
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
  "aws:iam/userPolicyAttachment:UserPolicyAttachment",
  "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
];

const roles = "aws:iam/role:Role";

export const iamRules: readonly PolicyRule[] = [
  {
    id: "iam-least-privilege",
    title: "No policy allows everything, or everything of S3",
    why: "Whoever takes over the pod or the node has all of it",
    severity: "critical",
    levels: everywhere,
    references: [
      "Checkov CKV_AWS_62",
      "Checkov CKV_AWS_63",
      "Checkov CKV_AWS_274",
      "Security Hub IAM.1",
      "Security Hub IAM.21",
    ],
    types: [...Object.keys(policyPaths), roles, ...attachments],
    scope: "resource",
    limits: [],
    *check(resource) {
      for (const arn of attachedArns(resource)) {
        if (
          /:policy\/(AdministratorAccess|AmazonS3FullAccess|IAMFullAccess|PowerUserAccess)$/.test(
            arn.text ?? "",
          )
        )
          yield violation(
            arn,
            `${arn.text ?? ""} allows far more than any part of the platform needs`,
            "attach a policy that names the actions and resources",
          );
      }
      for (const policy of policiesOf(resource)) {
        for (const statement of statementsOf(policy)) {
          if (statement.at("Effect").text !== "Allow") continue;
          const wide = statement
            .at("Action")
            .texts.filter((action) => /^(\*|\*:\*|s3:\*|iam:\*|kms:\*)$/i.test(action));
          if (wide.length > 0)
            yield violation(
              policy,
              `allows ${wide.join(", ")} on ${statement.at("Resource").texts.join(", ") || "resources that are not named"}`,
              "name the actions that are needed, like s3:GetObject",
            );
          if (statement.at("NotAction").isPresent)
            yield violation(
              policy,
              `allows everything but ${statement.at("NotAction").texts.join(", ")}`,
              "name what is allowed (Action) instead of what is not (NotAction)",
            );
        }
      }
    },
  },
  {
    id: "iam-web-identity-pinned",
    title: "A role that pods take by their token is for certain ServiceAccounts and the audience STS",
    why: "Else any pod of the cluster, or any cluster that shares the provider, takes the role",
    severity: "critical",
    levels: everywhere,
    references: ["EKS user guide, IAM roles for service accounts"],
    types: [roles],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const policy = props.at("assumeRolePolicy");
      for (const statement of statementsOf(policy)) {
        if (statement.at("Effect").text !== "Allow") continue;
        if (!statement.at("Action").texts.includes("sts:AssumeRoleWithWebIdentity")) continue;
        const exact = conditionsOf(statement, ["StringEquals"]);
        const loose = conditionsOf(statement, ["StringEquals", "StringLike"]);
        const subjects = loose.filter(([key]) => key.endsWith(":sub")).flatMap(([, value]) => value.texts);
        // Asked for where it matters: of a cluster that is not there yet it is not known.
        const isEks = (): boolean =>
          statement.at("Principal", "Federated").texts.some((arn) => arn.includes("/oidc.eks."));
        if (subjects.length === 0)
          yield violation(
            policy,
            "any token of the identity provider may take the role: no condition on its subject (`…:sub`)",
            "add StringEquals on `<issuer>:sub` with system:serviceaccount:<namespace>:<name>",
          );
        for (const subject of subjects) {
          const isPinned =
            /^system:serviceaccount:[^*?:]+:[^*?:]+$/.test(subject) ||
            (!isEks() && !/^([^:]+:)?\*|^repo:[^/]*\/\*/.test(subject));
          if (!isPinned)
            yield violation(
              policy,
              `its subject ${subject} is no single ServiceAccount`,
              "write system:serviceaccount:<namespace>:<name> without * and ?",
            );
        }
        if (
          !exact.some(
            ([key, value]) =>
              key.endsWith(":aud") && value.texts.every((text) => text === "sts.amazonaws.com"),
          )
        )
          yield violation(
            policy,
            "no condition on the token's audience (`…:aud`)",
            "add StringEquals on `<issuer>:aud` with sts.amazonaws.com",
          );
      }
    },
  },
  {
    id: "iam-no-static-keys",
    title: "No access keys of IAM users are made",
    why: "They do not expire, and lie about in files; roles give out keys for an hour",
    severity: "high",
    levels: everywhere,
    references: ["Checkov CKV_AWS_273"],
    types: ["aws:iam/accessKey:AccessKey", "aws:iam/user:User"],
    scope: "resource",
    limits: [],
    *check({ type }) {
      yield {
        path: "",
        message:
          type === "aws:iam/user:User"
            ? "an IAM user, which only keys and passwords can use"
            : "an access key that does not expire",
        hint: "give pods a role by their ServiceAccount, and people and CI a role by single sign-on or OIDC",
      };
    },
  },
];

function attachedArns({ type, props }: PolicyResource): readonly Value[] {
  if (attachments.includes(type)) return [props.at("policyArn")];
  return type === roles ? props.at("managedPolicyArns").items : [];
}

function policiesOf({ type, props }: PolicyResource): readonly Value[] {
  if (type === roles) return props.at("inlinePolicies").items.map((inline) => inline.at("policy"));
  const path = policyPaths[type];
  return path === undefined ? [] : [props.at(path)];
}

function conditionsOf(
  statement: Value,
  operators: readonly string[],
): (readonly [key: string, value: Value])[] {
  return operators.flatMap((operator) => statement.at("Condition", operator).entries);
}
