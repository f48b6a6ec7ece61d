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

  it("with versions that fit apart only is a problem of their spec, without devices that would not do", () => {
    const { spec } = modelOf("m", {
      backend: "onnxruntime",
      versions: { all: true },
      memory: { weights: "50GiB" },
    });
    const { problems } = check([modelWith(spec, ["1/model.onnx", "2/model.onnx"])], {
      servers: { gpu: { accelerator: { gpu: "a100-80gb", count: 2 } } },
    });
    expect(problems).toMatchObject([{ file: "models/m/model.yaml", path: "instances" }]);
    expect(problems[0]?.hint).not.toContain("gpus");
  });

  it("has one problem for a device that is not there", () => {
    const model = modelOf("m", { backend: "onnxruntime", instances: [{ kind: "gpu", gpus: [3] }] });
    const { problems } = check([model], { servers: { gpu: { accelerator: { gpu: "l4" } } } });
    expect(problems).toMatchObject([{ file: "models/m/model.yaml", code: "gpu-absent" }]);
  });

  it.each([
    {
      gpu: "a100-80gb" as const,
      mig: "1g.5gb",
      message: "`a100-80gb` has no MIG profile `1g.5gb`",
      hint: "1g.10gb",
    },
    {
      gpu: "l4" as const,
      mig: "1g.5gb",
      message: "`l4` cannot be cut into MIG slices",
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
    expect(problems).toEqual([
      {
        file: "Pulumi.test.yaml",
        path: "triton-platform:servers.gpu",
        message: "`gpu` has 9 replicas, and the nodes for it (1 × gpu) have room for 8, even without others",
        hint: "allow more nodes (2 of pool `gpu` would do), take larger ones, or run fewer replicas",
      },
    ]);
  });

  it.each([
    {
      what: "another GPU",
      accelerator: { gpu: "h100" as const },
      nodes: { a: { instanceType: "g4dn.xlarge" as const }, cpu: { instanceType: "m7i.large" as const } },
      message: "no pool of `nodes` has `h100`: `a` has `t4`, `cpu` has no GPU",
      hint: "add a pool that has it, like `{ instanceType: p5.4xlarge }`, or size the server for what a pool has",
    },
    {
      what: "the same GPU with less memory",
      accelerator: { gpu: "a100-80gb" as const },
      nodes: { a: { instanceType: "p4d.24xlarge" as const } },
      message: "no pool of `nodes` has `a100-80gb`: `a` has `a100-40gb`",
      hint: "add a pool that has it, like `{ instanceType: p4de.24xlarge }`, or size the server for what a pool has",
    },
    {
      what: "slices of another GPU that are named alike",
      accelerator: { gpu: "a100-80gb" as const, mig: "1g.10gb" },
      nodes: { a: { instanceType: "p5.48xlarge" as const, mig: "1g.10gb" } },
      message: "no pool of `nodes` has `a100-80gb 1g.10gb`: `a` has `h100 1g.10gb`",
      hint: "add a pool that has it, like `{ instanceType: p4de.24xlarge, mig: 1g.10gb }`, or size the server for what a pool has",
    },
    {
      what: "whole GPUs, and CPUs",
      accelerator: { gpu: "a100-80gb" as const, mig: "1g.10gb" },
      nodes: { a: { allocatable: { cpu: 64, memory: "1TiB", disk: "1TiB", gpu: "a100-80gb" as const } } },
      message: "no pool of `nodes` has `a100-80gb 1g.10gb`: `a` has `a100-80gb`",
      hint: "add a pool that has it, like `{ instanceType: p4de.24xlarge, mig: 1g.10gb }`, or size the server for what a pool has",
    },
  ])("never go on $what", ({ accelerator, nodes, message, hint }) => {
    expect(check([small], { servers: { gpu: { accelerator } }, nodes }).problems).toEqual([
      { file: "Pulumi.test.yaml", path: "triton-platform:servers.gpu.accelerator.gpu", message, hint },
    ]);
  });

  it("go on pools with their GPU, also behind one with others", () => {
    const nodes = {
      a: { instanceType: "g4dn.12xlarge" as const },
      b: { instanceType: "p4de.24xlarge" as const },
    };
    const { problems, packing } = check([small], { servers, nodes });
    expect(problems).toEqual([]);
    expect(packing).toMatchObject({ verdict: "fits", nodes: [{ pool: "b", pods: { gpu: 2 } }] });
  });

  it("say which GPU they need, where they have models that do not do without", () => {
    const other = modelOf("other", onGpu);
    const llm = modelOf("llm", { backend: "tensorrtllm", instances: [{ kind: "cpu" }] }, ["1/model"]);
    const auto = modelOf("auto", { backend: "onnxruntime", instances: [{ kind: "auto" }] });
    const fields = { servers: { gpu: {} }, nodes: { cpu: { instanceType: "m7i.4xlarge" as const } } };
    expect(check([small, other, auto], fields).problems).toEqual([
      {
        file: "Pulumi.test.yaml",
        path: "triton-platform:servers.gpu.accelerator",
        message: "missing, and `other`, `small` run on GPUs",
        hint: "say what a replica needs, like `{ gpu: l4 }`; a model that can do without has `kind: cpu`",
      },
    ]);
    expect(check([llm], fields).problems).toContainEqual(
      expect.objectContaining({ message: "missing, and `llm` runs on GPUs" }),
    );
    expect(check([auto], fields).problems).toEqual([]);
    expect(check([small], { servers: { gpu: {} } }).problems).toEqual([]);
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
      message: "`l4` cannot be cut into MIG slices",
    },
  ])("of a pool that cannot be cut: $message", ({ pool, message }) => {
    expect(check([small], { servers, nodes: { pool } }).problems).toMatchObject([
      { path: "triton-platform:nodes.pool.mig", message },
    ]);
  });
});
