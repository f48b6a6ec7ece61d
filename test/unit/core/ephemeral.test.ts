import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costOf } from "../../../core/cost/cost.ts";
import { benchmarkConfig } from "../../../core/ephemeral/config.ts";
import {
  identify,
  leftoverKinds,
  leftoversAmong,
  nameOfLeftover,
  ownTags,
} from "../../../core/ephemeral/leftovers.ts";
import {
  formatLifetime,
  grace,
  isExpired,
  longestLifeHours,
  longestOperation,
  parseLifetime,
} from "../../../core/ephemeral/lifetime.ts";
import { areOf, areStale, locksIn } from "../../../core/ephemeral/lock.ts";
import { actualSpend, expectedSpend, spendProblem } from "../../../core/ephemeral/spend.ts";
import {
  benchmarkId,
  benchmarkOf,
  benchmarkTag,
  keepTag,
  stackOf,
  stackTagsOf,
  type Benchmark,
} from "../../../core/ephemeral/stack.ts";
import { verdictOn } from "../../../core/ephemeral/sweep.ts";

const hour = 3_600_000;
const created = Date.parse("2026-11-28T12:00:00.000Z");

const benchmark: Benchmark = {
  id: "abcdefg1",
  stack: "bench-abcdefg1",
  owner: "ml-platform",
  account: "111122223333",
  region: "us-east-1",
  name: "triton-bench-abcdefg1",
  createdAt: new Date(created).toISOString(),
  expiresAt: new Date(created + 2 * hour).toISOString(),
  pricePerHour: 23.42,
};

describe("a time to live", () => {
  it.each([
    ["2h", 2 * hour],
    ["90m", 1.5 * hour],
    ["72h", 72 * hour],
    ["3d", 72 * hour],
    ["0.75h", 0.75 * hour],
  ])("%s is read", (text, value) => {
    expect(parseLifetime(text)).toEqual({ value });
  });

  it.each(["", "2", "2 hours", "-2h", "44m", "73h", "4d", "2700.5s", "1e9h"])("%s is refused", (text) => {
    expect(parseLifetime(text)).toHaveProperty("problem");
  });

  it("is written as the policy bench-ttl reads it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 45, max: longestLifeHours * 60 }), (minutes) => {
        const text = formatLifetime(minutes * 60_000);
        expect(text).toMatch(/^\d+[mhd]$/);
        expect(parseLifetime(text)).toEqual({ value: minutes * 60_000 });
      }),
    );
  });

  it("is over some minutes after its end, since clocks differ", () => {
    const end = Date.parse(benchmark.expiresAt);
    expect(isExpired(benchmark, end)).toBe(false);
    expect(isExpired(benchmark, end + grace)).toBe(false);
    expect(isExpired(benchmark, end + grace + 1)).toBe(true);
  });

  it("is no longer than the longest, whatever a wrong clock has written", () => {
    const forged = { ...benchmark, expiresAt: "2036-01-01T00:00:00.000Z" };
    expect(isExpired(forged, created + longestLifeHours * hour)).toBe(false);
    expect(isExpired(forged, created + longestLifeHours * hour + grace + 1)).toBe(true);
  });
});

describe("a benchmark's stack", () => {
  it("has a name of letters and digits, whatever bytes it is made of", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (bytes) => {
        const id = benchmarkId(bytes);
        expect(id).toMatch(/^[a-z][a-z0-9]{7}$/);
        // As long as names in AWS may be.
        expect(`triton-${stackOf(id)}`.length).toBeLessThanOrEqual(28);
      }),
    );
  });

  it("is known by its tags again, within a backend's limits", () => {
    const tags = stackTagsOf(benchmark);
    for (const [key, value] of Object.entries(tags)) {
      expect(key).toMatch(/^[\w.:-]{1,40}$/);
      expect(value.length).toBeLessThanOrEqual(256);
    }
    expect(benchmarkOf(benchmark.stack, { ...tags, "pulumi:project": "triton-platform" })).toEqual(benchmark);
    const qualified = `organization/triton-platform/${benchmark.stack}`;
    expect(benchmarkOf(qualified, tags)?.stack).toBe(qualified);
  });

  it.each([
    ["tags that were copied to another stack", "prod", {}],
    ["another benchmark's tags", "bench-abcdefg2", {}],
    ["no time", benchmark.stack, { "triton-platform:expires": "soon" }],
    ["no account", benchmark.stack, { "triton-platform:account": "" }],
  ])("is none with %s", (_, stack, changed) => {
    expect(benchmarkOf(stack, { ...stackTagsOf(benchmark), ...changed })).toBeUndefined();
  });
});

