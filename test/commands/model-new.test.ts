import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../commands/model-new.ts";
import { templates } from "../../commands/new/templates.ts";
import { UserError } from "../../commands/setup/user-error.ts";
import { loadModels } from "../../core/spec/load.ts";
import { newestRelease } from "../../core/triton/releases.ts";
import { checkModel } from "../../core/triton/rules/index.ts";
import { runCommand, type CommandResult } from "../support/command.ts";
import { needing, projectRoot, runTool, venvPython } from "../support/tools.ts";

let out = "";
beforeEach(() => {
  out = path.join(mkdtempSync(path.join(tmpdir(), "new-")), "models");
  vi.spyOn(console, "log").mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(path.dirname(out), { recursive: true });
});

async function create(...args: string[]): Promise<void> {
  await main([...args, "--out", out]);
}

/** What the rules have against a scaffolded model, and what they advise. */
function judge() {
  const { value, problems } = loadModels(out);
  const models = new Map(value.map((model) => [model.spec.name, model]));
  const server = { release: newestRelease, customBackends: [], customAgents: [] } as const;
  const checked = value.map((model) => checkModel({ model, models, server }));
  return {
    models: value,
    problems: [...problems, ...checked.flatMap((judgement) => judgement.problems)],
    advice: checked.flatMap(({ advice }) => advice),
  };
}

const onnx = path.join(projectRoot, "models", "text-labels", "1", "model.onnx");

