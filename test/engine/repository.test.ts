import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { LocalWorkspace, PulumiCommand, type Stack } from "@pulumi/pulumi/automation/index.js";
import yaml from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { placesIn } from "../../commands/setup/places.ts";
import { readyTools } from "../../commands/setup/set-up.ts";
import { ModelRepository, type ModelRepositoryArgs } from "../../components/repository/ModelRepository.ts";
import { blobKey, entriesIn, manifestKey } from "../../core/repository/layout.ts";
import { sha256 } from "../../core/spec/artifacts.ts";
import { generatedFile, manifest, type RepositoryFile } from "../../core/triton/repository.ts";
import { ObjectStore } from "../support/object-store.ts";
import { projectRoot } from "../support/tools.ts";

/** The message a command of the engine fails with. */
async function failureOf(command: () => Promise<unknown>): Promise<string> {
  try {
    await command();
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  throw new Error("it did not fail");
}

const { engine } = readyTools(placesIn(projectRoot));
const prefix = "team/prod";

const script = generatedFile("a/1/model.py", "x = 1");
function version(n: number): RepositoryFile[] {
  return [script, generatedFile("a/config.pbtxt", `version ${String(n)}`)];
}
function hashOf(files: readonly RepositoryFile[]): string {
  return sha256(manifest(files));
}

describe.skipIf(engine === undefined)(
  `model repositories in an object store under the real engine${engine === undefined ? " (no engine)" : ""}`,
  () => {
    let home: string;
    let store: ObjectStore;
    let stack: Stack;
    /** What the program registers. */
    let wanted: Record<string, Partial<ModelRepositoryArgs>> = {};

    beforeAll(async () => {
      home = mkdtempSync(path.join(tmpdir(), "repository-"));
      store = await ObjectStore.start();
      const state = path.join(home, "state");
      const workDir = path.join(home, "work");
      mkdirSync(state);
      mkdirSync(workDir);
      const provider = { name: "modelstore", path: path.join(projectRoot, "components/repository/provider") };
      writeFileSync(
        path.join(workDir, "Pulumi.yaml"),
        yaml.dump({ name: "triton-platform", runtime: "nodejs", plugins: { providers: [provider] } }),
      );
      process.env.PATH = engine?.env.PATH;
      stack = await LocalWorkspace.createStack(
        { stackName: "prod", projectName: "triton-platform", program: register },
        {
          workDir,
          pulumiCommand: await PulumiCommand.get(engine?.root === undefined ? {} : { root: engine.root }),
          envVars: {
            ...engine?.env,
            PULUMI_BACKEND_URL: `file://${state}`,
            PULUMI_CONFIG_PASSPHRASE: "test",
            AWS_SHARED_CREDENTIALS_FILE: store.credentialsIn(home),
            AWS_CONFIG_FILE: path.join(home, "none"),
            AWS_EC2_METADATA_DISABLED: "true",
            AWS_PROFILE: "default",
          },
        },
      );
    });

    afterAll(async () => {
      await store.stop();
      rmSync(home, { recursive: true, force: true });
    });

    function register(): Promise<void> {
      const before: ModelRepository[] = [];
      for (const [server, args] of Object.entries(wanted)) {
        const inputs = {
          bucket: store.bucket,
          prefix,
          region: "us-east-1",
          endpoint: store.endpoint,
          server,
          hash: "",
          delivery: "loader" as const,
          retain: 1,
          ...args,
        };
        before.push(new ModelRepository(server, inputs, { dependsOn: [...before] }));
      }
      return Promise.resolve();
    }

    function serving(
      files: readonly RepositoryFile[],
      args: Partial<ModelRepositoryArgs> = {},
    ): Partial<ModelRepositoryArgs> {
      return { hash: hashOf(files), files: [...files], ...args };
    }

    /** The changes by kind, and keys that were written. */
    async function up(): Promise<{ changes: Record<string, number>; written: string[] }> {
      store.requests.length = 0;
      const { summary } = await stack.up({ color: "never" });
      return { changes: { ...summary.resourceChanges }, written: store.keysOf("put") };
    }

    function keys(): string[] {
      return [...store.objects.keys()].map((key) => key.slice(prefix.length + 1));
    }

    function served(server: string): string[] {
      return entriesIn(keys())
        .filter((entry) => entry.server === server)
        .map(({ hash }) => hash);
    }

    it("are uploaded, and a second time not even looked for", async () => {
      wanted = { gpu: serving(version(1)), llm: serving([script]) };
      expect((await up()).changes).toEqual({ create: 3 });
      expect(keys()).toEqual(
        expect.arrayContaining([manifestKey(hashOf(version(1))), blobKey(script.sha256), "owner"]),
      );
      expect(store.keysOf("put").filter((key) => key.endsWith(blobKey(script.sha256)))).toHaveLength(1);
      expect(await up()).toEqual({ changes: { same: 3 }, written: [] });
      expect(store.requests).toEqual([]);
    });

    it("are the same wherever the files lie", async () => {
      const file = path.join(home, "model.py");
      writeFileSync(file, "x = 1");
      wanted = { ...wanted, llm: serving([{ ...script, from: { file } }]) };
      expect(await up()).toEqual({ changes: { same: 3 }, written: [] });
    });

    it("get one blob and one manifest where one file has changed, and the old ones stay for a way back", async () => {
      wanted = { ...wanted, gpu: serving(version(2)) };
      const { changes, written } = await up();
      expect(changes).toEqual({ replace: 1, same: 2 });
      expect(written.filter((key) => !key.includes("/servers/"))).toEqual([
        `${prefix}/${blobKey(sha256("version 2"))}`,
        `${prefix}/${manifestKey(hashOf(version(2)))}`,
      ]);
      expect(served("gpu")).toEqual([hashOf(version(2)), hashOf(version(1))]);
    });

    it("go back without an upload", async () => {
      wanted = { ...wanted, gpu: { hash: hashOf(version(1)) } };
      const { written } = await up();
      expect(written).toHaveLength(1);
      expect(served("gpu")[0]).toBe(hashOf(version(1)));
      wanted = { ...wanted, gpu: serving(version(2)) };
      await up();
    });

    it("go when the last ones are enough, with what only they needed", async () => {
      wanted = { ...wanted, gpu: serving(version(3)) };
      await up();
      expect(served("gpu")).toEqual([hashOf(version(3)), hashOf(version(2))]);
      expect(keys()).not.toContain(blobKey(sha256("version 1")));
      expect(keys()).not.toContain(manifestKey(hashOf(version(1))));
      expect(served("llm")).toEqual([hashOf([script])]);
    });

    it("are brought again after a refresh has found them missing", async () => {
      store.objects.delete(`${prefix}/${manifestKey(hashOf(version(3)))}`);
      await stack.refresh({ color: "never" });
      const { changes, written } = await up();
      expect(changes).toEqual({ create: 1, same: 2 });
      expect(written).toContain(`${prefix}/${manifestKey(hashOf(version(3)))}`);
    });

    it("have what lies in S3 copied by it, unread, also where it is another's bucket", async () => {
      const content = Buffer.from("weights");
      store.versions.set("weights/big.bin", new Map([["v1", { content }]]));
      const s3 = {
        uri: "s3://weights/big.bin",
        versionId: "v1",
        region: "eu-west-1",
        endpoint: store.endpoint,
      };
      const big: RepositoryFile = {
        ...{ path: "a/1/big.bin", bytes: content.length, sha256: sha256("weights") },
        from: { s3 },
      };
      wanted = { ...wanted, llm: serving([big, script]) };
      const { written } = await up();
      expect(written).not.toContain(`${prefix}/${blobKey(big.sha256)}`);
      expect(store.keysOf("copy")).toEqual([`${prefix}/${blobKey(big.sha256)}`]);
      expect(store.keysOf("get")).not.toContain("big.bin");
      expect(store.objects.get(`${prefix}/${blobKey(big.sha256)}`)?.toString()).toBe("weights");

      // Where it lies does not matter, nor whether it does.
      store.versions.clear();
      wanted = { ...wanted, llm: serving([{ ...big, from: { s3: { ...s3, versionId: "v2" } } }, script]) };
      expect(await up()).toEqual({ changes: { same: 3 }, written: [] });
      const gone = generatedFile("a/1/gone.bin", "gone");
      wanted = { ...wanted, llm: serving([{ ...gone, from: { s3 } }, script]) };
      expect(await failureOf(() => stack.up({ color: "never" }))).toContain(
        `s3://weights/big.bin, version v1 (${store.endpoint}): there is no such version`,
      );
      wanted = { ...wanted, llm: serving([script]) };
      await up();
    });

    it("stay while what depends on the next ones fails, even where none is retained", async () => {
      const there = served("gpu")[0] ?? "";
      wanted = { gpu: serving(version(5), { retain: 0 }), llm: { hash: "f".repeat(64) } };
      await failureOf(up);
      wanted = { gpu: serving(version(6), { retain: 0 }), llm: { hash: "f".repeat(64) } };
      await failureOf(up);
      expect(served("gpu").slice(0, 3)).toEqual([hashOf(version(6)), hashOf(version(5)), there]);
      expect(keys()).toContain(manifestKey(there));
      wanted = { gpu: serving(version(3), { retain: 0 }), llm: serving([script]) };
      await up();
      expect(served("gpu")).toEqual([hashOf(version(3))]);
      expect(keys()).toContain(blobKey(sha256("version 3")));
      expect(keys()).not.toContain(blobKey(sha256("version 5")));
    });

    it("say what to mend, without a stack trace", async () => {
      wanted = { ...wanted, gpu: { hash: "f".repeat(64) } };
      const unknown = await failureOf(() => stack.up({ color: "never" }));
      expect(unknown).toContain("gpu cannot go back to fff");
      store.fault = () => ({ kind: "status", status: 403, code: "AccessDenied" });
      wanted = { ...wanted, gpu: serving(version(4)) };
      const denied = await failureOf(() => stack.up({ color: "never" }));
      expect(denied).toContain("access is denied to this machine's credentials");
      const stuck = await failureOf(() => stack.destroy({ color: "never" }));
      expect(stuck).toContain("access is denied");
      expect([denied, stuck].join("\n")).not.toMatch(/\n\s+at /);
      store.fault = () => undefined;
    });

    it("leave nothing behind when all is destroyed", async () => {
      await up();
      await stack.destroy({ color: "never" });
      expect(keys()).toEqual([]);
    });
  },
);
