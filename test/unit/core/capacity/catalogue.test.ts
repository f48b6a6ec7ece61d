import { describe, expect, it } from "vitest";
import { accelerators, findAccelerator, gpuProducts } from "../../../../core/capacity/catalogue.ts";

const gibibyte = 1024 ** 3;

describe("the GPU catalogue", () => {
  it("knows the GPUs by the names users write, smallest first", () => {
    expect(gpuProducts.map(({ name }) => name)).toEqual([
      "t4",
      "a10g",
      "l4",
      "a100-40gb",
      "l40s",
      "a100-80gb",
      "h100",
      "h200",
    ]);
  });

  it.each(gpuProducts)(
    "leaves processes of $name less than all, and more than 94 %, of its memory",
    (gpu) => {
      expect(gpu.usable).toBeLessThan(gpu.memory);
      expect(gpu.usable).toBeGreaterThan(0.94 * gpu.memory);
    },
  );

  it.each(gpuProducts.flatMap((gpu) => gpu.migProfiles.map((profile) => ({ gpu, profile, what: gpu.name }))))(
    "cuts $what into no more $profile.name than it has memory and compute for",
    ({ gpu, profile }) => {
      expect(profile.maxPerGpu * profile.memory).toBeLessThanOrEqual(gpu.memory);
      expect(profile.maxPerGpu * profile.memorySlices).toBeLessThanOrEqual(8);
      expect(profile.maxPerGpu * profile.computeSlices).toBeLessThanOrEqual(7);
      // NVIDIA names profiles by gigabytes, rounded up.
      expect(profile.name).toMatch(new RegExp(`^${String(profile.computeSlices)}g\\.\\d+gb(\\+me)?$`));
      const named = Number(/\.(\d+)gb/.exec(profile.name)?.[1]);
      expect(profile.memory).toBeGreaterThan(0.85 * named * 1e9);
      expect(profile.memory).toBeLessThan(named * gibibyte);
    },
  );

  it("has all seven profiles of each GPU with MIG", () => {
    const names = (gpu: string) =>
      gpuProducts.find(({ name }) => name === gpu)?.migProfiles.map(({ name }) => name);
    expect(names("a100-40gb")).toEqual([
      "1g.5gb",
      "1g.5gb+me",
      "1g.10gb",
      "2g.10gb",
      "3g.20gb",
      "4g.20gb",
      "7g.40gb",
    ]);
    expect(names("a100-80gb")).toEqual([
      "1g.10gb",
      "1g.10gb+me",
      "1g.20gb",
      "2g.20gb",
      "3g.40gb",
      "4g.40gb",
      "7g.80gb",
    ]);
    expect(names("h100")).toEqual(names("a100-80gb"));
    expect(names("h200")).toContain("3g.71gb");
    expect(names("l40s")).toEqual([]);
  });

  it("finds a GPU and a slice of it, with what a pod asks for", () => {
    expect(findAccelerator("a100-80gb")).toMatchObject({ name: "a100-80gb", resource: "nvidia.com/gpu" });
    expect(findAccelerator("a100-80gb", "1g.10gb+me")).toMatchObject({
      name: "a100-80gb 1g.10gb+me",
      resource: "nvidia.com/mig-1g.10gb.me",
      usable: 9_728 * 1024 ** 2,
    });
    expect(findAccelerator("a100-80gb", "1g.5gb")).toBeUndefined();
    expect(findAccelerator("a100")).toBeUndefined();
  });

  it("lists GPUs and slices by memory", () => {
    expect(accelerators[0]?.name).toBe("a100-40gb 1g.5gb");
    expect(accelerators.at(-1)?.name).toBe("h200 7g.141gb");
    const sizes = accelerators.map(({ usable }) => usable);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  });
});
