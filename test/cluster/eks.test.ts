import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { plannedEks } from "../../commands/plan/eks.ts";
import { readStack } from "../../commands/stack/config.ts";
import { noConfig } from "../../core/policy/config.ts";
import { evaluate, formatViolation } from "../../core/policy/evaluate.ts";
import { policyRules } from "../../core/policy/rules/index.ts";
import { eksOf } from "../../core/spec/platform.ts";
import { allows } from "../support/aws/iam.ts";
import { networkInterface } from "../support/aws/ec2.ts";
import { cluster as clusterType, nodeGroup, addon } from "../support/aws/eks.ts";
import { loadBalancer } from "../support/aws/cluster-life.ts";
import { look, type JournalEntry } from "../support/aws/account.ts";
import { deeds, isBefore, summary, type Deed } from "../support/aws/journal.ts";
import { deletedSecret, secretVersion } from "../support/aws/secrets.ts";
import { textMap } from "../support/aws/values.ts";
import { AwsWorld, committedConfig, withConfig } from "../support/aws/world.ts";
import { clusterSuite, missingForSimulated, waitFor } from "../support/cluster.ts";
import { eventsOf, type PolicyEvent } from "../support/policy-events.ts";
import type { TestStack } from "../support/stack.ts";
import { projectRoot } from "../support/tools.ts";

/**
 * Whole stacks on AWS, as committed, under the real engine: AWS is simulated, Kubernetes is real but for its nodes, and
 * charts are stand-ins. What a step did is read from the account and its journal.
 */

const podsSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
      spec: z.object({ nodeName: z.string().optional() }),
      status: z.object({ phase: z.string() }),
    }),
  ),
});

/** Neither the state nor its history has these words. */
function expectNoneInState(stack: TestStack, words: readonly string[]): void {
  const files = readdirSync(stack.state, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".json"),
  );
  expect(files).not.toEqual([]);
  for (const name of files) {
    const text = readFileSync(path.join(stack.state, name), "utf8");
    for (const word of words) expect(text.includes(word), `${word} in ${name}`).toBe(false);
  }
}

async function succeed(operation: Promise<{ code: number; text: string }>): Promise<string> {
  const { code, text } = await operation;
  expect(code, text).toBe(0);
  return text;
}

async function podsOn(world: AwsWorld, namespace: string): Promise<z.output<typeof podsSchema>["items"]> {
  return (await world.cluster.read(podsSchema, "get", "pods", "--namespace", namespace)).items;
}

/** What acts for a cluster's objects outlives them: of a destroy, what goes before what. */
const withWorkload: readonly (readonly [Deed, Deed])[] = [
  [{ type: loadBalancer }, { type: nodeGroup }],
  [{ type: loadBalancer }, { type: "aws:iam/rolePolicy:", name: /load-balancer-controller/ }],
  [{ type: loadBalancer }, { type: "aws:eks/accessPolicyAssociation:" }],
  [{ type: "externalsecrets" }, { type: "aws:iam/rolePolicy:", name: /secret-reader/ }],
  [{ type: "externalsecrets" }, { type: nodeGroup }],
];
const withCluster: readonly (readonly [Deed, Deed])[] = [
  [{ type: addon, name: /ebs-csi/ }, { type: nodeGroup }],
  [{ type: nodeGroup }, { type: addon, name: /vpc-cni/ }],
  [{ type: nodeGroup }, { type: "aws:iam/rolePolicyAttachment:", name: /-node-/ }],
  [{ type: nodeGroup }, { type: clusterType }],
  [{ type: clusterType }, { type: "aws:iam/rolePolicyAttachment:", name: /control-plane/ }],
  [{ type: clusterType }, { type: "aws:kms/key:", name: /^triton-\w+-key$/ }],
  [{ type: clusterType }, { type: "aws:cloudwatch/logGroup:", name: /^triton-\w+-logs$/ }],
];
const withNetwork: readonly (readonly [Deed, Deed])[] = [
  [{ type: clusterType }, { type: "aws:ec2/natGateway:" }],
  [{ type: clusterType }, { type: "aws:ec2/subnet:" }],
  [{ type: "aws:ec2/subnet:" }, { type: "aws:ec2/vpc:" }],
];

function expectOrder(journal: readonly JournalEntry[], rules: readonly (readonly [Deed, Deed])[]): void {
  const text = ({ type = "", name }: Deed): string => `${type} ${String(name ?? "")}`;
  const broken = rules.filter(([first, then]) => !isBefore(journal, first, then));
  expect(
    broken.map(([first, then]) => `${text(first)} before ${text(then)}`),
    summary(journal).join("\n"),
  ).toEqual([]);
}

