import { describe, expect, it } from "vitest";
import { planPlatform } from "../../../core/platform.ts";
import type { Model } from "../../../core/spec/load.ts";
import { serverFlags } from "../../../core/triton/server-flags.ts";
import { modelOf, platformOf, type PlatformFields } from "../../support/models.ts";

const file = "Pulumi.test.yaml";
const step = (model: string) => ({ model, inputs: { x: "x" }, outputs: { y: "y" } });
const gpu = { instances: [{ kind: "gpu" as const }] };

function plan(models: readonly Model[], fields: PlatformFields = {}) {
  return planPlatform(models, platformOf(fields), file);
}

describe("server groups", () => {
  it("serve the models they list, and the default one all the others", () => {
    const { value, problems } = plan([modelOf("c"), modelOf("b"), modelOf("a"), modelOf("d")], {
      servers: { one: { models: ["d", "b"] }, rest: { replicas: 3 } },
      defaultServer: "rest",
    });
    expect(problems).toEqual([]);
    expect(
      value.servers.map(({ name, isDefault, replicas, models }) => ({
        name,
        isDefault,
        replicas,
        models: models.map(({ spec }) => spec.name),
      })),
    ).toEqual([
      { name: "one", isDefault: false, replicas: 1, models: ["b", "d"] },
      { name: "rest", isDefault: true, replicas: 3, models: ["a", "c"] },
    ]);
  });

  it("have a repository, a cache, an API and times of their own", () => {
    const { value, problems } = plan(
      [
        modelOf("fast", { callTimeout: "1s", responseCache: true }),
        modelOf("llm", { callTimeout: "2m", upstream: "holysheep" }),
      ],
      { servers: { gpu: { responseCache: "1MiB" }, llm: { models: ["llm"] } } },
    );
    expect(problems).toEqual([]);
    expect(value.servers[0]).toMatchObject({ responseCache: 2 ** 20, timing: { call: 1 } });
    expect(value.servers[1]).toMatchObject({ upstream: "holysheep", timing: { call: 120 } });
    expect(value.servers[0]).not.toHaveProperty("upstream");
    expect(value.servers[1]).not.toHaveProperty("responseCache");
    expect(value.servers.map(({ repository }) => repository.files[0]?.path)).toEqual([
      "fast/1/model.py",
      "llm/1/model.py",
    ]);
  });

  it("serve what a target makes of a model", () => {
    const { value, problems } = planPlatform([modelOf("a")], platformOf(), file, () => ({
      model: modelOf("a", { maxBatchSize: 1 }),
      files: [],
    }));
    expect(value.servers[0]?.models).toEqual([modelOf("a", { maxBatchSize: 1 })]);
    expect(problems).toEqual([]);
  });

  it("leave out what a target cannot serve, and ensembles that use it through whatever others", () => {
    const outer = modelOf("outer", { ensemble: { steps: [step("inner")] } });
    const inner = modelOf("inner", { ensemble: { steps: [step("gone")] } });
    const without = (model: Model) =>
      model.spec.name === "gone"
        ? { file: "gone", path: "backend", message: "not here", hint: "elsewhere" }
        : { model, files: [] };
    const models = [outer, modelOf("a"), inner, modelOf("gone")];
    const { value, problems } = planPlatform(models, platformOf(), file, without);
    expect(problems).toEqual([]);
    expect(value.servers[0]?.models.map(({ spec }) => spec.name)).toEqual(["a"]);
    expect([...value.leftOut].map(([name, { message }]) => [name, message])).toEqual([
      ["gone", "not here"],
      ["inner", "its step `gone` is not served here"],
      ["outer", "its step `inner` is not served here"],
    ]);

    const nothing = planPlatform([modelOf("gone")], platformOf(), file, without);
    expect(nothing.problems).toMatchObject([
      {
        path: "triton-platform:servers.gpu.models",
        message: "nothing is left to serve here: gone (not here)",
      },
    ]);
  });
});

const ensemble = modelOf("both", { ensemble: { steps: [step("a")] } });

