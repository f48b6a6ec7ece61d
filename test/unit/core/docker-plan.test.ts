import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dockerSchema } from "../../../core/spec/docker.ts";
import { containerOf, filesOf, hostOf, planConfig, planHost } from "../../support/docker-plan.ts";
import { a100, onCpu, onGpu, onUpstream } from "../../support/kubernetes-servers.ts";
import { modelOf, type PlatformFields } from "../../support/models.ts";
import { platform } from "../../support/platform-arbitraries.ts";
import { haproxy, needing, promtool, runTool } from "../../support/tools.ts";

const twoServers: PlatformFields = {
  servers: {
    gpu: { replicas: 2, accelerator: a100 },
    llm: { models: ["on-upstream"], replicas: 2 },
  },
};

describe("a Triton on a Docker host", () => {
  const plan = hostOf([onGpu, onUpstream], twoServers);
  const gpu = containerOf(plan, "gpu-1");

  it("is what the article's docker run asks for", () => {
    expect(gpu).toMatchObject({
      image: "nvcr.io/nvidia/tritonserver:26.07-py3",
      gpus: [1],
      sharedMemory: 2 * 1024 ** 3,
      ulimits: { memlock: -1, stack: 67_108_864 },
    });
    expect(gpu.command).toContain("--backend-config=python,shm-default-byte-size=67108864");
    expect(gpu.command).toContain("--log-verbose=0");
    const logs = hostOf([onGpu, onUpstream], { ...twoServers, docker: { logVerbose: 1 } });
    expect(containerOf(logs, "gpu-0").command).toContain("--log-verbose=1");
  });

  it("reads its repository at a place that is named by the content, and cannot write to it", () => {
    const hash = plan.servers[0]?.repository.hash ?? "";
    expect(gpu.command).toContain(`--model-repository=/models/trees/${hash}`);
    expect(gpu.mounts).toEqual([{ volume: "models", target: "/models", readOnly: true }]);
    const back = "ab".repeat(32);
    const servers = {
      ...twoServers.servers,
      gpu: { replicas: 2, accelerator: a100, rollback: back, resources: { disk: "9GiB" } },
    };
    const rolledBack = hostOf([onGpu, onUpstream], { servers });
    expect(containerOf(rolledBack, "gpu-0").command).toContain(`--model-repository=/models/trees/${back}`);
  });

  it("has no port on the host and no way out, but for servers that call an API", () => {
    expect(gpu.ports).toEqual([]);
    expect(gpu.networks.map(({ network }) => network)).toEqual(["inside"]);
    expect(containerOf(plan, "llm-0").networks.map(({ network }) => network)).toEqual(["inside", "outside"]);
  });

  it("finds HolySheep's key in a mounted file, and has it nowhere else", () => {
    const { environment, mounts } = containerOf(plan, "llm-0");
    expect(environment.HOLYSHEEP_API_KEY_FILE).toBe("/run/secrets/holysheep/api-key");
    expect(mounts).toContainEqual({ volume: "holysheep", target: "/run/secrets/holysheep", readOnly: true });
    expect(gpu.mounts.map(({ volume }) => volume)).not.toContain("holysheep");
  });

  it("gets time for its longest call, from whoever stops it", () => {
    const { command, stop, member } = containerOf(plan, "llm-0");
    const { call, drain } = plan.servers[1]?.timing ?? { call: 0, drain: 0 };
    expect(drain).toBeGreaterThan(call);
    expect(command).toContain(`--exit-timeout-secs=${String(drain)}`);
    expect(stop.grace).toBeGreaterThan(drain);
    expect(member?.drain).toBe(drain);
  });

  it("runs without a GPU, and then sees none that Docker gives to all", () => {
    const cpu = hostOf([onCpu], { servers: { gpu: { resources: { cpu: 1.5, sharedMemory: "256MiB" } } } });
    const container = containerOf(cpu, "gpu-0");
    expect(container).not.toHaveProperty("gpus");
    expect(container).toMatchObject({ cpus: 1.5, sharedMemory: 256 * 1024 ** 2 });
    expect(container.environment.NVIDIA_VISIBLE_DEVICES).toBe("void");
    expect(cpu.containers.map(({ name }) => name)).not.toContain("dcgm-exporter");
  });

  it("may use its shared memory besides its main memory", () => {
    const size = (sharedMemory: string): number => {
      const servers = { gpu: { resources: { memory: "1GiB", sharedMemory } } };
      return containerOf(hostOf([onCpu], { servers }), "gpu-0").memory;
    };
    expect(size("2GiB")).toBe(3 * 1024 ** 3);
    expect(size("256MiB")).toBe(1.25 * 1024 ** 3);
  });
});

