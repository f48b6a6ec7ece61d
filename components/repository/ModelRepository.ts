import * as pulumi from "@pulumi/pulumi";
import type { ServerPlan } from "../../core/platform.ts";
import type { ObjectStore } from "../../core/spec/kubernetes.ts";
import { inProject } from "./project-files.ts";

/** What each field means stands at the schema in `provider/model-repository.ts`. */
export interface ModelRepositoryArgs {
  bucket: pulumi.Input<string>;
  prefix: pulumi.Input<string>;
  region: pulumi.Input<string>;
  endpoint?: pulumi.Input<string>;
  server: pulumi.Input<string>;
  hash: pulumi.Input<string>;
  /** Left out, the repository must be there already, and nothing is uploaded. */
  files?: pulumi.Input<
    {
      path: string;
      bytes: number;
      sha256: string;
      from:
        | { content: string }
        | { file: string }
        | {
            s3: {
              uri: string;
              versionId: string;
              region?: string | undefined;
              endpoint?: string | undefined;
            };
          };
    }[]
  >;
  delivery: pulumi.Input<"loader" | "triton">;
  retain: pulumi.Input<number>;
}

/**
 * A server's model repository in an S3 bucket, served by the provider in `provider/`: its missing files are uploaded,
 * and another content is another repository. The old one stays until everything that depends on the new one has
 * changed; then it is kept among the last `retain`, and what none of them needs is removed.
 *
 * @example
 * ```ts
 * import { ModelRepository } from "triton-platform/components";
 *
 * new ModelRepository("gpu", {
 *   bucket: "example-models",
 *   prefix: "triton",
 *   region: "us-east-1",
 *   server: "gpu",
 *   hash: "27b2b4f6e7d8a1a2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607182930",
 *   delivery: "loader",
 *   retain: 10,
 * });
 * ```
 */
export class ModelRepository extends pulumi.CustomResource {
  constructor(name: string, args: ModelRepositoryArgs, opts?: pulumi.CustomResourceOptions) {
    const owner = `${pulumi.getProject()}/${pulumi.getStack()}`;
    super("modelstore:index:ModelRepository", name, { ...args, owner }, opts);
  }
}

/** The repository of a server in the stack's store. A rolled-back one must be there already. */
export function modelRepositoryArgs(
  { bucket, prefix, region, endpoint, deployEndpoint, delivery, retain }: ObjectStore,
  { name, repository, config: { rollback } }: Pick<ServerPlan, "name" | "repository" | "config">,
): ModelRepositoryArgs {
  const reached = deployEndpoint ?? endpoint;
  return {
    ...{ bucket, prefix, region, delivery, retain, server: name },
    ...(reached === undefined ? {} : { endpoint: reached }),
    ...(rollback === undefined
      ? { hash: repository.hash, files: repository.files.map(inProject) }
      : { hash: rollback }),
  };
}
