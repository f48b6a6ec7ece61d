import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  compare,
  formatLock,
  hashFile,
  listArtifacts,
  readArtifacts,
  readLock,
  type LockedArtifact,
} from "../../../core/spec/artifacts.ts";
import { loadModels } from "../../../core/spec/load.ts";
import { artifactOf } from "../../support/models.ts";

const spec = `
backend: onnxruntime
maxBatchSize: 8
inputs: [{ name: x, dataType: FP32, dims: [4] }]
outputs: [{ name: y, dataType: FP32, dims: [4] }]
`;
const emptySha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

let folder = "";
beforeEach(() => {
  folder = path.join(mkdtempSync(path.join(tmpdir(), "models-")), "models");
  mkdirSync(folder);
});
afterEach(() => {
  rmSync(path.dirname(folder), { recursive: true });
});

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}

describe("loadModels", () => {
  it("reads every folder in the order of the names", () => {
    write({
      "b/model.yaml": spec,
      "a/model.yaml": spec,
      "a/1/model.onnx": "weights",
      ".hidden/x": "",
      "README.md": "",
    });
    const { value, problems } = loadModels(folder);
    expect(problems).toEqual([]);
    expect(value.map((model) => model.spec.name)).toEqual(["a", "b"]);
    expect(value[0]).toMatchObject({
      directory: path.join(folder, "a"),
      file: "models/a/model.yaml",
      artifacts: { files: [artifactOf("1/model.onnx", "weights")], unlocked: ["1/model.onnx"], missing: [] },
    });
  });

  it("reports all problems of all files together, and still gives the models that are well-formed", () => {
    write({
      "good/model.yaml": spec,
      "misspelt/model.yaml": `${spec}batchng: {}\nversion: 1\n`,
      "no-yaml/model.yaml": "a: b: c",
      "nothing/1/model.onnx": "weights",
      "Two words/model.yaml": spec,
      "bad-lock/model.yaml": spec,
      "bad-lock/artifacts.lock": "artifacts: [{ path: model.onnx, bytes: 1, sha256: abc }]",
    });
    const { value, problems } = loadModels(folder);
    expect(value.map((model) => model.spec.name)).toEqual(["Two words", "bad-lock", "good"]);
    expect(problems.map(({ file, path: place }) => `${file} ${place}`)).toEqual([
      "models/Two words ",
      "models/bad-lock/artifacts.lock artifacts[0].path",
      "models/bad-lock/artifacts.lock artifacts[0].sha256",
      "models/misspelt/model.yaml batchng",
      "models/misspelt/model.yaml version",
      "models/no-yaml/model.yaml ",
      "models/nothing ",
    ]);
    expect(problems.at(-1)?.message).toBe("model.yaml is missing");
    expect(problems[1]?.hint).toContain("npm run models");
  });

  it("takes along what `files` names, folders with all that is in them", () => {
    write({
      "m/model.yaml": `${spec}files: [env.tar.gz, tokenizer/]\n`,
      "m/env.tar.gz": "packed",
      "m/tokenizer/vocab/words.txt": "a",
      "m/tokenizer/.cache": "b",
      "absent/model.yaml": `${spec}files: [env.tar.xz]\n`,
      "absent/env.tar.gz": "packed",
    });
    const { value, problems } = loadModels(folder);
    expect(value.map(({ companions }) => companions.map((file) => file.path))).toEqual([
      [],
      ["env.tar.gz", "tokenizer/vocab/words.txt"],
    ]);
    expect(problems).toMatchObject([
      { file: "models/absent/model.yaml", path: "files[0]", hint: "did you mean `env.tar.gz`?" },
    ]);
  });

  it("follows links, and reports one that leads nowhere", () => {
    write({ "m/model.yaml": spec, "m/elsewhere/model.onnx": "weights", "broken/model.yaml": spec });
    symlinkSync("elsewhere", path.join(folder, "m", "1"));
    mkdirSync(path.join(folder, "broken", "1"));
    symlinkSync("nowhere", path.join(folder, "broken", "1", "model.onnx"));
    const { value, problems } = loadModels(folder);
    expect(value.map(({ artifacts }) => artifacts.files.map((file) => file.path))).toEqual([
      ["1/model.onnx"],
    ]);
    expect(problems).toMatchObject([{ file: "models/broken", hint: "mend its permissions or its link" }]);
    expect(problems[0]?.message).toMatch(/^cannot be read: ENOENT/);
  });

  it("refuses a folder that is not there, and one without models", () => {
    expect(loadModels(path.join(folder, "absent"))).toMatchObject({
      value: [],
      problems: [{ message: "there is no such folder" }],
    });
    expect(loadModels(folder)).toMatchObject({
      value: [],
      problems: [{ message: "there is no model here" }],
    });
  });

  it("reads label files, and suggests the one that is there", () => {
    const labelled = spec.replace(
      "outputs: [{ name: y, dataType: FP32, dims: [4] }]",
      "outputs: [{ name: y, dataType: FP32, dims: [4], labelFilename: labels.txt }]",
    );
    write({
      "right/model.yaml": labelled,
      "right/labels.txt": "one\ntwo\n",
      "wrong/model.yaml": labelled,
      "wrong/label.txt": "",
    });
    const { value, problems } = loadModels(folder);
    expect(value[0]?.companions).toEqual([artifactOf("labels.txt", "one\ntwo\n")]);
    expect(problems).toEqual([
      {
        file: "models/wrong/model.yaml",
        path: "outputs[0].labelFilename",
        message: "there is no file `labels.txt` in the model's folder",
        hint: "did you mean `label.txt`?",
      },
    ]);
  });
});

