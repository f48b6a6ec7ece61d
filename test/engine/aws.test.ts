import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { findProgram } from "../../commands/setup/find-program.ts";
import { networkInterface, subnet, vpc } from "../support/aws/ec2.ts";
import { cluster, nodeGroup } from "../support/aws/eks.ts";
import { deeds, isBefore, summary } from "../support/aws/journal.ts";
import { SimulatedAccount } from "../support/aws/simulated-account.ts";
import { textMap } from "../support/aws/values.ts";
import { awsStack, committedConfig } from "../support/aws/world.ts";
import { clusterSuite } from "../support/cluster.ts";
import type { TestStack } from "../support/stack.ts";
import { projectRoot } from "../support/tools.ts";

/** Stacks on a simulated AWS under the real engine, as far as they need no Kubernetes. */

const missing = ["pulumi", "pulumi-language-nodejs"].filter((name) => findProgram(name) === undefined);

async function succeed(operation: Promise<{ code: number; text: string }>): Promise<string> {
  const { code, text } = await operation;
  expect(code, text).toBe(0);
  return text;
}

async function failed(operation: Promise<{ code: number; text: string }>): Promise<string> {
  const { code, text } = await operation;
  expect(code, text).not.toBe(0);
  return text;
}

/** By the platform's own program. */
async function refused(operation: Promise<{ code: number; text: string }>): Promise<string> {
  const text = await failed(operation);
  // Nobody's mistake in a config ends in a trace.
  expect(text).not.toMatch(/at .*\.[mt]?[jt]s:\d+/);
  return text;
}

/** Whatever a suite has started is ended, the last first. */
function endings(): (() => unknown)[] {
  const all: (() => unknown)[] = [];
  afterAll(async () => {
    for (const end of all) await end();
  });
  return all;
}

describe.skipIf(missing.length > 0)(clusterSuite("the simulated AWS under the engine", missing), () => {
  let account: SimulatedAccount;
  let stack: TestStack;
  const toEnd = endings();

  beforeAll(async () => {
    account = new SimulatedAccount();
    const main = path.join(projectRoot, "test", "support", "aws", "fixture", "program.mjs");
    stack = await awsStack({}, account, { main });
    toEnd.push(
      () => {
        stack.remove();
      },
      () => {
        account.remove();
      },
    );
  });

  it("previews what AWS decides as unknown, and makes nothing", async () => {
    const text = await succeed(stack.preview("--diff"));
    expect(text).toMatch(/roleArn +: \[unknown\]/);
    expect(text).toMatch(/clusterGroup *: \[unknown\]/);
    expect(text).toMatch(/version +: "1\.34"/);
    expect(account.journal).toEqual([]);
  });

  it("refuses in the preview what AWS would refuse later", async () => {
    stack.configure({ "triton-platform:owner": "a;b" });
    expect(await failed(stack.preview())).toContain("may not have");
    stack.configure({ "triton-platform:owner": "platform" });
  });

  it("keeps what is there when something fails half-way, and goes on from there", async () => {
    account.fail("create", cluster, "api error ServiceUnavailableException: try again later");
    expect(await failed(stack.up())).toContain("ServiceUnavailableException");
    expect(account.resources(vpc)).toHaveLength(1);
    const recorded = account.recording();
    await succeed(stack.up());
    expect(deeds(recorded(), { verb: "create", type: vpc })).toEqual([]);
    expect(deeds(recorded(), { verb: "create", type: cluster })).toHaveLength(1);
    await succeed(stack.up("--expect-no-changes"));
  });

  it("keeps a group that AWS left half made, and takes it up again", async () => {
    stack.configure({ "triton-platform:instanceType": "m7i.xlarge" });
    account.fail("create", nodeGroup, "unexpected state 'CREATE_FAILED'", { leavesRemains: true });
    expect(await failed(stack.up())).toContain("CREATE_FAILED");
    await succeed(stack.up());
    expect(account.the(nodeGroup).properties.instanceTypes).toEqual(["m7i.xlarge"]);
  });

  it("goes back after an update that failed, to what is still there", async () => {
    const recorded = account.recording();
    stack.configure({ "triton-platform:instanceType": "m7i.4xlarge" });
    account.fail("create", nodeGroup, "api error ResourceLimitExceeded: no more of these");
    expect(await failed(stack.up())).toContain("ResourceLimitExceeded");
    stack.configure({ "triton-platform:instanceType": "m7i.xlarge" });
    await succeed(stack.up());
    expect(account.the(nodeGroup).properties.instanceTypes).toEqual(["m7i.xlarge"]);
    expect(deeds(recorded(), { verb: "delete", type: nodeGroup })).toEqual([]);
  });

  it("knows a component under another name again where it has an alias, and on the way back", async () => {
    const recorded = account.recording();
    stack.configure({ "triton-platform:logs": "records", "triton-platform:formerLogs": '["logs"]' });
    await succeed(stack.up());
    stack.configure({ "triton-platform:logs": "logs", "triton-platform:formerLogs": '["records"]' });
    await succeed(stack.up());
    expect(summary(recorded())).toEqual([]);
  });

  it("upgrades in place and replaces what must be, the new before the old", async () => {
    const recorded = account.recording();
    stack.configure({ "triton-platform:version": "1.35", "triton-platform:instanceType": "m7i.2xlarge" });
    await succeed(stack.up());
    const journal = recorded();
    expect(deeds(journal, { verb: "update", type: cluster })).toHaveLength(1);
    expect(isBefore(journal, { verb: "update", type: cluster }, { verb: "create", type: nodeGroup })).toBe(
      true,
    );
    expect(isBefore(journal, { verb: "create", type: nodeGroup }, { verb: "delete", type: nodeGroup })).toBe(
      true,
    );
  });

  it("updates all that has tags when the provider's change", async () => {
    stack.configure({ "triton-platform:owner": "others" });
    await succeed(stack.up());
    for (const { properties } of account.resources(subnet))
      expect(textMap(properties.tagsAll).owner).toBe("others");
    expect(deeds(account.journal, { verb: "delete", type: subnet })).toEqual([]);
  });

  it("refuses credentials of another account, for a destroy as well", async () => {
    account.configure({ id: "999999999999" });
    const recorded = account.recording();
    expect(await failed(stack.up())).toContain("AWS account ID not allowed: 999999999999");
    expect(await failed(stack.destroy())).toContain("AWS account ID not allowed: 999999999999");
    expect(summary(recorded())).toEqual([]);
    account.configure({ id: "111122223333" });
  });

  it("goes, and leaves an empty account", async () => {
    const recorded = account.recording();
    await succeed(stack.destroy());
    expect(isBefore(recorded(), { verb: "delete", type: nodeGroup }, { verb: "delete", type: cluster })).toBe(
      true,
    );
    expect(isBefore(recorded(), { verb: "delete", type: subnet }, { verb: "delete", type: vpc })).toBe(true);
    expect(account.resources()).toEqual([]);
  });
});

