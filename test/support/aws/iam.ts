import { AwsError, rule, type Reference, type ResourceTypes } from "./resource.ts";
import type { Account } from "./account.ts";
import { policyProblems, statementsOf } from "./policy.ts";
import type { ShapeProblem } from "./shapes.ts";
import { isRecord, numberAt, requiredText, text, texts, type Properties } from "./values.ts";

/** Roles and policies. Limits: IAM user guide, "IAM and AWS STS quotas". */

export const role = "aws:iam/role:Role";
export const attachment = "aws:iam/rolePolicyAttachment:RolePolicyAttachment";
export const oidcProvider = "aws:iam/openIdConnectProvider:OpenIdConnectProvider";
const policy = "aws:iam/policy:Policy";
const rolePolicy = "aws:iam/rolePolicy:RolePolicy";

/** Policies of AWS' own that exist, as far as these stacks attach any. Source: AWS managed policy reference. */
const managed = [
  ...["AmazonEKSClusterPolicy", "AmazonEKSVPCResourceController", "AmazonEKSWorkerNodePolicy"],
  ...["AmazonEKSWorkerNodeMinimalPolicy", "AmazonEKS_CNI_Policy", "AmazonSSMManagedInstanceCore"],
  ...[
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEC2ContainerRegistryPullOnly",
    "CloudWatchAgentServerPolicy",
  ],
  ...["service-role/AmazonEBSCSIDriverPolicy", "service-role/AmazonEBSCSIDriverEKSClusterScopedPolicy"],
];

const nameProblems =
  (property: string, max: number) =>
  (inputs: Properties): readonly ShapeProblem[] =>
    rule(
      property,
      text(inputs, property),
      (name) => name.length <= max && /^[\w+=,.@-]+$/.test(name),
      `1 to ${String(max)} letters, digits and +=,.@-_`,
    );

export function roleByArn(path: string, missing: Reference["missing"]): Reference {
  return { path, type: role, by: "arn", missing };
}

function roleByName(path: string): Reference {
  return {
    path,
    type: role,
    by: "name",
    missing: ["NoSuchEntity", "The role with name {} cannot be found."],
    // Source: IAM API, DeleteRole. The provider tries again for two minutes.
    inUse: ["DeleteConflict", "Cannot delete entity, must detach all policies first."],
  };
}

/** Names of the policies that a role has at the moment, AWS' own and inline ones. */
export function policiesOf(account: Account, roleName: string): string[] {
  const attached = account
    .all(attachment)
    .filter(({ properties }) => properties.role === roleName)
    .map(({ properties }) => requiredText(properties, "policyArn").split("/").pop() ?? "");
  const inline = account
    .all(rolePolicy)
    .filter(({ properties }) => properties.role === roleName)
    .map(({ properties }) => requiredText(properties, "name"));
  return [...attached, ...inline];
}

/** Whether a role that is there lets somebody take it: a service, or a ServiceAccount of a cluster by its token. */
export function trusts(
  account: Account,
  roleArn: string,
  who: { service: string } | { subject: string },
): boolean {
  const found = account.all(role).find(({ properties }) => properties.arn === roleArn);
  if (found === undefined) return false;
  const document: unknown = JSON.parse(requiredText(found.properties, "assumeRolePolicy"));
  if (!isRecord(document)) return false;
  return statementsOf(document).some((statement) => {
    if (statement.Effect !== "Allow" || !isRecord(statement.Principal)) return false;
    if ("service" in who) return texts(statement.Principal, "Service").includes(who.service);
    const known = account.all(oidcProvider);
    const provider = known.find(
      ({ id }) => isRecord(statement.Principal) && id === statement.Principal.Federated,
    );
    if (provider === undefined || !isRecord(statement.Condition)) return false;
    const host = requiredText(provider.properties, "url").replace("https://", "");
    return Object.values(statement.Condition).some(
      (condition) =>
        isRecord(condition) &&
        [condition[`${host}:sub`]].flat().includes(`system:serviceaccount:${who.subject}`),
    );
  });
}

/**
 * Whether a role's own policies let it do something, conditions left out of account. Source: IAM user guide, "Policy
 * evaluation logic": a Deny wins, and what nothing allows is denied. `*` and `?` stand for any letters and for one.
 */
export function allows(account: Account, roleName: string, action: string, resource: string): boolean {
  const matches = (pattern: string, text: string): boolean =>
    new RegExp(
      `^${pattern
        .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
        .replaceAll("*", ".*")
        .replaceAll("?", ".")}$`,
      "i",
    ).test(text);
  const statements = account
    .all(rolePolicy)
    .filter(({ properties }) => properties.role === roleName)
    .flatMap(({ properties }) => {
      const document: unknown = JSON.parse(requiredText(properties, "policy"));
      return isRecord(document) ? statementsOf(document) : [];
    })
    .filter(
      (statement) =>
        texts(statement, "Action").some((one) => matches(one, action)) &&
        texts(statement, "Resource").some((one) => matches(one, resource)),
    );
  return (
    statements.some(({ Effect }) => Effect === "Allow") && !statements.some(({ Effect }) => Effect === "Deny")
  );
}

