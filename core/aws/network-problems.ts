import type { EksConfig, NetworkConfig } from "../spec/eks.ts";
import type { Problem } from "../spec/problem.ts";
import { isMade } from "./network.ts";
import type { Report } from "./report.ts";
import { formatCidr, isWithin, networkOf, parseCidr, vpcPrefixes } from "./subnets.ts";

/** RFC 1918, and RFC 6598's shared range, which EKS takes for VPCs too. */
const privateRanges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"] as const;

/** What is wrong with a VPC, one to be made or a given one. */
export function networkProblems(
  network: NetworkConfig,
  { region, loadBalancer }: EksConfig,
  report: Report,
): Problem[] {
  if (!isMade(network)) {
    const subnets = [...network.privateSubnetIds, ...network.publicSubnetIds];
    const twice = subnets.find((id, i) => subnets.indexOf(id) < i);
    return [
      ...(twice === undefined
        ? []
        : [
            report(
              "eks.network",
              `the subnet ${twice} is named twice`,
              "name each once: private ones have no way in from the internet, public ones have",
            ),
          ]),
      ...(loadBalancer.scheme === "internet-facing" && network.publicSubnetIds.length === 0
        ? [
            report(
              "eks.network.publicSubnetIds",
              "missing, and eks.loadBalancer.scheme is internet-facing",
              "name the public subnets, or write `scheme: internal`",
            ),
          ]
        : []),
    ];
  }
  const twice = network.zones.find((zone, i) => network.zones.indexOf(zone) < i);
  return [
    ...cidrProblems(network.cidr, report),
    ...zoneProblems("eks.network.zones", network.zones, region, report),
    ...(twice === undefined
      ? []
      : [
          report(
            "eks.network.zones",
            `\`${twice}\` is there twice`,
            "name each zone once: two or three of them",
          ),
        ]),
  ];
}

function cidrProblems(text: string, report: Report): Problem[] {
  const path = "eks.network.cidr";
  const cidr = parseCidr(text);
  const { shortest, longest } = vpcPrefixes;
  if (cidr.prefix < shortest || cidr.prefix > longest)
    return [
      report(
        path,
        `a VPC of /${String(cidr.prefix)} is too ${cidr.prefix < shortest ? "large: AWS has none below" : "small for nodes and pods in three zones: it ends at"} /${String(cidr.prefix < shortest ? shortest : longest)}`,
        `write a network of /${String(shortest)} to /${String(longest)}, like 10.0.0.0/16`,
      ),
    ];
  const network = formatCidr(networkOf(cidr));
  return [
    ...(network === text
      ? []
      : [report(path, `${text} is an address in a network, and no network`, `write ${network}`)]),
    ...(privateRanges.some((range) => isWithin(cidr, parseCidr(range)))
      ? []
      : [
          report(
            path,
            `${text} has addresses of the internet: policies that let pods out there would let them in everywhere here`,
            `take a network inside ${privateRanges.join(", ")}`,
          ),
        ]),
  ];
}

/** A zone is its region and a letter. */
export function zoneProblems(
  path: string,
  zones: readonly string[],
  region: string,
  report: Report,
): Problem[] {
  return zones.flatMap((zone) =>
    zone.slice(0, -1) === region
      ? []
      : [report(path, `\`${zone}\` is not in ${region}`, `write zones like ${region}a, ${region}b`)],
  );
}
