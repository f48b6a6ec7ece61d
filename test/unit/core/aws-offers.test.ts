import { describe, expect, it } from "vitest";
import { offerProblems, questionsOf, type AwsAnswers } from "../../../core/aws/offers.ts";
import type { EksPlan } from "../../../core/aws/plan.ts";
import type { Problem } from "../../../core/spec/problem.ts";
import {
  account,
  devConfig,
  expectProblem,
  file,
  planOf,
  prodBaseConfig,
  prodConfig,
  type AwsFields,
  type ExpectedProblem,
} from "./aws-support.ts";

const all = ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"];

/** Of an account that has everything. */
const plenty: AwsAnswers = {
  account,
  zones: all.map((name, i) => ({ name, id: `use1-az${String([1, 2, 4, 6][i])}` })),
  offers: new Map([
    ["p4d.24xlarge", all],
    ["p4de.24xlarge", all],
    ["p5.48xlarge", all],
    ["g5.xlarge", all],
    ["m7i.2xlarge", all],
    ["m7i.4xlarge", all],
  ]),
  quotas: new Map([
    ["L-417A185B", 10_000],
    ["L-DB2E81BA", 10_000],
    ["L-1216C47A", 10_000],
    ["L-7212CCBC", 10_000],
    ["L-3819A6DF", 10_000],
    ["L-34B43A08", 10_000],
    ["L-C4BD4855", 10_000],
  ]),
  reservations: new Map([
    [
      "cr-0123456789abcdef0",
      { zone: "us-east-1a", instanceType: "p4de.24xlarge", total: 4, state: "active" },
    ],
  ]),
  hostedZone: "example.com",
};

const dev = (fields: AwsFields = {}): EksPlan => planOf(devConfig(fields));
const prod = (): EksPlan => planOf(prodBaseConfig(), { stack: "prod" }, []);

function problemsOf(plan: EksPlan, answers: Partial<AwsAnswers> = {}): readonly Problem[] {
  return offerProblems(plan, { ...plenty, ...answers }, file);
}

function expectOnly(plan: EksPlan, answers: Partial<AwsAnswers>, expected: ExpectedProblem): void {
  expectProblem(problemsOf(plan, answers), expected);
}

describe("what AWS is asked", () => {
  it("is what the plan needs to know", () => {
    expect(questionsOf(dev())).toEqual({
      instanceTypes: ["m7i.2xlarge", "p4d.24xlarge"],
      quotas: ["L-1216C47A", "L-417A185B"],
      reservations: [],
    });
    expect(questionsOf(prod())).toEqual({
      instanceTypes: ["m7i.2xlarge", "p4de.24xlarge"],
      quotas: ["L-1216C47A"],
      reservations: ["cr-0123456789abcdef0"],
    });
    expect(questionsOf(planOf(prodConfig()))).toEqual({
      instanceTypes: [],
      quotas: [],
      reservations: [],
      hostedZone: "Z0123456789ABCDEFGHIJ",
    });
  });

  it.each([
    ["p4d.24xlarge", "onDemand", "L-417A185B"],
    ["p4d.24xlarge", "spot", "L-7212CCBC"],
    ["p5.48xlarge", "spot", "L-C4BD4855"],
    ["g5.xlarge", "onDemand", "L-DB2E81BA"],
    ["g5.xlarge", "spot", "L-3819A6DF"],
    ["m7i.4xlarge", "onDemand", "L-1216C47A"],
    ["m7i.4xlarge", "spot", "L-34B43A08"],
  ] as const)("is the quota of %s %s", (instanceType, kind, code) => {
    const config = prodBaseConfig({
      nodes: { workers: { instanceType: "m7i.2xlarge" }, more: { instanceType } },
      eks: { nodeGroups: { more: { capacity: { kind } } } },
    });
    expect(questionsOf(planOf(config, {}, [])).quotas).toContain(code);
  });
});

