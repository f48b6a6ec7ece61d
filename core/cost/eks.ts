import type { EksPlan, NetworkPlan, GivenNetwork } from "../aws/plan.ts";
import { repositoryBytes } from "../platform.ts";
import type { CostItem } from "./cost.ts";
import * as items from "./items.ts";
import type { PriceSnapshot } from "./snapshot.ts";

/** What a platform on AWS is billed for, each with its assumption, and what is to be said about the prices. */
export function eksCostItems(
  plan: EksPlan,
  snapshot: PriceSnapshot,
): { readonly items: readonly CostItem[]; readonly notes: readonly string[] } {
  const { prices, note } = items.regionPrices(snapshot, plan.region);
  const { cluster, network, workload } = plan;
  const made = network !== undefined && isMade(network) ? network : undefined;
  const zones = made?.zones.length ?? 0;
  return {
    items: [
      ...(cluster === undefined
        ? []
        : [
            items.controlPlane(prices, plan.name),
            ...cluster.nodeGroups.flatMap(
              ({ name, instanceTypes, desiredSize, maxSize, capacityType, volumeSize }) => {
                const size = { name, count: desiredSize, maxCount: maxSize };
                return [
                  items.nodes(prices, { ...size, instanceTypes, capacity: capacityType }),
                  items.nodeVolumes(prices, { ...size, size: volumeSize }),
                ];
              },
            ),
            ...items.logs(prices, "control plane's logs", cluster.logRetentionDays),
          ]),
      ...(made === undefined
        ? []
        : [
            ...items.natGateways(prices, new Set(made.zones.map(({ natZone }) => natZone)).size),
            ...(made.interfaceEndpoints.length === 0
              ? []
              : [items.interfaceEndpoints(prices, made.interfaceEndpoints.length, zones)]),
            ...items.logs(prices, "flow logs", made.flowLogRetentionDays),
          ]),
      ...(workload === undefined
        ? []
        : [
            ...items.loadBalancer(prices, "balancer's NLB"),
            items.bucket(
              prices,
              workload.bucket.name,
              workload.platform.servers.reduce((sum, { repository }) => sum + repositoryBytes(repository), 0),
              1 + workload.store.retain,
            ),
            items.secrets(prices, secretsOf(workload.secrets)),
          ]),
      items.keys(prices, keysOf(plan)),
    ].filter(({ quantity, mostQuantity = quantity }) => mostQuantity > 0),
    notes: note === undefined ? [] : [note],
  };
}

/** One encrypts the cluster's secrets and logs, one the models, one the secrets in Secrets Manager. */
function keysOf({ cluster, workload }: EksPlan): number {
  const ofWorkload = workload === undefined ? 0 : secretsOf(workload.secrets) > 0 ? 2 : 1;
  return (cluster === undefined ? 0 : 1) + ofWorkload;
}

function isMade(network: NetworkPlan | GivenNetwork): network is NetworkPlan {
  return "zones" in network;
}

function secretsOf(secrets: NonNullable<EksPlan["workload"]>["secrets"]): number {
  return [secrets?.holysheepApiKey, secrets?.apiKeys].filter((secret) => secret !== undefined).length;
}
