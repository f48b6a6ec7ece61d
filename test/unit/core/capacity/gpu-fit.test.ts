import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accelerators, findAccelerator, type Accelerator } from "../../../../core/capacity/catalogue.ts";
import { fitGpu, type GpuFit, type GpuServer } from "../../../../core/capacity/gpu-fit.ts";
import { contextBytes, type GpuModel } from "../../../../core/capacity/gpu-memory.ts";

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;

function accelerator(gpu: string, mig?: string): Accelerator {
  const found = findAccelerator(gpu, mig);
  if (found === undefined) throw new Error(`no ${gpu} ${mig ?? ""}`);
  return found;
}

function model(name: string, weightsGib: number, change: Partial<GpuModel> = {}): GpuModel {
  return {
    name,
    backend: "onnxruntime",
    versions: [{ version: 1, weights: weightsGib * gibibyte }],
    workspace: 0,
    groups: [{ kind: "gpu" }],
    ...change,
  };
}

const embedding = model("embedding-model", 0, {
  versions: [{ version: 1, weights: 4 * mebibyte }],
  workspace: 300 * mebibyte,
  groups: [{ kind: "gpu", count: 2 }],
});

const group = fc.record(
  {
    kind: fc.constantFrom("auto" as const, "gpu" as const, "cpu" as const, "model" as const),
    count: fc.integer({ min: 1, max: 3 }),
    gpus: fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: ["kind"] },
);
const models = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom("a", "b", "c", "d", "e"),
    backend: fc.constantFrom("onnxruntime", "python", "tensorrt", "tensorrtllm"),
    versions: fc.uniqueArray(
      fc.record({ version: fc.integer({ min: 1, max: 9 }), weights: fc.nat(12 * gibibyte) }),
      { minLength: 1, maxLength: 2, selector: ({ version }) => version },
    ),
    workspace: fc.nat(4 * gibibyte),
    groups: fc.array(group, { maxLength: 2 }),
  }),
  { maxLength: 4, selector: ({ name }) => name },
);
const server: fc.Arbitrary<GpuServer> = fc.record({
  accelerator: fc.constantFrom(...accelerators),
  devices: fc.integer({ min: 1, max: 4 }),
  models,
  pool: fc.constantFrom(0, 64 * mebibyte, gibibyte),
});

/** Instances of a model on a device, straight from Triton's rules; `chosen` replaces devices left open. */
function instancesOn(
  device: number,
  visible: number,
  { name, backend, groups }: GpuModel,
  chosen: GpuFit["assignment"] = [],
): number {
  let instances = 0;
  (groups.length === 0 ? [{ kind: "auto" as const }] : groups).forEach((written, i) => {
    const { kind, count = 1, gpus }: GpuModel["groups"][number] = written;
    if (backend === "tensorrtllm") {
      instances += count;
      return;
    }
    if (kind === "cpu" || (kind === "auto" && gpus?.some((gpu) => gpu >= visible) === true)) return;
    const assigned = chosen.find((entry) => entry.model === name && entry.group === i)?.gpus;
    const devices = kind === "model" ? undefined : (gpus ?? assigned);
    if (devices === undefined || devices.includes(device)) instances += count;
  });
  return instances;
}

function bytesOn(
  device: number,
  visible: number,
  written: GpuServer,
  chosen: GpuFit["assignment"] = [],
): number {
  const context = contextBytes[written.accelerator.gpu.architecture];
  return written.models.reduce(
    (sum, each) =>
      each.versions.reduce(
        (total, { weights }) =>
          total +
          instancesOn(device, visible, each, chosen) *
            (weights + each.workspace + (each.backend === "python" ? context : 0)),
        sum,
      ),
    context + (written.pool ?? 64 * mebibyte),
  );
}

const rank: Readonly<Record<GpuFit["verdict"], number>> = {
  impossible: 0,
  undecided: 1,
  assignable: 2,
  fits: 3,
};

