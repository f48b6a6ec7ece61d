import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { findProgram } from "../../commands/setup/find-program.ts";
import { clusterImage, clusterImageName } from "../support/cluster-image.ts";
import { clusterSuite, missingForReal } from "../support/cluster.ts";
import { DockerHost, missingForDocker } from "../support/docker.ts";
import { writeModels, writeScale } from "../support/real-models.ts";
import { Load, type Counts } from "../support/real-load.ts";
import { TestStack } from "../support/stack.ts";
import { venvPython } from "../support/tools.ts";

const missing = [
  ...new Set([
    ...missingForDocker,
    ...missingForReal,
    ...["pulumi", "pulumi-resource-docker", "prometheus", "promtool", "nsenter"].filter(
      (name) => findProgram(name) === undefined,
    ),
    ...(venvPython.program === undefined ? [venvPython.name] : []),
  ]),
];

/** Of the HolySheep key, first and later. */
const keys = ["planted-holysheep-key", "another-holysheep-key"] as const;

const images = {
  triton: clusterImageName,
  /** Another image with the same in it. */
  nextTriton: "docker.io/local/triton-platform-test:2",
  prometheus: "docker.io/local/prometheus-test:1",
} as const;

const containerSchema = z.object({
  Id: z.string(),
  RestartCount: z.number(),
  State: z.object({ Pid: z.number(), Status: z.string() }),
  Config: z.object({ Labels: z.record(z.string(), z.string()) }),
});
type Inspected = z.output<typeof containerSchema>;

