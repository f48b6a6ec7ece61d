import { describe, expect, it } from "vitest";
import { gpuProducts } from "../../../../core/capacity/catalogue.ts";
import { ec2Node, ec2Types, eksAllocatable, gpuResources } from "../../../../core/capacity/nodes.ts";

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;

function type(name: string) {
  const found = ec2Types.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

describe("nodes of EC2 types", () => {
  // Karpenter's published table ("Instance Types", with a disk of 20 GiB).
  it.each([
    { name: "m7i.large", cpu: 1_930, memory: 6_903, pods: 29 },
    { name: "g4dn.xlarge", cpu: 3_920, memory: 14_481, pods: 29 },
    { name: "g5.48xlarge", cpu: 191_450, memory: 723_299, pods: 345 },
    { name: "g6e.12xlarge", cpu: 47_810, memory: 360_157, pods: 292 },
    { name: "p4d.24xlarge", cpu: 95_690, memory: 1_082_712, pods: 737 },
    { name: "p5.4xlarge", cpu: 15_890, memory: 240_830, pods: 118 },
    { name: "p5.48xlarge", cpu: 191_450, memory: 1_938_410, pods: 100 },
    { name: "p5en.48xlarge", cpu: 191_450, memory: 1_937_332, pods: 198 },
  ])("leave of $name what Karpenter counts on", ({ name, cpu, memory, pods }) => {
    expect(ec2Node(type(name), { disk: 20 * gibibyte })?.allocatable).toMatchObject({
      cpu,
      memory: memory * mebibyte,
      "ephemeral-storage": 17 * gibibyte,
      pods,
    });
  });

  it("have GPUs of the catalogue", () => {
    const known = new Set(gpuProducts.map(({ name }) => name));
    for (const { gpu, gpus } of ec2Types) {
      expect(gpu === undefined ? gpus === 0 : known.has(gpu) && gpus > 0).toBe(true);
    }
    expect(new Set(ec2Types.map(({ name }) => name)).size).toBe(ec2Types.length);
  });

  it("offer whole GPUs or slices", () => {
    const disk = type("p4de.24xlarge").localDisk;
    expect(disk).toBe(8e12);
    expect(ec2Node(type("p4de.24xlarge"), { disk })?.allocatable).toMatchObject({ "nvidia.com/gpu": 8 });
    const cut = ec2Node(type("p4de.24xlarge"), { disk, mig: "1g.20gb" })?.allocatable;
    expect(cut).toMatchObject({ "nvidia.com/mig-1g.20gb": 32 });
    expect(cut).not.toHaveProperty("nvidia.com/gpu");
    expect(ec2Node(type("g5.xlarge"), { disk, mig: "1g.5gb" })).toBeUndefined();
    expect(ec2Node(type("m7i.large"), { disk, mig: "1g.5gb" })).toBeUndefined();
    expect(gpuResources("gtx", 1)).toBeUndefined();
  });

  it("leave more memory where fewer pods are allowed", () => {
    const few = eksAllocatable({ vcpus: 4, memory: 16 * gibibyte, disk: 20 * gibibyte, maxPods: 10 });
    const many = eksAllocatable({ vcpus: 4, memory: 16 * gibibyte, disk: 20 * gibibyte, maxPods: 58 });
    expect((few.memory ?? 0) - (many.memory ?? 0)).toBe(48 * 11 * mebibyte);
  });
});
