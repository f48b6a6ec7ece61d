import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { importModel, type ImportOptions } from "../../commands/import/model.ts";
import { schemaComment } from "../../commands/import/spec-file.ts";
import { findSources } from "../../commands/import/sources.ts";
import { main as modelImport } from "../../commands/model-import.ts";
import { formatLock } from "../../core/spec/artifacts.ts";
import { loadModels } from "../../core/spec/load.ts";
import { newestRelease } from "../../core/triton/releases.ts";
import { projectRoot } from "../support/tools.ts";
import { runCommand } from "../support/command.ts";
import { artifactOf } from "../support/models.ts";

let home = "";
let repository = "";
let out = "";
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "import-"));
  repository = path.join(home, "repository");
  out = path.join(home, "models");
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

const config = `
# The comment is not kept.
name: "a"
backend: "onnxruntime"
max_batch_size: 8
input [{ name: "x", data_type: TYPE_FP32, dims: [ 4 ] }]
output { name: "label" data_type: TYPE_STRING dims: 1 label_filename: "labels.txt" }
dynamic_batching { max_queue_delay_microseconds: 2000 default_queue_policy { max_queue_size: 64 } }
instance_group { kind: KIND_CPU count: 2 }
model_warmup { name: "w" batch_size: 1 inputs { key: "x" value { data_type: TYPE_FP32 dims: 4 input_data_file: "x.bin" } } }
`;

function write(files: Readonly<Record<string, string | Uint8Array>>, folder = repository): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
}

