import { describe, expect, it } from "vitest";
import { awsForceNew, awsReplacementOf } from "../../../core/plan/aws-replacement.ts";
import { later, laterValue } from "../../../core/plan/later.ts";
import { resourceChanges } from "../../../core/plan/resource-changes.ts";
import { policyResources, resourceFiles, type PlannedResource } from "../../../core/plan/resources.ts";
import { unknown } from "../../../core/policy/value.ts";
import { replacementWarning } from "../../../core/plan/warnings.ts";

/** Resources of AWS in a plan: as files, as policies see them, and what a change does to them. */

function resource(
  type: string,
  name: string,
  inputs: PlannedResource["inputs"],
  options: Partial<Pick<PlannedResource, "protect" | "ignoreChanges">> = {},
): PlannedResource {
  return { protect: false, ignoreChanges: [], ...options, type, name, inputs };
}

const key = resource("aws:kms/key:Key", "key", { description: "Models" });
const subnet = resource("aws:ec2/subnet:Subnet", "subnet", { cidrBlock: "10.0.0.0/18", vpcId: "vpc-1" });
const template = resource("aws:ec2/launchTemplate:LaunchTemplate", "template", { userData: "YQ==" });
const nodes = resource(
  "aws:eks/nodeGroup:NodeGroup",
  "nodes",
  {
    subnetIds: [later("id", "subnet"), "subnet-2"],
    launchTemplate: { id: later("id", "template"), version: later("latestVersion", "template") },
    scalingConfig: { desiredSize: 1, maxSize: 4 },
  },
  { ignoreChanges: ["scalingConfig.desiredSize"] },
);
const policy = resource("aws:iam/rolePolicy:RolePolicy", "reader", {
  policy: JSON.stringify({ Statement: [{ Effect: "Allow", Action: "*", Resource: later("arn", "key") }] }),
  role: "reader",
});
const stack = [key, subnet, template, nodes, policy];

/** What becomes of the stack where one resource has other inputs. */
function changesOf(changed: PlannedResource, inputs: PlannedResource["inputs"]): readonly string[] {
  const after = stack.map((each) =>
    each === changed ? { ...each, inputs: { ...each.inputs, ...inputs } } : each,
  );
  return resourceChanges(new Map(resourceFiles(stack)), new Map(resourceFiles(after))).map(
    ({ object, effect, paths, isConsequence }) =>
      `${object} ${String(effect)} ${paths.map(({ path }) => path).join(" ")}${isConsequence === true ? " (follows)" : ""}`,
  );
}

describe("a change of a resource of AWS", () => {
  it("is in place, or replaces it, by the provider's own table", () => {
    expect(changesOf(key, { description: "Others" })).toEqual(["Key key in place description"]);
    expect(changesOf(key, { multiRegion: true })).toEqual([
      "Key key replaced multiRegion",
      "RolePolicy reader in place policy.Statement (follows)",
    ]);
  });

  it("takes what names it along where it is replaced", () => {
    expect(changesOf(subnet, { cidrBlock: "10.0.64.0/18" })).toEqual([
      "NodeGroup nodes replaced subnetIds (follows)",
      "Subnet subnet replaced cidrBlock",
    ]);
  });

  it("rolls nodes where their launch template has another version", () => {
    expect(changesOf(template, { userData: "Yg==" })).toEqual([
      "LaunchTemplate template in place userData",
      "NodeGroup nodes rolls nodes launchTemplate.version (follows)",
    ]);
  });

  it("is none where Pulumi is told to leave it alone", () => {
    expect(changesOf(nodes, { scalingConfig: { desiredSize: 3, maxSize: 4 } })).toEqual([]);
    expect(changesOf(nodes, { scalingConfig: { desiredSize: 3, maxSize: 5 } })).toEqual([
      "NodeGroup nodes in place scalingConfig.maxSize",
    ]);
  });

  it("warns of what is stateful or slow", () => {
    const warnings = (effect: "replaced" | "in place" | "rolls nodes", object: string): string[] =>
      replacementWarning({ object, kind: "changed", effect, paths: [] });
    expect(warnings("replaced", "Key key")).toEqual([expect.stringContaining("cannot be read")]);
    expect(warnings("rolls nodes", "NodeGroup nodes")).toEqual([expect.stringContaining("drained")]);
    expect(warnings("in place", "Key key")).toEqual([]);
    expect(warnings("replaced", "RolePolicy reader")).toEqual([]);
    expect(replacementWarning({ object: "Bucket models", kind: "deleted", paths: [] })).toHaveLength(1);
  });

  it("is not known of types and conditions that nobody has looked up", () => {
    expect(awsReplacementOf("aws:rds/instance:Instance", ["engine"])).toBe("unknown");
    expect(awsReplacementOf("aws:ec2/vpcEndpoint:VpcEndpoint", ["privateDnsEnabled"])).toBe("unknown");
    // The whole of it came, with a property in it that replaces.
    expect(awsReplacementOf("aws:eks/cluster:Cluster", ["accessConfig"])).toBe("unknown");
    expect(awsReplacementOf("aws:eks/cluster:Cluster", ["accessConfig.authenticationMode"])).toBe("in place");
  });

  it("goes by a table each of whose entries says where it is from", () => {
    for (const [type, { source }] of Object.entries(awsForceNew))
      expect(source, type).toMatch(/^[\w-]+\/\w+\.go, [0-9a-f]{8}$|^pulumi-aws, /);
  });
});

describe("resources as policies see them", () => {
  const seen = new Map(policyResources(stack).map((each) => [each.name, each]));

  it("have what is not known as unknown, inside a document only where it is", () => {
    expect(seen.get("nodes")?.props.at("subnetIds").raw).toEqual([unknown, "subnet-2"]);
    const statement = seen.get("reader")?.props.at("policy").json.at("Statement", 0);
    expect(statement?.at("Action").text).toBe("*");
    expect(statement?.at("Resource").isUnknown).toBe(true);
    expect(seen.get("key")?.props.at("id").isUnknown).toBe(true);
    const [whole] = policyResources([resource("aws:iam/role:Role", "r", { name: laterValue })]);
    expect(whole?.props.at("name").isUnknown).toBe(true);
  });

  it("say which resources an input is made of", () => {
    expect(seen.get("nodes")?.dependencies?.subnetIds).toEqual([
      { type: "aws:ec2/subnet:Subnet", name: "subnet" },
    ]);
  });
});

describe("resources as files", () => {
  it("show policies as what they say, and user data as its text", () => {
    const files = new Map(resourceFiles(stack));
    expect(files.get("resources/iam-rolepolicy-reader.yaml")).toContain("Action: '*'");
    expect(files.get("resources/ec2-launchtemplate-template.yaml")).toContain("userData: a\n");
  });
});