describe("a sweep", () => {
  const after = created + 3 * hour;
  const tags = stackTagsOf(benchmark);
  const verdict = (stack: string, changed: Readonly<Record<string, string>> = {}, now = after) =>
    verdictOn({ stack, tags: { ...tags, ...changed } }, now)?.kind;

  it("destroys what is past its time, and nothing before", () => {
    expect(verdict(benchmark.stack)).toBe("expired");
    expect(verdict(benchmark.stack, {}, created + hour)).toBe("alive");
  });

  it("sees no stack that does not say to be a benchmark, whatever its name and its age", () => {
    expect(verdictOn({ stack: benchmark.stack, tags: {} }, after)).toBeUndefined();
    expect(
      verdictOn({ stack: "prod", tags: { "triton-platform:expires": "2020-01-01T00:00:00Z" } }, after),
    ).toBe(undefined);
  });

  it("destroys nothing where tags do not fit", () => {
    expect(verdict("prod")).toBe("unclear");
    expect(verdict(benchmark.stack, { [benchmarkTag]: "zzzzzzz9" })).toBe("unclear");
    expect(verdict(benchmark.stack, {}, created - hour)).toBe("unclear");
  });

  it("keeps what somebody wants to keep", () => {
    expect(verdict(benchmark.stack, { [keepTag]: "until Friday: Kim" })).toBe("kept");
  });
});

