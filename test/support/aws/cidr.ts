/** A network of IPv4 addresses, as numbers. */
export interface Network {
  readonly first: number;
  readonly last: number;
  readonly prefix: number;
}

/** Undefined where it is no network address: `10.0.0.1/16` is none. */
export function networkOf(cidr: string): Network | undefined {
  const [, address = "", length = ""] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr) ?? [];
  const octets = address.split(".").map(Number);
  const prefix = Number(length);
  if (octets.length !== 4 || octets.some((octet) => octet > 255) || prefix > 32 || length === "")
    return undefined;
  const first = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const size = 2 ** (32 - prefix);
  return first % size === 0 ? { first, last: first + size - 1, prefix } : undefined;
}

export function contains(outer: Network, inner: Network): boolean {
  return outer.first <= inner.first && inner.last <= outer.last;
}

export function overlaps(one: Network, other: Network): boolean {
  return one.first <= other.last && other.first <= one.last;
}