describe.skipIf(missingForSimulated.length > 0)(
  clusterSuite("the stack dev, from an empty account and back", missingForSimulated),
  () => {
    let world: AwsWorld;
    let stack: TestStack;
    const plantedKey = `sk-planted-${String(Date.now())}`;
    /** How to end what has started, the last first, however far `beforeAll` got. */
    const endings: (() => unknown)[] = [];

    beforeAll(async () => {
      world = await AwsWorld.start("triton-dev-models-111122223333-us-east-1");
      endings.unshift(() => world.stop());
      stack = await world.stack(
        configWith({ "triton-platform:eks": { cluster: { version: "1.34" } } }),
        "dev",
      );
      endings.unshift(() => {
        stack.remove();
      });
      await stack.setSecret("holysheep:apiKey", plantedKey);
    });

    afterAll(async () => {
      for (const end of endings) await end();
    });

    function configWith(above: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
      return withConfig(withConfig(committedConfig("dev"), world.charts), above);
    }

    async function secretInCluster(): Promise<string> {
      const encoded = await world.cluster.kubectl(
        ...["get", "secret", "holysheep", "--namespace", "triton", "-o", "jsonpath={.data.api-key}"],
      );
      return Buffer.from(encoded, "base64").toString();
    }

    it("previews all of it, and touches nothing", async () => {
      await succeed(stack.preview());
      expect(world.account.journal).toEqual([]);
      expect(world.account.resources()).toEqual([]);
    });

    it("is judged by the engine as by the plan, as strictly as in prod", async () => {
      const { config, ...committed } = readStack("dev");
      const { cluster, ...eks } = eksOf(config);
      if (cluster === undefined) throw new Error("dev makes a cluster");
      const planned = await plannedEks({
        ...committed,
        config: { ...config, environment: "prod", eks: { ...eks, cluster: { ...cluster, version: "1.34" } } },
      });
      const settings = { environment: planned.environment, config: noConfig };
      const inThePlan = evaluate(policyRules, planned.resources, settings).map(
        ({ rule, level, resource, finding }) =>
          "undecided" in finding ? "" : `${level} ${rule.id} ${formatViolation(resource, finding)}`,
      );
      const log = path.join(stack.directory, "events.json");
      stack.configure({ "triton-platform:environment": "prod" });
      const pack = path.join(projectRoot, "policy");
      const { code } = await stack.preview("--policy-pack", pack, "--event-log", log);
      stack.configure({ "triton-platform:environment": "dev" });
      expect(code).not.toBe(0);
      const events = eventsOf(log);
      // Of a document with a key's ARN in it, and of a cluster that is not there yet.
      const isUndecided = ({ message }: PolicyEvent): boolean => message.includes("can't run policy");
      const undecided = new Set(events.filter(isUndecided).map(({ policyName }) => policyName));
      const inTheEngine = events
        .filter((event) => !isUndecided(event))
        // The engine puts the policy's description before the message.
        .map(
          ({ policyName, enforcementLevel, message }) =>
            `${enforcementLevel} ${policyName} ${message.slice(message.indexOf("\n") + 1)}`,
        );
      expect(inTheEngine.sort()).toEqual(
        inThePlan.filter((line) => !undecided.has(line.split(" ", 2)[1] ?? "")).sort(),
      );
      expect(undecided).toContain("network-default-deny");
      expect(inThePlan.some((line) => line.startsWith("mandatory prod-protected Bucket "))).toBe(true);
    });

    it("fails where a group finds no capacity, and keeps what is there", async () => {
      world.account.fail("create", nodeGroup, "api error InsufficientInstanceCapacity: none in us-east-1a", {
        name: "triton-dev-system-nodes",
      });
      const { code, text } = await stack.up();
      expect(code).not.toBe(0);
      expect(text).toContain("InsufficientInstanceCapacity");
      expect(world.account.resources(clusterType)).toHaveLength(1);
      expect(world.account.resources(nodeGroup).map(({ name }) => name)).not.toContain(
        "triton-dev-system-nodes",
      );
    });

    it("converges with the next up", async () => {
      const recorded = world.account.recording();
      await succeed(stack.up());
      // What was there is not made again.
      expect(deeds(recorded(), { verb: "create", type: clusterType })).toEqual([]);
      expect(deeds(recorded(), { verb: "delete", type: "aws:" })).toEqual([]);
      expect(world.account.resources(nodeGroup)).toHaveLength(2);
      expect(world.cliCalls()[0]).toEqual(
        ...[
          ["eks", "get-token", "--cluster-name", "triton-dev", "--region", "us-east-1", "--output", "json"],
        ],
      );
    });

    it("serves: GPU pods on the node that the autoscaler made, an NLB in front", async () => {
      const pods = await podsOn(world, "triton");
      expect(pods.length).toBeGreaterThan(2);
      expect(pods.filter(({ status }) => status.phase !== "Running")).toEqual([]);
      const gpu = pods.filter(({ metadata }) => metadata.labels["app.kubernetes.io/instance"] === "gpu");
      expect(gpu.map(({ spec }) => spec.nodeName)).toEqual([expect.stringContaining("a100")]);
      expect(world.account.the(loadBalancer).id).toBe("triton/triton-balancer");
    });

    it("has the stack's tags on all that AWS tags", () => {
      const tags = { owner: "ml-platform", environment: "dev", "cost-center": "4711" };
      const taggable = world.account.resources().filter(({ properties }) => properties.tagsAll !== undefined);
      expect(taggable.length).toBeGreaterThan(40);
      for (const { name, properties } of taggable)
        expect(textMap(properties.tagsAll), name).toMatchObject(tags);
    });

    it("has secrets in AWS and in the pods' namespace, and in no state", async () => {
      const values = world.account
        .resources(secretVersion)
        .map(({ properties }) => String(properties.secretString));
      expect(values).toContain(plantedKey);
      await waitFor("the pods' Secret", async () => (await secretInCluster()) === plantedKey);
      expectNoneInState(stack, [plantedKey, "admin-token"]);
    });

    it("lets pods read their models, and nothing else", () => {
      const mayRead = (bucket: string, key: string): boolean =>
        allows(
          look(world.account.file),
          "triton-dev-us-east-1-model-reader",
          "s3:GetObject",
          `arn:aws:s3:::${bucket}/${key}`,
        );
      expect(world.objects.objects.size).toBeGreaterThan(0);
      for (const key of world.objects.objects.keys())
        expect(mayRead(world.objects.bucket, key), key).toBe(true);
      expect(mayRead(world.objects.bucket, "else/x")).toBe(false);
      expect(mayRead("another", "triton/x")).toBe(false);
    });

    it("changes nothing with the second up, not the size that the autoscaler chose either", async () => {
      const recorded = world.account.recording();
      await succeed(stack.up("--expect-no-changes"));
      expect(summary(recorded())).toEqual([]);
      expect(world.account.the(nodeGroup, "triton-dev-a100-nodes").properties.scalingConfig).toMatchObject({
        desiredSize: 1,
      });
    });

    it("brings another key to the pods, and replaces none of them", async () => {
      const names = async (): Promise<string[]> =>
        (await podsOn(world, "triton")).map(({ metadata }) => metadata.name).sort();
      const before = await names();
      await stack.setSecret("holysheep:apiKey", `${plantedKey}-next`);
      await succeed(stack.up());
      await waitFor("the new key", async () => (await secretInCluster()) === `${plantedKey}-next`);
      expect(await names()).toEqual(before);
      expect(world.account.resources(secretVersion)).toHaveLength(2);
    });

    it("does not jump over a version, and is as it was", async () => {
      const recorded = world.account.recording();
      stack.configure(configWith({ "triton-platform:eks": { cluster: { version: "1.36" } } }));
      const { code, text } = await stack.up();
      expect(code).not.toBe(0);
      expect(text).toContain("from 1.34 to 1.36");
      expect(deeds(recorded(), { type: nodeGroup })).toEqual([]);
      expect(world.account.the(clusterType).properties.version).toBe("1.34");
    });

    it("upgrades the cluster, then its nodes, in place", async () => {
      const recorded = world.account.recording();
      stack.configure(configWith({ "triton-platform:eks": { cluster: { version: "1.35" } } }));
      await succeed(stack.up());
      const journal = recorded();
      expect(
        isBefore(journal, { verb: "update", type: clusterType }, { verb: "update", type: nodeGroup }),
      ).toBe(true);
      expect(deeds(journal, { verb: "create" })).toEqual([]);
      expect(deeds(journal, { verb: "delete" })).toEqual([]);
      for (const { properties } of world.account.resources(nodeGroup))
        expect(properties.version).toBe("1.35");
      expect(world.account.the(nodeGroup, "triton-dev-a100-nodes").properties.scalingConfig).toMatchObject({
        desiredSize: 1,
      });
    });

    it("replaces a group by another type of machine: the new one comes before the old one goes", async () => {
      const recorded = world.account.recording();
      stack.configure(configWith({ "triton-platform:nodes": { system: { instanceType: "m7i.4xlarge" } } }));
      await succeed(stack.up());
      const journal = recorded();
      const system = /system-nodes/;
      expect(
        isBefore(
          journal,
          { verb: "create", type: nodeGroup, name: system },
          { verb: "delete", type: nodeGroup, name: system },
        ),
      ).toBe(true);
      expect(deeds(journal, { type: nodeGroup, name: /a100/ })).toEqual([]);
      expect(deeds(journal, { verb: "delete", type: loadBalancer })).toEqual([]);
      await waitFor("all pods on the new nodes", async () => {
        const all = [...(await podsOn(world, "triton")), ...(await podsOn(world, "kube-system"))];
        return all.every(({ status }) => status.phase === "Running");
      });
    });

    it("goes in order, and leaves an empty account", async () => {
      const recorded = world.account.recording();
      await succeed(stack.destroy());
      expectOrder(deeds(recorded(), { verb: "delete" }), [...withWorkload, ...withCluster, ...withNetwork]);
      expect(world.account.resources().map(({ type, id }) => `${type} ${id}`)).toEqual([]);
      expect(world.account.resources(networkInterface)).toEqual([]);
    });
  },
);

