import type { Account, Stored } from "./account.ts";
import { contains, networkOf, overlaps } from "./cidr.ts";
import { AwsError, oneOfValues, rule, type Reference, type ResourceTypes, type Scene } from "./resource.ts";
import type { ShapeProblem } from "./shapes.ts";
import { at, numberAt, records, requiredText, text, texts, type Properties } from "./values.ts";

/** VPCs and what is in them. Errors: EC2 API reference, "Error codes for the Amazon EC2 API". */

export const vpc = "aws:ec2/vpc:Vpc";
export const subnet = "aws:ec2/subnet:Subnet";
export const securityGroup = "aws:ec2/securityGroup:SecurityGroup";
export const launchTemplate = "aws:ec2/launchTemplate:LaunchTemplate";
const internetGateway = "aws:ec2/internetGateway:InternetGateway";
const natGateway = "aws:ec2/natGateway:NatGateway";
const elasticAddress = "aws:ec2/eip:Eip";
const routeTable = "aws:ec2/routeTable:RouteTable";

/** What AWS makes on its own account: of NAT gateways, endpoints, clusters and load balancers. */
export const networkInterface = "ec2:NetworkInterface";

export function arn(
  { account, region }: Pick<Scene, "account" | "region">,
  service: string,
  resource: string,
): string {
  return `arn:aws:${service}:${region}:${account.settings.id}:${resource}`;
}

/** Outputs that are there and empty. */
export function blank(...keys: readonly string[]): Properties {
  return Object.fromEntries(keys.map((key) => [key, ""]));
}

function required(id: string, resource: string): readonly [string, string] {
  return [id, `The ${resource} '{}' does not exist`];
}

export const inVpc: Reference = {
  path: "vpcId",
  type: vpc,
  missing: ["InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"],
  inUse: ["DependencyViolation", "The vpc '{}' has dependencies and cannot be deleted."],
};

export function inSubnet(path: string): Reference {
  return {
    path,
    type: subnet,
    missing: ["InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist"],
    inUse: ["DependencyViolation", "The subnet '{}' has dependencies and cannot be deleted."],
  };
}

/** Groups by their id; a VPC's own default group is there without a resource. */
export function inSecurityGroup(path: string): Reference {
  return {
    path,
    type: securityGroup,
    missing: ["InvalidGroup.NotFound", "The security group '{}' does not exist"],
    inUse: ["DependencyViolation", "resource {} has a dependent object"],
  };
}

/** The same, of what does not keep the other from going. */
export function notHolding({ path, type, missing }: Reference): Reference {
  return { path, type, missing };
}

function toNatGateway(path: string): Reference {
  return {
    path,
    type: natGateway,
    missing: ["InvalidNatGatewayID.NotFound", "The natGateway ID '{}' does not exist"],
  };
}

function toInternetGateway(path: string): Reference {
  return {
    path,
    type: internetGateway,
    missing: ["InvalidGatewayID.NotFound", "The gateway ID '{}' does not exist"],
  };
}

/** Puts interfaces into subnets, which hold them until their owner lets go. */
export function addInterfaces(
  account: Account,
  owner: string,
  subnetIds: readonly string[],
  groups: readonly string[] = [],
): string[] {
  return subnetIds.map((subnetId) => {
    const id = `eni-${account.hex(17)}`;
    account.put({
      type: networkInterface,
      id,
      name: owner,
      properties: { subnetId, securityGroupIds: groups, owner },
    });
    return id;
  });
}

export function removeInterfaces(account: Account, owner: string): void {
  for (const { id, name } of account.all(networkInterface))
    if (name === owner) account.remove(networkInterface, id);
}

/** Source: VPC user guide, "VPC CIDR blocks" and "Subnet sizing": /16 to /28. */
function cidrProblems(properties: Properties): readonly ShapeProblem[] {
  return rule(
    "cidrBlock",
    text(properties, "cidrBlock"),
    (cidr) => {
      const network = networkOf(cidr);
      return network !== undefined && network.prefix >= 16 && network.prefix <= 28;
    },
    "must be a network address of /16 to /28",
  );
}

