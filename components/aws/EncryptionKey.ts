import { Key } from "@pulumi/aws/kms/key.js";
import type * as pulumi from "@pulumi/pulumi";

/** How long a deleted key can still be had back, in days: the most and the least that KMS knows. */
const keptFor = { protected: 30, unprotected: 7 } as const;

export interface EncryptionKeyArgs {
  /** What it encrypts. */
  description: string;
  /** Whether Pulumi refuses to delete it: what it encrypts is lost with it. */
  protect: boolean;
}

/** A key of KMS for data at rest, which AWS rotates each year. IAM policies alone say who may use it: KMS' own default. */
export class EncryptionKey extends Key {
  constructor(
    name: string,
    { description, protect }: EncryptionKeyArgs,
    opts: Pick<pulumi.CustomResourceOptions, "parent">,
  ) {
    super(
      name,
      {
        description,
        enableKeyRotation: true,
        deletionWindowInDays: protect ? keptFor.protected : keptFor.unprotected,
      },
      { ...opts, protect },
    );
  }
}
