import * as pulumi from "@pulumi/pulumi";
import type { ISecret } from "kubernetes-models/v1";
import { typeToken } from "../../core/kubernetes/type-token.ts";

/** What every object of the Kubernetes API has; the rest depends on its kind. */
export interface KubernetesObjectArgs {
  apiVersion: string;
  kind: string;
  metadata?: pulumi.Input<object>;
}

/**
 * Any object of the Kubernetes API, as core plans it: the same resource as the SDK's class for its kind, which wants
 * types of its own. Its parent gives it the provider.
 */
export class KubernetesObject extends pulumi.CustomResource {
  constructor(name: string, object: KubernetesObjectArgs, opts: pulumi.CustomResourceOptions) {
    super(typeToken(object), name, { ...object }, opts);
  }
}

/** A Secret with its values, which are secrets in the state too, whoever hands them in. */
export class KubernetesSecret extends KubernetesObject {
  constructor(
    name: string,
    secret: ISecret,
    values: Readonly<Record<string, pulumi.Input<string>>>,
    opts: pulumi.CustomResourceOptions,
  ) {
    const filled = Object.assign({ stringData: pulumi.secret(values) }, secret);
    super(name, filled, { ...opts, additionalSecretOutputs: ["data", "stringData"] });
  }
}
