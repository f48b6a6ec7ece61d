import { Image } from "@pulumi/docker/image.js";
import * as pulumi from "@pulumi/pulumi";
import type { ServerImagePlan } from "../../core/kubernetes/images.ts";

export interface ServerImageArgs {
  plan: ServerImagePlan;
  /** Folder with the files of the build and nothing else. */
  context: pulumi.Input<string>;
}

/** Triton's image with the models' Python packages in it, built by BuildKit and pushed. */
export class ServerImage extends pulumi.ComponentResource {
  /** `repository@sha256:…` */
  readonly digest: pulumi.Output<string>;

  constructor(name: string, args: ServerImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:kubernetes:ServerImage", name, {}, opts);
    const { reference, build } = args.plan;
    const image = new Image(
      `${name}-image`,
      {
        imageName: reference,
        build: { context: args.context, platform: "linux/amd64", args: { ...build.args } },
      },
      { parent: this },
    );
    this.digest = image.repoDigest;
    this.registerOutputs({ digest: this.digest });
  }
}
