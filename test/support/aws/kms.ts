import type { Account } from "./account.ts";
import { arn } from "./ec2.ts";
import { policyProblems, statementsOf } from "./policy.ts";
import { AwsError, rule, type ResourceTypes } from "./resource.ts";
import { isRecord, numberAt, requiredText, text, texts } from "./values.ts";

export const key = "aws:kms/key:Key";

/** The key that a resource names by its id, ARN or alias. */
export function keyOf(account: Account, name: string): ReturnType<Account["find"]> {
  const alias = account
    .all("aws:kms/alias:Alias")
    .find(({ id, properties }) => id === name || properties.arn === name);
  const target = alias === undefined ? name : text(alias.properties, "targetKeyId");
  return account.all(key).find(({ id, properties }) => id === target || properties.arn === target);
}

export function demandKey(account: Account, name: string | undefined): void {
  if (name !== undefined && !name.includes("alias/aws/") && keyOf(account, name) === undefined)
    throw new AwsError("NotFoundException", `Key '${name}' does not exist`);
}

/** Whether a key's policy names a service. */
export function letsService(account: Account, name: string, service: string): boolean {
  const document: unknown = JSON.parse(text(keyOf(account, name)?.properties ?? {}, "policy") ?? "{}");
  return (
    isRecord(document) &&
    statementsOf(document).some(
      ({ Effect, Principal }) =>
        Effect === "Allow" && isRecord(Principal) && texts(Principal, "Service").includes(service),
    )
  );
}

export const kmsTypes: ResourceTypes = {
  [key]: {
    source: "internal/service/kms/key.go",
    forceNew: [],
    kept: ["description", "policy", "multiRegion", "rotationPeriodInDays"],
    defaults: {
      ...{
        bypassPolicyLockoutSafetyCheck: false,
        customerMasterKeySpec: "SYMMETRIC_DEFAULT",
        isEnabled: true,
      },
      ...{ enableKeyRotation: false, keyUsage: "ENCRYPT_DECRYPT" },
    },
    validate: (inputs) => {
      const window = numberAt(inputs, "deletionWindowInDays");
      const rotation = numberAt(inputs, "rotationPeriodInDays");
      return [
        ...policyProblems("policy", text(inputs, "policy"), "resource", 32_768),
        ...(window !== undefined && (window < 7 || window > 30)
          ? [{ property: "deletionWindowInDays", reason: "7 to 30" }]
          : []),
        ...(rotation !== undefined && (rotation < 90 || rotation > 2_560)
          ? [{ property: "rotationPeriodInDays", reason: "90 to 2,560" }]
          : []),
      ];
    },
    id: ({ account }) => account.hex(32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    create: (scene) => {
      const { inputs, id, account } = scene;
      const given = text(inputs, "policy");
      const root = `arn:aws:iam::${account.settings.id}:root`;
      // Source: KMS API, CreateKey: whoever makes a key must be able to change its policy later.
      if (given !== undefined && !given.includes(root))
        throw new AwsError(
          "MalformedPolicyDocumentException",
          "The new key policy will not allow you to update the key policy in the future.",
        );
      return {
        arn: arn(scene, "kms", `key/${id}`),
        ...{ keyId: id, description: inputs.description ?? "", multiRegion: inputs.multiRegion ?? false },
        policy:
          given ??
          JSON.stringify({
            Version: "2012-10-17",
            Id: "key-default-1",
            Statement: [
              {
                Sid: "Enable IAM User Permissions",
                Effect: "Allow",
                Principal: { AWS: root },
                Action: "kms:*",
                Resource: "*",
              },
            ],
          }),
        rotationPeriodInDays: inputs.rotationPeriodInDays ?? 365,
      };
    },
  },
  "aws:kms/alias:Alias": {
    source: "internal/service/kms/alias.go",
    forceNew: ["name", "namePrefix"],
    autoname: { property: "name", max: 256, prefix: "alias/" },
    validate: (inputs) =>
      // Source: KMS API, CreateAlias.
      rule(
        "name",
        text(inputs, "name"),
        (name) => /^alias\/(?!aws\/)[a-zA-Z0-9/_-]{1,250}$/.test(name),
        "alias/ and letters, digits, /_-; alias/aws/ is AWS' own",
      ),
    references: [
      { path: "targetKeyId", type: key, missing: ["NotFoundException", "Key '{}' does not exist"] },
    ],
    id: ({ inputs }) => requiredText(inputs, "name"),
    create: (scene) => ({
      arn: arn(scene, "kms", scene.id),
      targetKeyArn: text(
        keyOf(scene.account, requiredText(scene.inputs, "targetKeyId"))?.properties ?? {},
        "arn",
      ),
    }),
  },
};
