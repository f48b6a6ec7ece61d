import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assignGpus, hostGpuProblems, parseGpuList, type HostGpu } from "../../../core/docker/gpus.ts";
import { planPlatform } from "../../../core/platform.ts";
import type { GpuId } from "../../../core/spec/docker.ts";
import { dockerOf } from "../../../core/spec/platform.ts";
import { a100, onGpu, slice } from "../../support/kubernetes-servers.ts";
import { modelOf, platformOf, type PlatformFields } from "../../support/models.ts";

type Servers = NonNullable<PlatformFields["servers"]>;

function assigned(servers: Servers, gpus: Record<string, GpuId[]> = {}) {
  const models = Object.keys(servers).map((name) =>
    modelOf(name, { backend: "onnxruntime", instances: [{ kind: "gpu" }] }),
  );
  const listed = Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [name, { models: [name], ...server }]),
  );
  const config = platformOf({
    target: "docker",
    defaultServer: Object.keys(servers)[0] ?? "",
    servers: listed,
    docker: { gpus },
  });
  const { value } = planPlatform(models, config, "Pulumi.test.yaml");
  return { servers: value.servers, gpus: assignGpus(value.servers, dockerOf(config)) };
}

const list = `GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-11111111-1111-1111-1111-111111111111)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-22222222-2222-2222-2222-222222222222)
  MIG 1g.10gb     Device  0: (UUID: MIG-33333333-3333-3333-3333-333333333333)
  MIG 1g.10gb     Device  1: (UUID: MIG-44444444-4444-4444-4444-444444444444)
`;

describe("GPUs of replicas", () => {
  it("are those of the config, as many for each as a replica has", () => {
    const { gpus } = assigned(
      { gpu: { replicas: 2, accelerator: { ...a100, count: 2 } } },
      { gpu: [3, 1, 0, 2] },
    );
    expect(gpus.get("gpu")).toEqual([
      [3, 1],
      [0, 2],
    ]);
  });

  it("are the first that nobody names, where the config names none, and never the same twice", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 5, maxLength: 5 }),
        fc.boolean(),
        (names, replicas, named) => {
          const servers = Object.fromEntries(
            names.map((name, i) => [name, { replicas: replicas[i] ?? 1, accelerator: a100 }]),
          );
          const first = names[0] ?? "";
          const own = Array.from({ length: replicas[0] ?? 1 }, (_, i) => 2 * i);
          const { gpus } = assigned(servers, named ? { [first]: own } : {});
          const all = [...gpus.values()].flat(2);
          expect(new Set(all).size).toBe(all.length);
          if (named) expect(gpus.get(first)?.flat()).toEqual(own);
          expect(all.length).toBe(names.reduce((sum, _, i) => sum + (replicas[i] ?? 1), 0));
        },
      ),
    );
  });
});

describe("GPUs of the host", () => {
  const there = parseGpuList(list);

  it("are read from nvidia-smi, with their slices", () => {
    expect(there).toEqual([
      {
        index: 0,
        uuid: "GPU-11111111-1111-1111-1111-111111111111",
        name: "NVIDIA A100-SXM4-80GB",
        slices: [],
      },
      {
        index: 1,
        uuid: "GPU-22222222-2222-2222-2222-222222222222",
        name: "NVIDIA A100-SXM4-80GB",
        slices: ["MIG-33333333-3333-3333-3333-333333333333", "MIG-44444444-4444-4444-4444-444444444444"],
      },
    ]);
    expect(parseGpuList("No devices found.\n")).toEqual([]);
  });

  function problemsOf(
    servers: Servers,
    gpus: Record<string, GpuId[]> = {},
    host: readonly HostGpu[] = there,
  ): string[] {
    const { servers: planned, gpus: assignment } = assigned(servers, gpus);
    return hostGpuProblems(planned, assignment, host, "Pulumi.test.yaml").map(({ message }) => message);
  }

  it("must be there, by number or UUID", () => {
    expect(problemsOf({ gpu: { replicas: 2, accelerator: a100 } })).toEqual([]);
    expect(
      problemsOf({ gpu: { accelerator: a100 } }, { gpu: ["GPU-22222222-2222-2222-2222-222222222222"] }),
    ).toEqual([]);
    expect(
      problemsOf({ gpu: { accelerator: slice } }, { gpu: ["MIG-44444444-4444-4444-4444-444444444444"] }),
    ).toEqual([]);
    expect(problemsOf({ gpu: { replicas: 3, accelerator: a100 } })).toEqual([
      "the host has no GPU 2: it has 0 (NVIDIA A100-SXM4-80GB), 1 (NVIDIA A100-SXM4-80GB)",
    ]);
    expect(problemsOf({ gpu: { accelerator: a100 } }, {}, [])).toEqual([
      "the host has no GPU 0: it has none at all",
    ]);
  });

  it("must be what the server is sized for", () => {
    const other = [{ index: 0, uuid: "GPU-5", name: "NVIDIA GeForce RTX 3090", slices: [] }];
    expect(problemsOf({ gpu: { accelerator: a100 } }, {}, other)).toEqual([
      "GPU 0 is a NVIDIA GeForce RTX 3090, and the server is sized for `a100-80gb`",
    ]);
    const old = [{ index: 0, uuid: "GPU-6", name: "A100-SXM4-80GB", slices: [] }];
    expect(problemsOf({ gpu: { accelerator: a100 } }, {}, old)).toEqual([]);
  });

  it("of a server without one are not looked for", () => {
    expect(onGpu.spec.instances).toMatchObject([{ kind: "gpu" }]);
    expect(problemsOf({ gpu: {} }, {}, [])).toEqual([]);
  });
});