/** Source: EC2 API, CreateSubnet: a subnet's block lies in its VPC's and overlaps no other's. */
function demandRoom({ account, inputs }: Scene): void {
  const cidr = requiredText(inputs, "cidrBlock");
  const block = networkOf(cidr);
  const vpcId = requiredText(inputs, "vpcId");
  const outer = networkOf(text(account.find(vpc, vpcId)?.properties ?? {}, "cidrBlock") ?? "");
  if (block === undefined || outer === undefined || !contains(outer, block))
    throw new AwsError("InvalidSubnet.Range", `The CIDR '${cidr}' is invalid.`);
  const taken = account
    .all(subnet)
    .filter(({ properties }) => properties.vpcId === vpcId)
    .map(({ properties }) => networkOf(requiredText(properties, "cidrBlock")));
  if (taken.some((other) => other !== undefined && overlaps(other, block)))
    throw new AwsError("InvalidSubnet.Conflict", `The CIDR '${cidr}' conflicts with another subnet`);
}

function vpcOf(account: Account, subnetId: string): string | undefined {
  return text(account.find(subnet, subnetId)?.properties ?? {}, "vpcId");
}

function hasGateway(account: Account, vpcId: string | undefined): boolean {
  return account.all(internetGateway).some(({ properties }) => properties.vpcId === vpcId);
}

/** An account's letters and its zones are one's own affair; here `us-east-1e` is use1-az3, which has no control planes. */
export function zoneIdOf(zone: string): string {
  const [, continent = "", part = "", number = ""] = /^([a-z]{2})-([a-z])[a-z]*-(\d)/.exec(zone) ?? [];
  const letter = zone.charCodeAt(zone.length - 1) - 97;
  const place = zone.startsWith("us-east-1") ? [1, 2, 4, 6, 3, 5][letter] : letter + 1;
  return `${continent}${part}${number}-az${String(place)}`;
}

/** Source: EC2 API, AuthorizeSecurityGroupIngress: where traffic comes from is one thing, and ports belong to tcp and udp. */
const groupRule = {
  source: "internal/service/ec2/vpc_security_group_ingress_rule.go",
  forceNew: ["securityGroupId"],
  exclusive: [["cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId"]],
  oneOf: [["cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId"]],
  references: [inSecurityGroup("securityGroupId"), inSecurityGroup("referencedSecurityGroupId")],
  validate: (inputs: Properties): readonly ShapeProblem[] => [
    ...rule(
      "cidrIpv4",
      text(inputs, "cidrIpv4"),
      (cidr) => networkOf(cidr) !== undefined,
      "this is no network address",
    ),
    ...(text(inputs, "ipProtocol") === "-1" && (inputs.fromPort !== undefined || inputs.toPort !== undefined)
      ? [{ property: "fromPort, toPort", reason: "ipProtocol -1 is all ports: leave them out" }]
      : []),
    ...(["tcp", "udp"].includes(text(inputs, "ipProtocol") ?? "") &&
    (inputs.fromPort === undefined || inputs.toPort === undefined)
      ? [{ property: "fromPort, toPort", reason: "tcp and udp need them" }]
      : []),
  ],
  id: "sgr-",
  create: (scene: Scene & { readonly id: string }): Properties => ({
    arn: arn(scene, "ec2", `security-group-rule/${scene.id}`),
    securityGroupRuleId: scene.id,
  }),
} as const;

/** Their own routes go with them; the main table's does not count. */
function routesOf(account: Account, { id }: Stored): void {
  for (const route of account.all("aws:ec2/route:Route"))
    if (route.properties.routeTableId === id) account.remove(route.type, route.id);
}

