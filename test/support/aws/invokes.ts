import type { Account } from "./account.ts";
import { subnet, vpc, zoneIdOf } from "./ec2.ts";
import { AwsError } from "./resource.ts";
import { records, requiredText, text, texts, type Properties } from "./values.ts";

interface Asked {
  readonly account: Account;
  readonly region: string;
}

/** Functions that programs ask AWS with, by token. */
export const invokes: Readonly<Record<string, (given: Properties, asked: Asked) => Properties>> = {
  "aws:index/getCallerIdentity:getCallerIdentity": (_given, { account }) => ({
    ...{
      id: account.settings.id,
      accountId: account.settings.id,
      arn: account.settings.callerArn,
      userId: "AROATEST:session",
    },
  }),
  "aws:index/getPartition:getPartition": () => ({
    ...{ id: "aws", partition: "aws", dnsSuffix: "amazonaws.com", reverseDnsPrefix: "com.amazonaws" },
  }),
  "aws:index/getRegion:getRegion": (given, { region }) => ({
    ...{
      id: region,
      name: region,
      region,
      description: region,
      endpoint: `ec2.${region}.amazonaws.com`,
      ...given,
    },
  }),
  "aws:index/getAvailabilityZones:getAvailabilityZones": (given, { account, region }) => {
    const names = account.settings.zones[region] ?? [];
    return {
      ...{ ...given, id: region, region, names, groupNames: [region] },
      zoneIds: names.map(zoneIdOf),
    };
  },
  /** Source: EC2 API, DescribeInstanceTypeOfferings: filters `location` and `instance-type`. */
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": (given, { account, region }) => {
    const filter = (name: string): string[] | undefined =>
      records(given, "filters")
        .filter((one) => text(one, "name") === name)
        .map((one) => texts(one, "values"))[0];
    const zones = account.settings.zones[region] ?? [];
    const wanted = filter("instance-type") ?? [];
    const byZone = text(given, "locationType") === "availability-zone";
    const offers = zones
      .filter((zone) => !byZone || (filter("location") ?? zones).includes(zone))
      .flatMap((zone) =>
        (account.settings.offerings[zone] ?? wanted)
          .filter((type) => wanted.length === 0 || wanted.includes(type))
          .map((type) => ({ type, location: byZone ? zone : region })),
      );
    const different = offers.filter(
      (one, index) =>
        offers.findIndex(({ type, location }) => type === one.type && location === one.location) === index,
    );
    return {
      ...{ ...given, id: region, region, instanceTypes: different.map(({ type }) => type) },
      locations: different.map(({ location }) => location),
      locationTypes: different.map(() => text(given, "locationType") ?? "region"),
    };
  },
  /** Source: Service Quotas API, GetServiceQuota. */
  "aws:servicequotas/getServiceQuota:getServiceQuota": (given, { account, region }) => {
    const code = requiredText(given, "quotaCode");
    const value = account.settings.quotas[code];
    if (value === undefined)
      throw new AwsError(
        "NoSuchResourceException",
        `The request failed because the specified quota ${code} does not exist`,
      );
    const serviceCode = requiredText(given, "serviceCode");
    return {
      ...{
        ...given,
        id: code,
        quotaCode: code,
        serviceCode,
        value,
        region,
        adjustable: true,
        globalQuota: false,
      },
      ...{
        arn: `arn:aws:servicequotas:${region}:${account.settings.id}:${serviceCode}/${code}`,
        defaultValue: 0,
      },
      ...{ quotaName: code, serviceName: serviceCode, unit: "None", usageMetrics: [] },
    };
  },
  /** Source: EC2 API, DescribeCapacityReservations; the provider says "empty result" where there is none. */
  "aws:ec2/getCapacityBlockReservation:getCapacityBlockReservation": (given, { account, region }) => {
    const id = requiredText(given, "id");
    const found = account.settings.reservations[id];
    if (found === undefined)
      throw new AwsError(
        "InvalidCapacityReservationId.NotFound",
        `The capacity reservation '${id}' does not exist`,
      );
    return {
      ...{ id, region, availabilityZone: found.zone, instanceType: found.instanceType, state: "active" },
      ...{
        instanceCount: 1,
        tenancy: "default",
        instancePlatform: "Linux/UNIX",
        startDate: "",
        endDate: "",
        endDateType: "limited",
      },
      ...{ createdDate: "", ebsOptimized: true, outpostArn: "", placementGroupArn: "", tags: {} },
    };
  },
  "aws:route53/getZone:getZone": (given, { account }) => {
    const id = requiredText(given, "zoneId");
    const name = account.settings.hostedZones[id];
    if (name === undefined) throw new AwsError("NoSuchHostedZone", `No hosted zone found with ID: ${id}`);
    return {
      ...given,
      id,
      zoneId: id,
      name,
      nameServers: [],
      comment: "",
      resourceRecordSetCount: 2,
      tags: {},
    };
  },
  "aws:ec2/getVpc:getVpc": (given, { account, region }) => {
    const found = account.find(vpc, requiredText(given, "id"));
    if (found === undefined)
      throw new AwsError("InvalidVpcID.NotFound", `no matching EC2 VPC found: ${requiredText(given, "id")}`);
    return {
      ...given,
      ...found.properties,
      id: found.id,
      region,
      cidrBlockAssociations: [],
      state: "available",
      filters: [],
    };
  },
  "aws:ec2/getSubnet:getSubnet": (given, { account, region }) => {
    const found = account.find(subnet, requiredText(given, "id"));
    if (found === undefined)
      throw new AwsError(
        "InvalidSubnetID.NotFound",
        `no matching EC2 Subnet found: ${requiredText(given, "id")}`,
      );
    return { ...given, ...found.properties, id: found.id, region, state: "available" };
  },
};
