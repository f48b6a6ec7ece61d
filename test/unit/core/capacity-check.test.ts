import { describe, expect, it } from "vitest";
import { capacityPicture } from "../../../core/capacity/check.ts";
import { planPlatform } from "../../../core/platform.ts";
import type { Model } from "../../../core/spec/load.ts";
import { modelOf, modelWith, platformOf, type PlatformFields } from "../../support/models.ts";

function check(models: readonly Model[], fields: PlatformFields) {
  const { value, problems } = planPlatform(models, platformOf(fields), "Pulumi.test.yaml");
  return { ...value.capacity, problems, picture: capacityPicture(value.capacity).join("\n") };
}

const onGpu = { backend: "onnxruntime", instances: [{ kind: "gpu" as const, count: 2 }] };
const small = modelOf("small", { ...onGpu, memory: { weights: "1GiB", workspacePerInstance: "1GiB" } });
const large = modelOf("large", { ...onGpu, memory: { weights: "16GiB", workspacePerInstance: "4GiB" } });

describe("GPU memory of a server", () => {
  it("is the models', instance by instance, on the card of the config", () => {
    const { problems, gpus, picture } = check([small, large], {
      servers: { gpu: { accelerator: { gpu: "a100-80gb" } } },
    });
    expect(problems).toEqual([]);
    expect(gpus.get("gpu")?.devices[0]?.models).toMatchObject([
      { model: "large", instances: 2, weights: 32 * 2 ** 30, workspace: 8 * 2 ** 30 },
      { model: "small", instances: 2, weights: 2 * 2 ** 30, workspace: 2 * 2 ** 30 },
    ]);
    expect(picture).toMatch(/GPU memory of a replica of `gpu`:\n {2}gpu 0 .* of 79\.1 GiB .*large 2× 40 GiB/);
  });

  it("that is too small is a problem of the model that fits nowhere, with the card that would do", () => {
    const { problems } = check([small, large], { servers: { gpu: { accelerator: { gpu: "l4" } } } });
    expect(problems).toMatchObject([{ file: "models/large/model.yaml", path: "instances[0]" }]);
    expect(problems[0]?.hint).toMatch(/l40s|a100/);
  });

  it("comes with the devices that each model would have to be on", () => {
    const other = modelOf("other", { ...onGpu, memory: { weights: "16GiB", workspacePerInstance: "4GiB" } });
    const { problems } = check([large, other], {
      servers: { gpu: { accelerator: { gpu: "l40s", count: 2 } } },
    });
    expect(problems.map(({ file, hint }) => [file, hint.includes("gpus")])).toEqual([
      ["models/large/model.yaml", true],
      ["models/other/model.yaml", true],
    ]);
  });

  it("is read from the artifact where the spec does not say, for each served version", () => {
    const model = modelWith(modelOf("m", { ...onGpu, versions: { all: true } }).spec, []);
    const files = ["1", "2"].map((version) => ({
      path: `${version}/model.onnx`,
      bytes: 7 * 2 ** 30,
      sha256: version.repeat(64),
    }));
    const { gpus } = check([{ ...model, artifacts: { ...model.artifacts, files } }], {
      servers: { gpu: { accelerator: { gpu: "a100-40gb" } } },
    });
    expect(gpus.get("gpu")?.devices[0]?.models).toMatchObject([
      { model: "m v1", instances: 2, weights: 14 * 2 ** 30 },
      { model: "m v2", instances: 2, weights: 14 * 2 ** 30 },
    ]);
  });

  it.each([
    {
      gpu: "a100-80gb" as const,
      mig: "1g.5gb",
      message: "a a100-80gb has no MIG profile `1g.5gb`",
      hint: "1g.10gb",
    },
    {
      gpu: "l4" as const,
      mig: "1g.5gb",
      message: "a l4 cannot be cut into MIG slices",
      hint: "leave `mig` out",
    },
  ])("of $gpu has no slice $mig", ({ gpu, mig, message, hint }) => {
    const { problems } = check([small], { servers: { gpu: { accelerator: { gpu, mig } } } });
    expect(problems).toMatchObject([{ path: "triton-platform:servers.gpu.accelerator.mig", message }]);
    expect(problems[0]?.hint).toContain(hint);
  });
});

describe("replicas on nodes", () => {
  const servers = { gpu: { replicas: 2, accelerator: { gpu: "a100-80gb" as const } } };

  it("are placed, and shown on what they fill", () => {
    const { problems, packing, picture } = check([small], {
      servers,
      nodes: {
        onprem: { allocatable: { cpu: 32, memory: "256GiB", disk: "500GiB", gpu: "a100-80gb", gpus: 2 } },
      },
    });
    expect(problems).toEqual([]);
    expect(packing).toMatchObject({ verdict: "fits", nodes: [{ pool: "onprem", pods: { gpu: 2 } }] });
    expect(picture).toContain("onprem: 2× gpu");
  });

  it("that ask for more cards than there are get the proof", () => {
    const { problems } = check([small], {
      servers: { gpu: { ...servers.gpu, replicas: 9 } },
      nodes: { gpu: { instanceType: "p4de.24xlarge" } },
    });
    expect(problems).toMatchObject([{ file: "Pulumi.test.yaml", path: "triton-platform:nodes" }]);
    expect(problems[0]?.message).toContain("8");
  });

  it("count shared memory as memory, and the repository as disk", () => {
    const node = (memory: string, disk: string) => ({
      onprem: { allocatable: { cpu: 8, memory, disk, gpu: "a100-80gb" as const } },
    });
    const one = {
      gpu: {
        accelerator: { gpu: "a100-80gb" as const },
        resources: { memory: "4GiB", sharedMemory: "2GiB", disk: "10GiB" },
      },
    };
    expect(check([small], { servers: one, nodes: node("6GiB", "10GiB") }).problems).toEqual([]);
    expect(check([small], { servers: one, nodes: node("5GiB", "10GiB") }).problems).toHaveLength(1);
    expect(check([small], { servers: one, nodes: node("6GiB", "9GiB") }).problems).toHaveLength(1);
  });

  it.each([
    {
      pool: { instanceType: "m7i.large" as const, mig: "1g.10gb" },
      message: "these machines have no GPU to cut",
    },
    {
      pool: { instanceType: "g6.xlarge" as const, mig: "1g.10gb" },
      message: "a l4 cannot be cut into MIG slices",
    },
  ])("of a pool that cannot be cut: $message", ({ pool, message }) => {
    expect(check([small], { servers, nodes: { pool } }).problems).toMatchObject([
      { path: "triton-platform:nodes.pool.mig", message },
    ]);
  });
});