describe("artifacts", () => {
  it("are the files of numbered folders, without by-products and hidden files", () => {
    write({
      "a/1/model.py": "",
      "a/1/package/__init__.py": "",
      "a/1/__pycache__/model.cpython-311.pyc.140": "",
      "a/1/stray.pyc": "",
      "a/1/.cache/x": "",
      "a/10/model.py": "",
      "a/2/model.py": "",
      "a/01/model.py": "",
      "a/0/model.py": "",
      "a/v3/model.py": "",
      "a/model.yaml": "",
    });
    const found = listArtifacts(path.join(folder, "a"));
    expect(found.map((file) => file.path)).toEqual([
      "1/model.py",
      "1/package/__init__.py",
      "10/model.py",
      "2/model.py",
    ]);
    expect(found[0]).toEqual({ path: "1/model.py", bytes: 0, sha256: emptySha });
  });

  it("are hashed whole, however large they are", () => {
    // More than the piece that is read at once.
    const content = "0123456789abcdef".repeat(600_000);
    write({ "a/1/model.onnx": content });
    expect(hashFile(path.join(folder, "a"), "1/model.onnx")).toEqual(artifactOf("1/model.onnx", content));
  });

  it("are told apart as locked, unlocked and missing", () => {
    write({
      "a/1/locked": "locked",
      "a/1/changed": "after",
      "a/1/new": "new",
      "a/artifacts.lock": formatLock([
        artifactOf("1/locked", "locked"),
        artifactOf("1/changed", "before"),
        artifactOf("2/elsewhere", "elsewhere"),
      ]),
    });
    expect(readArtifacts(path.join(folder, "a"), "lock")).toEqual({
      artifacts: {
        files: [
          artifactOf("1/changed", "after"),
          artifactOf("1/locked", "locked"),
          artifactOf("1/new", "new"),
          artifactOf("2/elsewhere", "elsewhere"),
        ],
        unlocked: ["1/changed", "1/new"],
        missing: ["2/elsewhere"],
        sources: new Map(),
      },
      problems: [],
    });
  });
});

describe("artifacts.lock", () => {
  const artifact = fc
    .tuple(fc.integer({ min: 1, max: 99 }), fc.string({ minLength: 1, maxLength: 120 }), fc.string())
    .map(([version, name, content]) => artifactOf(`${String(version)}/${name}`, content));
  // Keys as odd as S3 allows, but for control characters.
  const key = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 120 })
    .filter((text) => !/[\p{Cc}\uFFFD]/u.test(text));
  const source = fc.record(
    {
      uri: key.map((name) => `s3://weights/${name}`),
      versionId: fc.stringMatching(/^[!-~]{1,64}$/).filter((id) => id !== "null"),
      region: fc.constantFrom("eu-west-1", "yes", "1e3"),
      endpoint: fc.constant("https://minio.example:9000"),
    },
    { requiredKeys: ["uri", "versionId"] },
  );
  const entry = fc.record({ artifact, source: fc.option(source, { nil: undefined }) });

  it("is the same text for the same artifacts in any order, and is read back", () => {
    const some = fc
      .uniqueArray(entry, { selector: (file) => file.artifact.path, maxLength: 6 })
      .map((entries) =>
        entries.map(({ artifact, source }): LockedArtifact =>
          source === undefined ? artifact : { ...artifact, source },
        ),
      );
    const shuffled = some.chain((files) =>
      fc.tuple(
        fc.constant(files),
        fc.shuffledSubarray(files, { minLength: files.length, maxLength: files.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([files, other]) => {
        const text = formatLock(files);
        expect(formatLock(other)).toBe(text);
        write({ "a/artifacts.lock": text });
        const { artifacts, problems } = readArtifacts(path.join(folder, "a"), "lock");
        expect(problems).toEqual([]);
        const paths = artifacts.files.map((file) => file.path);
        expect(paths).toEqual([...paths].sort());
        expect(new Set(artifacts.files)).toEqual(new Set(files.map(({ source: _, ...file }) => file)));
        const sources = files.flatMap(({ path: name, source }) =>
          source === undefined ? [] : [[name, source] as const],
        );
        expect(artifacts.sources).toEqual(new Map(sources));
        expect(readLock(path.join(folder, "a"), "lock")).toEqual({
          value: [...files].sort((a, b) => compare(a.path, b.path)),
        });
      }),
    );
  });

  it.each<[string, string, RegExp]>([
    ["no object", "{ uri: s3://weights, versionId: v }", /artifacts\[0\].source.uri .*no object in S3/],
    ["no version", "{ uri: s3://weights/a }", /artifacts\[0\].source.versionId/],
    ["a version that is written over", '{ uri: s3://weights/a, versionId: "null" }', /written over/],
    ["keys", "{ uri: s3://weights/a, versionId: v, endpoint: 'http://a:b@c' }", /credentials are no part/],
  ])("refuses a source with %s, and does not tell to write the file anew", (_, text, message) => {
    write({
      "a/artifacts.lock": `artifacts: [{ path: 1/a, bytes: 0, sha256: ${emptySha}, source: ${text} }]`,
    });
    const { problems } = readArtifacts(path.join(folder, "a"), "lock");
    expect(problems.map((problem) => `${problem.path} ${problem.message}`).join()).toMatch(message);
    expect(problems[0]?.hint).toMatch(/git restore|model:reference/);
    expect(problems[0]?.hint).not.toContain("npm run models");
  });

  it("is sorted and says who writes it", () => {
    expect(formatLock([artifactOf("1/b", ""), artifactOf("1/a", "")])).toBe(
      [
        "# Written by `npm run models`: what the version folders hold. Not edited by hand.",
        "artifacts:",
        `  - path: 1/a\n    bytes: 0\n    sha256: ${emptySha}`,
        `  - path: 1/b\n    bytes: 0\n    sha256: ${emptySha}\n`,
      ].join("\n"),
    );
  });
});