const launchTemplateProblems = (inputs: Properties): readonly ShapeProblem[] => {
  const device = records(inputs, "blockDeviceMappings").map((mapping) => at(mapping, "ebs.iops"));
  const market = text(inputs, "instanceMarketOptions.marketType");
  const reservation = at(
    inputs,
    "capacityReservationSpecification.capacityReservationTarget.capacityReservationId",
  );
  const userData = text(inputs, "userData");
  return [
    // Source: internal/service/ec2/validate.go, launch template names: 3 to 128 characters.
    ...rule(
      "name",
      text(inputs, "name"),
      (name) => /^[\w().\-/]{3,128}$/.test(name),
      "3 to 128 letters, digits, ().-/_",
    ),
    ...oneOfValues("instanceMarketOptions.marketType", market, ["spot", "capacity-block"]),
    ...oneOfValues("metadataOptions.httpTokens", text(inputs, "metadataOptions.httpTokens"), [
      "optional",
      "required",
    ]),
    // Source: EC2 user guide, "Launch instances using Capacity Blocks": the market type needs the block's id.
    ...(market === "capacity-block" && reservation === undefined
      ? [
          {
            property: "capacityReservationSpecification",
            reason: "the market type capacity-block needs a block's id",
          },
        ]
      : []),
    // Source: EC2 user guide, "Run commands on your EC2 Linux instance at launch": base64 in the API, 16 KB before.
    ...(userData !== undefined && Buffer.from(userData, "base64").toString("base64") !== userData
      ? [{ property: "userData", reason: "InvalidUserData.Malformed: Invalid BASE64 encoding of user data." }]
      : []),
    ...(userData !== undefined && Buffer.from(userData, "base64").length > 16_384
      ? [{ property: "userData", reason: "more than 16 KB" }]
      : []),
    ...(device.some((iops) => typeof iops === "number" && iops < 3_000)
      ? [{ property: "blockDeviceMappings.ebs.iops", reason: "gp3 has 3,000 at least" }]
      : []),
  ];
};

/** Source: EC2 API, CreateLaunchTemplate with a reservation: it must be there. */
function demandReservation({ account, inputs }: Scene): void {
  const path = "capacityReservationSpecification.capacityReservationTarget.capacityReservationId";
  const id = text(inputs, path);
  if (id !== undefined && account.settings.reservations[id] === undefined)
    throw new AwsError(
      "InvalidCapacityReservationId.NotFound",
      `The capacity reservation '${id}' does not exist`,
    );
}