describe("npm run model:new", () => {
  it("takes inputs and outputs of an ONNX file, and the checker has nothing against it", async () => {
    await create("labels", "--onnx", onnx);
    const { models, problems, advice } = judge();
    expect([...problems, ...advice]).toEqual([]);
    expect(models[0]?.spec).toMatchObject({
      backend: "onnxruntime",
      maxBatchSize: 8,
      inputs: [{ name: "probabilities", dataType: "FP32", dims: [5] }],
      outputs: [
        { name: "label", dataType: "STRING", dims: [1] },
        { name: "score", dataType: "FP32", dims: [1] },
      ],
    });
    expect(models[0]?.artifacts).toMatchObject({ unlocked: [], missing: [] });
    expect(readFileSync(path.join(out, "labels", "1", "model.onnx"))).toEqual(readFileSync(onnx));
  });

  it("starts a Python model that does something, and the checker has nothing against it", async () => {
    await create("own", "--backend", "python");
    const { models, problems, advice } = judge();
    expect([...problems, ...advice]).toEqual([]);
    expect(models[0]?.artifacts.files.map((file) => file.path)).toEqual(["1/model.py"]);
  });

  it.skipIf(venvPython.program === undefined)(
    needing(venvPython, "starts Python that compiles"),
    async () => {
      await create("own", "--backend", "python");
      runTool(venvPython, ["-m", "py_compile", path.join(out, "own", "1", "model.py")]);
    },
  );

  it.each(templates)("starts a model from the template %s, which lacks its files only", async (template) => {
    await create("m", "--backend", template);
    const { models, problems } = judge();
    expect(models).toHaveLength(1);
    const expected = ["no-version", "step-model-missing", "backend-not-in-release"];
    expect(problems.filter(({ code = "" }) => !expected.includes(code))).toEqual([]);
  });

  it("overwrites nothing, and leaves nothing half-done", async () => {
    mkdirSync(path.join(out, "m"), { recursive: true });
    await expect(create("m", "--backend", "python")).rejects.toThrow(/is there already/);
    writeFileSync(path.join(out, "no.onnx"), "no model at all");
    await expect(create("n", "--onnx", path.join(out, "no.onnx"))).rejects.toThrow(/this is no ONNX model/);
    expect(existsSync(path.join(out, "n"))).toBe(false);
  });

  it.each([
    [["a/b", "--backend", "python"], /`a\/b` is no name for a model/],
    [["a b", "--backend", "python"], /is no name for a model/],
    [["m"], /--backend is needed/],
    [["m", "n", "--backend", "python"], /One name is needed/],
    [["m", "--backend", "pyton"], /no template for `pyton`/],
    [["m", "--backend", "pytorch", "--onnx", onnx], /--onnx is for onnxruntime/],
    [["m", "--onnx", "gone.onnx"], /There is no file gone.onnx/],
  ])("refuses %j", async (args, message) => {
    await expect(create(...args)).rejects.toThrow(message);
    expect(existsSync(out)).toBe(false);
  });

  it.each(["/etc/passwd", "/dev/null/x"])("says plainly that %s is no folder to write to", async (folder) => {
    const refused = main(["m", "--backend", "python", "--out", folder]);
    await expect(refused).rejects.toThrow(UserError);
    await expect(refused).rejects.toThrow(`${folder} cannot be written`);
  });

  it("takes paths as those who type them mean them, and the project's models where no folder is named", async () => {
    const user = path.dirname(out);
    const python = ["--backend", "python"];
    const asNpm = { npm_lifecycle_event: "model:new", INIT_CWD: user };
    // Once as people run it.
    const program = path.join(projectRoot, "commands", "run.mjs");
    const args = [program, "model-new", "m", ...python, "--out", "models"];
    const { exitCode } = await execa(process.execPath, args, { cwd: projectRoot, env: asNpm, reject: false });
    expect(exitCode).toBe(0);

    async function run(
      cwd: string,
      args: readonly string[],
      { npm_lifecycle_event, INIT_CWD }: Partial<typeof asNpm> = {},
    ): Promise<CommandResult> {
      vi.stubEnv("npm_lifecycle_event", npm_lifecycle_event);
      vi.stubEnv("INIT_CWD", INIT_CWD);
      const before = process.cwd();
      process.chdir(cwd);
      try {
        return await runCommand(main, ...args);
      } finally {
        process.chdir(before);
        vi.unstubAllEnvs();
      }
    }
    expect((await run(user, ["n", ...python, "--out", "models"])).code).toBe(0);
    expect(readdirSync(out).sort()).toEqual(["m", "n"]);
    writeFileSync(path.join(user, "mine.onnx"), "no model");
    const onnxArgs = ["o", "--onnx", "mine.onnx", "--out", "models"];
    expect((await run(projectRoot, onnxArgs, asNpm)).stderr).toContain("this is no ONNX model");
    // A model of the project: had it looked anywhere else, one would have been made.
    const taken = await run(user, ["text-labels", ...python]);
    expect(taken.stderr).toContain(`${path.join(projectRoot, "models", "text-labels")} is there already`);
  });

  it.skipIf(venvPython.program === undefined)(
    needing(venvPython, "brings the weights that lie beside an ONNX file"),
    async () => {
      const folder = path.join(path.dirname(out), "export");
      mkdirSync(folder);
      runTool(venvPython, ["-c", script, folder]);
      await create("big", "--onnx", path.join(folder, "big.onnx"));
      expect(judge().problems).toEqual([]);
      expect(judge().models[0]?.artifacts.files.map((file) => file.path)).toEqual([
        "1/big.weights",
        "1/model.onnx",
      ]);
      expect(judge().models[0]?.spec).toMatchObject({ maxBatchSize: 0, inputs: [{ dims: [300] }] });
      rmSync(path.join(folder, "big.weights"));
      await expect(create("other", "--onnx", path.join(folder, "big.onnx"))).rejects.toThrow(/not there/);
    },
  );
});

const script = `
import os, sys
import numpy as np, onnx
from onnx import TensorProto as T, helper as h, numpy_helper

weights = numpy_helper.from_array(np.zeros(300, np.float32), "w")
info = h.make_tensor_value_info
graph = h.make_graph([h.make_node("Add", ["x", "w"], ["y"])], "graph",
    [info("x", T.FLOAT, [300])], [info("y", T.FLOAT, [300])], initializer=[weights])
onnx.save(h.make_model(graph), os.path.join(sys.argv[1], "big.onnx"), save_as_external_data=True,
    location="big.weights", size_threshold=0)
`;
