import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mergeStackFiles } from "../../commands/local/home.ts";
import { smokeInputs } from "../../commands/local/smoke.ts";
import { modelOf } from "../support/models.ts";
import { root } from "../support/platform.ts";

describe("the machine's stack file", () => {
  const base = { config: { a: 1, b: 2 } };

  it("follows the committed one", () => {
    const merged = mergeStackFiles(base, { config: { a: 10, c: 3 } }, base);
    expect(merged).toEqual({ config: { a: 10, c: 3 } });
  });

  it("keeps what was set or changed here, and Pulumi's own fields", () => {
    const machine = {
      encryptionsalt: "v1:…",
      config: { a: 1, b: 20, "holysheep:apiKey": { secure: "v1:…" } },
    };
    expect(mergeStackFiles(base, { config: { a: 10, b: 30 } }, machine)).toEqual({
      encryptionsalt: "v1:…",
      config: { a: 10, b: 20, "holysheep:apiKey": { secure: "v1:…" } },
    });
  });

  it("is the committed one where there was none", () => {
    expect(mergeStackFiles({}, base, {})).toEqual(base);
  });
});

describe("the smoke call of a model", () => {
  it("sends one row of plain values for every input, the optional ones too", () => {
    const { spec } = modelOf("m", {
      maxBatchSize: 8,
      inputs: [
        { name: "prompt", dataType: "STRING", dims: [1] },
        { name: "max_tokens", dataType: "INT32", dims: [1], optional: true },
        { name: "image", dataType: "FP32", dims: [-1, 2] },
        { name: "flag", dataType: "BOOL", dims: [1] },
      ],
    });
    expect(smokeInputs(spec)).toEqual([
      { name: "prompt", datatype: "BYTES", shape: [1, 1], data: [expect.any(String)] },
      { name: "max_tokens", datatype: "INT32", shape: [1, 1], data: [1] },
      { name: "image", datatype: "FP32", shape: [1, 1, 2], data: [1, 1] },
      { name: "flag", datatype: "BOOL", shape: [1, 1], data: [true] },
    ]);
    expect(smokeInputs({ ...spec, maxBatchSize: 0 })[0]).toMatchObject({ shape: [1] });
  });
});

describe("npm run model:build", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-build-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  async function build(...args: string[]): Promise<{ code: number; text: string }> {
    const program = path.join(root, "commands", "run.mjs");
    const { exitCode, all } = await execa(process.execPath, [program, "model-build", ...args], {
      cwd: root,
      reject: false,
      all: true,
    });
    return { code: exitCode ?? -1, text: all };
  }

  it("writes the repository of the project's models", async () => {
    const out = path.join(folder, "repository");
    const { code, text } = await build("models", "--out", out);
    expect(code, text).toBe(0);
    expect(text).toMatch(/6 models, \d+ files, content hash [0-9a-f]{64}/);
    expect(readFileSync(path.join(out, "embedding-model", "config.pbtxt"), "utf8")).toContain(
      'backend: "onnxruntime"',
    );
    expect(existsSync(path.join(out, "llm-backend", "1", "model.py"))).toBe(true);
    expect(existsSync(path.join(out, "text-analysis", "1"))).toBe(true);
    const again = await build("models", "--out", out);
    expect([again.code, again.text]).toEqual([1, expect.stringContaining("not empty")]);
  });

  it("refuses problems of meaning, and with --no-check reports them and writes what is well-formed", async () => {
    const models = path.join(folder, "models");
    const spec =
      "backend: onnxruntime\nmaxBatchSize: 4\ninputs: [{ name: x, dataType: FP32, dims: [1] }]\noutputs: [{ name: y, dataType: FP32, dims: [1] }]\nbatching: { preferredBatchSizes: [8] }\n";
    await execa("mkdir", ["-p", path.join(models, "m", "1"), path.join(models, "broken")]);
    writeFileSync(path.join(models, "m", "model.yaml"), spec);
    writeFileSync(path.join(models, "m", "1", "model.onnx"), "");
    const out = path.join(folder, "repository");
    const refused = await build(models, "--out", out);
    expect(refused.code).toBe(1);
    expect(refused.text).toContain("8 is larger than maxBatchSize 4");
    expect(refused.text).toContain("model.yaml is missing");
    expect(existsSync(out)).toBe(false);

    const written = await build(models, "--out", out, "--no-check");
    expect(written.text).toContain("8 is larger than maxBatchSize 4");
    expect(readFileSync(path.join(out, "m", "config.pbtxt"), "utf8")).toContain("preferred_batch_size: 8");
    // One of the two specs could not be read.
    expect(written.code).toBe(1);
  });
});
