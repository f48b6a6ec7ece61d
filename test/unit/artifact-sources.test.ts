import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { main as modelBuild } from "../../commands/model-build.ts";
import { unlockedProblems } from "../../components/project.ts";
import { prepareLocal, type PreparedLocal } from "../../components/local/prepare.ts";
import { formatLock, lockFilename } from "../../core/spec/artifacts.ts";
import { loadModels } from "../../core/spec/load.ts";
import { runCommand } from "../support/command.ts";
import { artifactOf, platformOf } from "../support/models.ts";
import { projectRoot } from "../support/tools.ts";

const spec = `
backend: python
maxBatchSize: 8
inputs: [{ name: x, dataType: FP32, dims: [4] }]
outputs: [{ name: y, dataType: FP32, dims: [4] }]
`;
const source = { uri: "s3://weights/model.bin", versionId: "v1" };
const tools = {
  python: "/venv/bin/python",
  triton: "/triton",
  libraryPath: "",
  environmentHash: "",
  haproxy: "/haproxy",
  prometheus: "/prometheus",
  promtool: "/promtool",
};

let folder = "";
let weights = "";

/** A model whose weights lie in S3, and one that has none. */
beforeEach(() => {
  folder = path.join(mkdtempSync(path.join(tmpdir(), "sources-")), "models");
  for (const name of ["big", "small"]) {
    mkdirSync(path.join(folder, name, "1"), { recursive: true });
    writeFileSync(path.join(folder, name, "model.yaml"), spec);
    writeFileSync(path.join(folder, name, "1", "model.py"), "x = 1");
  }
  weights = path.join(folder, "big", "1", "weights.bin");
  const locked = [artifactOf("1/model.py", "x = 1"), { ...artifactOf("1/weights.bin", "weights"), source }];
  writeFileSync(path.join(folder, "big", lockFilename), formatLock(locked));
});

afterEach(() => {
  rmSync(path.dirname(folder), { recursive: true, force: true });
});

describe("weights that lie in S3, on this machine", () => {
  function prepared(): PreparedLocal {
    const { value: models } = loadModels(folder);
    const options = { config: platformOf(), tools, project: projectRoot, hasApiKey: true };
    const { value, problems } = prepareLocal(models, "Pulumi.local.yaml", options);
    expect(problems).toEqual([]);
    return value;
  }
  const served = ({ plan }: PreparedLocal): string[] =>
    plan.description.servers.flatMap(({ models }) => models.map(({ name }) => name));

  it("are missing, and their model is left out, with a note that says where they are", () => {
    const { plan, notes } = prepared();
    expect(served({ plan, notes, picture: [], advice: [] })).toEqual(["small"]);
    expect(notes.join("\n")).toMatch(
      /big is left out: 1\/weights.bin is missing: it lies in s3:\/\/weights\/model.bin, .*aws s3api get-object --bucket weights --key model.bin --version-id v1 .*\/big\/1\/weights.bin/,
    );
  });

  it("are served from the folder where they are in it", () => {
    writeFileSync(weights, "weights");
    const local = prepared();
    expect(served(local)).toEqual(["big", "small"]);
    expect(local.plan.repositories[0]?.files.map(({ from }) => from)).toContainEqual({ file: weights });
  });
});

describe("weights that lie in S3, in a repository of npm run model:build", () => {
  const out = (): string => path.join(path.dirname(folder), "out");

  it("are refused where they are not in the folder", async () => {
    const { code, stderr } = await runCommand(modelBuild, folder, "--out", out());
    expect(code).toBe(1);
    expect(stderr).toContain("1/weights.bin is missing: it lies in s3://weights/model.bin");
    writeFileSync(weights, "weights");
    expect((await runCommand(modelBuild, folder, "--out", out())).code).toBe(0);
  });
});

describe("weights that lie in S3, on a cluster", () => {
  it("are refused where the folder has others, with both ways to mend it", () => {
    expect(unlockedProblems(loadModels(folder).value.slice(0, 1))).toEqual([]);
    writeFileSync(weights, "others");
    expect(unlockedProblems(loadModels(folder).value.slice(0, 1))).toMatchObject([
      {
        message: "the file 1/weights.bin is not what artifacts.lock pins",
        hint: "remove it, and s3://weights/model.bin is served; or upload it there, and pin that with `npm run model:reference`",
      },
    ]);
  });
});