describe("a lock", () => {
  // The CLI's own words, 3.258.0.
  const said = [
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`.",
    "  file:///state/.pulumi/locks/organization/t/bench-abc/aaa.json?no_tmp_dir=true: created by ci@runner-1 (pid 4711) at 2026-11-28T12:00:00Z",
  ].join("\n");

  it("is read from what the engine says", () => {
    expect(locksIn(said)).toEqual([{ holder: "ci@runner-1 (pid 4711)", since: "2026-11-28T12:00:00Z" }]);
    expect(locksIn("error: update failed: created by x@y (pid 1) at 2020-01-01T00:00:00Z")).toEqual([]);
    expect(locksIn("error: [409] Conflict: Another update is currently in progress.")).toEqual([
      { holder: "somebody" },
    ]);
  });

  it("is broken when no operation takes so long, and where its age is known", () => {
    const locks = locksIn(said);
    expect(areStale(locks, created + longestOperation)).toBe(false);
    expect(areStale(locks, created + longestOperation + 1)).toBe(true);
    expect(areStale([...locks, { holder: "somebody" }], Infinity)).toBe(false);
    expect(areStale([], Infinity)).toBe(false);
  });

  it("is one's own by machine and process, both", () => {
    const locks = locksIn(said);
    expect(areOf(locks, "runner-1", [1, 4711])).toBe(true);
    expect(areOf(locks, "runner-1", [471])).toBe(false);
    expect(areOf(locks, "runner-2", [4711])).toBe(false);
  });
});

describe("the spend guard", () => {
  const cost = costOf([
    {
      kind: "GPU nodes",
      name: "a100",
      quantity: 1,
      mostQuantity: 2,
      unit: "hour",
      unitPrice: 20,
      assumption: "",
    },
  ]);

  it("counts everything scaled out, for the whole time", () => {
    expect(expectedSpend(cost, 2 * hour)).toEqual({ perHour: 40, expected: 80 });
  });

  it("refuses what is above the ceiling, and what has no price", () => {
    const spend = expectedSpend(cost, 2 * hour);
    expect(spendProblem(cost, spend, 80)).toBeUndefined();
    expect(spendProblem(cost, spend, 79.99)?.message).toContain("$80.00");
    const unpriced = costOf(cost.items.map((item) => ({ ...item, unitPrice: undefined })));
    expect(spendProblem(unpriced, expectedSpend(unpriced, hour), 1e6)?.message).toContain("a100");
  });

  it("counts the time that it was there", () => {
    expect(actualSpend(40, benchmark.createdAt, benchmark.expiresAt)).toBe(80);
    expect(actualSpend(40, benchmark.expiresAt, benchmark.createdAt)).toBe(0);
  });
});

describe("a benchmark's config", () => {
  it("is the template's, but for what makes it go", () => {
    const template = {
      "triton-platform:target": "eks",
      "triton-platform:eks": {
        account: "1",
        name: "mine",
        protect: true,
        tags: { costCenter: "4711", ttl: "8h" },
      },
      "triton-platform:monitoring": { dailyBudget: 3 },
    };
    expect(benchmarkConfig(template, benchmark, 2 * hour)).toEqual({
      "triton-platform:target": "eks",
      "triton-platform:environment": "bench",
      "triton-platform:eks": {
        ...{ account: "1", name: benchmark.name, protect: false, secretRecoveryDays: 0 },
        tags: { costCenter: "4711", owner: "ml-platform", environment: "bench", ttl: "2h" },
      },
      "triton-platform:monitoring": { dailyBudget: 3, stackExpiry: benchmark.expiresAt },
    });
  });
});

function found(arn: string): NonNullable<ReturnType<typeof identify>> {
  const known = identify(arn);
  if (known === undefined) throw new Error(`${arn} is of no kind`);
  return known;
}

describe("what is left behind", () => {
  const own = ownTags(benchmark);
  const ec2 = (resource: string): string => `arn:aws:ec2:us-east-1:111122223333:${resource}`;

  it.each([
    [ec2("vpc/vpc-1"), "ec2:vpc", "vpc-1"],
    ["arn:aws:s3:::models", "s3:bucket", "models"],
    ["arn:aws:logs:us-east-1:1:log-group:/aws/eks/x/cluster:*", "logs:log-group", "/aws/eks/x/cluster"],
    ["arn:aws:iam::1:role/path/of/it", "iam:role", "it"],
    ["arn:aws-cn:eks:cn-north-1:1:nodegroup/c/g/0-1", "eks:nodegroup", "c/g/0-1"],
    ["arn:aws:kms:us-east-1:1:key/0-1", "kms:key", "0-1"],
    ["arn:aws:ecr:us-east-1:1:repository/a/triton", "ecr:repository", "a/triton"],
  ])("%s is of a kind", (arn, kind, id) => {
    expect(identify(arn)).toEqual({ kind, arn, id });
  });

  it("counts by both tags, and not where a state knows it", () => {
    const of = (arn: string, tags: Readonly<Record<string, string>>) => ({ ...found(arn), tags });
    const there = [
      of(ec2("vpc/vpc-1"), own),
      of(ec2("subnet/subnet-1"), own),
      of(ec2("subnet/subnet-2"), { ...own, owner: "others" }),
      of(ec2("subnet/subnet-3"), { owner: "ml-platform" }),
      of(ec2("security-group/sg-1"), { ...own, "triton-platform:stack": "bench-abcdefg2" }),
      of(ec2("security-group/sg-2"), own),
      of("arn:aws:s3:::models", own),
    ];
    const known = [{ id: "sg-2" }, { id: "models", outputs: { arn: "arn:aws:s3:::models" } }];
    expect(leftoversAmong(there, own, known, []).map(({ id }) => id)).toEqual(["subnet-1", "vpc-1"]);
  });

  it("is not what a cluster still lives by", () => {
    const arns = ["volume/vol-1", "instance/i-1", "network-interface/eni-1", "vpc/vpc-1"].map(ec2);
    const there = arns.map((arn) => ({ ...found(arn), tags: own }));
    const cluster = { type: "aws:eks/cluster:Cluster", id: "triton-bench" };
    const left = (ownState: Parameters<typeof leftoversAmong>[3]) =>
      leftoversAmong(there, own, [cluster], ownState).map(({ id }) => id);
    expect(left([cluster])).toEqual(["vpc-1"]);
    // Another stack's.
    expect(left([])).toEqual(["i-1", "eni-1", "vol-1", "vpc-1"]);
  });

  it("goes in an order in which nothing is held by what comes later", () => {
    const holds = [
      ["elasticloadbalancing:loadbalancer", "elasticloadbalancing:targetgroup"],
      ["elasticloadbalancing:loadbalancer", "ec2:network-interface"],
      ["eks:nodegroup", "eks:cluster"],
      ["eks:cluster", "ec2:security-group"],
      ["eks:cluster", "iam:role"],
      ["ec2:instance", "ec2:volume"],
      ["ec2:natgateway", "ec2:elastic-ip"],
      ["ec2:network-interface", "ec2:security-group"],
      ["ec2:network-interface", "ec2:subnet"],
      ["ec2:subnet", "ec2:route-table"],
      ["ec2:internet-gateway", "ec2:vpc"],
      ["ec2:vpc-flow-log", "logs:log-group"],
      ["s3:bucket", "kms:key"],
    ] as const;
    for (const [first, then] of holds)
      expect(leftoverKinds.indexOf(first), `${first} before ${then}`).toBeLessThan(
        leftoverKinds.indexOf(then),
      );
  });

  it("is named as people know it", () => {
    expect(nameOfLeftover(found(ec2("network-interface/eni-1")))).toBe("network interface eni-1");
    expect(nameOfLeftover(found("arn:aws:s3:::models"))).toBe("bucket models");
  });
});