describe.skipIf(missing.length > 0)(clusterSuite("what AWS does not have, under the engine", missing), () => {
  let account: SimulatedAccount;
  let stack: TestStack;
  const toEnd = endings();

  beforeAll(async () => {
    account = new SimulatedAccount();
    stack = await awsStack(committedConfig("dev"), account, { name: "dev" });
    toEnd.push(
      () => {
        stack.remove();
      },
      () => {
        account.remove();
      },
    );
    await stack.setSecret("holysheep:apiKey", "sk-planted");
  });

  it("is told at once in the preview, each with its mend", async () => {
    account.configure({
      quotas: { "L-417A185B": 0, "L-1216C47A": 8 },
      offerings: {
        "us-east-1a": ["m7i.2xlarge"],
        "us-east-1b": ["m7i.2xlarge"],
        "us-east-1c": ["p4d.24xlarge"],
      },
    });
    const text = await refused(stack.preview());
    expect(text).toContain("L-417A185B");
    expect(text).toContain("p4d.24xlarge is not offered in us-east-1a, us-east-1b");
    expect(account.journal).toEqual([]);
    account.configure({ quotas: { "L-417A185B": 1_152, "L-1216C47A": 640 }, offerings: {} });
  });

  it("a zone that is none of the account's", async () => {
    account.configure({ zones: { "us-east-1": ["us-east-1a", "us-east-1c"] } });
    expect(await refused(stack.preview())).toContain("no zone `us-east-1b` for this account");
    account.configure({ zones: { "us-east-1": ["us-east-1a", "us-east-1b", "us-east-1c"] } });
  });

  it("another account, and who would not be let in", async () => {
    account.configure({ id: "999999999999" });
    const text = await refused(stack.preview());
    expect(text).toContain("eks.account");
    expect(text).toContain("999999999999");
    account.configure({ id: "111122223333", callerArn: "arn:aws:sts::111122223333:assumed-role/guests/me" });
    expect(await refused(stack.preview())).toContain("arn:aws:iam::111122223333:role/guests");
    expect(account.journal).toEqual([]);
  });
});

const eksSchema = z.looseObject({
  account: z.string(),
  region: z.string(),
  tags: z.unknown(),
  network: z.unknown(),
});

/** The network of a committed stack by itself. */
function networkOf(
  stack: string,
  { protect }: { readonly protect: boolean },
): Readonly<Record<string, unknown>> {
  const { account, region, tags, network } = eksSchema.parse(committedConfig(stack)["triton-platform:eks"]);
  return {
    "triton-platform:target": "eks",
    "triton-platform:eks": { account, region, tags, network, layers: ["network"], protect },
  };
}

describe.skipIf(missing.length > 0)(clusterSuite("the layer network under the engine", missing), () => {
  let account: SimulatedAccount;
  let stack: TestStack;
  const toEnd = endings();

  beforeAll(async () => {
    account = new SimulatedAccount();
    stack = await awsStack(networkOf("prod-base", { protect: true }), account, { name: "net" });
    toEnd.push(
      () => {
        stack.remove();
      },
      () => {
        account.remove();
      },
    );
  });

  it("has a NAT gateway and two subnets in each of three zones, and endpoints in the private ones", async () => {
    await succeed(stack.up());
    const zones = account.resources(subnet).map(({ properties }) => String(properties.availabilityZone));
    expect([...zones].sort()).toEqual(["a", "a", "b", "b", "c", "c"].map((zone) => `us-east-1${zone}`));
    expect(account.resources("aws:ec2/natGateway:NatGateway")).toHaveLength(3);
    expect(account.resources(networkInterface).length).toBe(3 + 10 * 3);
    await succeed(stack.up("--expect-no-changes"));
  });

  it("does not go while it is protected; then it does", async () => {
    const recorded = account.recording();
    expect(await refused(stack.destroyAfterPreview())).toContain("protect");
    expect(summary(recorded())).toEqual([]);
    stack.configure(networkOf("prod-base", { protect: false }));
    await succeed(stack.up());
    await succeed(stack.destroy());
    expect(account.resources()).toEqual([]);
  });
});
