import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EksPlan, NetworkPlan } from "../../../core/aws/plan.ts";
import { costOf, hoursOfMonth, perMillionInferences, type CostItem } from "../../../core/cost/cost.ts";
import { eksCostItems } from "../../../core/cost/eks.ts";
import { regionPrices } from "../../../core/cost/items.ts";
import { nodePoolItems } from "../../../core/cost/kubernetes.ts";
import { prices } from "../../../core/cost/prices.ts";
import { resourceItems } from "../../../core/cost/resources.ts";
import { ageInDays, staleness } from "../../../core/cost/snapshot.ts";
import { tokenCost } from "../../../core/cost/tokens.ts";
import { omit } from "../../../core/objects.ts";
import { platformOf } from "../../support/models.ts";
import { aws } from "../../support/policy.ts";

const gibibyte = 1024 ** 3;

const trust = { Version: "2012-10-17", Statement: [] } as const;
const role = { roleName: "of nobody", roleArn: "", trust, managedPolicyArns: [] };

const network: NetworkPlan = {
  cidr: "10.0.0.0/16",
  zones: ["a", "b"].map((letter, i) => ({
    zone: `us-east-1${letter}`,
    publicCidr: `10.0.${String(i)}.0/24`,
    privateCidr: `10.0.${String(10 + i)}.0/24`,
    natZone: "us-east-1a",
  })),
  interfaceEndpoints: ["ecr.api", "ecr.dkr", "sts"].map((name) => `com.amazonaws.us-east-1.${name}`),
  s3Endpoint: "com.amazonaws.us-east-1.s3",
  flowLogRetentionDays: 30,
  ...{ flowLogGroup: "", flowLogRole: role },
  publicSubnetTags: {},
  privateSubnetTags: {},
};

const group = {
  amiType: "AL2023_x86_64_NVIDIA",
  capacityType: "ON_DEMAND",
  volumeSize: 100 * gibibyte,
  ...{ labels: {}, taints: [], maxUnavailable: 1, autoscalingTags: {} },
} as const;

const plan: EksPlan = {
  account: "111122223333",
  region: "us-east-1",
  name: "triton-prod",
  tags: {},
  layers: ["network", "cluster"],
  protect: true,
  network,
  cluster: {
    version: "1.35",
    ...{ role, nodeRole: role, publicAccessCidrs: [], privateAccessCidrs: [] },
    logTypes: [],
    logRetentionDays: 90,
    ...{ access: [], addons: [], controllers: [] },
    nodeGroups: [
      { ...group, name: "a100", instanceTypes: ["p4de.24xlarge"], minSize: 1, desiredSize: 1, maxSize: 2 },
      {
        ...{ ...group, amiType: "AL2023_x86_64_STANDARD", capacityType: "SPOT", name: "workers" },
        ...{ instanceTypes: ["m7i.large"], minSize: 2, desiredSize: 2, maxSize: 4 },
      },
    ],
  },
};

const lines = (items: readonly CostItem[]): readonly string[] =>
  costOf(items).items.map(
    ({ kind, name, perHour, mostPerHour }) =>
      `${kind}: ${name} $${perHour.toFixed(4)} to $${mostPerHour.toFixed(4)}`,
  );

describe("the cost of a plan on EKS", () => {
  it("has everything that is billed, each by its price", () => {
    expect(lines(eksCostItems(plan, prices).items)).toEqual([
      "control plane: triton-prod $0.1000 to $0.1000",
      "GPU nodes: a100 $27.4471 to $54.8941",
      // 100 GB × $0.08 / 730 h.
      "volumes: a100 root volumes $0.0110 to $0.0219",
      "nodes: workers $0.2016 to $0.4032",
      "volumes: workers root volumes $0.0219 to $0.0438",
      "logs: control plane's logs written $0.0137 to $0.0137",
      "logs: control plane's logs kept $0.0025 to $0.0025",
      // One gateway for both zones.
      "NAT: NAT gateways $0.0450 to $0.0450",
      "NAT: traffic through NAT $0.0062 to $0.0062",
      // Three services in two zones.
      "endpoints: interface endpoints $0.0600 to $0.0600",
      "logs: flow logs written $0.0137 to $0.0137",
      "logs: flow logs kept $0.0008 to $0.0008",
      "keys: KMS keys $0.0014 to $0.0014",
    ]);
  });

  it("says of each what was assumed", () => {
    for (const { assumption } of eksCostItems(plan, prices).items) expect(assumption).toMatch(/\w{3}/);
    const workers = eksCostItems(plan, prices).items.find(({ name }) => name === "workers");
    expect(workers?.assumption).toBe(
      "2 to 4 × m7i.large, spot, counted as on demand, all hours of the month",
    );
  });

  it("counts a NAT gateway a zone where each has its own", () => {
    const zones = network.zones.map((zone) => ({ ...zone, natZone: zone.zone }));
    const { items } = eksCostItems({ ...plan, network: { ...network, zones } }, prices);
    expect(items.find(({ name }) => name === "NAT gateways")?.quantity).toBe(2);
  });

  it("leaves out what another stack, or another team, makes", () => {
    expect(eksCostItems(omit(plan, "cluster", "network"), prices).items).toEqual([]);
    const given = { vpcId: "vpc-1", privateSubnetIds: [], publicSubnetIds: [] };
    const kinds = eksCostItems({ ...plan, network: given }, prices).items.map(({ kind }) => kind);
    expect(kinds).not.toContain("NAT");
  });

  it("of another region goes by the prices there are, and says so", () => {
    const { items, notes } = eksCostItems({ ...plan, region: "eu-west-1" }, prices);
    expect(costOf(items).perHour).toBe(costOf(eksCostItems(plan, prices).items).perHour);
    expect(notes).toEqual([
      "there are no prices of eu-west-1: those of us-east-1 stand in for them (npm run prices -- --region eu-west-1)",
    ]);
  });

  it("says which type has no price, and does not take it as free in silence", () => {
    const nodeGroups = [
      { ...group, name: "h200", instanceTypes: ["p5e.48xlarge"], minSize: 1, desiredSize: 1, maxSize: 1 },
    ];
    const cluster = plan.cluster === undefined ? undefined : { ...plan.cluster, nodeGroups };
    const { items } = eksCostItems({ ...plan, ...(cluster === undefined ? {} : { cluster }) }, prices);
    expect(costOf(items).unpriced).toEqual(["h200"]);
  });

  it("counts the dearest of the types that a group may get", () => {
    const nodeGroups = [
      {
        ...group,
        name: "mixed",
        instanceTypes: ["g6.xlarge", "g5.xlarge"],
        minSize: 1,
        desiredSize: 1,
        maxSize: 1,
      },
    ];
    const cluster = plan.cluster === undefined ? undefined : { ...plan.cluster, nodeGroups };
    const { items } = eksCostItems({ ...plan, ...(cluster === undefined ? {} : { cluster }) }, prices);
    expect(items.find(({ name }) => name === "mixed")?.unitPrice).toBe(1.006);
  });
});