describe("the order of a rollout", () => {
  function orderOf(server: NonNullable<PlatformFields["servers"]>[string], more: PlatformFields = {}) {
    const model = server.accelerator === undefined ? onCpu : onGpu;
    const { plan, problems } = planHost([model], { servers: { gpu: server }, ...more });
    return { order: containerOf(plan, "gpu-0").order, problems };
  }
  const big = modelOf("on-gpu", {
    backend: "onnxruntime",
    instances: [{ kind: "gpu" }],
    memory: { weights: "40GiB", workspacePerInstance: "1GiB" },
  });

  it("is the new one first where the card holds two of them", () => {
    expect(orderOf({ accelerator: a100 })).toEqual({ order: "newFirst", problems: [] });
  });

  it("is one after the other where the card holds one, and a gap has to be asked for", () => {
    const two = planHost([big], { servers: { gpu: { replicas: 2, accelerator: a100 } } });
    expect(two.problems).toEqual([]);
    expect(
      two.plan.containers.filter(({ member }) => member !== undefined).map(({ order }) => order),
    ).toEqual(["oldFirst", "oldFirst"]);
    const [problem] = planHost([big], { servers: { gpu: { accelerator: a100 } } }).problems;
    expect(problem).toMatchObject({ path: "triton-platform:servers.gpu.allowDowntime" });
    expect(problem?.message).toMatch(/its GPU holds 79\.1 GiB, and two of it would take 82\.9 GiB/);
    const asked = planHost([big], { servers: { gpu: { accelerator: a100, allowDowntime: true } } });
    expect(asked.problems).toEqual([]);
  });

  it("depends on the main memory that the config tells", () => {
    const nodes = (memory: string): PlatformFields => ({
      nodes: { host: { allocatable: { cpu: 64, memory, disk: "1TiB" } } },
    });
    const server = { replicas: 2, resources: { memory: "10GiB", sharedMemory: "1GiB" } };
    expect(orderOf(server, nodes("44GiB"))).toEqual({ order: "newFirst", problems: [] });
    expect(orderOf(server, nodes("43GiB"))).toEqual({ order: "oldFirst", problems: [] });
    expect(orderOf({ ...server, replicas: 1 }, nodes("21GiB")).problems).toHaveLength(1);
  });

  it("goes through a server's replicas, each after the one before", () => {
    const { containers } = hostOf([onCpu], { servers: { gpu: { replicas: 3 } } });
    expect(
      containers.flatMap(({ name, member }) => (member === undefined ? [] : [[name, member.after]])),
    ).toEqual([
      ["gpu-0", undefined],
      ["gpu-1", "gpu-0"],
      ["gpu-2", "gpu-1"],
    ]);
  });
});

describe("problems of a Docker host's config", () => {
  it("are told all at once, each with its place", () => {
    const { problems } = planHost(
      [onGpu, onUpstream],
      {
        servers: {
          gpu: { replicas: 2, accelerator: a100 },
          llm: { models: ["on-upstream"], resources: { sharedMemory: "1MiB" } },
          ["a".repeat(57)]: { models: ["on-upstream"] },
        },
        docker: {
          gpus: { gpu: [0], llm: [1], gqu: [2] },
          ports: { grafana: 9090 },
          balancer: { grpcPorts: { gpu: 8003, llm: 8000 } },
        },
      },
      { hasApiKey: false },
    );
    const told = problems.map(({ path, message }) => `${path.replace("triton-platform:", "")}: ${message}`);
    expect(told).toEqual(
      expect.arrayContaining([
        "docker.gpus.gpu: 1 GPUs, and 2 replicas with 1 each take 2",
        "docker.gpus.llm: `llm` has no accelerator, and so no use for GPUs",
        "docker.gpus.gqu: there is no server `gqu`",
        "docker.ports.grafana: port 9090 is that of ports.prometheus too",
        "docker.balancer.grpcPorts.gpu: port 8003 is the balancer's own in its container",
        "docker.balancer.grpcPorts.llm: port 8000 is that of ports.http too",
        "servers.llm.resources.sharedMemory: 1 MiB, and the processes of `llm`'s Python models begin with 64 MiB",
        `servers.${"a".repeat(57)}: \`triton-${"a".repeat(57)}\` is too long for a name in DNS`,
        "holysheep:apiKey: missing, and models call HolySheep's API",
      ]),
    );
  });

  it("name requirements that are not pinned, and an image is built of those that are", () => {
    const fields: PlatformFields = { docker: { serverImage: { requirements: "requirements.txt" } } };
    const loose = planHost([onCpu], fields, { requirements: "six\n" });
    expect(loose.problems).toMatchObject([{ file: "requirements.txt", line: 1 }]);
    const plan = hostOf([onCpu], fields, { requirements: "six==1.17.0\n" });
    const [image] = plan.serverImages;
    expect(image?.reference).toMatch(/^localhost\/triton-platform\/server:[0-9a-f]{64}$/);
    expect(containerOf(plan, "gpu-0").image).toBe(image?.reference);
    expect(plan.images).not.toContain(image?.reference);
  });
});

