import * as pulumi from "@pulumi/pulumi";
import type { ModelRepositoryArgs as StoredRepositoryArgs } from "../repository/ModelRepository.ts";

/**
 * Resources of a Docker host that no provider of Docker's has, served by the provider in `provider/`. What each field means
 * stands at the schema of the handler of the same name.
 */

export interface FilesArgs {
  host: pulumi.Input<string>;
  volume: pulumi.Input<string>;
  place: pulumi.Input<string>;
  image: pulumi.Input<string>;
  files: pulumi.Input<
    {
      path: string;
      content: pulumi.Input<string>;
      mode: number;
      owner: number;
      check?: string[];
    }[]
  >;
  reload?: pulumi.Input<{ stack: string; service: string; signal: string }>;
}

/** Files in a volume, and the service that reads them again. */
export class Files extends pulumi.CustomResource {
  constructor(name: string, args: FilesArgs, opts?: pulumi.CustomResourceOptions) {
    super("dockerhost:index:Files", name, { ...args }, opts);
  }
}

export interface ModelRepositoryArgs {
  host: pulumi.Input<string>;
  volume: pulumi.Input<string>;
  image: pulumi.Input<string>;
  server: pulumi.Input<string>;
  hash: pulumi.Input<string>;
  /** Left out, the repository must be there already, and nothing is uploaded. */
  files?: NonNullable<StoredRepositoryArgs["files"]>;
  retain: pulumi.Input<number>;
  owner: pulumi.Input<string>;
}

/**
 * A server's model repository in a volume. Another content is another repository; the old one stays until everything that
 * depends on the new one has changed, and is then kept among the last `retain`.
 */
export class ModelRepository extends pulumi.CustomResource {
  constructor(name: string, args: ModelRepositoryArgs, opts?: pulumi.CustomResourceOptions) {
    super("dockerhost:index:ModelRepository", name, { ...args }, opts);
  }
}

export interface MemberArgs {
  host: pulumi.Input<string>;
  stack: pulumi.Input<string>;
  network: pulumi.Input<string>;
  server: pulumi.Input<string>;
  container: pulumi.Input<string>;
  startup: pulumi.Input<number>;
  drain: pulumi.Input<number>;
  grace: pulumi.Input<number>;
}

/** A replica's place behind the balancer; its end is the replica's drain and stop. */
export class Member extends pulumi.CustomResource {
  constructor(name: string, args: MemberArgs, opts?: pulumi.CustomResourceOptions) {
    super("dockerhost:index:Member", name, { ...args }, opts);
  }
}
