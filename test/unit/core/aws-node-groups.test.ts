import yaml from "js-yaml";
import { describe, expect, it } from "vitest";
import { nodePools } from "../../../core/capacity/node-pools.ts";
import type { NodeGroupPlan } from "../../../core/aws/plan.ts";
import { devConfig, planOf, type AwsFields } from "./aws-support.ts";

const template = "k8s.io/cluster-autoscaler/node-template";

function groupOf(fields: AwsFields, name = "a100"): NodeGroupPlan {
  const found = planOf(devConfig(fields)).cluster?.nodeGroups.find((group) => group.name === name);
  if (found === undefined) throw new Error(`there is no group ${name}`);
  return found;
}

const workers = { instanceType: "m7i.2xlarge", count: 2 } as const;
const slices = { instanceType: "p4de.24xlarge", mig: "1g.10gb", count: 1 } as const;
const onSlices = {
  gpu: { models: ["on-gpu"], accelerator: { gpu: "a100-80gb", mig: "2g.20gb" }, allowDowntime: true },
  llm: { models: ["on-upstream"], allowDowntime: true },
} as const satisfies AwsFields["servers"];

/** The pool `a100` as slices that the model fits on. */
function sliced(migStrategy: "mixed" | "single"): NodeGroupPlan {
  return groupOf({
    nodes: { a100: { ...slices, mig: "2g.20gb" }, workers },
    servers: onSlices,
    kubernetes: { gpu: { migStrategy } },
  });
}

describe("a pool with GPUs", () => {
  it("is a group of EKS' NVIDIA image, with the taint that keeps others away", () => {
    expect(groupOf({})).toMatchObject({
      instanceTypes: ["p4d.24xlarge"],
      amiType: "AL2023_x86_64_NVIDIA",
      capacityType: "ON_DEMAND",
      taints: [{ key: "nvidia.com/gpu", value: "present", effect: "NO_SCHEDULE" }],
      labels: { "k8s.amazonaws.com/accelerator": "nvidia-a100-40gb" },
    });
  });

  it("has its models and images on the type's own disks, by nodeadm's config", () => {
    const { userData = "" } = groupOf({});
    const [, part = ""] = userData.split("--//\n");
    const [head = "", body = ""] = part.replace("--//--\n", "").split("\n\n");
    expect(userData).toMatch(/^MIME-Version: 1\.0\nContent-Type: multipart\/mixed; boundary="\/\/"\n\n/);
    expect(head).toBe("Content-Type: application/node.eks.aws");
    expect(yaml.load(body)).toEqual({
      apiVersion: "node.eks.aws/v1alpha1",
      kind: "NodeConfig",
      spec: { instance: { localStorage: { strategy: "RAID0" } } },
    });
  });

  it("has them on a volume where the pool asks for one", () => {
    const group = groupOf({
      nodes: { a100: { instanceType: "p4d.24xlarge", disk: "500.5GiB" }, workers },
    });
    expect(group.userData).toBeUndefined();
    expect(group.volumeSize).toBe(501 * 1024 ** 3);
  });

  it("tells the autoscaler what a node will be that is not there: labels, taint, and what is free on it", () => {
    const { autoscalingTags } = groupOf({});
    expect(autoscalingTags).toMatchObject({
      [`${template}/label/nvidia.com/gpu.product`]: "NVIDIA-A100-SXM4-40GB",
      [`${template}/label/triton-platform/pool`]: "a100",
      [`${template}/taint/nvidia.com/gpu`]: "present:NoSchedule",
      [`${template}/resources/nvidia.com/gpu`]: "8",
    });
    const { pools } = nodePools(devConfig().nodes);
    const allocatable = pools.find(({ name }) => name === "a100")?.allocatable ?? {};
    for (const resource of ["memory", "ephemeral-storage", "pods"])
      expect(autoscalingTags[`${template}/resources/${resource}`]).toBe(String(allocatable[resource]));
    expect(autoscalingTags[`${template}/resources/cpu`]).toBe(`${String(allocatable.cpu)}m`);
  });

  it("fits into the tags that an Auto Scaling group can have", () => {
    // Source: Auto Scaling API, Tag: keys of 128 characters, values of 256.
    for (const group of [groupOf({}), sliced("mixed"), sliced("single")]) {
      for (const [key, value] of Object.entries(group.autoscalingTags)) {
        expect(key.length).toBeLessThanOrEqual(128);
        expect(value.length).toBeLessThanOrEqual(256);
      }
    }
  });

  it("has its nodes choosable by servers from zero: by the very labels that the servers name", () => {
    for (const [fields, slice] of [
      [{}, undefined],
      [{ kubernetes: { gpu: { migStrategy: "single" } } }, "2g.20gb"],
    ] as const) {
      const plan = planOf(
        devConfig(
          slice === undefined
            ? fields
            : { ...fields, nodes: { a100: { ...slices, mig: slice }, workers }, servers: onSlices },
        ),
      );
      const group = plan.cluster?.nodeGroups.find(({ name }) => name === "a100");
      const server = plan.workload?.kubernetes.servers.find(({ plan: { name } }) => name === "gpu");
      const terms =
        server?.objects.deployment.spec.template.spec.affinity?.nodeAffinity
          ?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms[0]?.matchExpressions ?? [];
      expect(terms).not.toEqual([]);
      for (const { key, values } of terms)
        expect(values).toContain(group?.autoscalingTags[`${template}/label/${key}`]);
    }
  });
});

