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
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { replaceFolder, sweep } from "../../commands/files/replace.ts";
import { mergeStackFiles } from "../../commands/local/home.ts";
import { smokeInputs } from "../../commands/local/smoke.ts";
import { main as modelBuild } from "../../commands/model-build.ts";
import { main as schema } from "../../commands/schema.ts";
import { runCommand } from "../support/command.ts";
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
    const { code, stdout, stderr } = await runCommand(modelBuild, ...args);
    return { code, text: `${stdout}${stderr}` };
  }

  it("writes the repository of the project's models", async () => {
    const out = path.join(folder, "repository");
    // Once as people run it.
    const program = path.join(root, "commands", "run.mjs");
    const args = [program, "model-build", "models", "--out", out];
    const env = { npm_lifecycle_event: undefined };
    const { exitCode, all: text } = await execa(process.execPath, args, {
      cwd: root,
      env,
      reject: false,
      all: true,
    });
    expect(exitCode, text).toBe(0);
    expect(text).toMatch(/6 models for Triton \d\d\.\d\d, \d+ files, content hash [0-9a-f]{64}/);
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
    mkdirSync(path.join(models, "m", "1"), { recursive: true });
    mkdirSync(path.join(models, "broken"));
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

  it("judges for the release and the backends that are named", async () => {
    const models = path.join(folder, "models");
    mkdirSync(path.join(models, "m", "1"), { recursive: true });
    const tensor = "[{ name: x, dataType: FP32, dims: [1] }]";
    const spec = `backend: mine\nmaxBatchSize: 0\ninputs: ${tensor}\noutputs: ${tensor}\n`;
    writeFileSync(path.join(models, "m", "model.yaml"), spec);
    writeFileSync(path.join(models, "m", "1", "x"), "");
    const [one, other] = [path.join(folder, "one"), path.join(folder, "other")];
    expect((await build(models, "--out", one)).text).toContain("has no backend `mine`");
    const { code, text } = await build(
      models,
      "--out",
      one,
      "--custom-backend",
      "mine",
      "--release",
      "24.12",
    );
    expect([code, text]).toEqual([0, expect.stringContaining("1 models for Triton 24.12")]);

    const late = spec.replace("mine", "tensorflow\nplatform: tensorflow_savedmodel");
    writeFileSync(path.join(models, "m", "model.yaml"), late);
    expect((await build(models, "--out", other, "--release", "24.10")).text).not.toContain("backend-not-in");
    expect((await build(models, "--out", other)).text).toContain("backend-not-in-release");
    const refused = await build(models, "--out", other, "--release", "24.13");
    expect([refused.code, refused.text]).toEqual([1, expect.stringContaining("is no release of Triton's")]);
  });

  it("leaves nothing of a repository that could not be written as a whole", async () => {
    const models = path.join(folder, "models");
    mkdirSync(path.join(models, "m", "1"), { recursive: true });
    writeFileSync(
      path.join(models, "m", "model.yaml"),
      "backend: python\nmaxBatchSize: 0\nfiles: [config.pbtxt]\n",
    );
    writeFileSync(path.join(models, "m", "1", "model.py"), "");
    // Two files want the same place, and the second is put below the first.
    mkdirSync(path.join(models, "m", "config.pbtxt"));
    writeFileSync(path.join(models, "m", "config.pbtxt", "x"), "");
    const { code, text } = await build(models, "--out", path.join(folder, "repository"), "--no-check");
    expect([code, text]).toEqual([1, expect.stringContaining("cannot be written")]);
    expect(readdirSync(folder)).toEqual(["models"]);
  });

  it.each(["/etc/passwd", "/dev/null/x"])("says plainly that %s is no folder to write to", async (out) => {
    const { code, text } = await build("models", "--out", out);
    expect([code, text]).toEqual([1, expect.stringContaining(`${out} cannot be written`)]);
    expect(text).not.toContain("bug");
  });
});

describe("npm run schema", () => {
  it("takes no arguments", async () => {
    await expect(schema(["--foo"])).rejects.toThrow("Unknown option '--foo'");
  });
});

describe("a folder that is replaced", () => {
  let home: string;
  let place: string;
  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), "tp-replace-"));
    place = path.join(home, "b");
  });
  afterEach(() => {
    rmSync(home, { recursive: true, force: true });
  });

  function fill(text: string): (folder: string) => void {
    return (folder) => {
      writeFileSync(path.join(folder, "x"), text);
    };
  }

  it("is as it was where it cannot be filled", async () => {
    await replaceFolder(place, fill("old"));
    const failing = replaceFolder(place, (folder) => {
      writeFileSync(path.join(folder, "x"), "half");
      throw new Error("no space");
    });
    await expect(failing).rejects.toThrow("no space");
    expect([readdirSync(home), readFileSync(path.join(place, "x"), "utf8")]).toEqual([["b"], "old"]);
  });

  it("sweeps what processes that were killed left of it, and of nothing else", async () => {
    // No process has a number as high: Linux allows 2^22.
    const dead = 2 ** 22 + 1;
    const alive = process.ppid;
    const others = [
      `.b.${String(alive)}.unfinished`,
      ".b2.unfinished",
      ".bb.unfinished",
      ".b.yaml",
      ".unfinished",
    ];
    const leftovers = [".b.unfinished", `.b.${String(dead)}.unfinished`, `.b.${String(dead)}.replaced`];
    for (const name of [...others, ...leftovers, "b"]) mkdirSync(path.join(home, name));
    await replaceFolder(place, fill("new"));
    expect(readdirSync(home).sort()).toEqual([...others, "b"].sort());
  });

  it("comes back where a process was killed between taking the old away and putting the new there", () => {
    mkdirSync(path.join(home, ".b.replaced"));
    writeFileSync(path.join(home, ".b.replaced", "x"), "mine");
    sweep(place);
    expect(readFileSync(path.join(place, "x"), "utf8")).toBe("mine");
    expect(readdirSync(home)).toEqual(["b"]);
  });
});
