import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import type { Registered } from "../../commands/plan/record.ts";
import type { DockerPlan } from "../../core/docker/plan.ts";
import { dockerOf } from "../../core/spec/platform.ts";
import { hostOf } from "../support/docker-plan.ts";
import { a100, onGpu, onUpstream } from "../support/kubernetes-servers.ts";
import { platformOf, type PlatformFields } from "../support/models.ts";
import { inputsIn, register } from "../support/stack-mocks.ts";

const planted = "planted-holysheep-key";

const fields: PlatformFields = {
  servers: {
    gpu: { replicas: 2, accelerator: a100, resources: { cpu: 1.5 } },
    llm: { models: ["on-upstream"] },
  },
  docker: { address: "192.0.2.7", balancer: { grpcPorts: { gpu: 8010 } } },
};
let plan: DockerPlan;
let made: readonly Registered[];

beforeAll(async () => {
  plan = hostOf([onGpu, onUpstream], fields);
  const run = await register(
    async () => {
      // Loaded after the mocks are set, as the SDK wants it.
      const { DockerPlatform } = await import("../../components/docker/DockerPlatform.ts");
      new DockerPlatform("triton", {
        plan,
        docker: dockerOf(platformOf({ target: "docker", ...fields })),
        stack: "gpu-host",
        holysheepApiKey: pulumi.secret(planted),
      });
    },
    {
      // Docker names volumes and networks by itself, and images have ids.
      outputs: ({ name }) => ({ name: `${name}-1a2b3c4`, imageId: `sha256:${name}` }),
      answer: () => ({}),
    },
  );
  made = run.resources;
});

function inputsOf(name: string): Registered["inputs"] {
  return inputsIn(made, name);
}

describe("DockerPlatform", () => {
  it("registers a container for each of the plan's, and for each Triton its place behind the balancer", () => {
    const names = (type: string): string[] =>
      made.flatMap((each) => (each.type === type ? [each.name] : [])).sort();
    expect(names("docker:index/container:Container")).toEqual(
      plan.containers.map(({ name }) => `triton-${name}`).sort(),
    );
    expect(names("dockerhost:index:Member")).toEqual([
      "triton-gpu-0-member",
      "triton-gpu-1-member",
      "triton-llm-0-member",
    ]);
    expect(inputsOf("triton-gpu-1-member")).toMatchObject({
      container: "triton-gpu-1-id",
      network: "triton-inside-1a2b3c4",
      server: "gpu",
      stack: "gpu-host",
    });
  });

  it("gives a container all that the plan says, and leaves its name to Docker", () => {
    const inputs = inputsOf("triton-gpu-1");
    expect(inputs).not.toHaveProperty("name");
    expect(inputs).toMatchObject({
      image: "sha256:triton-nvcr.io/nvidia/tritonserver:26.07-py3",
      entrypoints: ["tritonserver"],
      deviceRequests: [{ driver: "nvidia", capabilities: ["gpu"], deviceIds: ["1"] }],
      shmSize: 2048,
      ulimits: [
        { name: "memlock", soft: -1, hard: -1 },
        { name: "stack", soft: 67_108_864, hard: 67_108_864 },
      ],
      user: "1000:1000",
      readOnly: true,
      capabilities: { adds: [], drops: ["ALL"] },
      securityOpts: ["no-new-privileges:true"],
      restart: "unless-stopped",
      cpuPeriod: 100_000,
      cpuQuota: 150_000,
      logDriver: "json-file",
      logOpts: { "max-size": "20m", "max-file": "3" },
      networksAdvanced: [{ name: "triton-inside-1a2b3c4", aliases: ["triton-gpu", "r1.triton-gpu"] }],
      mounts: [{ type: "volume", source: "triton-models-volume-1a2b3c4", target: "/models", readOnly: true }],
      stopTimeout: 75,
      destroyGraceSeconds: 75,
      healthcheck: { interval: "2s", timeout: "10s", retries: 6, startPeriod: "1m1s" },
    });
    // Its place behind the balancer waits for it.
    expect(inputs).not.toHaveProperty("wait");
    expect(inputsOf("triton-prometheus")).toMatchObject({ wait: true });
  });

  it("publishes the balancer's ports at the config's address", () => {
    expect(inputsOf("triton-balancer").ports).toEqual([
      { ip: "192.0.2.7", external: 8000, internal: 8000 },
      { ip: "192.0.2.7", external: 8001, internal: 8001 },
      { ip: "192.0.2.7", external: 8002, internal: 8002 },
      { ip: "192.0.2.7", external: 8010, internal: 8010 },
    ]);
  });

  it("lets nobody into or out of the inner network", () => {
    expect(inputsOf("triton-inside")).toMatchObject({ internal: true });
    expect(inputsOf("triton-outside")).toMatchObject({ internal: false });
  });

  it("gives the key to its file alone, as a secret", () => {
    const key = inputsOf("triton-holysheep-key");
    expect(JSON.stringify(key)).toContain(pulumi.runtime.specialSecretSig);
    expect(JSON.stringify(key)).toContain('"mode":256');
    const others = made.filter(({ name }) => name !== "triton-holysheep-key");
    expect(JSON.stringify(others)).not.toContain(planted);
  });
});

describe("a duration for Docker", () => {
  it("is written as Docker tells it back", async () => {
    const { goDuration } = await import("../../components/docker/container-args.ts");
    expect([5, 60, 61, 3600, 3661].map(goDuration)).toEqual(["5s", "1m0s", "1m1s", "1h0m0s", "1h1m1s"]);
  });
});