describe("any platform on a Docker host", () => {
  /** Room for the processes of many Python models. */
  const roomy = { sharedMemory: "64GiB" };

  it("has names, ports and volumes that are there once, and waits only for what comes before", () => {
    fc.assert(
      fc.property(platform, ({ models, config }) => {
        const { plan, problems } = planConfig(models, { ...config, docker: dockerSchema.parse(roomy) });
        expect(problems).toEqual([]);
        const { containers, volumes } = plan;
        const names = containers.map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        const published = containers.flatMap(({ ports }) => ports.map(({ external }) => external));
        expect(new Set(published).size).toBe(published.length);
        for (const [i, { member, mounts }] of containers.entries()) {
          if (member?.after !== undefined) expect(names.slice(0, i)).toContain(member.after);
          for (const { volume } of mounts) expect(volumes).toContain(volume);
        }
        // The balancer is first: who joins finds it.
        expect(names[0]).toBe("balancer");
      }),
      { numRuns: 30 },
    );
  });

  it("publishes nothing beyond the host itself, unless the config says so", () => {
    fc.assert(
      fc.property(
        platform,
        fc.constantFrom("127.0.0.1", "0.0.0.0", "192.0.2.7"),
        ({ models, config }, address) => {
          const docker = dockerSchema.parse(address === "127.0.0.1" ? roomy : { ...roomy, address });
          const { containers } = planConfig(models, { ...config, docker }).plan;
          const addresses = containers.flatMap(({ ports }) => ports.map((port) => port.address));
          expect(new Set(addresses)).toEqual(new Set([address]));
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe("files of a Docker host", () => {
  it("end where they are mounted, and are checked before they are used", () => {
    const plan = hostOf([onGpu, onUpstream], {
      ...twoServers,
      docker: { balancer: { apiKeys: [{ caller: "search", sha256: "ab".repeat(32) }] } },
    });
    for (const { volume, place } of plan.files) {
      const readers = plan.containers.flatMap(({ mounts }) =>
        mounts.filter((mount) => mount.volume === volume),
      );
      expect(readers.map(({ target, readOnly }) => ({ target, readOnly }))).toEqual([
        { target: place, readOnly: true },
      ]);
    }
    expect(filesOf(plan, "balancer").get("haproxy.cfg")?.check).toContain("{}");
    expect(filesOf(plan, "prometheus").get("prometheus.yml")?.check).toContain("{}");
    expect(filesOf(plan, "balancer").get("api-keys")?.content).toBe(`${"ab".repeat(32)} search\n`);
  });

  it.skipIf(haproxy.program === undefined)(needing(haproxy, "are what HAProxy takes"), () => {
    const folder = mkdtempSync(path.join(tmpdir(), "docker-haproxy-"));
    try {
      const files = filesOf(hostOf([onGpu, onUpstream], twoServers), "balancer");
      for (const [name, { content }] of files) {
        // Docker's DNS is not here, and waiting for its answers takes long.
        const here = content.replaceAll("/etc/triton-balancer", folder).replaceAll("libc,none", "none");
        writeFileSync(path.join(folder, name), here);
      }
      expect(runTool(haproxy, ["-c", "-f", path.join(folder, "haproxy.cfg")])).toContain("valid");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.skipIf(promtool.program === undefined)(needing(promtool, "are what Prometheus takes"), () => {
    const folder = mkdtempSync(path.join(tmpdir(), "docker-prometheus-"));
    try {
      for (const [name, { content }] of filesOf(hostOf([onGpu, onUpstream], twoServers), "prometheus"))
        writeFileSync(path.join(folder, name), content);
      const said = runTool(promtool, ["check", "config", path.join(folder, "prometheus.yml")]);
      expect(said).toContain("SUCCESS: 1 rule files found");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
