import path from "node:path";
import yaml from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { plannedEks } from "../../commands/plan/eks.ts";
import { plainInputs, type Registered } from "../../commands/plan/record.ts";
import { readStack, type NamedStack } from "../../commands/stack/config.ts";
import { isLater } from "../../core/plan/later.ts";
import { longestComment, markdownReport } from "../../core/plan/markdown.ts";
import type { PlannedStack } from "../../core/plan/planned.ts";
import { planReport, type PlanReport } from "../../core/plan/report.ts";
import { resourcesFolder, shownInputs } from "../../core/plan/resources.ts";
import { noConfig } from "../../core/policy/config.ts";
import { policyRules } from "../../core/policy/rules/index.ts";
import { Value } from "../../core/policy/value.ts";
import { eksOf, parsePlatform } from "../../core/spec/platform.ts";
import { startApiServer, type ApiServer } from "../support/aws-mocks.ts";
import { runOf } from "../support/aws-stacks.ts";
import { projectRoot } from "../support/tools.ts";

/** What `npm run plan` says of stacks on AWS: all that `up` registers, judged, and what a change does to it. */

const fileSchema = z.object({
  ...{ type: z.string(), name: z.string(), protect: z.literal(true).exactOptional() },
  inputs: z.record(z.string(), z.unknown()),
});

function resourcesIn({ files }: PlannedStack): z.output<typeof fileSchema>[] {
  return [...files]
    .filter(([name]) => name.startsWith(resourcesFolder))
    .map(([, text]) => fileSchema.parse(yaml.load(text)));
}

function report(stack: PlannedStack, base?: PlannedStack): PlanReport {
  const options = {
    ...{ rules: policyRules, environment: stack.environment, config: noConfig },
    priceNotes: [],
  };
  if (base === undefined) return planReport(stack, options);
  return planReport(stack, {
    ...options,
    base: { label: "main", files: base.files, report: planReport(base, options) },
  });
}

describe.each(["dev", "prod-base", "prod"])("the plan of the stack %s", (stack) => {
  let apiServer: ApiServer;
  let planned: PlannedStack;
  beforeAll(async () => {
    apiServer = await startApiServer();
    planned = await plannedEks(readStack(stack));
  });
  afterAll(() => apiServer.stop());

  it("has each resource that up registers, with its inputs as far as they are known before", async () => {
    const { resources: registered } = await runOf(stack, apiServer);
    const isResource = ({ type, custom }: Registered): boolean =>
      custom && /^(aws|docker|random|pulumi:providers):/.test(type);
    const real = registered.filter(isResource).map(({ type, name, inputs, protect }) => {
      return { type, name, protect, inputs: shownInputs(plainInputs(inputs)) };
    });
    const shown = resourcesIn(planned);
    const key = ({ type, name }: { type: string; name: string }): string => `${type} ${name}`;
    expect(shown.map(key).sort()).toEqual(real.map(key).sort());
    for (const resource of real) {
      const found = shown.find((other) => key(other) === key(resource));
      expect(found?.protect ?? false, key(resource)).toBe(resource.protect);
      expect(asFarAsKnown(resource.inputs, found?.inputs), key(resource)).toEqual(found?.inputs);
    }
    // The rest of what is registered are the cluster's objects, which have files of their own.
    const others = registered.filter((each) => each.custom && !isResource(each)).map(({ type }) => type);
    expect(others.filter((type) => !/^(kubernetes|modelstore|pulumi:pulumi):/.test(type))).toEqual([]);
    const objects = others.filter((type) => type.startsWith("kubernetes:"));
    const releases = objects.filter((type) => type.startsWith("kubernetes:helm.sh/"));
    const count = (folder: string): number =>
      [...planned.files.keys()].filter((name) => name.startsWith(folder)).length;
    expect(count("charts/")).toBe(releases.length);
    expect(count("manifests/")).toBe(objects.length - releases.length);
  });

  it("passes the policies of its environment, and names what is decided on up", () => {
    const { policies, undecided } = report(planned);
    // Digests of images are for whoever deploys to look up: an example cannot know them.
    expect(policies.filter(({ rule }) => rule !== "image-digest")).toEqual([]);
    expect(undecided).toEqual([]);
  });

  it("is the same each time, byte for byte", async () => {
    expect([...(await plannedEks(readStack(stack))).files]).toEqual([...planned.files]);
  });

  it("has no secret in it", () => {
    for (const [name, text] of planned.files) expect(text, name).not.toContain("of the stack's config");
  });
});

