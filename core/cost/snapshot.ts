/** What AWS charges in one region, on demand, in USD. */
export interface RegionPrices {
  /** Of an hour of an EC2 type under Linux, by type. */
  readonly instances: Readonly<Record<string, number>>;
  /** Of an hour of an EKS control plane, in standard support. */
  readonly controlPlane: number;
  /** Of an hour of a NAT gateway, and of a GB through it. */
  readonly natGateway: number;
  readonly natGigabyte: number;
  /** Of an hour of a Network Load Balancer, and of a capacity unit (LCU) for an hour. */
  readonly loadBalancer: number;
  readonly loadBalancerUnit: number;
  /** Of an hour of an interface endpoint in one zone. */
  readonly interfaceEndpoint: number;
  /** Of a GB for a month: a gp3 volume, S3 standard, logs that are kept. */
  readonly volumeGigabyte: number;
  readonly bucketGigabyte: number;
  readonly logGigabyte: number;
  /** Of a GB of logs that come in. */
  readonly logIngestion: number;
  /** Of a month of a KMS key, and of a secret in Secrets Manager. */
  readonly key: number;
  readonly secret: number;
}

export interface PriceSnapshot {
  /** Day of the prices of machines, YYYY-MM-DD: what the age of a snapshot is counted from. */
  readonly date: string;
  readonly source: string;
  readonly currency: "USD";
  readonly regions: Readonly<Record<string, RegionPrices>>;
}

/** A snapshot older than this many days may be wrong by more than anybody would like. */
export const staleAfterDays = 90;

/** Whole days from the snapshot to `today`, YYYY-MM-DD. */
export function ageInDays({ date }: Pick<PriceSnapshot, "date">, today: string): number {
  return Math.floor((Date.parse(today) - Date.parse(date)) / 86_400_000);
}

/** What is to be said about a snapshot's age; undefined where it is young enough. */
export function staleness(snapshot: Pick<PriceSnapshot, "date">, today: string): string | undefined {
  const days = ageInDays(snapshot, today);
  return days > staleAfterDays
    ? `prices are of ${snapshot.date}, ${String(days)} days ago: npm run prices fetches today's`
    : undefined;
}
