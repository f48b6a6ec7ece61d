import * as pulumi from "@pulumi/pulumi";
import { holysheepSecret } from "../../core/kubernetes/names.ts";
import type { KubernetesPlan } from "../../core/kubernetes/plan.ts";
import type { ObjectStore } from "../../core/spec/kubernetes.ts";
import { ModelRepository, modelRepositoryArgs } from "../repository/ModelRepository.ts";
import { Balancer } from "./Balancer.ts";
import { GpuAddons } from "./GpuAddons.ts";
import { KubernetesObject, KubernetesSecret } from "./KubernetesObject.ts";
import { Monitoring } from "./Monitoring.ts";
import { TritonServer } from "./TritonServer.ts";

export interface KubernetesPlatformArgs {
  /** What runs on the cluster; plain data, checked before. */
  plan: KubernetesPlan;
  /** Where models are brought to; left out where they are there already (a volume, an image). */
  store?: ObjectStore;
  /** Digests of images that this program builds, by the reference in the plan. */
  serverImages?: ReadonlyMap<string, pulumi.Input<string>>;
  /** HolySheep's key; needed where the plan has a Secret for it. */
  holysheepApiKey?: pulumi.Input<string>;
}

/**
 * The whole platform on a cluster: balancer, server groups, repositories, secrets and policies.
 *
 * @example
 * ```ts
 * import * as pulumi from "@pulumi/pulumi";
 * import { KubernetesPlatform, type KubernetesPlan } from "triton-platform/components";
 *
 * declare const plan: KubernetesPlan;
 * const platform = new KubernetesPlatform("triton", {
 *   plan,
 *   holysheepApiKey: new pulumi.Config("holysheep").requireSecret("apiKey"),
 * });
 *
 * export const { address } = platform;
 * ```
 */
export class KubernetesPlatform extends pulumi.ComponentResource {
  /** Name or address of the balancer's Service outside the cluster; undefined where it has none. */
  readonly address: pulumi.Output<string | undefined>;

  constructor(name: string, args: KubernetesPlatformArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:kubernetes:KubernetesPlatform", name, {}, opts);
    const { plan, store } = args;
    const namespace =
      plan.namespaceObject === undefined
        ? []
        : [new KubernetesObject(`${name}-namespace`, plan.namespaceObject, { parent: this })];
    const inNamespace = { parent: this, dependsOn: namespace };

    const { charts, addonsNamespaceObject, dcgmCounters } = plan;
    const addons = new GpuAddons(
      `${name}-gpu-addons`,
      {
        charts,
        ...(addonsNamespaceObject === undefined ? {} : { namespace: addonsNamespaceObject }),
        ...(dcgmCounters === undefined ? {} : { dcgmCounters }),
      },
      { parent: this },
    );
    // Before any pod: none is ever without its policy.
    const policies = plan.networkPolicies.map(
      (policy) => new KubernetesObject(`${name}-policy-${policy.metadata?.name ?? ""}`, policy, inNamespace),
    );
    const secrets: pulumi.Resource[] = [];
    if (plan.holysheepSecret !== undefined && args.holysheepApiKey !== undefined) {
      const values = { [holysheepSecret.key]: args.holysheepApiKey };
      secrets.push(new KubernetesSecret(`${name}-holysheep`, plan.holysheepSecret, values, inNamespace));
    }
    const { secretStore } = plan;
    const stores =
      secretStore === undefined
        ? []
        : [
            new KubernetesObject(`${name}-secret-reader`, secretStore.serviceAccount, inNamespace),
            new KubernetesObject(`${name}-secret-store`, secretStore.store, inNamespace),
          ];
    // What reads a store goes before it.
    const fromStore = { parent: this, dependsOn: [...namespace, ...stores] };
    if (plan.holysheepExternalSecret !== undefined)
      secrets.push(new KubernetesObject(`${name}-holysheep`, plan.holysheepExternalSecret, fromStore));
    const keys =
      plan.apiKeysExternalSecret === undefined
        ? []
        : [new KubernetesObject(`${name}-api-keys`, plan.apiKeysExternalSecret, fromStore)];
    const priority =
      plan.headroomPriorityClass === undefined
        ? []
        : [new KubernetesObject(`${name}-headroom`, plan.headroomPriorityClass, { parent: this })];

    const servers = plan.servers.map(({ plan: server, objects }) => {
      const repository =
        store === undefined
          ? []
          : [
              new ModelRepository(`${name}-${server.name}-repository`, modelRepositoryArgs(store, server), {
                parent: this,
              }),
            ];
      const image = args.serverImages?.get(objects.deployment.spec.template.spec.containers[0]?.image ?? "");
      return new TritonServer(
        `${name}-${server.name}`,
        { objects, ...(image === undefined ? {} : { image }) },
        {
          parent: this,
          dependsOn: [...namespace, addons, ...policies, ...secrets, ...priority, ...repository],
        },
      );
    });
    // After them: a call is led to a server only where it serves.
    const balancer = new Balancer(
      `${name}-balancer`,
      {
        objects: plan.balancer,
        ...(plan.apiKeysSecret === undefined ? {} : { apiKeys: plan.apiKeysSecret }),
      },
      { parent: this, dependsOn: [...namespace, ...policies, ...keys, ...servers] },
    );
    new Monitoring(
      `${name}-monitoring`,
      { objects: plan.monitoring },
      { parent: this, dependsOn: [...namespace, addons] },
    );
    this.address = balancer.address;
    this.registerOutputs({ address: this.address });
  }
}
