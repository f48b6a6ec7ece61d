import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arn, awsNames, nameProblems } from "../../../core/aws/names.ts";
import { regions } from "../../../core/aws/regions.ts";
import type { EksPlan, PodRolePlan, ServiceRolePlan } from "../../../core/aws/plan.ts";
import { account, devConfig, file, planOf } from "./aws-support.ts";

const longest = "a".repeat(28);

function rolesOf({ network, cluster, workload }: EksPlan): (PodRolePlan | ServiceRolePlan | undefined)[] {
  return [
    network !== undefined && "flowLogRole" in network ? network.flowLogRole : undefined,
    cluster?.role,
    cluster?.nodeRole,
    ...(cluster?.addons ?? []).map(({ role }) => role),
    ...(cluster?.controllers ?? []).map(({ role }) => role),
    workload?.readerRole,
    workload?.secrets?.readerRole,
  ];
}

describe("names in AWS", () => {
  it("fit whatever the region and the name, and are AWS' kind of names", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...regions),
        fc
          .stringMatching(/^[a-z]([a-z0-9-]{0,26}[a-z0-9])?$/)
          .filter((name) => nameProblems({ account, region: "us-east-1", name }, "dev", file).length === 0),
        (region, name) => {
          const names = awsNames({ account, region, name }, "dev");
          for (const bucket of [names.modelBucket, names.logBucket])
            expect(bucket).toMatch(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/);
          // Source: ECR API, CreateRepository, `repositoryName`.
          expect(names.imageRepository).toMatch(/^[a-z0-9]+(?:[._-][a-z0-9]+)*\/triton$/);
          for (const secret of [names.holysheepSecret, names.apiKeysSecret])
            expect(secret).toMatch(/^[\w/+=.@-]{1,512}$/);
        },
      ),
    );
  });

  it("of roles fit where name and region are the longest", () => {
    const region = "ap-northeast-1";
    expect(Math.max(...regions.map(({ length }) => length))).toBe(region.length);
    const zones = [`${region}a`, `${region}c`];
    const roles = rolesOf(planOf(devConfig({ eks: { name: longest, region, network: { zones } } })));
    expect(roles.length).toBeGreaterThan(7);
    for (const role of roles) if (role !== undefined) expect(role.roleName).toMatch(/^[\w+=,.@-]{1,64}$/);
    const names = roles.flatMap((role) => role?.roleName ?? []);
    expect(new Set(names).size).toBe(names.length);
  });

  it("differ between regions and accounts where they are everybody's", () => {
    const one = awsNames({ account, region: "us-east-1" }, "dev");
    const other = awsNames({ account, region: "eu-west-1" }, "dev");
    expect(one.modelBucket).not.toBe(other.modelBucket);
    const [role] = rolesOf(planOf(devConfig())).flatMap((each) => each ?? []);
    expect(role?.roleName).toContain("us-east-1");
  });

  it("come of the stack's name where the config gives none", () => {
    expect(awsNames({ account, region: "us-east-1" }, "dev").name).toBe("triton-dev");
    expect(nameProblems({ account, region: "us-east-1" }, "dev", file)).toEqual([]);
  });

  it.each(["Dev", "a.b", "x".repeat(22), "dev_1", "dev-"])("are refused for a stack %s", (stack) => {
    const problems = nameProblems({ account, region: "us-east-1" }, stack, file);
    expect(problems.map(({ path }) => path)).toEqual(["triton-platform:eks.name"]);
    expect(nameProblems({ account, region: "us-east-1", name: "models" }, stack, file)).toEqual([]);
  });

  it.each(["xn--models", "sthree-models", "amzn-s3-demo-1", "a--b"])(
    "are refused where a bucket's or an image's cannot begin so, or have it: %s",
    (name) => {
      expect(nameProblems({ account, region: "us-east-1", name }, "dev", file)).toHaveLength(1);
    },
  );
});

describe("ARNs", () => {
  it.each([
    ["us-east-1", "s3", "models", "arn:aws:s3:::models"],
    ["us-east-1", "iam", "role/x", `arn:aws:iam::${account}:role/x`],
    ["cn-north-1", "secretsmanager", "secret:x", `arn:aws-cn:secretsmanager:cn-north-1:${account}:secret:x`],
    ["us-gov-west-1", "logs", "log-group:x", `arn:aws-us-gov:logs:us-gov-west-1:${account}:log-group:x`],
  ] as const)("in %s of %s %s", (region, service, resource, expected) => {
    expect(arn({ account, region }, service, resource)).toBe(expected);
  });
});