describe("what AWS answers", () => {
  it("is no problem where there is plenty, or where it does not answer", () => {
    expect(problemsOf(dev())).toEqual([]);
    expect(problemsOf(prod())).toEqual([]);
    const nothing = { offers: new Map(), quotas: new Map(), reservations: new Map() };
    expect(problemsOf(prod(), nothing)).toEqual([]);
  });

  it("is of the stack's account", () => {
    const answers = { account: "444455556666", zones: [], quotas: new Map([["L-417A185B", 0]]) };
    expectOnly(dev(), answers, ["eks.account", "of the account 444455556666", "AWS_PROFILE"]);
  });

  it("has the network's zones", () => {
    const zones = plenty.zones.filter(({ name }) => name !== "us-east-1b");
    expectOnly(dev(), { zones }, [
      "eks.network.zones",
      "no zone `us-east-1b`",
      "us-east-1a, us-east-1c, us-east-1d",
    ]);
  });

  it("has control planes in them", () => {
    const zones = plenty.zones.map((zone) =>
      zone.name === "us-east-1b" ? { ...zone, id: "use1-az3" } : zone,
    );
    expectOnly(dev(), { zones }, ["eks.network.zones", "`us-east-1b` is use1-az3", "us-east-1a, us-east-1c"]);
  });

  it("offers the instance types where the groups are", () => {
    const offers = new Map([...plenty.offers, ["p4d.24xlarge", ["us-east-1a", "us-east-1d"]]] as const);
    expectOnly(dev(), { offers }, [
      "eks.nodeGroups.a100.zones",
      "p4d.24xlarge is not offered in us-east-1b",
      "zones: [us-east-1a]",
    ]);
    const nodeGroups = { a100: { zones: ["us-east-1a"] } };
    expect(problemsOf(dev({ eks: { nodeGroups } }), { offers })).toEqual([]);
  });

  it("offers them somewhere else", () => {
    const offers = new Map([...plenty.offers, ["p4d.24xlarge", ["us-east-1d"]]] as const);
    expectOnly(dev(), { offers }, ["eks.nodeGroups.a100.zones", "us-east-1a, us-east-1b", "us-east-1d"]);
  });

  it("offers them at all", () => {
    const offers = new Map([...plenty.offers, ["p4d.24xlarge", []]] as const);
    expectOnly(dev(), { offers }, [
      "nodes.a100.instanceType",
      "no zone of us-east-1 has p4d.24xlarge",
      "region",
    ]);
  });
});

describe("quotas", () => {
  const nodes = {
    a100: { instanceType: "p4d.24xlarge", count: 1, maxCount: 2 },
    workers: { instanceType: "m7i.2xlarge", count: 2, maxCount: 4 },
  } as const;

  it("hold all groups at their largest", () => {
    const quotas = new Map([...plenty.quotas, ["L-417A185B", 96]] as const);
    expectOnly(dev({ nodes }), { quotas }, [
      "nodes.a100",
      '2 × p4d.24xlarge need 192 vCPUs, and the quota "Running On-Demand P instances" of this account is 96',
      "--quota-code L-417A185B --desired-value 192",
    ]);
    expect(problemsOf(dev({ nodes }), { quotas: new Map([["L-417A185B", 192]]) })).toEqual([]);
  });

  it("are shared by groups of a family", () => {
    const quotas = new Map([["L-1216C47A", 47]]);
    const more = { ...nodes, system: { instanceType: "m7i.4xlarge", count: 1 } } as const;
    expectOnly(dev({ nodes: more }), { quotas }, [
      "nodes",
      "1 × m7i.4xlarge and 4 × m7i.2xlarge need 48 vCPUs",
      "--desired-value 48",
    ]);
  });

  it("count the largest of a group's types", () => {
    const nodeGroups = { workers: { otherInstanceTypes: ["m7i.4xlarge"] } };
    const quotas = new Map([["L-1216C47A", 63]]);
    expectOnly(dev({ eks: { nodeGroups } }), { quotas }, [
      "nodes.workers",
      "need 64 vCPUs",
      "--desired-value 64",
    ]);
  });

  it("do not count what is reserved", () => {
    expect(problemsOf(prod(), { quotas: new Map([["L-417A185B", 0]]) })).toEqual([]);
  });
});

describe("a reservation", () => {
  const id = "cr-0123456789abcdef0";
  const good = { zone: "us-east-1a", instanceType: "p4de.24xlarge", total: 4, state: "active" };

  it.each([
    ["is there", undefined, "eks.nodeGroups.a100.capacity.id", "no capacity reservation"],
    ["is active", { ...good, state: "expired" }, "eks.nodeGroups.a100.capacity.id", "is expired"],
    [
      "is in its zone",
      { ...good, zone: "us-east-1c" },
      "eks.nodeGroups.a100.capacity.zone",
      "is in us-east-1c",
    ],
    [
      "is of the type",
      { ...good, instanceType: "p4d.24xlarge" },
      "nodes.a100.instanceType",
      "is of p4d.24xlarge",
    ],
    [
      "is for all nodes",
      { ...good, total: 2 },
      "nodes.a100.maxCount",
      "up to 4 nodes, and cr-0123456789abcdef0 is for 2",
    ],
  ] as const)("%s", (_, answer, path, message) => {
    expectOnly(prod(), { reservations: new Map([[id, answer]]) }, [path, message, ""]);
  });

  it("that is to begin will do", () => {
    expect(problemsOf(prod(), { reservations: new Map([[id, { ...good, state: "scheduled" }]]) })).toEqual(
      [],
    );
  });
});

describe("a name in Route 53", () => {
  it.each([
    ["example.com", true],
    ["models.example.com", true],
    ["ample.com", false],
    ["example.org", false],
  ])("is in the hosted zone: %s", (hostedZone, isInside) => {
    const problems = problemsOf(planOf(prodConfig()), { hostedZone });
    expect(problems.map(({ path }) => path)).toEqual(
      isInside ? [] : ["triton-platform:eks.loadBalancer.dns.name"],
    );
  });
});
