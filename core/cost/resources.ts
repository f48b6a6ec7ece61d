import type { PolicyResource } from "../policy/rule.ts";
import type { Value } from "../policy/value.ts";
import type { CostItem } from "./cost.ts";
import * as items from "./items.ts";
import type { RegionPrices } from "./snapshot.ts";

/** What the resources of a stack are billed for, for policies: those that cost by the hour or the month. */
export function resourceItems(
  resources: readonly PolicyResource[],
  prices: RegionPrices,
): readonly CostItem[] {
  const all = (type: string): readonly PolicyResource[] =>
    resources.filter((resource) => resource.type === type);
  return [
    ...all("aws:eks/cluster:Cluster").map(({ name }) => items.controlPlane(prices, name)),
    ...all("aws:eks/nodeGroup:NodeGroup").map(({ name, props }) => nodeGroup(prices, name, props)),
    ...items.natGateways(prices, all("aws:ec2/natGateway:NatGateway").length),
    ...all("aws:lb/loadBalancer:LoadBalancer").flatMap(({ name }) => items.loadBalancer(prices, name)),
    ...all("aws:ec2/vpcEndpoint:VpcEndpoint")
      .filter(({ props }) => props.at("vpcEndpointType").text === "Interface")
      .map(({ props }) => items.interfaceEndpoints(prices, 1, Math.max(1, countOf(props.at("subnetIds"))))),
    items.keys(prices, all("aws:kms/key:Key").length),
    items.secrets(prices, all("aws:secretsmanager/secret:Secret").length),
  ].filter(({ quantity, mostQuantity = quantity }) => mostQuantity > 0);
}

function nodeGroup(prices: RegionPrices, name: string, props: Value): CostItem {
  const scaling = props.at("scalingConfig");
  const capacity = props.at("capacityType").text;
  return items.nodes(prices, {
    name,
    instanceTypes: props.at("instanceTypes").texts,
    count: scaling.at("desiredSize").number ?? scaling.at("minSize").number ?? 0,
    maxCount: scaling.at("maxSize").number ?? 0,
    capacity: capacity === "SPOT" || capacity === "CAPACITY_BLOCK" ? capacity : "ON_DEMAND",
  });
}

/** Their number is known before their names are. */
function countOf(list: Value): number {
  return list.isUnknown ? 0 : list.items.length;
}