describe.skipIf(missing.length > 0)(
  clusterSuite("the docker target on a real Docker, without GPUs", missing),
  () => {
    let docker: DockerHost;
    let stack: TestStack;
    let models: string;
    /** How to end what has started, the last first, however far `beforeAll` got. */
    const endings: (() => unknown)[] = [];

    beforeAll(async () => {
      const home = mkdtempSync(path.join(tmpdir(), "docker-target-"));
      endings.unshift(() => {
        rmSync(home, { recursive: true, force: true });
      });
      models = path.join(home, "models");
      writeModels(models);
      docker = await DockerHost.start();
      endings.unshift(() => docker.stop());
      await docker.docker(["load", "--input", await clusterImage(process.env.TRITON_TOOLCHAIN ?? "")]);
      await docker.build(images.nextTriton, images.triton);
      await docker.build(
        images.prometheus,
        images.triton,
        {
          "/usr/bin/prometheus": findProgram("prometheus") ?? "",
          "/usr/bin/promtool": findProgram("promtool") ?? "",
        },
        { "/prometheus": 65_534 },
      );
      stack = await TestStack.create(config(), docker.env);
      endings.unshift(() => {
        stack.remove();
      });
      await stack.setSecret("holysheep:apiKey", keys[0]);
    });

    afterAll(async () => {
      for (const end of endings) await end();
    });

    function config(docker: object = {}): Readonly<Record<string, unknown>> {
      return {
        "triton-platform:target": "docker",
        "triton-platform:models": models,
        "triton-platform:tritonRelease": "24.10",
        "triton-platform:defaultServer": "cpu",
        "triton-platform:servers": {
          cpu: { replicas: 2 },
          llm: { models: ["llm-backend"], resources: { cpu: 1 } },
        },
        "holysheep:baseUrl": "http://llm-simulator:18900/v1",
        "triton-platform:docker": dockerConfig(docker),
      };
    }

    function dockerConfig(fields: object = {}): object {
      return {
        host: docker.env.DOCKER_HOST,
        images: { triton: images.triton, haproxy: images.triton, prometheus: images.prometheus },
        // Nobody may raise the limit of locked memory here.
        ulimits: { stack: 67_108_864 },
        sharedMemory: "256MiB",
        monitoring: { grafana: false },
        retain: 0,
        ...fields,
      };
    }

    async function inspect(labels: Readonly<Record<string, string>>): Promise<Inspected[]> {
      const filters = Object.entries(labels).flatMap(([key, value]) => [
        "--filter",
        `label=triton-platform.${key}=${value}`,
      ]);
      const ids = (await docker.docker(["ps", "--all", "--quiet", "--no-trunc", ...filters]))
        .split("\n")
        .filter(Boolean);
      if (ids.length === 0) return [];
      return z.array(containerSchema).parse(JSON.parse(await docker.docker(["inspect", ...ids])));
    }

    /** A shell's answer in a container of an image of the test that sees the models. */
    function inModels(script: string): Promise<string> {
      return docker
        .docker(["volume", "ls", "--quiet", "--filter", "name=triton-models"])
        .then((volume) =>
          docker.docker([
            "run",
            "--rm",
            `--volume=${volume.trim()}:/models`,
            images.triton,
            "sh",
            "-c",
            script,
          ]),
        );
    }

    function startLoad(): Promise<Load> {
      return Load.start({ host: "127.0.0.1" }, "", docker.inside);
    }

    /** Calls that came to something else than one of these. */
    function others(counts: Counts, ...expected: readonly string[]): Record<string, number> {
      const all = Object.values(counts).flatMap((outcomes) => Object.entries(outcomes));
      return Object.fromEntries(all.filter(([outcome]) => !expected.includes(outcome)));
    }

    it("says all that the host has against it, and changes nothing", async () => {
      const taken = await docker.docker([
        "run",
        "--detach",
        "--publish=127.0.0.1:8001:1",
        images.triton,
        "sleep",
        "600",
      ]);
      stack.configure({
        ...config({
          images: {
            triton: "nothing.invalid/triton:1",
            haproxy: images.triton,
            prometheus: images.prometheus,
          },
        }),
        "triton-platform:servers": {
          cpu: { replicas: 2, accelerator: { gpu: "a100-80gb" } },
          llm: { models: ["llm-backend"] },
        },
      });
      const { code, text } = await stack.up();
      expect(code).not.toBe(0);
      expect(text).toMatch(
        /docker\.images\.triton: nothing\.invalid\/triton:1 is not on the host, and cannot be had/,
      );
      expect(text).toMatch(/docker\.gpus: Docker on \S+ gives no GPUs to containers, and `cpu` needs some/);
      expect(text).toContain(
        "docker.ports.grpc: port 8001 on 127.0.0.1 of the host is taken by another program",
      );
      expect(text).not.toContain("node_modules");
      await docker.docker(["rm", "--force", taken.trim()]);
      stack.configure(config({ host: "unix:///nowhere/docker.sock" }));
      const silent = await stack.preview();
      expect(silent.code).not.toBe(0);
      expect(silent.text).toContain("docker.host: Docker on unix:///nowhere/docker.sock does not answer");
      expect(await docker.docker(["ps", "--all", "--quiet"])).toBe("");
      expect(await docker.docker(["volume", "ls", "--quiet"])).toBe("");
    });

    it("comes up, and serves every model over HTTP and gRPC", async () => {
      stack.configure(config());
      const { code, text } = await stack.up();
      expect(text).toContain("http://127.0.0.1:8000");
      expect(code, text).toBe(0);
      const [network] = (
        await docker.docker(["network", "ls", "--filter", "name=triton-outside", "--format", "{{.Name}}"])
      ).split("\n");
      await docker.docker([
        ...["run", "--detach", "--network", network ?? "", "--network-alias=llm-simulator", images.triton],
        ...["python3", "/opt/llm_simulator", "--host", "0.0.0.0", "--port", "18900"],
      ]);
      const load = await startLoad();
      const counts = await load.stop();
      expect(others(counts, "x2", "ok")).toEqual({});
    });

    it("changes nothing where nothing has changed", async () => {
      const { code, text } = await stack.up("--refresh", "--expect-no-changes");
      expect(code, text).toBe(0);
    });

    it("replaces one replica after the other for another model and image, and no call fails", async () => {
      const before = await inspect({ server: "cpu" });
      const llm = await inspect({ server: "llm" });
      const load = await startLoad();
      writeScale(models, 3);
      stack.configure(
        config({
          images: { triton: images.nextTriton, haproxy: images.triton, prometheus: images.prometheus },
        }),
      );
      const { code, text } = await stack.up();
      expect(code, text).toBe(0);
      const counts = await load.stop();
      expect(others(counts, "x2", "x3", "ok")).toEqual({});
      expect(counts.http.x3).toBeGreaterThan(0);
      expect(counts.grpc.x3).toBeGreaterThan(0);
      const after = await inspect({ server: "cpu" });
      expect(after).toHaveLength(2);
      expect(before.filter(({ Id }) => after.some((other) => other.Id === Id))).toEqual([]);
      expect(await inspect({ server: "llm" })).not.toEqual(llm);
      // Of both servers, the current one alone.
      const hashes = new Set(
        [...after, ...(await inspect({ server: "llm" }))].map(
          ({ Config }) => Config.Labels["triton-platform.repository"],
        ),
      );
      expect(new Set((await inModels("ls /models/trees")).trim().split("\n"))).toEqual(hashes);
    });
  },
);