describe("the cost of resources", () => {
  const { prices: here } = regionPrices(prices, "us-east-1");

  it("is the plan's, of what costs by the hour", () => {
    const resources = [
      aws("eks/cluster:Cluster", {}, { name: "triton-prod" }),
      aws(
        "eks/nodeGroup:NodeGroup",
        { instanceTypes: ["p4de.24xlarge"], scalingConfig: { minSize: 1, desiredSize: 1, maxSize: 2 } },
        { name: "a100" },
      ),
      aws("ec2/natGateway:NatGateway", {}),
      aws("ec2/vpcEndpoint:VpcEndpoint", { vpcEndpointType: "Interface", subnetIds: ["a", "b"] }),
      aws("ec2/vpcEndpoint:VpcEndpoint", { vpcEndpointType: "Gateway" }),
      aws("kms/key:Key", {}),
    ];
    const ofPlan = lines(eksCostItems(plan, prices).items);
    const ofResources = lines(resourceItems(resources, here));
    expect(ofResources).toEqual([
      "control plane: triton-prod $0.1000 to $0.1000",
      "GPU nodes: a100 $27.4471 to $54.8941",
      "NAT: NAT gateways $0.0450 to $0.0450",
      "NAT: traffic through NAT $0.0062 to $0.0062",
      "endpoints: interface endpoints $0.0200 to $0.0200",
      "keys: KMS keys $0.0014 to $0.0014",
    ]);
    for (const line of ofResources.filter((line) => !line.startsWith("endpoints")))
      expect(ofPlan).toContain(line);
  });
});

describe("the cost of a cluster's nodes", () => {
  it("is known where the config names EC2 types", () => {
    const { nodes } = platformOf({
      nodes: {
        a100: { instanceType: "p4de.24xlarge", count: 1, maxCount: 2 },
        own: { allocatable: { cpu: 8, memory: "32GiB", disk: "100GiB" } },
      },
    });
    expect(lines(nodePoolItems(nodes, "us-east-1", prices))).toEqual([
      "GPU nodes: a100 $27.4471 to $54.8941",
    ]);
  });
});

describe("a sum", () => {
  const item = fc.record({
    kind: fc.constant("x"),
    name: fc.string(),
    quantity: fc.double({ min: 0, max: 1_000, noNaN: true }),
    unit: fc.constantFrom("hour" as const, "month" as const, "GB" as const, "GB-month" as const),
    unitPrice: fc.double({ min: 0, max: 100, noNaN: true }),
    assumption: fc.constant("none"),
  });

  it("is that of its items, and a month is 730 of its hours", () => {
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const cost = costOf(items);
        const sum = cost.items.reduce((total, { perHour }) => total + perHour, 0);
        expect(cost.perHour).toBeCloseTo(sum, 6);
        expect(cost.perMonth).toBe(cost.perHour * hoursOfMonth);
        expect(cost.mostPerHour).toBeCloseTo(cost.perHour, 6);
      }),
    );
  });

  it("gives the price of a million inferences at a rate", () => {
    // 850 a second for an hour are 3.06 million.
    expect(perMillionInferences(27.44705, 850)).toBeCloseTo(8.9696, 4);
    expect(perMillionInferences(27.44705, 0)).toBeUndefined();
  });
});

describe("tokens", () => {
  it("cost what the article says", () => {
    const cost = tokenCost(10_000_000);
    expect(cost.perMonth).toBeCloseTo(4.2, 10);
    expect(cost.referencePerMonth).toBe(80);
    expect(cost.saving).toBeCloseTo(0.9475, 10);
  });
});

describe("a snapshot's age", () => {
  it("is counted in whole days", () => {
    expect(ageInDays({ date: "2026-07-20" }, "2026-07-20")).toBe(0);
    expect(ageInDays({ date: "2026-07-20" }, "2026-10-18")).toBe(90);
  });

  it("is warned of after 90 days", () => {
    expect(staleness({ date: "2026-07-20" }, "2026-10-18")).toBeUndefined();
    expect(staleness({ date: "2026-07-20" }, "2026-10-19")).toBe(
      "prices are of 2026-07-20, 91 days ago: npm run prices fetches today's",
    );
  });
});
