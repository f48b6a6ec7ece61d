import { arn } from "./ec2.ts";
import { demandKey } from "./kms.ts";
import { policyProblems } from "./policy.ts";
import { AwsError, rule, type ResourceTypes } from "./resource.ts";
import { numberAt, requiredText, text } from "./values.ts";

export const secret = "aws:secretsmanager/secret:Secret";
export const secretVersion = "aws:secretsmanager/secretVersion:SecretVersion";
/** A secret that can still be had back, and whose name is not free. */
export const deletedSecret = "secretsmanager:DeletedSecret";

export const secretTypes: ResourceTypes = {
  [secret]: {
    source: "internal/service/secretsmanager/secret.go",
    forceNew: [],
    autoname: { property: "name", max: 512 },
    kept: ["policy"],
    defaults: { forceOverwriteReplicaSecret: false, recoveryWindowInDays: 30 },
    validate: (inputs) => {
      const days = numberAt(inputs, "recoveryWindowInDays") ?? 30;
      return [
        // Source: Secrets Manager API, CreateSecret.
        ...rule(
          "name",
          text(inputs, "name"),
          (name) => /^[\w/+=.@-]{1,512}$/.test(name),
          "letters, digits and /_+=.@-, at most 512",
        ),
        ...(days === 0 || (days >= 7 && days <= 30)
          ? []
          : [{ property: "recoveryWindowInDays", reason: "0, or 7 to 30" }]),
        ...policyProblems("policy", text(inputs, "policy"), "resource", 20_480),
      ];
    },
    id: (scene) =>
      arn(scene, "secretsmanager", `secret:${requiredText(scene.inputs, "name")}-${scene.account.hex(6)}`),
    create: ({ account, inputs, id }) => {
      const name = requiredText(inputs, "name");
      if (account.all(secret).some(({ properties }) => properties.name === name))
        throw new AwsError(
          "ResourceExistsException",
          `The operation failed because the secret ${name} already exists.`,
        );
      if (account.find(deletedSecret, name) !== undefined)
        throw new AwsError(
          "InvalidRequestException",
          "You can't create this secret because a secret with this name is already scheduled for deletion.",
        );
      demandKey(account, text(inputs, "kmsKeyId"));
      return { arn: id, policy: inputs.policy ?? "" };
    },
    remove: (account, { properties }) => {
      const name = requiredText(properties, "name");
      if (properties.recoveryWindowInDays !== 0)
        account.put({ type: deletedSecret, id: name, name, properties: {} });
    },
  },
  [secretVersion]: {
    source: "internal/service/secretsmanager/secret_version.go",
    forceNew: [],
    kept: ["versionStages"],
    exclusive: [["secretBinary", "secretString", "secretStringWo"]],
    oneOf: [["secretBinary", "secretString", "secretStringWo"]],
    validate: (inputs) =>
      (text(inputs, "secretString")?.length ?? 0) > 65_536
        ? [{ property: "secretString", reason: "at most 65,536 bytes" }]
        : [],
    references: [
      {
        path: "secretId",
        type: secret,
        missing: ["ResourceNotFoundException", "Secrets Manager can't find the specified secret: {}"],
      },
    ],
    id: ({ account, inputs }) => `${requiredText(inputs, "secretId")}|${account.hex(32)}`,
    create: ({ inputs, id }) => ({
      ...{
        arn: requiredText(inputs, "secretId"),
        secretArn: requiredText(inputs, "secretId"),
        hasSecretStringWo: false,
      },
      ...{ versionId: id.split("|")[1], versionStages: ["AWSCURRENT"] },
    }),
  },
};