export const ec2Types: ResourceTypes = {
  [networkInterface]: {
    source: "what other services make",
    forceNew: [],
    references: [inSubnet("subnetId"), inSecurityGroup("securityGroupIds")],
    id: "eni-",
  },
  [vpc]: {
    source: "internal/service/ec2/vpc_.go",
    forceNew: [],
    kept: ["cidrBlock", "enableDnsHostnames", "enableNetworkAddressUsageMetrics"],
    defaults: { enableDnsSupport: true, instanceTenancy: "default" },
    exclusive: [["cidrBlock", "ipv4NetmaskLength"]],
    oneOf: [["cidrBlock", "ipv4IpamPoolId"]],
    validate: cidrProblems,
    id: "vpc-",
    create: (scene) => ({
      arn: arn(scene, "ec2", `vpc/${scene.id}`),
      ownerId: scene.account.settings.id,
      enableNetworkAddressUsageMetrics: false,
      enableDnsHostnames: scene.inputs.enableDnsHostnames ?? false,
      ...blank("ipv6AssociationId", "ipv6CidrBlock", "ipv6CidrBlockNetworkBorderGroup"),
      defaultNetworkAclId: `acl-${scene.account.hex(17)}`,
      defaultRouteTableId: `rtb-${scene.account.hex(17)}`,
      mainRouteTableId: `rtb-${scene.account.hex(17)}`,
      defaultSecurityGroupId: `sg-${scene.account.hex(17)}`,
      dhcpOptionsId: `dopt-${scene.account.hex(17)}`,
    }),
  },
  [internetGateway]: {
    source: "internal/service/ec2/vpc_internet_gateway.go",
    forceNew: [],
    references: [inVpc],
    id: "igw-",
    create: (scene) => {
      // Source: EC2 API, AttachInternetGateway.
      if (hasGateway(scene.account, text(scene.inputs, "vpcId")))
        throw new AwsError(
          "InvalidParameterValue",
          `Network ${requiredText(scene.inputs, "vpcId")} already has an internet gateway attached`,
        );
      return { arn: arn(scene, "ec2", `internet-gateway/${scene.id}`), ownerId: scene.account.settings.id };
    },
    remove: (account, { properties }) => {
      // Source: EC2 API, DetachInternetGateway: no public addresses in the VPC any more.
      const mapped = account
        .all(natGateway)
        .some(({ properties: nat }) => vpcOf(account, text(nat, "subnetId") ?? "") === properties.vpcId);
      if (mapped)
        throw new AwsError(
          "DependencyViolation",
          `Network ${requiredText(properties, "vpcId")} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.`,
          true,
        );
    },
  },
  [subnet]: {
    source: "internal/service/ec2/vpc_subnet.go",
    forceNew: [],
    kept: ["availabilityZone", "availabilityZoneId", "cidrBlock", "privateDnsHostnameTypeOnLaunch"],
    defaults: {
      ...{
        assignIpv6AddressOnCreation: false,
        enableDns64: false,
        ipv6Native: false,
        mapPublicIpOnLaunch: false,
      },
      enableResourceNameDnsARecordOnLaunch: false,
      enableResourceNameDnsAaaaRecordOnLaunch: false,
    },
    exclusive: [["availabilityZone", "availabilityZoneId"]],
    validate: cidrProblems,
    references: [inVpc],
    id: "subnet-",
    create: (scene) => {
      const { account, region, inputs, id } = scene;
      const zones = account.settings.zones[region] ?? [];
      const zone = text(inputs, "availabilityZone") ?? zones[0] ?? "";
      if (!zones.includes(zone))
        throw new AwsError(
          "InvalidParameterValue",
          `Value (${zone}) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: ${zones.join(", ")}.`,
        );
      demandRoom(scene);
      return {
        arn: arn(scene, "ec2", `subnet/${id}`),
        ...{ availabilityZone: zone, availabilityZoneId: zoneIdOf(zone), ownerId: account.settings.id },
        ...blank("ipv6CidrBlock", "ipv6CidrBlockAssociationId"),
        privateDnsHostnameTypeOnLaunch: "ip-name",
      };
    },
  },
  [elasticAddress]: {
    source: "internal/service/ec2/ec2_eip.go",
    forceNew: [],
    validate: (inputs) => oneOfValues("domain", text(inputs, "domain"), ["vpc"]),
    id: "eipalloc-",
    create: (scene) => ({
      arn: arn(scene, "ec2", `elastic-ip/${scene.id}`),
      allocationId: scene.id,
      ...blank("associationId", "carrierIp", "customerOwnedIp", "instance", "ipamPoolId", "networkInterface"),
      ...blank("privateDns", "privateIp", "ptrRecord"),
      ...{ domain: "vpc", networkBorderGroup: scene.region, publicIpv4Pool: "amazon" },
      publicIp: `52.${[0, 1, 2].map(() => parseInt(scene.account.hex(2), 16)).join(".")}`,
      publicDns: `ec2-${scene.account.hex(8)}.compute-1.amazonaws.com`,
    }),
  },
  [natGateway]: {
    source: "internal/service/ec2/vpc_nat_gateway.go",
    forceNew: ["availabilityMode", "vpcId"],
    defaults: { connectivityType: "public" },
    exclusive: [["subnetId", "vpcId"]],
    references: [
      inSubnet("subnetId"),
      {
        path: "allocationId",
        type: elasticAddress,
        missing: ["InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist"],
        // Source: EC2 API, ReleaseAddress.
        inUse: ["InvalidIPAddress.InUse", "The address with allocation id [{}] is in use"],
      },
    ],
    id: "nat-",
    create: (scene) => {
      const { account, inputs, id } = scene;
      const subnetId = requiredText(inputs, "subnetId");
      const vpcId = vpcOf(account, subnetId) ?? "";
      if (text(inputs, "connectivityType") === "public") {
        // Source: VPC user guide, "Troubleshoot NAT gateways": a public one needs an allocation and an internet gateway.
        if (inputs.allocationId === undefined)
          throw new AwsError(
            "MissingParameter",
            "The request must include the AllocationId parameter. Add the required parameter and retry the request.",
          );
        if (!hasGateway(account, vpcId))
          throw new AwsError("Gateway.NotAttached", `Network ${vpcId} has no Internet gateway attached`);
      }
      if (account.all(natGateway).some(({ properties }) => properties.allocationId === inputs.allocationId))
        throw new AwsError(
          "Resource.AlreadyAssociated",
          `Elastic IP address [${String(inputs.allocationId)}] is already associated`,
        );
      const [networkInterfaceId] = addInterfaces(account, id, [subnetId]);
      const { publicIp } = account.find(elasticAddress, text(inputs, "allocationId") ?? "")?.properties ?? {};
      return {
        ...{ associationId: `eipassoc-${account.hex(17)}`, networkInterfaceId, publicIp: publicIp ?? "" },
        ...{ privateIp: "10.0.0.10", availabilityMode: "zonal", autoProvisionZones: "", autoScalingIps: "" },
        ...{ regionalNatGatewayAddresses: [], regionalNatGatewayAutoMode: "", routeTableId: "" },
        ...{
          secondaryAllocationIds: [],
          secondaryPrivateIpAddresses: [],
          secondaryPrivateIpAddressCount: 0,
          vpcId,
        },
      };
    },
    remove: (account, { id }) => {
      removeInterfaces(account, id);
    },
  },
  [routeTable]: {
    source: "internal/service/ec2/vpc_route_table.go",
    forceNew: [],
    kept: ["routes", "propagatingVgws"],
    sets: ["routes"],
    references: [inVpc, toNatGateway("routes.natGatewayId"), toInternetGateway("routes.gatewayId")],
    validate: (inputs) =>
      // Source: EC2 API, CreateRoute.
      records(inputs, "routes").flatMap((route) =>
        ["gatewayId", "natGatewayId", "networkInterfaceId", "transitGatewayId", "vpcEndpointId"].filter(
          (target) => route[target] !== undefined,
        ).length === 1
          ? []
          : [{ property: "routes", reason: "a route has one target" }],
      ),
    id: "rtb-",
    create: (scene) => ({
      arn: arn(scene, "ec2", `route-table/${scene.id}`),
      ...{
        ownerId: scene.account.settings.id,
        propagatingVgws: [],
        routes: at(scene.inputs, "routes") ?? [],
      },
    }),
    remove: routesOf,
  },
  "aws:ec2/route:Route": {
    source: "internal/service/ec2/vpc_route.go",
    forceNew: ["destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId", "routeTableId"],
    exclusive: [["destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId"]],
    oneOf: [
      ["destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId"],
      [
        "gatewayId",
        "natGatewayId",
        "networkInterfaceId",
        "transitGatewayId",
        "vpcPeeringConnectionId",
        "vpcEndpointId",
      ],
    ],
    references: [
      {
        path: "routeTableId",
        type: routeTable,
        missing: required("InvalidRouteTableID.NotFound", "routeTable ID"),
      },
      toNatGateway("natGatewayId"),
      toInternetGateway("gatewayId"),
    ],
    // Source: internal/service/ec2/vpc_route.go, routeCreateID: r-<table><hash of the destination>.
    id: ({ inputs }) => {
      const destination = requiredText(inputs, "destinationCidrBlock");
      const hash = Buffer.from(destination).reduce((sum, byte) => (sum * 31 + byte) % 4_294_967_296, 7);
      return `r-${requiredText(inputs, "routeTableId")}${String(hash)}`;
    },
    create: ({ account, inputs }) => {
      // Source: EC2 API, CreateRoute: public addresses are reached by the gateway of the table's own VPC.
      const vpcId = at(
        account.find(routeTable, requiredText(inputs, "routeTableId"))?.properties ?? {},
        "vpcId",
      );
      const gateway = account.find(internetGateway, text(inputs, "gatewayId") ?? "");
      if (gateway !== undefined && gateway.properties.vpcId !== vpcId)
        throw new AwsError(
          "InvalidParameterValue",
          "route table and network gateway belong to different networks",
        );
      return {
        ...blank("instanceId", "instanceOwnerId", "networkInterfaceId"),
        origin: "CreateRoute",
        state: "active",
      };
    },
  },
  "aws:ec2/routeTableAssociation:RouteTableAssociation": {
    source: "internal/service/ec2/vpc_route_table_association.go",
    forceNew: [],
    exclusive: [["gatewayId", "subnetId"]],
    oneOf: [["gatewayId", "subnetId"]],
    references: [
      {
        path: "routeTableId",
        type: routeTable,
        missing: required("InvalidRouteTableID.NotFound", "routeTable ID"),
        inUse: ["DependencyViolation", "The routeTable '{}' has dependencies and cannot be deleted."],
      },
      notHolding(inSubnet("subnetId")),
    ],
    id: "rtbassoc-",
    create: ({ account, inputs }) => {
      const taken = account
        .all("aws:ec2/routeTableAssociation:RouteTableAssociation")
        .some(
          ({ properties }) => properties.subnetId !== undefined && properties.subnetId === inputs.subnetId,
        );
      if (taken)
        throw new AwsError(
          "Resource.AlreadyAssociated",
          `the specified association for route table ${requiredText(inputs, "routeTableId")} conflicts with an existing association`,
        );
      return {};
    },
  },
  "aws:ec2/vpcEndpoint:VpcEndpoint": {
    source: "internal/service/ec2/vpc_endpoint.go",
    forceNew: [],
    sets: ["routeTableIds", "securityGroupIds", "subnetIds"],
    kept: [
      "policy",
      "routeTableIds",
      "securityGroupIds",
      "subnetIds",
      "privateDnsEnabled",
      "ipAddressType",
      "dnsOptions",
    ],
    defaults: { vpcEndpointType: "Gateway" },
    validate: (inputs) => {
      const kind = text(inputs, "vpcEndpointType") ?? "Gateway";
      const isGateway = kind === "Gateway";
      return [
        ...oneOfValues("vpcEndpointType", kind, ["Gateway", "Interface", "GatewayLoadBalancer"]),
        // Source: EC2 API, CreateVpcEndpoint: tables are a gateway's, subnets, groups and names an interface's.
        ...(isGateway &&
        (inputs.subnetIds ?? inputs.securityGroupIds ?? inputs.privateDnsEnabled) !== undefined
          ? [
              {
                property: "vpcEndpointType",
                reason: "a Gateway endpoint has no subnets, security groups and private names",
              },
            ]
          : []),
        ...(!isGateway && inputs.routeTableIds !== undefined
          ? [{ property: "routeTableIds", reason: "only a Gateway endpoint has route tables" }]
          : []),
      ];
    },
    references: [
      inVpc,
      {
        path: "routeTableIds",
        type: routeTable,
        missing: required("InvalidRouteTableId.NotFound", "routeTable ID"),
      },
      inSubnet("subnetIds"),
      inSecurityGroup("securityGroupIds"),
    ],
    id: "vpce-",
    create: (scene) => {
      const { account, region, inputs, id } = scene;
      const name = requiredText(inputs, "serviceName");
      if (!name.startsWith(`com.amazonaws.${region}.`))
        throw new AwsError("InvalidServiceName", `The Vpc Endpoint Service '${name}' does not exist`);
      const isInterface = inputs.vpcEndpointType === "Interface";
      const host = account.find(vpc, requiredText(inputs, "vpcId"))?.properties ?? {};
      // Source: EC2 API, CreateVpcEndpoint with PrivateDnsEnabled.
      if (
        inputs.privateDnsEnabled === true &&
        (host.enableDnsHostnames !== true || host.enableDnsSupport !== true)
      )
        throw new AwsError(
          "InvalidParameter",
          "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true",
        );
      const interfaces = isInterface
        ? addInterfaces(account, id, texts(inputs, "subnetIds"), texts(inputs, "securityGroupIds"))
        : [];
      return {
        arn: arn(scene, "ec2", `vpc-endpoint/${id}`),
        ...{
          cidrBlocks: isInterface ? [] : ["52.216.0.0/15"],
          prefixListId: isInterface ? "" : `pl-${account.hex(8)}`,
        },
        dnsEntries: isInterface
          ? [{ dnsName: `${id}.${name}`, hostedZoneId: `Z${account.hex(12).toUpperCase()}` }]
          : [],
        ...{
          dnsOptions: {},
          ipAddressType: "ipv4",
          networkInterfaceIds: interfaces,
          ownerId: account.settings.id,
        },
        policy:
          text(inputs, "policy") ??
          '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}],"Version":"2008-10-17"}',
        ...{
          privateDnsEnabled: inputs.privateDnsEnabled ?? false,
          requesterManaged: false,
          serviceRegion: region,
        },
        ...{
          routeTableIds: texts(inputs, "routeTableIds"),
          securityGroupIds: texts(inputs, "securityGroupIds"),
        },
        ...{ subnetIds: texts(inputs, "subnetIds"), subnetConfigurations: [], state: "available" },
      };
    },
    update: ({ account, inputs, id }) => {
      removeInterfaces(account, id);
      const subnetIds = inputs.vpcEndpointType === "Interface" ? texts(inputs, "subnetIds") : [];
      return {
        networkInterfaceIds: addInterfaces(account, id, subnetIds, texts(inputs, "securityGroupIds")),
      };
    },
    remove: (account, { id }) => {
      removeInterfaces(account, id);
    },
  },
  [securityGroup]: {
    source: "internal/service/ec2/vpc_security_group.go",
    forceNew: [],
    autoname: { property: "name", max: 255 },
    kept: ["egress", "ingress"],
    defaults: { description: "Managed by Pulumi", revokeRulesOnDelete: false },
    exclusive: [["name", "namePrefix"]],
    validate: (inputs) => [
      // Source: EC2 API, CreateSecurityGroup.
      ...rule(
        "name",
        text(inputs, "name"),
        (name) => name.length <= 255 && !name.startsWith("sg-"),
        "at most 255 characters, and not sg- in front",
      ),
      ...rule(
        "description",
        text(inputs, "description"),
        (one) => /^[A-Za-z0-9 ._\-:/()#,@[\]+=&;{}!$*]{0,255}$/.test(one),
        "letters, digits, blanks and ._-:/()#,@[]+=&;{}!$*, at most 255",
      ),
    ],
    references: [inVpc],
    id: "sg-",
    create: (scene) => {
      const { account, inputs } = scene;
      const same = account
        .all(securityGroup)
        .some(({ properties }) => properties.vpcId === inputs.vpcId && properties.name === inputs.name);
      if (same)
        throw new AwsError(
          "InvalidGroup.Duplicate",
          `The security group '${String(inputs.name)}' already exists for VPC '${String(inputs.vpcId)}'`,
        );
      return {
        arn: arn(scene, "ec2", `security-group/${scene.id}`),
        ...{ ownerId: account.settings.id, egress: inputs.egress ?? [], ingress: inputs.ingress ?? [] },
      };
    },
    remove: (account, { id }) => {
      for (const one of account.resources)
        if (one.type.startsWith("aws:vpc/securityGroup") && one.properties.securityGroupId === id)
          account.remove(one.type, one.id);
    },
  },
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
    ...groupRule,
    // A rule of a group that goes does not hold it.
    references: groupRule.references.map((reference) =>
      reference.path === "securityGroupId" ? notHolding(reference) : reference,
    ),
  },
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {
    ...groupRule,
    references: groupRule.references.map((reference) =>
      reference.path === "securityGroupId" ? notHolding(reference) : reference,
    ),
  },
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {
    source: "internal/service/ec2/vpc_default_security_group.go",
    forceNew: ["vpcId"],
    defaults: { revokeRulesOnDelete: false },
    references: [notHolding(inVpc)],
    // It is the VPC's own, taken over; and it stays when the resource goes.
    id: ({ account, inputs }) =>
      requiredText(
        account.find(vpc, requiredText(inputs, "vpcId"))?.properties ?? {},
        "defaultSecurityGroupId",
      ),
    create: (scene) => ({
      arn: arn(scene, "ec2", `security-group/${scene.id}`),
      ...{ description: "default VPC security group", name: "default", ownerId: scene.account.settings.id },
      ...{ egress: scene.inputs.egress ?? [], ingress: scene.inputs.ingress ?? [] },
    }),
  },
  "aws:ec2/flowLog:FlowLog": {
    source: "internal/service/ec2/vpc_flow_log.go",
    forceNew: [],
    defaults: { logDestinationType: "cloud-watch-logs", maxAggregationInterval: 600 },
    exclusive: [["eniId", "subnetId", "vpcId", "transitGatewayId", "transitGatewayAttachmentId"]],
    oneOf: [["eniId", "subnetId", "vpcId", "transitGatewayId", "transitGatewayAttachmentId"]],
    validate: (inputs) => [
      ...oneOfValues("trafficType", text(inputs, "trafficType"), ["ACCEPT", "REJECT", "ALL"]),
      ...((text(inputs, "logDestinationType") ?? "cloud-watch-logs") === "cloud-watch-logs" &&
      inputs.iamRoleArn === undefined
        ? [{ property: "iamRoleArn", reason: "CloudWatch Logs needs a role" }]
        : []),
      ...([undefined, 60, 600].includes(numberAt(inputs, "maxAggregationInterval"))
        ? []
        : [{ property: "maxAggregationInterval", reason: "60 or 600" }]),
    ],
    references: [
      notHolding(inVpc),
      {
        path: "iamRoleArn",
        type: "aws:iam/role:Role",
        by: "arn",
        missing: ["InvalidParameter", "The role '{}' does not exist"],
      },
      {
        path: "logDestination",
        type: "aws:cloudwatch/logGroup:LogGroup",
        by: "arn",
        missing: ["InvalidParameter", "LogDestination '{}' does not exist"],
      },
    ],
    id: "fl-",
    create: (scene) => ({
      arn: arn(scene, "ec2", `vpc-flow-log/${scene.id}`),
      logDestination: scene.inputs.logDestination ?? "",
      logFormat:
        scene.inputs.logFormat ??
        "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}",
    }),
  },
  [launchTemplate]: {
    source: "internal/service/ec2/ec2_launch_template.go",
    forceNew: [],
    autoname: { property: "name", max: 128 },
    sets: ["vpcSecurityGroupIds"],
    exclusive: [
      ["name", "namePrefix"],
      ["defaultVersion", "updateDefaultVersion"],
      ["instanceRequirements", "instanceType"],
      ["securityGroupNames", "vpcSecurityGroupIds"],
    ],
    validate: launchTemplateProblems,
    references: [notHolding(inSecurityGroup("vpcSecurityGroupIds"))],
    id: "lt-",
    create: (scene) => {
      demandReservation(scene);
      return {
        arn: arn(scene, "ec2", `launch-template/${scene.id}`),
        ...{ defaultVersion: 1, latestVersion: 1, metadataOptions: scene.inputs.metadataOptions ?? {} },
      };
    },
    update: (scene) => {
      demandReservation(scene);
      const latestVersion = (numberAt(scene.olds, "latestVersion") ?? 0) + 1;
      return {
        latestVersion,
        ...(scene.inputs.updateDefaultVersion === true ? { defaultVersion: latestVersion } : {}),
      };
    },
    // Source: internal/service/ec2/ec2_launch_template.go, CustomizeDiff: SetNewComputed of both.
    unstable: ["latestVersion", "defaultVersion"],
  },
};
