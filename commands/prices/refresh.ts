import { ec2Types } from "../../core/capacity/nodes.ts";
import type { PriceSnapshot, RegionPrices } from "../../core/cost/snapshot.ts";
import { compare } from "../../core/spec/artifacts.ts";
import { UserError } from "../setup/user-error.ts";
import { priceRows, type PriceRow } from "./price-list.ts";

/** A snapshot with today's prices, and what a person should know about them. */
export interface Refreshed {
  readonly snapshot: PriceSnapshot;
  readonly notes: readonly string[];
}

export interface RefreshOptions {
  readonly regions: readonly string[];
  /** Where the price list is, without a slash at its end. */
  readonly base: string;
  /** YYYY-MM-DD. */
  readonly today: string;
}

type Simple = Exclude<keyof RegionPrices, "instances">;

/**
 * Where each price is in the lists, by usage type without its region, and by operation where several have the same.
 * Source: the lists themselves, as of 2026.
 */
const places: Readonly<
  Record<Simple, { readonly service: string; readonly usage: string; readonly operation?: string }>
> = {
  controlPlane: { service: "AmazonEKS", usage: "AmazonEKS-Hours:perCluster" },
  natGateway: { service: "AmazonEC2", usage: "NatGateway-Hours" },
  natGigabyte: { service: "AmazonEC2", usage: "NatGateway-Bytes" },
  loadBalancer: { service: "AWSELB", usage: "LoadBalancerUsage", operation: "LoadBalancing:Network" },
  loadBalancerUnit: { service: "AWSELB", usage: "LCUUsage", operation: "LoadBalancing:Network" },
  interfaceEndpoint: { service: "AmazonVPC", usage: "VpcEndpoint-Hours" },
  volumeGigabyte: { service: "AmazonEC2", usage: "EBS:VolumeUsage.gp3" },
  bucketGigabyte: { service: "AmazonS3", usage: "TimedStorage-ByteHrs" },
  logGigabyte: { service: "AmazonCloudWatch", usage: "TimedStorage-ByteHrs" },
  logIngestion: { service: "AmazonCloudWatch", usage: "DataProcessing-Bytes" },
  key: { service: "awskms", usage: "KMS-Keys" },
  secret: { service: "AWSSecretsManager", usage: "AWSSecretsManager-Secrets" },
};

/**
 * The prices of the regions from AWS' public price list; regions that are not named stay as they are. An instance type
 * that had a price and has none now is an error; another price that is not found, or not alone, stays, and a note says so.
 */
export async function refreshPrices(
  before: PriceSnapshot,
  { regions, base, today }: RefreshOptions,
): Promise<Refreshed> {
  const notes: string[] = [];
  const fresh = new Map(Object.entries(before.regions));
  for (const region of regions) {
    const old = fresh.get(region);
    const model = old ?? Object.values(before.regions)[0];
    if (model === undefined) throw new Error("the snapshot of prices has no region");
    const found = await read(region, base);
    const gone = Object.keys(old?.instances ?? {}).filter((type) => !found.instances.has(type));
    if (gone.length > 0)
      throw new UserError(
        `AWS' price list of ${region} has no price of ${gone.join(", ")} any more`,
        "nothing was changed; look whether the list was read whole, or take the type out of core/cost/prices.ts",
      );
    fresh.set(region, merged(model, found, region, notes));
  }
  return {
    snapshot: {
      date: today,
      source: "AWS' public price list, on demand, Linux",
      currency: "USD",
      regions: Object.fromEntries([...fresh].sort(([a], [b]) => compare(a, b))),
    },
    notes,
  };
}

/** Prices of a region's lists. Several different ones under the same name are as many in the set. */
interface Found {
  readonly instances: ReadonlyMap<string, number>;
  readonly simple: ReadonlyMap<Simple, ReadonlySet<number>>;
}

async function read(region: string, base: string): Promise<Found> {
  const instances = new Map<string, number>();
  const simple = new Map<Simple, Set<number>>();
  const names = Object.keys(places).filter((name): name is Simple => name in places);
  for (const service of new Set(Object.values(places).map((place) => place.service))) {
    const here = names.filter((name) => places[name].service === service);
    for await (const row of priceRows(base, service, region)) {
      const price = Number(row.PricePerUnit);
      // What is free up to a bound, and what begins after one, is not the price.
      if (row.Currency !== "USD" || !(price > 0) || !/^0?(\.0+)?$/.test(row.StartingRange ?? "")) continue;
      const type = instanceType(row);
      if (type !== undefined) instances.set(type, price);
      for (const name of here) {
        const { usage, operation } = places[name];
        if (usageOf(row, region) === usage && (operation === undefined || row.operation === operation))
          simple.set(name, (simple.get(name) ?? new Set()).add(price));
      }
    }
  }
  return { instances, simple };
}

const known: ReadonlySet<string> = new Set(ec2Types.map(({ name }) => name));

/** Linux on a machine that is shared, nothing installed, not reserved; undefined for other rows. */
function instanceType(row: PriceRow): string | undefined {
  const type = row["Instance Type"] ?? "";
  const isPlain =
    known.has(type) &&
    row.Unit === "Hrs" &&
    row["Operating System"] === "Linux" &&
    row.Tenancy === "Shared" &&
    row.CapacityStatus === "Used" &&
    row["Pre Installed S/W"] === "NA" &&
    row.operation === "RunInstances";
  return isPlain ? type : undefined;
}

/** `EUW2-NatGateway-Hours`, `eu-west-2-KMS-Keys` and, of the oldest region, `NatGateway-Hours`. */
function usageOf(row: PriceRow, region: string): string {
  const usage = row.usageType ?? "";
  return usage.startsWith(`${region}-`)
    ? usage.slice(region.length + 1)
    : usage.replace(/^(?!TS-)[A-Z]{2,4}\d?-/, "");
}

function merged(
  model: RegionPrices,
  { instances, simple }: Found,
  region: string,
  notes: string[],
): RegionPrices {
  const sorted = [...instances].sort(([a], [b]) => compare(a, b));
  const one = (name: Simple): number => {
    const found = [...(simple.get(name) ?? [])];
    const [price] = found;
    if (price !== undefined && found.length === 1) return price;
    const { service, usage } = places[name];
    notes.push(
      `${region}: ${usage} has ${found.length === 0 ? "no price" : `${String(found.length)} prices`} in the list of ${service}: $${String(model[name])} stays`,
    );
    return model[name];
  };
  for (const [type, price] of sorted) {
    const old = model.instances[type];
    if (old !== price)
      notes.push(
        `${region}: ${type} ${old === undefined ? "new" : `$${String(old)}`} → $${String(price)} an hour`,
      );
  }
  return {
    instances: Object.fromEntries(sorted),
    controlPlane: one("controlPlane"),
    natGateway: one("natGateway"),
    natGigabyte: one("natGigabyte"),
    loadBalancer: one("loadBalancer"),
    loadBalancerUnit: one("loadBalancerUnit"),
    interfaceEndpoint: one("interfaceEndpoint"),
    volumeGigabyte: one("volumeGigabyte"),
    bucketGigabyte: one("bucketGigabyte"),
    logGigabyte: one("logGigabyte"),
    logIngestion: one("logIngestion"),
    key: one("key"),
    secret: one("secret"),
  };
}
