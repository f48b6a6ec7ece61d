/** What things cost, whatever they are: a pure sum of items, each with its assumption. */

/** A month, as AWS bills it: 365 × 24 / 12 hours. */
export const hoursOfMonth = 730;

/** What a price is for. */
export type PriceUnit = "hour" | "month" | "GB-month" | "GB";

export interface CostItem {
  /** Group in tables: `GPU node`, `NAT gateway`. */
  readonly kind: string;
  readonly name: string;
  /** Of what is there at first, in units of the price. Of gigabytes that go through: those of a month. */
  readonly quantity: number;
  /** With everything scaled out as far as the plan lets it; as `quantity` where left out. */
  readonly mostQuantity?: number;
  readonly unit: PriceUnit;
  /** USD; undefined where the snapshot has no price. */
  readonly unitPrice: number | undefined;
  /** What was assumed: how many, how much, which price. */
  readonly assumption: string;
}

export interface Cost {
  readonly items: readonly PricedItem[];
  /** USD. */
  readonly perHour: number;
  readonly perMonth: number;
  /** With everything scaled out. */
  readonly mostPerHour: number;
  readonly mostPerMonth: number;
  /** Names of items without a price: the sums are without them. */
  readonly unpriced: readonly string[];
}

export interface PricedItem extends CostItem {
  readonly perHour: number;
  readonly mostPerHour: number;
}

export function costOf(items: readonly CostItem[]): Cost {
  const priced = items.map((item): PricedItem => {
    const hourly = (quantity: number): number =>
      (quantity * (item.unitPrice ?? 0)) / (item.unit === "hour" ? 1 : hoursOfMonth);
    return {
      ...item,
      perHour: hourly(item.quantity),
      mostPerHour: hourly(item.mostQuantity ?? item.quantity),
    };
  });
  const perHour = priced.reduce((sum, item) => sum + item.perHour, 0);
  const mostPerHour = priced.reduce((sum, item) => sum + item.mostPerHour, 0);
  return {
    items: priced,
    perHour,
    perMonth: perHour * hoursOfMonth,
    mostPerHour,
    mostPerMonth: mostPerHour * hoursOfMonth,
    unpriced: priced.filter(({ unitPrice }) => unitPrice === undefined).map(({ name }) => name),
  };
}

/** USD for a million inferences, where so many are answered in a second all the time. */
export function perMillionInferences(perHour: number, inferencesPerSecond: number): number | undefined {
  return inferencesPerSecond > 0 ? (perHour / (inferencesPerSecond * 3_600)) * 1_000_000 : undefined;
}
