import { ec2Types } from "../capacity/nodes.ts";
import type { RegionPrices } from "../cost/snapshot.ts";
import type { ServerPlan } from "../platform.ts";

/**
 * USD per hour of the nodes that a group's replicas take: of a node's price the share of its GPUs that they hold. Undefined
 * without an accelerator (such nodes are shared by whatever is there), and where no node type with that GPU has a price.
 */
export function groupPrice(
  server: Pick<ServerPlan, "devices" | "replicas">,
  instanceTypes: readonly string[],
  { instances }: Pick<RegionPrices, "instances">,
): number | undefined {
  if (server.devices === undefined) return undefined;
  const { accelerator, devices } = server.devices;
  const priced = ec2Types.flatMap(({ name, gpu, gpus }) => {
    const price = Object.hasOwn(instances, name) ? instances[name] : undefined;
    const isOurs = gpu === accelerator.gpu.name && instanceTypes.includes(name);
    return isOurs && price !== undefined ? [price / gpus] : [];
  });
  if (priced.length === 0) return undefined;
  const perDevice = Math.max(...priced) / (accelerator.slice?.maxPerGpu ?? 1);
  return perDevice * devices * server.replicas;
}
