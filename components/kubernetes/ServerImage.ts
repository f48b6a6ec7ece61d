import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Image } from "@pulumi/docker/image.js";
import * as pulumi from "@pulumi/pulumi";
import type { ServerImagePlan } from "../../core/kubernetes/images.ts";

export interface ServerImageArgs {
  plan: ServerImagePlan;
  /** Folder with the files of the build and nothing else, relative to the project's: `writeBuildContext` makes it. */
  context: string;
  /** Whether it is pushed to its registry; else it stays where it is built. Default: true. */
  push?: boolean;
}

/**
 * Triton's image with the models' Python packages in it, built by BuildKit, and pushed where it runs elsewhere.
 *
 * The daemon is Docker's own choice: `docker:host` of the stack's config, DOCKER_HOST, or the local one; a preview wants
 * one too, though nothing is built in it. For private registries, of this image or of the one below, log in with
 * `docker login` where `pulumi up` runs: no password comes into the stack's config or state.
 *
 * @example
 * ```ts
 * import { ServerImage, type KubernetesPlan } from "triton-platform/components";
 *
 * declare const plan: KubernetesPlan;
 * const images = plan.serverImages.map(
 *   (image, i) => new ServerImage(`image-${String(i)}`, { plan: image, context: "server-image" }),
 * );
 *
 * export const digests = images.map(({ digest }) => digest);
 * ```
 */
export class ServerImage extends pulumi.ComponentResource {
  /** `repository@sha256:…`, as the registry has it; of an image that is not pushed, nothing to go by. */
  readonly digest: pulumi.Output<string>;

  constructor(name: string, args: ServerImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:kubernetes:ServerImage", name, {}, opts);
    const { reference, build } = args.plan;
    const image = new Image(
      `${name}-image`,
      {
        imageName: reference,
        // Said only where it is so: a field more would build anew what is there.
        ...(args.push === false ? { skipPush: true } : {}),
        build: { context: args.context, platform: "linux/amd64", args: { ...build.args } },
      },
      { parent: this },
    );
    this.digest = image.repoDigest;
    this.registerOutputs({ digest: this.digest });
  }
}

/** Builds these images, and says under which digest each is in its registry, by the reference in the plan. */
export function buildServerImages(
  project: string,
  plans: readonly ServerImagePlan[],
  opts: pulumi.ComponentResourceOptions = {},
): ReadonlyMap<string, pulumi.Output<string>> {
  return new Map(
    plans.map((plan, i) => {
      const context = writeBuildContext(project, plan);
      const { digest } = new ServerImage(`triton-server-image-${String(i)}`, { plan, context }, opts);
      return [plan.reference, digest];
    }),
  );
}

/**
 * Writes the folder an image is built from, named by its content, and returns its path relative to the project, where
 * the provider runs. The provider builds anew where the path or a file's mode is another, so neither may depend on the
 * checkout or on who deploys.
 */
export function writeBuildContext(project: string, { build }: ServerImagePlan): string {
  const context = path.join(".local", "server-images", build.tag);
  const folder = path.join(project, context);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { path: name, content } of build.files) {
    const file = path.join(folder, name);
    writeFileSync(file, content);
    chmodSync(file, 0o644);
  }
  return context;
}
