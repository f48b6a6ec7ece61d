import { ec2Types } from "../capacity/nodes.ts";
import { formatBytes, type Bytes } from "../spec/units.ts";
import type { CostItem } from "./cost.ts";
import type { RegionPrices } from "./snapshot.ts";

/**
 * What each kind of thing in AWS is billed by: the same from a plan as from the resources that the engine sees. What is
 * billed by use has its assumption beside it.
 */

/** A gigabyte of AWS' bills: 2³⁰ bytes. */
const gigabyte = 1024 ** 3;

export interface NodesFacts {
  readonly name: string;
  /** EC2 may take any of them: the dearest counts. */
  readonly instanceTypes: readonly string[];
  readonly count: number;
  readonly maxCount: number;
  readonly capacity: "ON_DEMAND" | "SPOT" | "CAPACITY_BLOCK";
}

/** Spot prices move, and blocks are paid before: both count as on demand, which is no less. */
const capacityWords = {
  ON_DEMAND: "on demand",
  SPOT: "spot, counted as on demand",
  CAPACITY_BLOCK: "a Capacity Block, counted as on demand; it is paid for in advance",
} as const;

export function nodes(
  prices: RegionPrices,
  { name, instanceTypes, count, maxCount, capacity }: NodesFacts,
): CostItem {
  const priced = instanceTypes.map((type) => prices.instances[type]);
  const known = priced.flatMap((price) => price ?? []);
  const unitPrice = known.length === priced.length && known.length > 0 ? Math.max(...known) : undefined;
  const hasGpu = instanceTypes.some((type) => (ec2Types.find((known) => known.name === type)?.gpus ?? 0) > 0);
  return {
    kind: hasGpu ? "GPU nodes" : "nodes",
    name,
    quantity: count,
    mostQuantity: Math.max(count, maxCount),
    unit: "hour",
    unitPrice,
    assumption: `${String(count)} to ${String(Math.max(count, maxCount))} × ${instanceTypes.join(" or ")}, ${capacityWords[capacity]}, all hours of the month`,
  };
}

export function nodeVolumes(
  prices: RegionPrices,
  {
    name,
    count,
    maxCount,
    size,
  }: { readonly name: string; readonly count: number; readonly maxCount: number; readonly size: Bytes },
): CostItem {
  const gigabytes = size / gigabyte;
  return {
    kind: "volumes",
    name: `${name} root volumes`,
    quantity: count * gigabytes,
    mostQuantity: Math.max(count, maxCount) * gigabytes,
    unit: "GB-month",
    unitPrice: prices.volumeGigabyte,
    assumption: `gp3 of ${formatBytes(size)} on each node, with the throughput that is free`,
  };
}

export function controlPlane(prices: RegionPrices, name: string): CostItem {
  return {
    ...{ kind: "control plane", name, quantity: 1, unit: "hour", unitPrice: prices.controlPlane },
    assumption: "a version in standard support; in extended support it costs six times as much",
  };
}

/** Traffic of a month through all NAT gateways: images and what models call; S3 goes by its gateway endpoint. */
export const natGigabytesPerMonth = 100;

export function natGateways(prices: RegionPrices, count: number): readonly CostItem[] {
  return [
    {
      ...{ kind: "NAT", name: "NAT gateways", quantity: count, unit: "hour", unitPrice: prices.natGateway },
      assumption: `${String(count)} all hours of the month`,
    },
    ...(count === 0
      ? []
      : [
          {
            ...{
              kind: "NAT",
              name: "traffic through NAT",
              quantity: natGigabytesPerMonth,
              unit: "GB" as const,
            },
            ...{ unitPrice: prices.natGigabyte },
            assumption: `${String(natGigabytesPerMonth)} GB a month: images and calls to the LLM API; models come by S3's gateway endpoint`,
          },
        ]),
  ];
}

export function loadBalancer(prices: RegionPrices, name: string): readonly CostItem[] {
  return [
    {
      ...{ kind: "load balancer", name, quantity: 1, unit: "hour", unitPrice: prices.loadBalancer },
      assumption: "one NLB all hours of the month",
    },
    {
      ...{
        kind: "load balancer",
        name: `${name} capacity`,
        quantity: 1,
        unit: "hour",
        unitPrice: prices.loadBalancerUnit,
      },
      assumption: "one capacity unit (LCU): up to 1 GB an hour and 800 new connections a second",
    },
  ];
}

export function interfaceEndpoints(prices: RegionPrices, services: number, zones: number): CostItem {
  return {
    ...{ kind: "endpoints", name: "interface endpoints", quantity: services * zones, unit: "hour" },
    unitPrice: prices.interfaceEndpoint,
    assumption: `${String(services)} services in ${String(zones)} zones; their traffic, $0.01 a GB, is left out`,
  };
}

export function bucket(prices: RegionPrices, name: string, bytes: Bytes, versions: number): CostItem {
  return {
    ...{ kind: "storage", name, quantity: (bytes * versions) / gigabyte, unit: "GB-month" },
    unitPrice: prices.bucketGigabyte,
    assumption: `S3 standard, ${formatBytes(bytes)} of models as if all of it changed with each of ${String(versions)} kept repositories; requests are left out`,
  };
}

/** Of the control plane's five logs and the VPC's flow logs, as a small cluster writes them. */
export const logGigabytesPerMonth = 20;

export function logs(prices: RegionPrices, name: string, retentionDays: number): readonly CostItem[] {
  const kept = (logGigabytesPerMonth * retentionDays) / 30;
  return [
    {
      ...{
        kind: "logs",
        name: `${name} written`,
        quantity: logGigabytesPerMonth,
        unit: "GB",
        unitPrice: prices.logIngestion,
      },
      assumption: `${String(logGigabytesPerMonth)} GB a month`,
    },
    {
      ...{
        kind: "logs",
        name: `${name} kept`,
        quantity: kept,
        unit: "GB-month",
        unitPrice: prices.logGigabyte,
      },
      assumption: `${String(retentionDays)} days of them, as if not compressed`,
    },
  ];
}

export function keys(prices: RegionPrices, count: number): CostItem {
  return {
    ...{ kind: "keys", name: "KMS keys", quantity: count, unit: "month", unitPrice: prices.key },
    assumption: `${String(count)}; what they are called for is left out`,
  };
}

export function secrets(prices: RegionPrices, count: number): CostItem {
  return {
    ...{ kind: "secrets", name: "Secrets Manager", quantity: count, unit: "month", unitPrice: prices.secret },
    assumption: `${String(count)}; what they are called for is left out`,
  };
}

/** Without a snapshot of the region, the first one's prices stand in for it, and a note says so. */
export function regionPrices(
  snapshot: { readonly regions: Readonly<Record<string, RegionPrices>> },
  region: string,
): { readonly prices: RegionPrices; readonly note?: string } {
  const own = Object.hasOwn(snapshot.regions, region) ? snapshot.regions[region] : undefined;
  if (own !== undefined) return { prices: own };
  const [other] = Object.entries(snapshot.regions);
  if (other === undefined) throw new Error("the snapshot of prices has no region");
  return {
    prices: other[1],
    note: `there are no prices of ${region}: those of ${other[0]} stand in for them (npm run prices -- --region ${region})`,
  };
}