/** A value with what the plan does not know put into it: the two are the same but for that. */
function asFarAsKnown(real: unknown, shown: unknown): unknown {
  if (typeof shown === "string" && isLater(shown)) return real === undefined ? undefined : shown;
  if (Array.isArray(real) && Array.isArray(shown))
    return real.map((item: unknown, i) => asFarAsKnown(item, shown[i]));
  if (!isRecord(real) || !isRecord(shown)) return real;
  // Keys of conditions have the cluster's issuer in them.
  const keys = Object.keys(shown);
  return Object.fromEntries(
    Object.entries(real).map(([key, value], i) => {
      const other = keys[i] !== undefined && isLater(keys[i]) ? keys[i] : key;
      return [other, asFarAsKnown(value, shown[other])];
    }),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

it("shows all given subnets where AWS alone knows their zones, and says so", async () => {
  const values = {
    ...{ "triton-platform:target": "eks", "triton-platform:defaultServer": "gpu" },
    ...{ "holysheep:baseUrl": "https://api.holysheep.ai/v1", "holysheep:model": "of a test" },
    "triton-platform:nodes": { system: { instanceType: "m7i.2xlarge", count: 2 } },
    "triton-platform:eks": {
      ...{ account: "111122223333", region: "us-east-1", layers: ["cluster"], baseStack: "org/models/base" },
      tags: { owner: "ml-platform", environment: "dev", costCenter: "4711" },
      cluster: {
        access: { sre: { principalArn: "arn:aws:iam::111122223333:role/sre", policy: "clusterAdmin" } },
      },
      nodeGroups: { system: { zones: ["us-east-1a"] } },
    },
  };
  const parsed = parsePlatform(values, "Pulumi.test.yaml");
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  const planned = await plannedEks({
    ...{ config: parsed.value, hasApiKey: false, file: "Pulumi.test.yaml", stack: "test" },
  });
  expect(planned.warnings).toContainEqual(expect.stringContaining("zones of the node groups system"));
  const group = resourcesIn(planned).find(({ type }) => type === "aws:eks/nodeGroup:NodeGroup");
  expect(group?.inputs.subnetIds).toEqual(["⟨privateSubnetIds of org/models/base⟩"]);
});

describe("the comment on a change of a stack on AWS", () => {
  const stack = readStack("dev");
  let main: PlannedStack;
  beforeAll(async () => {
    main = await plannedEks(stack);
  });

  const changed = (config: Partial<NamedStack["config"]>): Promise<PlannedStack> =>
    plannedEks({ ...stack, config: { ...stack.config, ...config } });

  const changedGroups = (groups: Readonly<Record<string, { readonly volumeSize: number }>>) => {
    const eks = eksOf(stack.config);
    const nodeGroups = Object.fromEntries(
      Object.entries(eks.nodeGroups).map(([name, group]) => [name, { ...group, ...groups[name] }]),
    );
    return changed({ eks: { ...eks, nodeGroups } });
  };

  /** As if a component gave one resource other inputs. */
  function withInputs(type: string, name: string, inputs: Readonly<Record<string, unknown>>): PlannedStack {
    const [file, text] =
      [...main.files].find(([, each]) => each.startsWith(`type: ${type}\nname: ${name}\n`)) ?? [];
    if (file === undefined || text === undefined) throw new Error(`there is no ${type} ${name}`);
    const resource = fileSchema.parse(yaml.load(text));
    const other = { ...resource, inputs: { ...resource.inputs, ...inputs } };
    return {
      ...main,
      files: new Map([...main.files, [file, yaml.dump(other, { lineWidth: -1, noRefs: true })]]),
      resources: main.resources.map((each) =>
        each.type === type && each.name === name ? { ...each, props: new Value(other.inputs) } : each,
      ),
    };
  }

  const planes: Readonly<Record<string, () => PlannedStack | Promise<PlannedStack>>> = {
    "bucket-opened": () =>
      withInputs(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "triton-dev-models-public-access-block",
        { blockPublicPolicy: false, restrictPublicBuckets: false },
      ),
    // The network of everything: all that names it is made anew with it.
    "subnets-renumbered": () =>
      withInputs("aws:ec2/subnet:Subnet", "triton-dev-network-private-us-east-1a", {
        cidrBlock: "10.0.128.0/18",
      }),
    "node-volumes-enlarged": () => changedGroups({ a100: { volumeSize: 200 * 1024 ** 3 } }),
    "node-group-type-changed": () =>
      changed({
        nodes: {
          ...stack.config.nodes,
          system: { instanceType: "m7i.4xlarge", count: 2, maxCount: 4 },
        },
      }),
  };

  it.each(Object.entries(planes))("%s is as it was read", async (name, plan) => {
    const golden = path.join(projectRoot, "test", "golden", "comments", `${name}.md`);
    await expect(markdownReport(report(await plan(), main))).toMatchFileSnapshot(golden);
  });

  it("is no list of everything where the stack is new, and below GitHub's limit", () => {
    const text = markdownReport(report(main, { ...main, files: new Map() }));
    expect(text).toMatch(/^- created: \d{3} objects, listed below$/m);
    expect(text).toContain("- created **Cluster triton-dev**");
    expect(text.length).toBeLessThanOrEqual(longestComment);
  });

  it("refuses an open bucket, and what costs more than the environment may", async () => {
    const refusedBy = (plan: PlannedStack): readonly string[] =>
      report(plan, main)
        .policies.filter(({ level }) => level !== "advisory")
        .map(({ rule }) => rule);
    const opened = (await planes["bucket-opened"]?.()) ?? main;
    expect(new Set(refusedBy(opened))).toEqual(new Set(["s3-public-access-blocked"]));
    const { nodes } = stack.config;
    const dear = await changed({
      nodes: { ...nodes, a100: { instanceType: "p4d.24xlarge", count: 0, maxCount: 3 } },
    });
    expect(refusedBy(dear)).toEqual(["cost-ceiling"]);
  });
});