describe("the fit of GPU memory", () => {
  it("adds up what Triton puts on each device, and judges by that", () => {
    fc.assert(
      fc.property(server, (written) => {
        const { devices, verdict } = fitGpu(written);
        devices.forEach(({ device, usable, context, pool, models: loads, used, headroom }) => {
          expect(used).toBe(bytesOn(device, devices.length, written));
          const parts = loads.map((load) => load.weights + load.workspace + load.processes);
          expect(parts.reduce((sum, part) => sum + part, context + pool)).toBe(used);
          expect(headroom).toBe(usable - used);
        });
        expect(verdict === "fits").toBe(devices.every(({ used, usable }) => used <= usable));
      }),
    );
  });

  it("assigns devices that hold, and at least one to each group", () => {
    fc.assert(
      fc.property(server, (written) => {
        const { verdict, assignment, assigned } = fitGpu(written);
        if (verdict !== "assignable") return;
        expect(assignment.every(({ gpus }) => gpus.length > 0)).toBe(true);
        for (const { device, used, usable } of assigned) {
          expect(used).toBe(bytesOn(device, assigned.length, written, assignment));
          expect(used).toBeLessThanOrEqual(usable);
        }
      }),
    );
  });

  it("is never worse with more memory", () => {
    fc.assert(
      fc.property(server, fc.nat(40 * gibibyte), (written, more) => {
        const larger = { ...written.accelerator, usable: written.accelerator.usable + more };
        const before = rank[fitGpu(written).verdict];
        expect(rank[fitGpu({ ...written, accelerator: larger }).verdict]).toBeGreaterThanOrEqual(before);
      }),
    );
  });

  it("names the least GPU and slice that hold the models as they are written", () => {
    fc.assert(
      fc.property(server, (written) => {
        const { smallest } = fitGpu(written);
        const fits = (candidate: Accelerator) =>
          fitGpu({ ...written, accelerator: candidate }).verdict === "fits";
        if (written.devices > 1) expect(smallest.slice).toBeUndefined();
        for (const candidate of accelerators) {
          const isSlice = candidate.slice !== undefined;
          const found = isSlice ? smallest.slice : smallest.gpu;
          if (isSlice && (written.devices > 1 || (found !== undefined && candidate.gpu !== found.gpu)))
            continue;
          if (found === undefined || candidate.usable < found.usable) expect(fits(candidate)).toBe(false);
          if (candidate === found) expect(fits(candidate)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("has a problem just where it does not fit as written, or a slice has company", () => {
    fc.assert(
      fc.property(server, (written) => {
        const { verdict, problems } = fitGpu(written);
        const slices = written.accelerator.slice !== undefined && written.devices > 1;
        expect(problems.length > 0).toBe(verdict !== "fits" || slices);
      }),
    );
  });
});

describe("real servers", () => {
  it("puts two instances of the embedding model on an A100 80 GB, and says that a slice would do", () => {
    const fit = fitGpu({ accelerator: accelerator("a100-80gb"), devices: 1, models: [embedding] });
    expect(fit).toMatchObject({
      verdict: "fits",
      problems: [],
      smallest: { gpu: { name: "t4" }, slice: { name: "a100-80gb 1g.10gb" } },
    });
    expect(fit.devices).toMatchObject([
      {
        context: 400 * mebibyte,
        pool: 64 * mebibyte,
        models: [
          {
            model: "embedding-model",
            instances: 2,
            weights: 8 * mebibyte,
            workspace: 600 * mebibyte,
            processes: 0,
          },
        ],
        used: 1_072 * mebibyte,
      },
    ]);
  });

  it("fits it on a slice of 5 GB too", () => {
    const slice = accelerator("a100-40gb", "1g.5gb");
    expect(fitGpu({ accelerator: slice, devices: 1, models: [embedding] }).verdict).toBe("fits");
    expect(fitGpu({ accelerator: slice, devices: 1, models: [model("large", 4.5)] }).verdict).toBe(
      "impossible",
    );
  });

  it("refuses 13 GiB twice on a T4, and says what holds it", () => {
    const large = model("large", 13, { groups: [{ kind: "gpu", count: 2 }] });
    const fit = fitGpu({ accelerator: accelerator("t4"), devices: 1, models: [large] });
    expect(fit.verdict).toBe("impossible");
    expect(fit.smallest.gpu?.name).toBe("a100-40gb");
    expect(fit.problems).toEqual([
      {
        subject: "large",
        path: "instances[0]",
        message:
          "with 2 instances it needs 26 GiB on a device, and a device has 14.2 GiB (14.6 GiB of `t4` less CUDA context and pool)",
        hint: "`a100-40gb` holds them as they are written; or fewer instances, or more servers",
      },
    ]);
    expect(fitGpu({ accelerator: accelerator("t4"), devices: 1, models: [model("large", 13)] }).verdict).toBe(
      "fits",
    );
  });

  it("splits four models over two GPUs that hold two of them each", () => {
    const four = ["a", "b", "c", "d"].map((name, i) => model(name, 8 + i));
    const fit = fitGpu({ accelerator: accelerator("l4"), devices: 2, models: four });
    expect(fit).toMatchObject({ verdict: "assignable", best: true });
    expect(fit.assignment).toEqual([
      { model: "a", group: 0, gpus: [0] },
      { model: "b", group: 0, gpus: [1] },
      { model: "c", group: 0, gpus: [1] },
      { model: "d", group: 0, gpus: [0] },
    ]);
    expect(fit.problems.map(({ subject, path }) => `${subject ?? ""} ${path}`)).toEqual([
      "a instances[0].gpus",
      "b instances[0].gpus",
      "c instances[0].gpus",
      "d instances[0].gpus",
    ]);
    expect(fit.problems[0]).toMatchObject({
      message:
        "left out, so this group is on every device, where all models together need 38.5 GiB of 21.9 GiB on device 0 (this group's 1 instance: 8 GiB)",
      hint: "`gpus: [0]` fits, with the same advice followed for the others",
    });
  });

  it("leaves the small ones on every device", () => {
    const fit = fitGpu({
      accelerator: accelerator("l4"),
      devices: 2,
      models: [model("x", 12), model("y", 12), embedding],
    });
    expect(fit.assignment).toContainEqual({ model: "embedding-model", group: 0, gpus: [0, 1] });
    expect(fit.problems.map(({ subject }) => subject)).toEqual(["x", "y"]);
  });

  it.each([
    {
      what: "more than all devices hold",
      models: [14, 14, 14].map((size, i) => model(`m${String(i)}`, size)),
      path: "",
    },
    {
      what: "a device whose fixed models are too much",
      models: [model("m", 22, { groups: [{ kind: "gpu", gpus: [1] }] })],
      path: "",
    },
    {
      what: "`kind: model`, counted everywhere",
      models: [model("m", 22, { groups: [{ kind: "model" }] })],
      path: "",
    },
  ])("refuses $what", ({ models: refused, path }) => {
    const fit = fitGpu({ accelerator: accelerator("l4"), devices: 2, models: refused });
    expect(fit.verdict).toBe("impossible");
    expect(fit.problems).toMatchObject([{ path }]);
    expect(fit.smallest.gpu).toBeDefined();
  });

  it("counts a CUDA context for each process of the Python backend", () => {
    const python = model("proxy", 0, { backend: "python", groups: [{ kind: "gpu", count: 3 }] });
    const [device] = fitGpu({ accelerator: accelerator("t4"), devices: 1, models: [python] }).devices;
    expect(device?.models[0]?.processes).toBe(3 * contextBytes.turing);
  });

  it("takes a model without instance groups as one instance on every device", () => {
    const { devices } = fitGpu({
      accelerator: accelerator("t4"),
      devices: 2,
      models: [model("m", 1, { groups: [] })],
    });
    expect(devices.map(({ models: loads }) => loads[0]?.instances)).toEqual([1, 1]);
  });

  it("refuses several slices in one replica, of which a process may see one", () => {
    const fit = fitGpu({ accelerator: accelerator("h100", "1g.10gb"), devices: 2, models: [embedding] });
    expect(fit.devices).toHaveLength(1);
    expect(fit.problems).toMatchObject([{ path: "devices" }]);
    expect(fit.problems[0]?.hint).toContain("2 times the replicas");
  });

  it("leaves devices that the server does not have to the rules, and counts the others", () => {
    const bound = model("m", 1, { groups: [{ kind: "gpu", gpus: [0, 2] }] });
    const { problems, devices } = fitGpu({ accelerator: accelerator("t4"), devices: 2, models: [bound] });
    expect(problems).toEqual([]);
    expect(devices.map(({ models: loads }) => loads.length)).toEqual([1, 0]);
  });

  it("moves all versions of a group together, since a spec has one `gpus` for all", () => {
    const versions = [1, 2].map((version) => ({ version, weights: 15 * gibibyte }));
    const both = model("both", 0, { versions });
    const one = model("one", 15);
    const fit = fitGpu({ accelerator: accelerator("l40s"), devices: 2, models: [both, one] });
    expect(fit.assignment).toEqual([
      { model: "both", group: 0, gpus: [0] },
      { model: "one", group: 0, gpus: [1] },
    ]);
    expect(fit.assigned.map(({ models: loads }) => loads.map((load) => load.model))).toEqual([
      ["both v1", "both v2"],
      ["one"],
    ]);
    expect(fit.problems[0]).toMatchObject({
      subject: "both",
      hint: "`gpus: [0]` fits, with the same advice followed for the others",
    });
    expect(fit.problems[0]?.message).toContain("1 instance of each of 2 versions: 30 GiB");
  });

  it("proposes no devices for versions that fit apart only", () => {
    const versions = [1, 2].map((version) => ({ version, weights: 50 * gibibyte }));
    const models = [model("m", 0, { versions })];
    expect(fitGpu({ accelerator: accelerator("a100-80gb"), devices: 2, models })).toMatchObject({
      verdict: "impossible",
      problems: [
        {
          subject: "m",
          path: "instances[0]",
          message:
            "with 1 instance of each of 2 versions it needs 100 GiB on a device, and a device has 78.6 GiB (79.1 GiB of `a100-80gb` less CUDA context and pool), less what is bound to it",
          hint: "`h200` holds them as they are written; or fewer instances or versions, or more servers",
        },
      ],
    });
  });

  it("writes the whole `instances` for a model that has none", () => {
    const models = [model("x", 12, { groups: [] }), model("y", 12, { groups: [] })];
    const hint = (gpu: number) =>
      `\`instances: [{ kind: gpu, gpus: [${String(gpu)}] }]\` fits, with the same advice followed for the others`;
    expect(fitGpu({ accelerator: accelerator("l4"), devices: 2, models }).problems).toMatchObject([
      { subject: "x", path: "instances", hint: hint(0) },
      { subject: "y", path: "instances", hint: hint(1) },
    ]);
    const large = [model("large", 30, { groups: [] })];
    expect(fitGpu({ accelerator: accelerator("l4"), devices: 1, models: large }).problems).toMatchObject([
      { subject: "large", path: "instances" },
    ]);
  });

  it("counts TensorRT-LLM on every device, whatever its instances say", () => {
    const models = (["cpu", "gpu", "auto", "model"] as const).map((kind, i) =>
      model(kind, 1, { backend: "tensorrtllm", groups: [{ kind, ...(i === 1 ? { gpus: [0] } : {}) }] }),
    );
    const { devices } = fitGpu({ accelerator: accelerator("t4"), devices: 2, models });
    const names = ["auto", "cpu", "gpu", "model"];
    expect(devices.map(({ models: loads }) => loads.map((load) => load.model))).toEqual([names, names]);
  });

  it("has an answer for thousands of models", () => {
    const fit = (sizeMib: number) => {
      const many = Array.from({ length: 10_000 }, (_, i) =>
        model(`m${String(i)}`, 0, { versions: [{ version: 1, weights: (sizeMib + (i % 3)) * mebibyte }] }),
      );
      return fitGpu({ accelerator: accelerator("a100-80gb"), devices: 8, models: many }).verdict;
    };
    expect([4, 40, 100].map(fit)).toEqual(["fits", "assignable", "impossible"]);
  });

  it("says so where the search ends without an answer", () => {
    // Two large ones together, and three small ones: the largest first, each on the emptiest, does not find it.
    const tight = [10.7, 10.7, 7.1, 7.1, 7.1].map((size, i) => model(`m${String(i)}`, size));
    const fit = fitGpu({ accelerator: accelerator("l4"), devices: 2, models: tight, steps: 3 });
    expect(fit.verdict).toBe("undecided");
    expect(fit.problems).toHaveLength(1);
  });
});
