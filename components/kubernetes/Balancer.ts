import { Service } from "@pulumi/kubernetes/core/v1/service.js";
import type { types } from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ISecret } from "kubernetes-models/v1";
import type { BalancerObjects } from "../../core/kubernetes/balancer.ts";
import { apiKeysSecret } from "../../core/kubernetes/names.ts";
import { KubernetesObject, KubernetesSecret } from "./KubernetesObject.ts";

export interface BalancerArgs {
  /** The balancer's objects: plain data, checked before. */
  objects: BalancerObjects;
  /** The Secret of the callers' API keys, without its values. */
  apiKeys?: ISecret;
}

/**
 * HAProxy in front of all server groups, and the Service that clients call.
 *
 * @example
 * ```ts
 * import { Balancer, type KubernetesPlan } from "triton-platform/components";
 *
 * declare const plan: KubernetesPlan;
 * const balancer = new Balancer("balancer", { objects: plan.balancer });
 *
 * export const { address } = balancer;
 * ```
 */
export class Balancer extends pulumi.ComponentResource {
  /** Name or address that a load balancer gives the Service; undefined where there is none. */
  readonly address: pulumi.Output<string | undefined>;

  constructor(name: string, args: BalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:kubernetes:Balancer", name, {}, opts);
    const { objects, apiKeys } = args;
    const before: pulumi.Resource[] = [
      new KubernetesObject(`${name}-service-account`, objects.serviceAccount, { parent: this }),
      // In the URN too: what a failed update leaves is then nothing to be deleted, and a revert finds it.
      ...objects.configMaps.map(
        (configMap) =>
          new KubernetesObject(`${name}-${configMap.metadata?.name ?? ""}`, configMap, { parent: this }),
      ),
    ];
    if (apiKeys !== undefined && objects.apiKeysMap !== undefined) {
      const values = { [apiKeysSecret.key]: objects.apiKeysMap };
      before.push(new KubernetesSecret(`${name}-api-keys`, apiKeys, values, { parent: this }));
    }
    // Before the pods, as the AWS Load Balancer Controller wants it for its readiness gates; both are awaited together.
    const rollout = `${String(objects.timing.rollout)}s`;
    const timeouts = { create: rollout, update: rollout, delete: rollout };
    const service = new Service(`${name}-service`, objects.service, {
      parent: this,
      customTimeouts: timeouts,
    });
    this.address = service.status.apply(addressOf);
    const deployment = new KubernetesObject(`${name}-deployment`, objects.deployment, {
      parent: this,
      dependsOn: before,
      customTimeouts: timeouts,
    });
    if (objects.podDisruptionBudget !== undefined) {
      new KubernetesObject(`${name}-pod-disruption-budget`, objects.podDisruptionBudget, {
        parent: this,
        dependsOn: deployment,
      });
    }
    this.registerOutputs({ address: this.address });
  }
}

function addressOf(status: types.output.core.v1.ServiceStatus | undefined): string | undefined {
  const [first] = status?.loadBalancer.ingress ?? [];
  return first?.hostname ?? first?.ip;
}