describe.skipIf(missingForSimulated.length > 0)(
  clusterSuite("the stacks prod-base and prod", missingForSimulated),
  () => {
    let world: AwsWorld;
    let base: TestStack;
    let models: TestStack;
    const plantedKey = `sk-planted-${String(Date.now())}`;
    /** How to end what has started, the last first, however far `beforeAll` got. */
    const endings: (() => unknown)[] = [];
    const unprotected = { "triton-platform:eks": { protect: false } };

    beforeAll(async () => {
      world = await AwsWorld.start("triton-prod-models-111122223333-us-east-1", {
        reservations: { "cr-0123456789abcdef0": { zone: "us-east-1b", instanceType: "p4de.24xlarge" } },
      });
      endings.unshift(() => world.stop());
      base = await world.stack(withConfig(committedConfig("prod-base"), world.chartsOfCluster), "prod-base");
      endings.unshift(() => {
        base.remove();
      });
      models = await base.beside("prod", withConfig(committedConfig("prod"), world.chartsOfWorkload));
      await models.setSecret("holysheep:apiKey", plantedKey);
    });

    afterAll(async () => {
      for (const end of endings) await end();
    });

    function asRole(name: string): void {
      world.account.configure({ callerArn: `arn:aws:sts::111122223333:assumed-role/${name}/ci` });
    }

    it("wants the base first", async () => {
      const { code, text } = await models.preview();
      expect(code).not.toBe(0);
      expect(text).toContain("prod-base");
      expect(world.account.journal).toEqual([]);
    });

    it("comes up: the base by who may make clusters, models by who may not", async () => {
      await succeed(base.up());
      expect(world.account.the(clusterType).properties).toMatchObject({
        deletionProtection: true,
        vpcConfig: { endpointPublicAccess: false },
      });
      asRole("model-deployers");
      const recorded = world.account.recording();
      await succeed(models.up());
      for (const type of ["aws:ec2/", "aws:eks/", "aws:autoscaling/"])
        expect(deeds(recorded(), { type })).toEqual([]);
    });

    it("serves: on the reserved machine, with a name in Route 53 for the NLB, and sizes that KEDA chooses", async () => {
      const { records } = world.account.the("aws:route53/record:Record").properties;
      expect(records).toEqual([world.account.the(loadBalancer).properties.dnsName]);
      const pods = await podsOn(world, "triton");
      expect(pods.filter(({ status }) => status.phase !== "Running")).toEqual([]);
      expect(
        await world.cluster.kubectl("get", "scaledobjects", "--namespace", "triton", "--output=name"),
      ).toMatch(/gpu[^]*llm/);
      expectNoneInState(models, [plantedKey, "admin-token"]);
    });

    it("changes nothing with the second up of either", async () => {
      const recorded = world.account.recording();
      await succeed(models.up("--expect-no-changes"));
      asRole("deployers");
      await succeed(base.up("--expect-no-changes"));
      expect(summary(recorded())).toEqual([]);
    });

    it("does not go while it is protected", async () => {
      const recorded = world.account.recording();
      for (const stack of [models, base]) {
        const { code, text } = await stack.destroyAfterPreview();
        expect(code).not.toBe(0);
        expect(text).toContain("protect");
      }
      expect(summary(recorded())).toEqual([]);
    });

    it("goes once it is unprotected, models first, and leaves secrets that can be had back", async () => {
      models.configure(withConfig(withConfig(committedConfig("prod"), world.chartsOfWorkload), unprotected));
      base.configure(
        withConfig(withConfig(committedConfig("prod-base"), world.chartsOfCluster), unprotected),
      );
      await succeed(models.up());
      await succeed(base.up());
      expect(world.account.the(clusterType).properties.deletionProtection).toBe(false);
      const recorded = world.account.recording();
      await succeed(models.destroy());
      await succeed(base.destroy());
      const journal = deeds(recorded(), { verb: "delete" });
      expectOrder(journal, [
        ...[...withWorkload, ...withCluster, ...withNetwork],
        [{ type: "scaledobjects" }, { type: nodeGroup }],
        [{ type: "aws:route53/record:" }, { type: clusterType }],
      ]);
      const rest = world.account.resources().filter(({ type }) => type !== deletedSecret);
      expect(rest.map(({ type, id }) => `${type} ${id}`)).toEqual([]);
    });
  },
);