describe("a pool of slices", () => {
  it("says so to the GPU operator", () => {
    expect(sliced("mixed").labels["nvidia.com/mig.config"]).toBe("all-2g.20gb");
  });

  it("has slices of their own name and no whole GPUs, nor the label of whole ones", () => {
    const { autoscalingTags, labels } = sliced("mixed");
    expect(autoscalingTags).toMatchObject({
      [`${template}/resources/nvidia.com/gpu`]: "0",
      [`${template}/resources/nvidia.com/mig-2g.20gb`]: "24",
      [`${template}/label/nvidia.com/gpu.product`]: "NVIDIA-A100-SXM4-80GB",
    });
    expect(Object.keys(labels)).not.toContain("k8s.amazonaws.com/accelerator");
  });

  it("has them as GPUs under the strategy that calls them so", () => {
    const { autoscalingTags, labels } = sliced("single");
    expect(autoscalingTags).toMatchObject({
      [`${template}/resources/nvidia.com/gpu`]: "24",
      [`${template}/label/nvidia.com/gpu.product`]: "NVIDIA-A100-SXM4-80GB-MIG-2g.20gb",
    });
    expect(Object.keys(autoscalingTags).filter((key) => key.includes("resources/nvidia.com/mig"))).toEqual(
      [],
    );
    expect(labels["k8s.amazonaws.com/accelerator"]).toBe("nvidia-a100-80gb");
  });
});

describe("a pool without GPUs", () => {
  it("is a group of EKS' plain image, for everything else", () => {
    expect(groupOf({}, "workers")).toMatchObject({
      amiType: "AL2023_x86_64_STANDARD",
      taints: [],
      labels: { "triton-platform/pool": "workers" },
      minSize: 2,
      desiredSize: 2,
      maxSize: 4,
    });
    expect(groupOf({}, "workers").userData).toBeUndefined();
  });
});

describe("capacity", () => {
  type GroupFields = NonNullable<NonNullable<AwsFields["eks"]>["nodeGroups"]>[string];
  const withGroup = (a100: GroupFields): NodeGroupPlan => groupOf({ eks: { nodeGroups: { a100 } } });

  it("on the spot market may be of several types, in all zones", () => {
    const group = groupOf(
      {
        eks: { nodeGroups: { workers: { capacity: { kind: "spot" }, otherInstanceTypes: ["m7i.4xlarge"] } } },
      },
      "workers",
    );
    expect(group).toMatchObject({ capacityType: "SPOT", instanceTypes: ["m7i.2xlarge", "m7i.4xlarge"] });
    expect(group.zones).toBeUndefined();
  });

  it.each([
    ["reservation", "ON_DEMAND"],
    ["capacityBlock", "CAPACITY_BLOCK"],
  ] as const)("that is bought as a %s is in its one zone", (kind, capacityType) => {
    const id = "cr-0123456789abcdef0";
    expect(withGroup({ capacity: { kind, id, zone: "us-east-1b" } })).toMatchObject({
      capacityType,
      reservation: id,
      zones: ["us-east-1b"],
    });
  });

  it("may go down to nothing", () => {
    expect(withGroup({ minCount: 0, zones: ["us-east-1a"] })).toMatchObject({
      minSize: 0,
      desiredSize: 1,
      zones: ["us-east-1a"],
    });
  });
});
