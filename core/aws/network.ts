import type { MadeNetworkConfig, NetworkConfig } from "../spec/eks.ts";
import type { AwsNames } from "./names.ts";
import type { GivenNetwork, NetworkPlan } from "./plan.ts";
import { flowLogPolicy, serviceTrustPolicy } from "./policies.ts";
import { serviceRole } from "./roles.ts";
import { zoneSubnets, zoneSlots } from "./subnets.ts";

export function planNetwork(config: NetworkConfig, names: AwsNames): NetworkPlan | GivenNetwork {
  if (!isMade(config)) {
    const { vpcId, privateSubnetIds, publicSubnetIds } = config;
    return { vpcId, privateSubnetIds, publicSubnetIds };
  }
  const { cidr, zones, nat, interfaceEndpoints, flowLogRetentionDays } = config;
  const [firstZone = ""] = zones;
  const endpoint = (service: string): string => endpointService(names.region, service);
  return {
    cidr,
    zones: zones.slice(0, zoneSlots).map((zone, place) => ({
      zone,
      ...zoneSubnets(cidr, place),
      natZone: nat === "perZone" ? zone : firstZone,
    })),
    interfaceEndpoints: [...new Set(interfaceEndpoints)].sort().map(endpoint),
    s3Endpoint: endpoint("s3"),
    flowLogGroup: names.flowLogGroup,
    flowLogRetentionDays,
    flowLogRole: serviceRole(names, "flow-logs", serviceTrustPolicy("vpc-flow-logs", names), {
      policy: flowLogPolicy(names),
    }),
    ...subnetTags,
  };
}

/** Whether a VPC is to be made, or is there. */
export function isMade(config: NetworkConfig): config is MadeNetworkConfig {
  return "zones" in config;
}

/** Source: EKS user guide, "Route TCP and UDP traffic with Network Load Balancers", prerequisites. */
const subnetTags = {
  publicSubnetTags: { "kubernetes.io/role/elb": "1" },
  privateSubnetTags: { "kubernetes.io/role/internal-elb": "1" },
} as const;

/** Source: aws-cdk, aws-ec2/lib/vpc-endpoint.ts, `getDefaultEndpointPrefix`: which services China calls otherwise. */
function endpointService(region: string, service: string): string {
  const isOther = region.startsWith("cn-") && chinasOwn.includes(service);
  return `${isOther ? "cn." : ""}com.amazonaws.${region}.${service}`;
}

const chinasOwn: readonly string[] = ["autoscaling", "ec2", "ecr.api", "ecr.dkr", "eks", "sts"];
