import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bar, deviceBars, nodeBars } from "../../../../core/capacity/bars.ts";
import { findAccelerator } from "../../../../core/capacity/catalogue.ts";
import { fitGpu } from "../../../../core/capacity/gpu-fit.ts";
import { packPods } from "../../../../core/capacity/packing.ts";

const gibibyte = 1024 ** 3;
const width = 20;

function devices(gpu: string, weights: readonly number[]) {
  const accelerator = findAccelerator(gpu);
  if (accelerator === undefined) throw new Error(`no ${gpu}`);
  const models = weights.map((gib, i) => ({
    name: `model-${String(i)}`,
    backend: "onnxruntime",
    versions: [{ version: 1, weights: gib * gibibyte }],
    workspace: 0,
    groups: [{ kind: "gpu" as const }],
  }));
  return fitGpu({ accelerator, devices: 2, models }).devices;
}

describe("a bar", () => {
  it("has its width, and more only where it is overfull", () => {
    const parts = fc.array(fc.nat(100), { maxLength: 6 });
    fc.assert(
      fc.property(parts, fc.nat(300), fc.integer({ min: 1, max: 60 }), (sizes, capacity, cells) => {
        const text = bar(sizes, capacity, cells);
        const total = sizes.reduce((sum, size) => sum + size, 0);
        if (total <= capacity) {
          expect(text).toHaveLength(cells);
          const full = text.replaceAll("░", "").length;
          expect(Math.abs(full - (capacity === 0 ? 0 : (total / capacity) * cells))).toBeLessThanOrEqual(0.5);
        } else {
          expect(text.indexOf("┃")).toBe(cells);
          expect(text.length).toBeGreaterThan(cells + 1);
          expect(text.length).toBeLessThanOrEqual(2 * cells + 1);
          expect(text).not.toContain("░");
        }
      }),
    );
  });

  it.each([
    { parts: [], capacity: 10, text: "░░░░░░░░░░" },
    { parts: [3, 4], capacity: 10, text: "███▓▓▓▓░░░" },
    { parts: [1, 1, 1, 1], capacity: 10, text: "█▓▒█░░░░░░" },
    { parts: [10], capacity: 10, text: "██████████" },
    { parts: [5, 7], capacity: 10, text: "█████▓▓▓▓▓┃▓▓" },
    { parts: [10, 0.1], capacity: 10, text: "██████████┃▓" },
    { parts: [1], capacity: 0, text: "██████████┃█" },
    { parts: [500], capacity: 10, text: "██████████┃██████████" },
  ])("of $parts in $capacity is $text", ({ parts, capacity, text }) => {
    expect(bar(parts, capacity, 10)).toBe(text);
  });
});

describe("bars of devices", () => {
  it("show each model of each GPU", () => {
    expect(deviceBars(devices("t4", [6, 3]), width)).toEqual([
      "gpu 0  ▓▓▓▓▓▓▓▓▓▒▒▒▒░░░░░░░ 9.4 of 14.6 GiB  █ CUDA 364 MiB, ▓ model-0 1× 6 GiB, ▒ model-1 1× 3 GiB",
      "gpu 1  ▓▓▓▓▓▓▓▓▓▒▒▒▒░░░░░░░ 9.4 of 14.6 GiB  █ CUDA 364 MiB, ▓ model-0 1× 6 GiB, ▒ model-1 1× 3 GiB",
    ]);
  });

  it("show what is too much behind the end", () => {
    expect(deviceBars(devices("t4", [16]), width)[0]).toBe(
      "gpu 0  ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓┃▓▓ 16.4 of 14.6 GiB  █ CUDA 364 MiB, ▓ model-0 1× 16 GiB",
    );
  });
});

describe("bars of nodes", () => {
  it("show nodes that are filled alike once", () => {
    const packing = packPods(
      [
        {
          name: "triton",
          replicas: 5,
          requests: { cpu: 2_000, memory: 8 * gibibyte, "ephemeral-storage": gibibyte, "nvidia.com/gpu": 1 },
        },
      ],
      [
        {
          name: "gpu",
          allocatable: {
            cpu: 4_000,
            memory: 20 * gibibyte,
            "ephemeral-storage": 10 * gibibyte,
            "nvidia.com/gpu": 2,
          },
          size: 3,
          max: 3,
        },
      ],
    );
    expect(packing.verdict === "fits" && nodeBars(packing.nodes, 10)).toEqual([
      "gpu (2 nodes alike): 2× triton",
      "  cpu             ██████████ 4.0 of 4.0 cores",
      "  memory          ████████░░ 16.0 of 20.0 GiB",
      "  disk            ██░░░░░░░░ 2.0 of 10.0 GiB",
      "  nvidia.com/gpu  ██████████ 2 of 2",
      "gpu: 1× triton",
      "  cpu             █████░░░░░ 2.0 of 4.0 cores",
      "  memory          ████░░░░░░ 8.0 of 20.0 GiB",
      "  disk            █░░░░░░░░░ 1.0 of 10.0 GiB",
      "  nvidia.com/gpu  █████░░░░░ 1 of 2",
    ]);
  });
});
