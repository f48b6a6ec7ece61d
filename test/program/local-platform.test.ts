import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import type { Registered } from "../../commands/plan/record.ts";
import { planLocal } from "../../core/local/plan.ts";
import { platformSchema } from "../../core/spec/platform.ts";
import { inputsIn, register } from "../support/stack-mocks.ts";

let made: readonly Registered[];

beforeAll(async () => {
  const config = platformSchema.parse({
    target: "local",
    defaultServer: "gpu",
    servers: { gpu: { replicas: 2 } },
    holysheep: { baseUrl: "https://llm.example/v1", model: "m" },
  });
  const tools = {
    python: "/venv/bin/python",
    triton: "/triton",
    libraryPath: "",
    environmentHash: "",
    haproxy: "/haproxy",
    prometheus: "/prometheus",
    promtool: "/promtool",
  };
  const timing = {
    startup: 60,
    call: 60,
    balancerServer: 65,
    balancerClient: 70,
    drain: 65,
    exit: 30,
    kill: 40,
  };
  const platformServer = config.servers.gpu;
  if (platformServer === undefined) throw new Error("the config has this server");
  const server = {
    name: "gpu",
    isDefault: true,
    replicas: 2,
    config: platformServer,
    requests: {},
    models: [],
    repository: { files: [], hash: "abc" },
    timing,
  };
  const plan = planLocal([server], {
    config,
    tools,
    project: "/project",
    hasApiKey: true,
    simulatorHash: "",
  });
  const run = await register(
    async () => {
      // Loaded after the mocks are set, as the SDK wants it.
      const { LocalPlatform } = await import("../../components/local/LocalPlatform.ts");
      new LocalPlatform("local", {
        plan,
        supervisorBin: path.dirname(tools.python),
        apiKey: pulumi.secret("sk-planted"),
      });
    },
    { outputs: () => ({}), answer: () => ({}) },
  );
  made = run.resources;
});

function inputsOf(name: string): Registered["inputs"] {
  return inputsIn(made, name);
}

describe("LocalPlatform", () => {
  it("registers one resource per file, repository and process of the plan, named after the component", () => {
    expect(made.map(({ type, name }) => `${type.split(":").pop() ?? ""} ${name}`).sort()).toEqual([
      "File local-description",
      "File local-haproxy-config",
      "File local-holysheep-api-key",
      "File local-prometheus-config",
      "File local-prometheus-rules",
      "LocalPlatform local",
      "ModelRepository local-gpu-repository",
      "Process local-balancer",
      "Process local-gpu-0",
      "Process local-gpu-1",
      "Process local-prometheus",
      "Supervisor local-supervisor",
    ]);
  });

  it("gives the key to its file alone, as a secret", () => {
    const secret = inputsOf("local-holysheep-api-key");
    expect(secret).toMatchObject({ mode: 0o600 });
    expect(JSON.stringify(secret.content)).toContain(pulumi.runtime.specialSecretSig);
    const others = made.filter(({ name }) => name !== "local-holysheep-api-key");
    expect(JSON.stringify(others)).not.toContain("sk-planted");
  });

  it("checks a config before it replaces the one in use", () => {
    expect(inputsOf("local-haproxy-config")).toMatchObject({
      validate: ["/haproxy", "-c", "-q", "-f", "{}"],
    });
    expect(inputsOf("local-prometheus-config")).toMatchObject({
      validate: ["/promtool", "check", "config", "{}"],
    });
  });

  it("drains every Triton, and only them", () => {
    const drained = made.filter(({ inputs }) => inputs.drain !== undefined).map(({ name }) => name);
    expect(drained.sort()).toEqual(["local-gpu-0", "local-gpu-1"]);
    expect(inputsOf("local-gpu-1")).toMatchObject({
      drain: { entries: { http: ["http-gpu/gpu-1"], grpc: ["grpc-gpu/gpu-1"] }, timeout: 65 },
    });
    expect(inputsOf("local-gpu-1")).not.toHaveProperty("reloadSignal");
    expect(inputsOf("local-balancer")).toMatchObject({ reloadSignal: "USR2" });
  });
});
