import * as pulumi from "@pulumi/pulumi";
import type { DrainPlan } from "../../core/local/plan.ts";

/**
 * Resources of this machine, served by the provider in `provider/`. Their outputs are their inputs; what each field
 * means stands at the schema of the handler of the same name.
 */

export interface SupervisorArgs {
  directory: pulumi.Input<string>;
  bin: pulumi.Input<string>;
}

/** supervisord, which keeps the other processes running. */
export class Supervisor extends pulumi.CustomResource {
  constructor(name: string, args: SupervisorArgs, opts?: pulumi.CustomResourceOptions) {
    super("localhost:index:Supervisor", name, { ...args }, opts);
  }
}

export interface FileArgs {
  path: pulumi.Input<string>;
  content: pulumi.Input<string>;
  mode: pulumi.Input<number>;
  validate?: pulumi.Input<pulumi.Input<string>[]>;
}

/** A file with given content. */
export class File extends pulumi.CustomResource {
  constructor(name: string, args: FileArgs, opts?: pulumi.CustomResourceOptions) {
    super("localhost:index:File", name, { ...args }, opts);
  }
}

export interface ModelRepositoryArgs {
  directory: pulumi.Input<string>;
  platform: pulumi.Input<string>;
  files: pulumi.Input<
    {
      path: string;
      bytes: number;
      sha256: string;
      from: { content: string } | { file: string };
    }[]
  >;
}

/** A model repository, named by its content; another content is another repository. */
export class ModelRepository extends pulumi.CustomResource {
  constructor(name: string, args: ModelRepositoryArgs, opts?: pulumi.CustomResourceOptions) {
    super("localhost:index:ModelRepository", name, { ...args }, opts);
  }
}

export interface ProcessArgs extends SupervisorArgs {
  name: pulumi.Input<string>;
  command: pulumi.Input<pulumi.Input<string>[]>;
  environment: pulumi.Input<Record<string, pulumi.Input<string>>>;
  ports: pulumi.Input<number[]>;
  readyUrl: pulumi.Input<string>;
  startTimeout: pulumi.Input<number>;
  stopTimeout: pulumi.Input<number>;
  configHash: pulumi.Input<string>;
  reloadSignal?: pulumi.Input<"HUP" | "USR2">;
  sharedMemoryPrefix?: pulumi.Input<string>;
  drain?: pulumi.Input<DrainPlan>;
}

/** A supervised process. */
export class Process extends pulumi.CustomResource {
  constructor(name: string, args: ProcessArgs, opts?: pulumi.CustomResourceOptions) {
    super("localhost:index:Process", name, { ...args }, opts);
  }
}
