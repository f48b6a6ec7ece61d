import { Secret } from "@pulumi/aws/secretsmanager/secret.js";
import { SecretVersion } from "@pulumi/aws/secretsmanager/secretVersion.js";
import * as pulumi from "@pulumi/pulumi";
import type { SecretsPlan } from "../../core/aws/plan.ts";
import { EncryptionKey } from "./EncryptionKey.ts";

export interface PlatformSecretsArgs {
  /** Names, and what API keys' hashes are; plain data, checked before. */
  plan: SecretsPlan;
  /** HolySheep's key. Left out, its secret is made without a value: put it in with `aws secretsmanager put-secret-value`. */
  holysheepApiKey?: pulumi.Input<string>;
  /** Whether Pulumi refuses to delete secrets and their key. Default: false. */
  protect?: boolean;
}

/**
 * Secrets of the platform in Secrets Manager, encrypted with a key of their own. Pods get them as files, by External
 * Secrets, and follow them: a value that is changed there needs no deployment.
 *
 * @example
 * ```ts
 * import * as pulumi from "@pulumi/pulumi";
 * import { PlatformSecrets } from "triton-platform/components";
 *
 * const secrets = new PlatformSecrets("secrets", {
 *   plan: {
 *     holysheepApiKey: "models/holysheep",
 *     recoveryDays: 30,
 *     readerRole: {
 *       roleName: "models-secrets",
 *       roleArn: "arn:aws:iam::111122223333:role/models-secrets",
 *       serviceAccounts: ["triton:triton-secrets"],
 *       managedPolicyArns: [],
 *     },
 *   },
 *   holysheepApiKey: new pulumi.Config("holysheep").requireSecret("apiKey"),
 * });
 *
 * export const { keyArn } = secrets;
 * ```
 */
export class PlatformSecrets extends pulumi.ComponentResource {
  /** Of the key they are encrypted with: readers need `kms:Decrypt`. */
  readonly keyArn: pulumi.Output<string>;

  constructor(name: string, args: PlatformSecretsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:PlatformSecrets", name, {}, opts);
    const { plan, holysheepApiKey, protect = false } = args;
    const inside = { parent: this };
    const key = new EncryptionKey(`${name}-key`, { description: "Secrets of the platform", protect }, inside);
    const make = (
      suffix: string,
      secretName: string,
      description: string,
      value: pulumi.Input<string> | undefined,
    ): void => {
      const { id: secretId } = new Secret(
        `${name}-${suffix}`,
        { name: secretName, description, kmsKeyId: key.arn, recoveryWindowInDays: plan.recoveryDays },
        { ...inside, protect },
      );
      if (value !== undefined)
        new SecretVersion(
          `${name}-${suffix}-value`,
          { secretId, secretString: pulumi.secret(value) },
          inside,
        );
    };
    if (plan.holysheepApiKey !== undefined)
      make("holysheep", plan.holysheepApiKey, "Key of HolySheep's API", holysheepApiKey);
    if (plan.apiKeys !== undefined) {
      const { name: secretName, map } = plan.apiKeys;
      make("api-keys", secretName, "Hashes of the balancer's API keys, and their callers", map);
    }
    this.keyArn = key.arn;
    this.registerOutputs({ keyArn: this.keyArn });
  }
}