describe("a platform", () => {
  it.each<{
    what: string;
    models: Model[];
    fields: PlatformFields;
    at: string;
    message: string;
    hint?: string;
  }>([
    {
      what: "a default server that is not there",
      models: [modelOf("a")],
      fields: { servers: { gpu: { models: ["a"] } }, defaultServer: "gpus" },
      at: "defaultServer",
      message: "there is no server `gpus`",
      hint: "did you mean `gpu`?",
    },
    {
      what: "a model that is not there",
      models: [modelOf("llm-backend"), modelOf("a")],
      fields: { servers: { gpu: {}, llm: { models: ["llm-backend", "llm-backed"] } } },
      at: "servers.llm.models[1]",
      message: "there is no model `llm-backed`",
      hint: "did you mean `llm-backend`?",
    },
    {
      what: "a model on two servers",
      models: [modelOf("a"), modelOf("b")],
      fields: { servers: { one: { models: ["a"] }, two: { models: ["a"] }, gpu: {} } },
      at: "servers.two.models[0]",
      message: "`a` is on server `one` too",
    },
    {
      what: "a model listed twice",
      models: [modelOf("a"), modelOf("b")],
      fields: { servers: { one: { models: ["a", "a"] }, gpu: {} } },
      at: "servers.one.models[1]",
      message: "`a` is listed twice",
    },
    {
      what: "a server without models",
      models: [modelOf("a")],
      fields: { servers: { gpu: {}, idle: {} } },
      at: "servers.idle.models",
      message: "this server has no model",
    },
    {
      what: "an API's model beside a GPU's",
      models: [modelOf("a", gpu), modelOf("llm", { upstream: "holysheep" })],
      fields: {},
      at: "servers.gpu.models",
      message: "llm calls an external API and shares this server with GPU models (a)",
    },
    {
      what: "models whose backends come in different images",
      models: [
        modelOf("a", { backend: "onnxruntime" }),
        modelOf("chat", {
          backend: "vllm",
          maxBatchSize: 0,
          transactionPolicy: { decoupled: true },
          inputs: [{ name: "text_input", dataType: "STRING", dims: [1] }],
          outputs: [{ name: "text_output", dataType: "STRING", dims: [-1] }],
        }),
      ],
      fields: {},
      at: "servers.gpu.models",
      message:
        "no image has all their backends: a (onnxruntime) the image py3, chat (vllm) the image vllm-python-py3",
    },
    {
      what: "a response cache without memory",
      models: [modelOf("a", { responseCache: true })],
      fields: {},
      at: "servers.gpu.responseCache",
      message: "missing, and `a` wants its answers cached",
    },
    {
      what: "an ensemble on another server than its step",
      models: [modelOf("a"), ensemble],
      fields: { servers: { gpu: {}, other: { models: ["both"] } } },
      at: "servers.other.models",
      message: "the ensemble `both` is here and its step `a` is not",
    },
  ])("is refused with $what", ({ models, fields, at, message, hint }) => {
    expect(plan(models, fields).problems).toMatchObject([
      { file, path: `triton-platform:${at}`, message, ...(hint === undefined ? {} : { hint }) },
    ]);
  });

  it("is told the problems of its models and of its config at once", () => {
    const { problems } = plan([modelOf("a", {}, []), modelOf("both", { ensemble: { steps: [step("b")] } })], {
      servers: { gpu: {}, other: { models: ["c"] } },
    });
    expect(problems.map((problem) => `${problem.file} ${problem.path}`)).toEqual([
      "models/a/model.yaml ",
      "models/both/model.yaml ensemble.steps[0].model",
      `${file} triton-platform:servers.other.models[0]`,
    ]);
  });
});

describe("a server's flags", () => {
  const place = {
    address: "127.0.0.1",
    httpPort: 1000,
    grpcPort: 1001,
    metricsPort: 1002,
    repository: "/repository",
  };

  it("are all it needs, without the rights to change models while it runs", () => {
    const [server] = plan([modelOf("a")]).value.servers;
    expect(server && serverFlags(server, place)).toEqual([
      "--model-repository=/repository",
      "--model-control-mode=none",
      "--disable-auto-complete-config",
      "--http-address=127.0.0.1",
      "--http-port=1000",
      "--http-header-forward-pattern=(?i)(x-caller-id|x-conversation-id)",
      "--grpc-address=127.0.0.1",
      "--grpc-port=1001",
      "--grpc-header-forward-pattern=(?i)(x-caller-id|x-conversation-id)",
      "--metrics-address=127.0.0.1",
      "--metrics-port=1002",
      "--metrics-config=summary_latencies=true",
      "--metrics-config=summary_quantiles=0.5:0.05,0.8:0.02,0.9:0.01,0.95:0.01,0.98:0.002,0.99:0.001",
      "--exit-timeout-secs=30",
    ]);
  });

  it("give memory to the response cache where the server has one", () => {
    const [server] = plan([modelOf("a")], { servers: { gpu: { responseCache: "1MiB" } } }).value.servers;
    expect(server && serverFlags(server, place)).toContain("--cache-config=local,size=1048576");
  });
});