async function bring(places: readonly string[], options: Partial<ImportOptions> = {}) {
  const { value: sources, problems } = findSources(places);
  const imported = [];
  const refused = [...problems];
  mkdirSync(out, { recursive: true });
  for (const source of sources) {
    const all = { out, configOnly: false, force: false, ...options };
    const result = await importModel(source, all, imported, () => undefined);
    if ("problems" in result) refused.push(...result.problems);
    else imported.push(result);
  }
  return { imported, refused, messages: refused.map(({ message }) => message) };
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

describe("the import of a repository", () => {
  beforeEach(() => {
    write({
      "a/config.pbtxt": config,
      "a/1/model.onnx": "weights",
      "a/3/model.onnx": "newer weights",
      "a/3/__pycache__/x.pyc": "",
      "a/labels.txt": "cat\ndog\n",
      "a/warmup/x.bin": "0123456789abcdef",
      "a/env.tar.gz": "not of the config",
      "a/README.md": "for people",
      "b/config.pbtxt":
        'platform: "ensemble" ensemble_scheduling { step { model_name: "a" model_version: -1 } }',
      "b/1/.keep": "",
      "c/config.pbtxt": "max_batch_size: 8 inputs {}",
      "a/2": "a file",
      "d/readme.txt": "no model",
      ".git/config": "",
    });
  });

  it("writes specs, copies the models' files and pins them", async () => {
    const { imported, refused } = await bring([repository]);
    expect(imported.map(({ spec, versions, bytes }) => [spec.name, versions, bytes])).toEqual([
      ["a", ["1", "3"], "weightsnewer weightscat\ndog\nnot of the config".length + 16 + "a file".length],
      ["b", [], 0],
    ]);
    expect(refused).toEqual([
      expect.objectContaining({
        file: path.join(repository, "d"),
        message: "there is no config.pbtxt in it",
      }),
      expect.objectContaining({
        file: `${path.join(repository, "c", "config.pbtxt")}:1`,
        message: "ModelConfig has no field `inputs`",
        hint: "did you mean `input`?",
      }),
    ]);
    expect(filesIn(out)).toEqual([
      "a/1/model.onnx",
      "a/2",
      "a/3/model.onnx",
      "a/artifacts.lock",
      "a/env.tar.gz",
      "a/labels.txt",
      "a/model.yaml",
      "a/warmup/x.bin",
      "b/model.yaml",
    ]);
    expect(readFileSync(path.join(out, "a", "model.yaml"), "utf8")).toBe(`backend: onnxruntime
maxBatchSize: 8
inputs: [{ name: x, dataType: FP32, dims: [4] }]
outputs: [{ name: label, dataType: STRING, dims: [1], labelFilename: labels.txt }]
batching: { maxQueueDelay: 2ms, maxQueueSize: 64 }
instances: [{ kind: cpu, count: 2 }]
warmup:
  - { name: w, batchSize: 1, inputs: { x: { inputDataFile: x.bin } } }
files: ["2", env.tar.gz]
`);
    const { value: models, problems } = loadModels(out);
    expect(problems).toEqual([]);
    expect(models[0]?.artifacts).toMatchObject({ unlocked: [], missing: [] });
    expect(models[0]?.companions.map((file) => file.path).sort()).toEqual([
      "2",
      "env.tar.gz",
      "labels.txt",
      "warmup/x.bin",
    ]);
    expect(imported[0]?.notes.map(({ file }) => path.relative(repository, file))).toEqual([
      "a/2",
      "a/env.tar.gz",
    ]);
  });

  it("overwrites nothing, but by --force", async () => {
    write({ "a/model.yaml": "mine", "a/notes.txt": "mine" }, out);
    const kept = await bring([path.join(repository, "a")]);
    expect(kept.messages).toEqual([`${path.join(out, "a")} is there already`]);
    expect(filesIn(out)).toEqual(["a/model.yaml", "a/notes.txt"]);
    const specKept = await bring([path.join(repository, "a")], { configOnly: true });
    expect(specKept.messages).toEqual([`${path.join(out, "a", "model.yaml")} is there already`]);

    expect((await bring([path.join(repository, "a")], { force: true })).refused).toEqual([]);
    expect(filesIn(out)).toContain("a/1/model.onnx");
    expect(filesIn(out)).not.toContain("a/notes.txt");
    expect((await bring([path.join(repository, "a")], { force: true, configOnly: true })).refused).toEqual(
      [],
    );
  });

  it("writes the specs alone with --config-only", async () => {
    await bring([path.join(repository, "a"), path.join(repository, "b")], { configOnly: true });
    expect(filesIn(out)).toEqual(["a/model.yaml", "b/model.yaml"]);
  });

  it("makes a models folder of the repository where that is what is asked for", async () => {
    rmSync(path.join(repository, "c"), { recursive: true });
    out = repository;
    const { imported } = await bring([repository]);
    expect(imported.map(({ spec }) => spec.name)).toEqual(["a", "b"]);
    expect(filesIn(repository)).toEqual(
      expect.arrayContaining(["a/model.yaml", "a/artifacts.lock", "a/config.pbtxt", "a/1/model.onnx"]),
    );
  });

  it("names the companions of a model that is where it should be, and copies nothing", async () => {
    out = repository;
    write({
      "e/config.pbtxt": 'backend: "python"',
      "e/1/model.py": "code",
      "e/tokenizer/vocab.txt": "words",
    });
    const { imported } = await bring([path.join(repository, "e")]);
    expect(imported[0]).toMatchObject({ versions: ["1"], bytes: 0 });
    expect(imported[0]?.notes.map(({ file }) => file)).toEqual([path.join(repository, "e", "tokenizer")]);
    const { value, problems } = loadModels(repository);
    const model = value.find(({ spec }) => spec.name === "e");
    expect(problems.filter(({ file }) => file.startsWith("repository/e"))).toEqual([]);
    expect(model?.spec.files).toEqual(["tokenizer"]);
    expect(model?.companions.map((file) => file.path)).toEqual(["tokenizer/vocab.txt"]);
    expect(model?.artifacts).toMatchObject({ unlocked: [], missing: [] });

    // Again: what the first import wrote is no companion.
    expect((await bring([path.join(repository, "e")], { force: true, configOnly: true })).refused).toEqual(
      [],
    );
    expect(readFileSync(path.join(repository, "e", "model.yaml"), "utf8")).toContain("files: [tokenizer]\n");

    // What lies in S3 stays pinned.
    const inS3 = {
      ...artifactOf("1/weights.bin"),
      source: { uri: "s3://weights/weights.bin", versionId: "v" },
    };
    const lock = formatLock([artifactOf("1/model.py", "code"), inS3]);
    for (const configOnly of [true, false]) {
      write({ "e/artifacts.lock": lock });
      await bring([path.join(repository, "e")], { force: true, configOnly });
      expect(readFileSync(path.join(repository, "e", "artifacts.lock"), "utf8")).toBe(lock);
    }
  });

  it("says which hidden files are left behind, but for empty ones", async () => {
    write({
      "e/config.pbtxt": "",
      "e/.cache/x": "x",
      "e/1/.vocab": "words",
      "e/1/.keep": "",
      "e/1/a.pyc": "x",
    });
    const { imported } = await bring([path.join(repository, "e")]);
    expect(imported[0]?.notes.map(({ message }) => message)).toEqual([
      "hidden files are no part of a model here, and no server gets them: .cache, 1/.vocab",
    ]);
    expect(filesIn(path.join(out, "e"))).toEqual(["model.yaml"]);
  });

  it("says which variables of a template are left in its texts", async () => {
    const parameters = ["a", "b", "a"].map(
      (name, i) => `parameters { key: "${String(i)}" value { string_value: "\${${name}}" } }`,
    );
    write({ "e/config.pbtxt": parameters.join("\n") });
    const { imported } = await bring([path.join(repository, "e")]);
    expect(imported[0]?.notes.map(({ message }) => message)).toEqual([
      "these variables of a template are not filled in: ${a}, ${b}",
    ]);
  });

  it("brings back what an import that was killed had taken away", async () => {
    write({ ".a.replaced/model.yaml": "mine", ".a.unfinished/1/model.onnx": "half" }, out);
    const { messages } = await bring([path.join(repository, "a")]);
    expect(messages).toEqual([`${path.join(out, "a")} is there already`]);
    expect(filesIn(out)).toEqual(["a/model.yaml"]);
  });

  it("leaves nothing of a model that could not be copied", async () => {
    symlinkSync("nowhere", path.join(repository, "a", "1", "gone.bin"));
    symlinkSync("..", path.join(repository, "a", "3", "circle"));
    const { messages } = await bring([path.join(repository, "a")]);
    expect(messages).toEqual([
      expect.stringMatching(/cannot be read: ENOENT/),
      expect.stringMatching(/leads back to a folder around it/),
    ]);
    expect(readdirSync(out)).toEqual([]);
  });

  it("follows links to what they lead to", async () => {
    write({ "store/model.onnx": "linked" }, home);
    symlinkSync(path.join(home, "store"), path.join(repository, "a", "7"));
    symlinkSync(path.join(repository, "a"), path.join(home, "a"));
    const { imported } = await bring([path.join(home, "a")]);
    expect(imported[0]?.versions).toEqual(["1", "3", "7"]);
    expect(lstatSync(path.join(out, "a", "7")).isDirectory()).toBe(true);
    expect(readFileSync(path.join(out, "a", "7", "model.onnx"), "utf8")).toBe("linked");
  });

  it("does not replace the folder that it copies from", async () => {
    write({ "a/inner/config.pbtxt": config }, out);
    const { messages } = await bring([path.join(out, "a", "inner")], { force: true });
    expect(messages).toEqual([`${path.join(out, "a")} would be replaced, and what is imported is in it`]);
  });
});

describe("an imported spec", () => {
  it("names the schema for editors where it lies in this checkout", () => {
    expect(schemaComment(path.join(projectRoot, "models", "m"))).toBe(
      "# yaml-language-server: $schema=../../schemas/model.schema.json\n",
    );
    expect(existsSync(path.join(projectRoot, "schemas", "model.schema.json"))).toBe(true);
  });
});

describe("the import of a config", () => {
  it("is named by its file, its folder or itself", async () => {
    write({
      "first.pbtxt": "max_batch_size: 1",
      "second/config.pbtxt": "max_batch_size: 2",
      "folder/config.pbtxt": 'name: "third"',
    });
    const places = ["first.pbtxt", "second/config.pbtxt", "folder"].map((place) =>
      path.join(repository, place),
    );
    const { imported, refused } = await bring(places);
    expect(refused).toEqual([]);
    expect(filesIn(out)).toEqual(["first/model.yaml", "second/model.yaml", "third/model.yaml"]);
    expect(imported.map(({ notes }) => notes.map(({ message }) => message))).toEqual([
      [],
      [],
      ["the folder is named `folder`, and the model `third`"],
    ]);
  });

  it("is refused where its name is none, or another's", async () => {
    write({
      "up.pbtxt": 'name: "../up"',
      "nul.pbtxt": 'name: "a\\000b"',
      "one.pbtxt": 'name: "same"',
      "two.pbtxt": 'name: "same"',
    });
    const places = ["up", "nul", "one", "two"].map((name) => path.join(repository, `${name}.pbtxt`));
    const { messages } = await bring(places, { force: true });
    expect(messages).toEqual([
      "`../up` is no name for a model",
      expect.stringMatching(/is no name for a model/),
      "another model that is imported is named `same` too",
    ]);
    expect(filesIn(home).filter((file) => file.endsWith(".yaml"))).toEqual(["models/same/model.yaml"]);
  });

  it("answers plainly where there is no text to read", async () => {
    write({
      "latin1.pbtxt": Buffer.from([0x6e, 0xe9]),
      "nul.pbtxt": "\0\0",
      "large.pbtxt": Buffer.alloc(10 * 1024 ** 2, " "),
      "empty/readme": "",
    });
    mkdirSync(path.join(repository, "folder", "config.pbtxt"), { recursive: true });
    const places = ["latin1.pbtxt", "nul.pbtxt", "large.pbtxt", "empty", "folder", "gone"];
    const { messages } = await bring(places.map((place) => path.join(repository, place)));
    expect(messages).toEqual([
      expect.stringMatching(/no config.pbtxt in it/),
      "there is no such file or folder",
      "this is no text in UTF-8",
      expect.stringMatching(/illegal field name/),
      "this is no config.pbtxt: it is 10485760 bytes long",
      "this is no file",
    ]);
  });
});

describe("npm run model:import", () => {
  const run = (...args: string[]) => runCommand(modelImport, ...args);

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("that is stopped by %s leaves nothing unfinished, and says so", async (signal, code) => {
    write({ "a/config.pbtxt": config, "a/1/model.onnx": "weights", "b/config.pbtxt": "", "b/1/large": "" });
    truncateSync(path.join(repository, "b", "1", "large"), 64 * 2 ** 30);
    const program = path.join(projectRoot, "commands", "run.mjs");
    const child = execa(process.execPath, [program, "model-import", repository, "--out", out], {
      cwd: projectRoot,
      env: { npm_lifecycle_event: undefined },
      reject: false,
    });
    await vi.waitFor(
      () => {
        expect(readdirSync(out).filter((name) => name.startsWith(".b."))).not.toEqual([]);
      },
      { timeout: 20_000 },
    );
    child.kill(signal);
    const { exitCode, stderr } = await child;
    expect([exitCode, stderr]).toEqual([
      code,
      expect.stringContaining(`Stopped: ${path.join(out, "b")} is as it was before`),
    ]);
    expect(readdirSync(out)).toEqual(["a"]);
  });

  it("shows what was imported, what its rules say beside, and what was not", async () => {
    const tooLarge = config.replace(/default_queue_policy {.*?}/, "preferred_batch_size: 99");
    write({ "a/config.pbtxt": tooLarge, "a/1/model.onnx": "weights" });
    const good = await run(repository, "--out", out);
    expect(good.code, good.stderr).toBe(0);
    expect(good.stdout).toMatch(/│ a +│ onnxruntime +│ 1 +│ 7 B +│/);
    expect(good.stdout).toContain(`Judged by the rules for Triton ${newestRelease}`);
    const [advice = "", problems = ""] = good.stderr.split("Imported; these would be refused. ");
    expect(problems).toContain("99 is larger than maxBatchSize 8");
    expect(problems).toContain("there is no file `labels.txt`");
    expect(problems.match(/^ {2}\S.*/gm)?.filter((line) => !/^ {2}line \d+, /.test(line))).toEqual([]);
    expect(advice).toMatch(/pieces? of advice:\n\nmodels\/a\/model\.yaml\n {2}line \d+, /);
    expect(advice).not.toContain("problem");

    write({ "b/config.pbtxt": "{" });
    const bad = await run(path.join(repository, "b"), "--out", out);
    expect([bad.code, bad.stdout]).toEqual([1, ""]);
    expect(bad.stderr).toContain(`${path.join(repository, "b", "config.pbtxt")}:1`);
    expect(bad.stderr).not.toMatch(/ at .*:\d+:\d+/);
    expect(existsSync(path.join(out, "b"))).toBe(false);
  });

  it("says what it needs", async () => {
    const { code, stderr } = await run(repository);
    expect([code, stderr]).toEqual([1, expect.stringContaining("--out")]);
    const file = path.join(home, "file");
    writeFileSync(file, "");
    write({ "a/config.pbtxt": config });
    for (const folder of [file, "/dev/null/x"]) {
      const refused = await run(repository, "--out", folder);
      expect([refused.code, refused.stderr]).toEqual([
        1,
        expect.stringContaining(`${folder} cannot be written`),
      ]);
    }
  });
});
