import type { NodeConfig } from "../spec/platform.ts";
import type { CostItem } from "./cost.ts";
import { nodes, regionPrices } from "./items.ts";
import type { PriceSnapshot } from "./snapshot.ts";

/**
 * Nodes of a cluster that is there already, as far as the stack's config names EC2 types; one's own machines have no
 * price here.
 */
export function nodePoolItems(
  pools: Readonly<Record<string, NodeConfig>>,
  region: string,
  snapshot: PriceSnapshot,
): readonly CostItem[] {
  const { prices } = regionPrices(snapshot, region);
  return Object.entries(pools).flatMap(([name, { instanceType, count, maxCount = count }]) =>
    instanceType === undefined
      ? []
      : [nodes(prices, { name, instanceTypes: [instanceType], count, maxCount, capacity: "ON_DEMAND" })],
  );
}
