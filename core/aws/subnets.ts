/** IPv4 networks of a VPC: how its addresses are shared out to zones. */

export interface Cidr {
  /** First address, as a number of 32 bits. */
  readonly address: number;
  /** Bits that are the network's: 0 to 32. */
  readonly prefix: number;
}

export interface ZoneSubnets {
  /** Of load balancers and NAT gateways. */
  readonly publicCidr: string;
  /** Of nodes and pods. */
  readonly privateCidr: string;
}

/** Zones that a VPC has room for. */
export const zoneSlots = 3;

/** Prefixes of a VPC that `zoneSubnets` shares out. EC2 has /16 to /28 (VPC user guide, "VPC CIDR blocks"). */
export const vpcPrefixes = { shortest: 16, longest: 20 } as const;

/**
 * The subnets of the zone in this place (0, 1, 2) of a VPC. The place alone decides, so a zone that is added at the end
 * moves none of the others: a subnet cannot be renumbered without all that is in it.
 *
 * A VPC is cut into four quarters. Three are the private subnets, since every pod has an address of the VPC: 16 379 in
 * each zone of a /16, 1 019 of a /20 (AWS keeps five of each subnet: VPC user guide, "Subnet CIDR blocks"). Of the
 * fourth each zone has a sixteenth for its NAT gateway and its load balancers, which want 8 free addresses and a /27 at
 * least (Network Load Balancers, "Subnets for your load balancer"): /22 of a /16, /26 of a /20. The rest is free for
 * whatever else is to be in the VPC.
 */
export function zoneSubnets(vpc: string, place: number): ZoneSubnets {
  const { address, prefix } = parseCidr(vpc);
  if (place < 0 || place >= zoneSlots) throw new Error(`a VPC has room for ${String(zoneSlots)} zones`);
  const quarter = blockSize(prefix + 2);
  const sixteenth = blockSize(prefix + 6);
  return {
    privateCidr: formatCidr({ address: address + place * quarter, prefix: prefix + 2 }),
    publicCidr: formatCidr({
      address: address + zoneSlots * quarter + place * sixteenth,
      prefix: prefix + 6,
    }),
  };
}

/** `10.0.0.0/16`; the schema lets nothing else through. */
export function parseCidr(text: string): Cidr {
  const [address = "", prefix = ""] = text.split("/");
  return {
    address: address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0),
    prefix: Number(prefix),
  };
}

export function formatCidr({ address, prefix }: Cidr): string {
  const bytes = [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256);
  return `${bytes.join(".")}/${String(prefix)}`;
}

/** The network that a CIDR is in: the same without the bits of a host. */
export function networkOf({ address, prefix }: Cidr): Cidr {
  return { address: address - (address % blockSize(prefix)), prefix };
}

/** Whether all addresses of a network are in another. */
export function isWithin(inner: Cidr, outer: Cidr): boolean {
  return (
    inner.prefix >= outer.prefix &&
    networkOf({ address: inner.address, prefix: outer.prefix }).address === networkOf(outer).address
  );
}

function blockSize(prefix: number): number {
  return 2 ** (32 - prefix);
}
