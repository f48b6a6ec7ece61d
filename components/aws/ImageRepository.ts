import { LifecyclePolicy } from "@pulumi/aws/ecr/lifecyclePolicy.js";
import { Repository } from "@pulumi/aws/ecr/repository.js";
import * as pulumi from "@pulumi/pulumi";
import type { ImageRepositoryPlan } from "../../core/aws/plan.ts";

export interface ImageRepositoryArgs {
  /** Name and lifecycle; plain data, checked before. */
  plan: ImageRepositoryPlan;
  /** Whether Pulumi refuses to delete it; else it is deleted with its images. Default: false. */
  protect?: boolean;
}

/**
 * A repository of ECR: a tag, once pushed, is always the same image; each image is scanned as it comes.
 *
 * @example
 * ```ts
 * import { ImageRepository } from "triton-platform/components";
 *
 * const images = new ImageRepository("images", {
 *   plan: {
 *     name: "models/triton",
 *     url: "111122223333.dkr.ecr.us-east-1.amazonaws.com/models/triton",
 *     lifecycle: { rules: [] },
 *   },
 * });
 *
 * export const { url } = images;
 * ```
 */
export class ImageRepository extends pulumi.ComponentResource {
  /** What images are pushed to, without a tag. */
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: ImageRepositoryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:ImageRepository", name, {}, opts);
    const { plan, protect = false } = args;
    const inside = { parent: this };
    const repository = new Repository(
      `${name}-repository`,
      {
        name: plan.name,
        imageTagMutability: "IMMUTABLE",
        imageScanningConfiguration: { scanOnPush: true },
        encryptionConfigurations: [{ encryptionType: "KMS" }],
        forceDelete: !protect,
      },
      { ...inside, protect },
    );
    new LifecyclePolicy(
      `${name}-lifecycle`,
      { repository: repository.name, policy: JSON.stringify(plan.lifecycle) },
      inside,
    );
    this.url = repository.repositoryUrl;
    this.registerOutputs({ url: this.url });
  }
}
