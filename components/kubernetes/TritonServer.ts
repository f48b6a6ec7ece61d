import * as pulumi from "@pulumi/pulumi";
import type { ServerObjects } from "../../core/kubernetes/server.ts";
import { KubernetesObject } from "./KubernetesObject.ts";

export interface TritonServerArgs {
  /** The group's objects: plain data, checked before. */
  objects: ServerObjects;
  /** Image of Triton, in place of the one in `objects`: one that this program builds. */
  image?: pulumi.Input<string>;
}

/**
 * One server group: Tritons that serve the same models, found by one headless Service.
 *
 * @example
 * ```ts
 * import { TritonServer, type KubernetesPlan } from "triton-platform/components";
 *
 * declare const plan: KubernetesPlan;
 * for (const { plan: server, objects } of plan.servers) new TritonServer(server.name, { objects });
 * ```
 */
export class TritonServer extends pulumi.ComponentResource {
  constructor(name: string, args: TritonServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:kubernetes:TritonServer", name, {}, opts);
    const { objects, image } = args;
    const serviceAccount = new KubernetesObject(`${name}-service-account`, objects.serviceAccount, {
      parent: this,
    });
    const service = new KubernetesObject(`${name}-service`, objects.service, { parent: this });
    const rollout = `${String(objects.timing.rollout)}s`;
    // How many there are is then the autoscaler's matter, whatever the manifest begins with.
    const isScaled = objects.scaledObject !== undefined || objects.horizontalPodAutoscaler !== undefined;
    const deployment = new KubernetesObject(
      `${name}-deployment`,
      image === undefined ? objects.deployment : withImage(objects.deployment, image),
      {
        parent: this,
        dependsOn: [serviceAccount, service],
        customTimeouts: { create: rollout, update: rollout, delete: rollout },
        ignoreChanges: isScaled ? ["spec.replicas"] : [],
      },
    );
    const around = {
      "pod-disruption-budget": objects.podDisruptionBudget,
      "scaled-object": objects.scaledObject,
      "horizontal-pod-autoscaler": objects.horizontalPodAutoscaler,
      headroom: objects.headroom,
    };
    for (const [suffix, object] of Object.entries(around)) {
      // What scales a Deployment goes before it, and comes after.
      if (object !== undefined)
        new KubernetesObject(`${name}-${suffix}`, object, { parent: this, dependsOn: deployment });
    }
    this.registerOutputs();
  }
}

/** A Deployment whose first container, Triton, runs another image. */
function withImage(deployment: ServerObjects["deployment"], image: pulumi.Input<string>) {
  const { template, ...spec } = deployment.spec;
  const [triton, ...others] = template.spec.containers;
  const containers = [{ ...triton, image }, ...others];
  return {
    ...deployment,
    spec: { ...spec, template: { ...template, spec: { ...template.spec, containers } } },
  };
}
