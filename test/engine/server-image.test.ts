import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { LocalWorkspace, PulumiCommand, type Stack } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import yaml from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram } from "../../commands/setup/find-program.ts";
import { placesIn } from "../../commands/setup/places.ts";
import { readyTools } from "../../commands/setup/set-up.ts";
import { ServerImage, writeBuildContext } from "../../components/kubernetes/ServerImage.ts";
import { planServerImages, type ServerImagePlan } from "../../core/kubernetes/images.ts";
import { hashFile } from "../../core/spec/artifacts.ts";
import { kubernetesOf } from "../../core/spec/platform.ts";
import { clusterSuite } from "../support/cluster.ts";
import { DockerHost, missingForDocker } from "../support/docker.ts";
import { platformOf } from "../support/models.ts";
import { TestStack } from "../support/stack.ts";
import { projectRoot, venvPython } from "../support/tools.ts";

const { engine } = readyTools(placesIn(projectRoot));
const missing = [
  ...missingForDocker,
  ...(engine === undefined ? ["the engine"] : []),
  ...(findProgram("pulumi-resource-docker") === undefined ? ["pulumi-resource-docker"] : []),
  ...(venvPython.program === undefined ? [venvPython.name] : []),
];

describe.skipIf(missing.length > 0)(
  clusterSuite("the server image under the real engine, Docker and a registry", missing),
  () => {
    let home: string;
    let wheels: string;
    let docker: DockerHost;
    let base: string;
    let repository: string;
    /** How to end what has started, the last first, however far `beforeAll` got. */
    const endings: (() => unknown)[] = [];

    beforeAll(async () => {
      home = mkdtempSync(path.join(tmpdir(), "server-image-"));
      wheels = path.join(home, "wheels");
      endings.unshift(() => {
        rmSync(home, { recursive: true, force: true });
      });
      docker = await DockerHost.start();
      endings.unshift(() => docker.stop());
      await writeWheel("probe", "1.0");
      await writeWheel("probe", "2.0");
      await writeWheel("needy", "1.0", "Requires-Dist: absent");
      base = await docker.pushPython("triton", wheels);
      repository = `${docker.registry}/team/triton`;
    });

    afterAll(async () => {
      for (const end of endings) await end();
    });

    /** A wheel with one module of its name, which knows its version. */
    async function writeWheel(name: string, version: string, ...metadata: readonly string[]): Promise<void> {
      const parts = path.join(home, "wheel");
      const info = `${name}-${version}.dist-info`;
      mkdirSync(path.join(parts, info), { recursive: true });
      mkdirSync(wheels, { recursive: true });
      const files = {
        [`${name}.py`]: [`version = "${version}"`],
        [`${info}/METADATA`]: ["Metadata-Version: 2.1", `Name: ${name}`, `Version: ${version}`, ...metadata],
        [`${info}/WHEEL`]: ["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"],
        [`${info}/RECORD`]: [],
      };
      for (const [file, lines] of Object.entries(files))
        writeFileSync(path.join(parts, file), lines.map((line) => `${line}\n`).join(""));
      const args = ["-m", "zipfile", "--create", wheelFile(name, version), `${name}.py`, info];
      await execa(venvPython.program ?? "", args, { cwd: parts });
    }

    function wheelFile(name: string, version: string): string {
      return path.join(wheels, `${name}-${version}-py3-none-any.whl`);
    }

    /** As pip-compile writes it. */
    function hashed(name: string, version: string): string {
      const { sha256 } = hashFile(wheels, path.basename(wheelFile(name, version)));
      return `${name}==${version} \\\n    --hash=sha256:${sha256}\n`;
    }

    function plan(requirements: string): ServerImagePlan {
      const config = platformOf({
        target: "kubernetes",
        kubernetes: {
          repository: { source: "image", reference: "models.example.com/models:1" },
          images: { triton: base },
          serverImage: { repository, requirements: "requirements.txt" },
        },
      });
      const kubernetes = kubernetesOf(config);
      const { value, problems } = planServerImages([{ models: [] }], config, kubernetes, requirements);
      expect(problems).toEqual([]);
      const [image] = value;
      if (image === undefined) throw new Error("no image is planned");
      return image;
    }

    /** The same stack from a checkout of that name; all checkouts share the state. */
    async function stackIn(
      checkout: string,
      requirements: string,
      env: Readonly<Record<string, string>> = {},
    ): Promise<Stack> {
      const workDir = path.join(home, checkout);
      const state = path.join(home, "state");
      for (const folder of [workDir, state]) mkdirSync(folder, { recursive: true });
      // Without one, the provider would run where this process does.
      const project = { name: "triton-platform", runtime: "nodejs" };
      writeFileSync(path.join(workDir, "Pulumi.yaml"), yaml.dump(project));
      const program = (): Promise<Record<string, unknown>> => {
        const image = plan(requirements);
        const { digest } = new ServerImage("triton", {
          plan: image,
          context: writeBuildContext(workDir, image),
        });
        return Promise.resolve({ digest });
      };
      return LocalWorkspace.createOrSelectStack(
        { stackName: "prod", projectName: "triton-platform", program },
        {
          workDir,
          pulumiCommand: await PulumiCommand.get(engine?.root === undefined ? {} : { root: engine.root }),
          envVars: {
            ...engine?.env,
            PULUMI_BACKEND_URL: `file://${state}`,
            PULUMI_CONFIG_PASSPHRASE: "test",
            PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
            ...docker.env,
            ...env,
          },
        },
      );
    }

    async function up(
      checkout: string,
      requirements: string,
    ): Promise<{ digest: string; changes: Record<string, number> }> {
      const stack = await stackIn(checkout, requirements);
      const { outputs, summary } = await stack.up({ color: "never" });
      return { digest: String(outputs.digest?.value), changes: { ...summary.resourceChanges } };
    }

    /** What a failed `up` shows. */
    async function failureOf(
      checkout: string,
      requirements: string,
      env: Readonly<Record<string, string>> = {},
    ): Promise<string> {
      const stack = await stackIn(checkout, requirements, env);
      try {
        await stack.up({ color: "never" });
      } catch (error) {
        if (error instanceof Error) return error.message;
      }
      throw new Error("it did not fail");
    }

    /** What Python says in a container of an image that comes from the registry. */
    async function inImage(digest: string, script: string): Promise<string> {
      const local = await docker.docker(["image", "ls", "--quiet"]);
      await docker.docker(["image", "rm", "--force", ...new Set(local.split("\n").filter(Boolean))]);
      return docker.docker(["run", "--rm", "--network=none", "--read-only", digest, "python3", "-c", script]);
    }

    const script = "import os, probe; print(probe.version, os.getuid())";
    let first: string;

    it("is built, pushed after a login, and holds the packages for Triton's user", async () => {
      const { digest, changes } = await up("a", hashed("probe", "1.0"));
      first = digest;
      expect(changes).toEqual({ create: 3 });
      expect(digest).toMatch(/^127\.0\.0\.1:5000\/team\/triton@sha256:[0-9a-f]{64}$/);
      expect(await inImage(digest, script)).toBe("1.0 1000");
    });

    it("is not built again, from another checkout by someone with another umask either", async () => {
      const same = { digest: first, changes: { same: 3 } };
      expect(await up("a", hashed("probe", "1.0"))).toEqual(same);
      const umask = process.umask(0o002);
      try {
        expect(await up("b", hashed("probe", "1.0"))).toEqual(same);
      } finally {
        process.umask(umask);
      }
    });

    it("is another one for other requirements, and the one before stays in the registry", async () => {
      const { digest, changes } = await up("b", hashed("probe", "2.0"));
      expect(changes).toEqual({ update: 1, same: 2 });
      expect(plan(hashed("probe", "2.0")).reference).not.toBe(plan(hashed("probe", "1.0")).reference);
      expect(await inImage(digest, script)).toBe("2.0 1000");
      expect(await inImage(first, script)).toBe("1.0 1000");
    });

    it("is not built of what has another hash, nor without what a package needs: pip says why", async () => {
      const other = hashed("probe", "1.0").replace(/[0-9a-f]{64}/, "ab".repeat(32));
      expect(await failureOf("a", other)).toContain("THESE PACKAGES DO NOT MATCH THE HASHES");
      // pip says it in two lines, and the Docker provider may end before it has passed the last one on.
      expect(await failureOf("a", "needy==1.0\n")).toMatch(
        /satisfies the requirement absent|No matching distribution found for absent/,
      );
      const { digest } = await up("a", "probe==2.0\n");
      expect(await inImage(digest, script)).toBe("2.0 1000");
    });

    it("wants a Docker daemon and a login, and says so", async () => {
      const noDaemon = { DOCKER_HOST: `unix://${path.join(home, "no.sock")}` };
      expect(await failureOf("a", hashed("probe", "1.0"), noDaemon)).toContain(
        "failed to connect to any docker daemon",
      );
      const noLogin = { DOCKER_CONFIG: path.join(home, "no-login") };
      expect(await failureOf("a", "probe==1.0\n", noLogin)).toContain("401 Unauthorized");
    });

    it("is not even thought of where a requirement is not pinned", async () => {
      const requirements = path.join(home, "requirements.txt");
      writeFileSync(requirements, "probe\n");
      const stack = await TestStack.create(
        {
          "triton-platform:target": "kubernetes",
          "triton-platform:servers": { gpu: { accelerator: { gpu: "a100-80gb" } } },
          "triton-platform:kubernetes": {
            repository: { source: "image", reference: "models.example.com/models:1" },
            serverImage: { repository, requirements: path.relative(projectRoot, requirements) },
          },
        },
        // Where a provider were started, it would complain about this.
        { DOCKER_HOST: "unix:///nowhere" },
      );
      try {
        const { code, text } = await stack.preview();
        expect(code).not.toBe(0);
        expect(text).toContain("`probe` is not pinned to one version");
        expect(text).not.toContain("docker daemon");
      } finally {
        stack.remove();
      }
    });
  },
);
