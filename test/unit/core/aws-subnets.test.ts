import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatCidr,
  isWithin,
  networkOf,
  parseCidr,
  vpcPrefixes,
  zoneSlots,
  zoneSubnets,
  type Cidr,
} from "../../../core/aws/subnets.ts";

const places = Array.from({ length: zoneSlots }, (_, place) => place);

const vpcs = fc
  .tuple(
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    fc.integer({ min: vpcPrefixes.shortest, max: vpcPrefixes.longest }),
  )
  .map(([address, prefix]) => formatCidr(networkOf({ address, prefix })));

function subnetsOf(vpc: string): Cidr[] {
  return places.flatMap((place) => {
    const { publicCidr, privateCidr } = zoneSubnets(vpc, place);
    return [parseCidr(publicCidr), parseCidr(privateCidr)];
  });
}

const sizeOf = ({ prefix }: Cidr): number => 2 ** (32 - prefix);

describe("subnets of a VPC", () => {
  it("are in it, aligned, and apart from each other", () => {
    fc.assert(
      fc.property(vpcs, (vpc) => {
        const subnets = subnetsOf(vpc);
        for (const subnet of subnets) {
          expect(isWithin(subnet, parseCidr(vpc))).toBe(true);
          expect(networkOf(subnet)).toEqual(subnet);
        }
        const sorted = [...subnets].sort((a, b) => a.address - b.address);
        for (const [i, subnet] of sorted.slice(1).entries()) {
          const before = sorted[i];
          expect(before && before.address + sizeOf(before)).toBeLessThanOrEqual(subnet.address);
        }
      }),
    );
  });

  it("have the sizes that AWS and its load balancers want, private ones most of the room", () => {
    fc.assert(
      fc.property(vpcs, fc.constantFrom(...places), (vpc, place) => {
        const { publicCidr, privateCidr } = zoneSubnets(vpc, place);
        // AWS: /16 to /28; load balancers: /27 at least.
        expect(parseCidr(publicCidr).prefix).toBeLessThanOrEqual(27);
        expect(parseCidr(privateCidr).prefix).toBeGreaterThanOrEqual(16);
        expect(sizeOf(parseCidr(privateCidr)) * 4).toBe(sizeOf(parseCidr(vpc)));
      }),
    );
  });

  it("are these in a VPC as most have it", () => {
    expect(places.map((place) => zoneSubnets("10.0.0.0/16", place))).toEqual([
      { privateCidr: "10.0.0.0/18", publicCidr: "10.0.192.0/22" },
      { privateCidr: "10.0.64.0/18", publicCidr: "10.0.196.0/22" },
      { privateCidr: "10.0.128.0/18", publicCidr: "10.0.200.0/22" },
    ]);
    expect(zoneSubnets("172.31.240.0/20", 2)).toEqual({
      privateCidr: "172.31.248.0/22",
      publicCidr: "172.31.252.128/26",
    });
  });

  it("are there for three zones and no more", () => {
    expect(() => zoneSubnets("10.0.0.0/16", zoneSlots)).toThrow("room for 3 zones");
  });
});

describe("CIDRs", () => {
  it("are written as they are read", () => {
    fc.assert(fc.property(vpcs, (vpc) => formatCidr(parseCidr(vpc)) === vpc));
  });

  it.each([
    ["10.0.1.0/24", "10.0.0.0/16", true],
    ["10.0.0.0/16", "10.0.0.0/16", true],
    ["10.0.0.0/16", "10.0.1.0/24", false],
    ["10.1.0.0/24", "10.0.0.0/16", false],
    ["255.255.255.255/32", "0.0.0.0/0", true],
    ["172.32.0.0/16", "172.16.0.0/12", false],
  ])("%s is inside %s: %s", (inner, outer, expected) => {
    expect(isWithin(parseCidr(inner), parseCidr(outer))).toBe(expected);
  });
});