export const iamTypes: ResourceTypes = {
  [role]: {
    source: "internal/service/iam/role.go",
    forceNew: [],
    autoname: { property: "name", max: 64 },
    kept: ["inlinePolicies", "managedPolicyArns"],
    defaults: { path: "/", maxSessionDuration: 3_600, forceDetachPolicies: false },
    exclusive: [["name", "namePrefix"]],
    validate: (inputs) => [
      ...nameProblems("name", 64)(inputs),
      ...policyProblems("assumeRolePolicy", text(inputs, "assumeRolePolicy"), "trust", 2_048),
      ...rule(
        "description",
        text(inputs, "description"),
        (one) => one.length <= 1_000,
        "at most 1,000 characters",
      ),
      ...((numberAt(inputs, "maxSessionDuration") ?? 3_600) < 3_600 ||
      (numberAt(inputs, "maxSessionDuration") ?? 3_600) > 43_200
        ? [{ property: "maxSessionDuration", reason: "3,600 to 43,200 s" }]
        : []),
    ],
    id: ({ inputs }) => requiredText(inputs, "name"),
    create: ({ account, inputs, id }) => ({
      arn: `arn:aws:iam::${account.settings.id}:role${requiredText(inputs, "path")}${id}`,
      ...{ createDate: "2026-01-01T00:00:00Z", uniqueId: `AROA${account.hex(17).toUpperCase()}` },
      ...{ inlinePolicies: inputs.inlinePolicies ?? [], managedPolicyArns: inputs.managedPolicyArns ?? [] },
    }),
  },
  [rolePolicy]: {
    source: "internal/service/iam/role_policy.go",
    forceNew: [],
    autoname: { property: "name", max: 128 },
    validate: (inputs) => [
      ...nameProblems("name", 128)(inputs),
      ...policyProblems("policy", text(inputs, "policy"), "identity", 10_240),
    ],
    references: [roleByName("role")],
    id: ({ inputs }) => `${requiredText(inputs, "role")}:${requiredText(inputs, "name")}`,
  },
  [policy]: {
    source: "internal/service/iam/policy.go",
    forceNew: ["description", "name", "namePrefix", "path"],
    autoname: { property: "name", max: 128 },
    defaults: { path: "/" },
    validate: (inputs) => [
      ...nameProblems("name", 128)(inputs),
      ...policyProblems("policy", text(inputs, "policy"), "identity", 6_144),
    ],
    id: ({ account, inputs }) =>
      `arn:aws:iam::${account.settings.id}:policy${requiredText(inputs, "path")}${requiredText(inputs, "name")}`,
    create: ({ account, id }) => ({
      arn: id,
      attachmentCount: 0,
      policyId: `ANPA${account.hex(17).toUpperCase()}`,
    }),
    remove: (account, { id }) => {
      // Source: IAM API, DeletePolicy.
      if (account.all(attachment).some(({ properties }) => properties.policyArn === id))
        throw new AwsError("DeleteConflict", "Cannot delete a policy attached to entities.", true);
    },
  },
  [attachment]: {
    source: "internal/service/iam/role_policy_attachment.go",
    forceNew: [],
    references: [roleByName("role")],
    id: ({ inputs }) => `${requiredText(inputs, "role")}/${requiredText(inputs, "policyArn")}`,
    create: ({ account, inputs }) => {
      const arn = requiredText(inputs, "policyArn");
      const isThere =
        account.find(policy, arn) !== undefined ||
        managed.some((name) => arn === `arn:aws:iam::aws:policy/${name}`);
      if (!isThere) throw new AwsError("NoSuchEntity", `Policy ${arn} does not exist or is not attachable.`);
      const others = account.all(attachment).filter(({ properties }) => properties.role === inputs.role);
      if (others.length >= 10)
        throw new AwsError("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10");
      return {};
    },
  },
  [oidcProvider]: {
    source: "internal/service/iam/openid_connect_provider.go",
    forceNew: [],
    kept: ["thumbprintLists"],
    sets: ["clientIdLists"],
    validate: (inputs) => [
      ...rule("url", text(inputs, "url"), (url) => url.startsWith("https://"), "it must begin with https://"),
      ...(Array.isArray(inputs.clientIdLists) && inputs.clientIdLists.length === 0
        ? [{ property: "clientIdLists", reason: "one at least" }]
        : []),
    ],
    id: ({ account, inputs }) =>
      `arn:aws:iam::${account.settings.id}:oidc-provider/${requiredText(inputs, "url").replace("https://", "")}`,
    create: ({ id, inputs }) => ({ arn: id, thumbprintLists: inputs.thumbprintLists ?? [] }),
  },
};
