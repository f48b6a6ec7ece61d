import { Eip } from "@pulumi/aws/ec2/eip.js";
import { DefaultSecurityGroup } from "@pulumi/aws/ec2/defaultSecurityGroup.js";
import { InternetGateway } from "@pulumi/aws/ec2/internetGateway.js";
import { NatGateway } from "@pulumi/aws/ec2/natGateway.js";
import { RouteTable } from "@pulumi/aws/ec2/routeTable.js";
import { RouteTableAssociation } from "@pulumi/aws/ec2/routeTableAssociation.js";
import { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
import { Subnet } from "@pulumi/aws/ec2/subnet.js";
import { Vpc } from "@pulumi/aws/ec2/vpc.js";
import { VpcEndpoint } from "@pulumi/aws/ec2/vpcEndpoint.js";
import * as pulumi from "@pulumi/pulumi";
import type { NetworkPlan } from "../../core/aws/plan.ts";
import { FlowLogs } from "./FlowLogs.ts";

export interface NetworkArgs {
  /** Zones, addresses and endpoints; plain data, checked before. */
  plan: NetworkPlan;
  /** Whether Pulumi refuses to delete the VPC. Default: false. */
  protect?: boolean;
}

/** A subnet of nodes and pods, and the zone it is in. */
export interface NodeSubnet {
  readonly zone: string;
  readonly id: pulumi.Input<string>;
}

/**
 * A VPC for a cluster: in each zone a public subnet (load balancers, NAT gateways) and a private one (nodes, pods), S3
 * through a gateway that costs nothing, the other services of AWS through endpoints inside, a log of all flows, and a
 * default security group that lets nothing through.
 *
 * @example
 * ```ts
 * import { Network, type NetworkPlan } from "triton-platform/components";
 *
 * const trust = {
 *   Effect: "Allow",
 *   Principal: { Service: "vpc-flow-logs.amazonaws.com" },
 *   Action: "sts:AssumeRole",
 * } as const;
 * const writing = {
 *   Effect: "Allow",
 *   Action: ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogGroups", "logs:DescribeLogStreams"],
 *   Resource: "*",
 * } as const;
 * const plan: NetworkPlan = {
 *   cidr: "10.0.0.0/16",
 *   zones: [
 *     { zone: "us-east-1a", publicCidr: "10.0.192.0/22", privateCidr: "10.0.0.0/18", natZone: "us-east-1a" },
 *     { zone: "us-east-1b", publicCidr: "10.0.196.0/22", privateCidr: "10.0.64.0/18", natZone: "us-east-1a" },
 *   ],
 *   interfaceEndpoints: ["com.amazonaws.us-east-1.sts"],
 *   s3Endpoint: "com.amazonaws.us-east-1.s3",
 *   flowLogGroup: "/aws/vpc/models/flow-logs",
 *   flowLogRetentionDays: 90,
 *   flowLogRole: {
 *     roleName: "models-flow-logs",
 *     roleArn: "arn:aws:iam::111122223333:role/models-flow-logs",
 *     trust: { Version: "2012-10-17", Statement: [trust] },
 *     managedPolicyArns: [],
 *     policy: { Version: "2012-10-17", Statement: [writing] },
 *   },
 *   publicSubnetTags: { "kubernetes.io/role/elb": "1" },
 *   privateSubnetTags: { "kubernetes.io/role/internal-elb": "1" },
 * };
 * const network = new Network("models", { plan });
 *
 * export const { vpcId } = network;
 * ```
 */
export class Network extends pulumi.ComponentResource {
  readonly vpcId: pulumi.Output<string>;
  /** A private one in each zone of the plan. */
  readonly nodeSubnets: readonly NodeSubnet[];
  readonly privateSubnetIds: pulumi.Output<string[]>;
  readonly publicSubnetIds: pulumi.Output<string[]>;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:Network", name, {}, opts);
    const { plan, protect = false } = args;
    const inside = { parent: this };
    const tagged = (suffix: string, tags: Readonly<Record<string, string>> = {}) => ({
      tags: { Name: `${name}-${suffix}`, ...tags },
    });

    const vpc = new Vpc(
      `${name}-vpc`,
      // Private DNS names of endpoints, and EKS' own, need both.
      { cidrBlock: plan.cidr, enableDnsSupport: true, enableDnsHostnames: true, ...tagged("vpc") },
      { ...inside, protect },
    );
    const vpcId = vpc.id;
    // Without rules: what forgets to name its security group reaches nobody.
    new DefaultSecurityGroup(
      `${name}-default-security-group`,
      { vpcId, ingress: [], egress: [], ...tagged("default") },
      inside,
    );
    new FlowLogs(`${name}-flow-logs`, { vpcId, plan }, inside);

    const gateway = new InternetGateway(`${name}-gateway`, { vpcId, ...tagged("gateway") }, inside);
    const publicRoutes = new RouteTable(
      `${name}-public-routes`,
      { vpcId, routes: [{ cidrBlock: everywhere, gatewayId: gateway.id }], ...tagged("public") },
      inside,
    );
    const publicSubnets = new Map(
      plan.zones.map(({ zone, publicCidr }) => {
        const subnet = new Subnet(
          `${name}-public-${zone}`,
          {
            vpcId,
            availabilityZone: zone,
            cidrBlock: publicCidr,
            ...tagged(`public-${zone}`, plan.publicSubnetTags),
          },
          inside,
        );
        const association = new RouteTableAssociation(
          `${name}-public-${zone}-routes`,
          { subnetId: subnet.id, routeTableId: publicRoutes.id },
          inside,
        );
        return [zone, { subnet, association }];
      }),
    );

    const natGateways = new Map(
      [...new Set(plan.zones.map(({ natZone }) => natZone))].map((zone) => {
        const address = new Eip(
          `${name}-nat-${zone}-address`,
          { domain: "vpc", ...tagged(`nat-${zone}`) },
          { ...inside, dependsOn: gateway },
        );
        const { subnet, association } = inZone(publicSubnets, zone);
        const nat = new NatGateway(
          `${name}-nat-${zone}`,
          { allocationId: address.id, subnetId: subnet.id, ...tagged(`nat-${zone}`) },
          // Without its way out it would come up and carry nothing.
          { ...inside, dependsOn: [gateway, association] },
        );
        return [zone, nat];
      }),
    );
    const privateZones = plan.zones.map(({ zone, privateCidr, natZone }) => {
      const subnet = new Subnet(
        `${name}-private-${zone}`,
        {
          vpcId,
          availabilityZone: zone,
          cidrBlock: privateCidr,
          ...tagged(`private-${zone}`, plan.privateSubnetTags),
        },
        inside,
      );
      const routes = new RouteTable(
        `${name}-private-${zone}-routes`,
        {
          vpcId,
          routes: [{ cidrBlock: everywhere, natGatewayId: inZone(natGateways, natZone).id }],
          ...tagged(`private-${zone}`),
        },
        inside,
      );
      new RouteTableAssociation(
        `${name}-private-${zone}-association`,
        { subnetId: subnet.id, routeTableId: routes.id },
        inside,
      );
      return { zone, subnet, routes };
    });

    new VpcEndpoint(
      `${name}-s3`,
      {
        vpcId,
        vpcEndpointType: "Gateway",
        serviceName: plan.s3Endpoint,
        routeTableIds: [publicRoutes.id, ...privateZones.map(({ routes }) => routes.id)],
        ...tagged("s3"),
      },
      inside,
    );
    if (plan.interfaceEndpoints.length > 0) {
      const callers = new SecurityGroup(
        `${name}-endpoints`,
        {
          vpcId,
          description: "Interface endpoints: HTTPS from the VPC",
          ingress: [{ protocol: "tcp", fromPort: 443, toPort: 443, cidrBlocks: [plan.cidr] }],
          ...tagged("endpoints"),
        },
        inside,
      );
      for (const serviceName of plan.interfaceEndpoints) {
        const service = serviceName.replace(/^(cn\.)?com\.amazonaws\.[^.]+\./, "").replaceAll(".", "-");
        new VpcEndpoint(
          `${name}-${service}`,
          {
            vpcId,
            vpcEndpointType: "Interface",
            serviceName,
            privateDnsEnabled: true,
            subnetIds: privateZones.map(({ subnet }) => subnet.id),
            securityGroupIds: [callers.id],
            ...tagged(service),
          },
          inside,
        );
      }
    }

    this.vpcId = vpcId;
    this.nodeSubnets = privateZones.map(({ zone, subnet }) => ({ zone, id: subnet.id }));
    this.privateSubnetIds = pulumi.all(this.nodeSubnets.map(({ id }) => id));
    this.publicSubnetIds = pulumi.all([...publicSubnets.values()].map(({ subnet }) => subnet.id));
    this.registerOutputs({
      vpcId: this.vpcId,
      privateSubnetIds: this.privateSubnetIds,
      publicSubnetIds: this.publicSubnetIds,
    });
  }
}

const everywhere = "0.0.0.0/0";

function inZone<T>(things: ReadonlyMap<string, T>, zone: string): T {
  const thing = things.get(zone);
  if (thing === undefined)
    throw new Error(`${zone} is the zone of a NAT gateway, and none of the plan's zones`);
  return thing;
}
