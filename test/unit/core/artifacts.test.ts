import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  formatLock,
  hashFile,
  listArtifacts,
  readArtifacts,
  sha256,
  versionFolders,
} from "../../../core/spec/artifacts.ts";
import { ProblemsError } from "../../../core/spec/problem.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "artifacts-"));
  mkdirSync(path.join(directory, "1"));
  writeFileSync(path.join(directory, "1", "model.onnx"), "weights");
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const model = { path: "1/model.onnx", bytes: 7, sha256: sha256("weights") };
const message = "this is neither a file nor a folder";

describe("the artifacts of a model", () => {
  it("are the files of its version folders, by their content", () => {
    for (const name of ["01", "0", "x", "10"]) mkdirSync(path.join(directory, name));
    for (const name of [".keep", "a.pyc"]) writeFileSync(path.join(directory, "10", name), "");
    expect(versionFolders(directory)).toEqual(["1", "10"]);
    expect(listArtifacts(directory)).toEqual([model]);
  });

  it("are held against the lock", () => {
    const gone = { ...model, path: "2/model.onnx" };
    writeFileSync(
      path.join(directory, "artifacts.lock"),
      formatLock([gone, { ...model, sha256: sha256("other") }]),
    );
    expect(readArtifacts(directory, "m/artifacts.lock")).toEqual({
      artifacts: {
        files: [model, gone],
        unlocked: ["1/model.onnx"],
        missing: ["2/model.onnx"],
        sources: new Map(),
      },
      problems: [],
    });
  });

  it("are no pipes, sockets or devices, which might never end: those are problems", () => {
    execFileSync("mkfifo", [path.join(directory, "1", "pipe"), path.join(directory, "artifacts.lock")]);
    symlinkSync("/dev/zero", path.join(directory, "1", "zero"));
    const { artifacts, problems } = readArtifacts(directory, "models/m/artifacts.lock");
    expect(artifacts.files).toEqual([model]);
    expect(problems).toMatchObject([
      { file: "models/m/1/pipe", message, hint: "take it away, or put a file in its place" },
      { file: "models/m/1/zero", message },
      { file: "models/m/artifacts.lock", message },
    ]);
    expect(() => listArtifacts(directory)).toThrow(message);
    expect(() => hashFile(directory, "1/pipe")).toThrow(ProblemsError);
  });
});
