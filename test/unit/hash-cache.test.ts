import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { withKnownHashes } from "../../components/hash-cache.ts";
import { formatLock, hashFile, lockFilename, type Artifact } from "../../core/spec/artifacts.ts";
import { worthKnowing, type KnownHashes } from "../../core/spec/known-hashes.ts";
import { loadModels } from "../../core/spec/load.ts";
import { relock } from "../../commands/local/build.ts";

const wrong = "f".repeat(64);

let project = "";
let models = "";
let file = "";
let cache = "";

beforeEach(() => {
  project = mkdtempSync(path.join(tmpdir(), "hashes-"));
  models = path.join(project, "models");
  file = path.join(models, "m", "1", "model.onnx");
  cache = path.join(project, ".local", "cache", "hashes.json");
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(
    path.join(models, "m", "model.yaml"),
    [
      "backend: onnxruntime",
      "maxBatchSize: 8",
      "inputs: [{ name: x, dataType: FP32, dims: [4] }]",
      "outputs: [{ name: y, dataType: FP32, dims: [4] }]",
      "files: [tokens.bin]",
    ].join("\n"),
  );
  writeFileSync(path.join(models, "m", "tokens.bin"), weights("t"));
  writeFileSync(file, weights("a"));
  // To the second, so that it can be set back exactly.
  utimesSync(file, 1_000, 1_000);
  later();
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(project, { recursive: true, force: true });
});

/** As large as a file must be to be known, all of one letter. */
function weights(letter: string, bytes = worthKnowing): Buffer {
  return Buffer.alloc(bytes, letter);
}

/** What was written until now is settled. */
function later(): void {
  waitForTick();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  vi.setSystemTime(Date.now() + 60_000);
}

/** Until the file system's clock has gone on: what is written then has other times. */
function waitForTick(): void {
  const probe = path.join(project, "probe");
  const time = (): bigint => {
    writeFileSync(probe, "");
    return statSync(probe, { bigint: true }).ctimeNs;
  };
  const before = time();
  while (time() === before);
}

type Change =
  | { readonly write: string; readonly keepsTimes: boolean }
  | { readonly replace: string; readonly keepsTimes: boolean }
  | { readonly resize: number }
  | { readonly touch: number };

function hashed(): Artifact {
  return withKnownHashes(project, (known) => hashFile(path.join(models, "m"), "1/model.onnx", known));
}

function read(): Artifact {
  return hashFile(path.join(models, "m"), "1/model.onnx");
}

/** Gives everything that is known another hash: who then gives it has not read the file. */
function spoil(): void {
  writeFileSync(cache, readFileSync(cache, "utf8").replace(/[0-9a-f]{64}/g, wrong));
}

describe("a file that was hashed before", () => {
  it("is not read again, whoever asks, and neither are companions", () => {
    const fresh = withKnownHashes(project, (known) => loadModels(models, known));
    expect(fresh).toEqual(loadModels(models));
    spoil();
    const { value } = withKnownHashes(project, (known) => loadModels(models, known));
    const [model] = value;
    expect([...(model?.artifacts.files ?? []), ...(model?.companions ?? [])]).toEqual([
      { path: "1/model.onnx", bytes: worthKnowing, sha256: wrong },
      { path: "tokens.bin", bytes: worthKnowing, sha256: wrong },
    ]);
  });

  it.each<[string, () => void]>([
    [
      "another content of the same size, with the same mtime",
      () => {
        const { atime, mtime } = statSync(file);
        writeFileSync(file, weights("b"));
        utimesSync(file, atime, mtime);
      },
    ],
    [
      "another file in its place, with the same mtime",
      () => {
        const { atime, mtime } = statSync(file);
        writeFileSync(`${file}.new`, weights("b"));
        utimesSync(`${file}.new`, atime, mtime);
        renameSync(`${file}.new`, file);
      },
    ],
    [
      "a link to another file in its place",
      () => {
        writeFileSync(path.join(project, "other"), weights("b"));
        unlinkSync(file);
        symlinkSync(path.join(project, "other"), file);
      },
    ],
    [
      "another size",
      () => {
        truncateSync(file, worthKnowing + 1);
      },
    ],
  ])("is read where it has %s", (_, change) => {
    const before = hashed();
    expect(hashed()).toEqual(before);
    waitForTick();
    change();
    expect(hashed().sha256).not.toBe(before.sha256);
    expect(hashed()).toEqual(read());
  });

  it("is never taken for what it is not, whatever happens to it", () => {
    const step: fc.Arbitrary<Change> = fc.oneof(
      fc.record({ write: fc.constantFrom("a", "b"), keepsTimes: fc.boolean() }),
      fc.record({ replace: fc.constantFrom("a", "b"), keepsTimes: fc.boolean() }),
      fc.record({ resize: fc.integer({ min: worthKnowing - 1, max: worthKnowing + 1 }) }),
      fc.record({ touch: fc.integer({ min: 1, max: 1_000 }) }),
    );
    const apply = (change: Change): void => {
      const { atime, mtime } = statSync(file);
      const size = statSync(file).size;
      if ("write" in change) writeFileSync(file, weights(change.write, size));
      else if ("replace" in change) {
        writeFileSync(`${file}.new`, weights(change.replace, size));
        renameSync(`${file}.new`, file);
      } else if ("resize" in change) truncateSync(file, change.resize);
      else utimesSync(file, change.touch, change.touch);
      if ("keepsTimes" in change && change.keepsTimes) utimesSync(file, atime, mtime);
    };
    // With settled times it is known after the first time; with fresh ones it must never be.
    const steps = fc.array(fc.tuple(step, fc.boolean()), { maxLength: 6 });
    fc.assert(
      fc.property(steps, (all) => {
        for (const [change, isSettled] of all) {
          if (isSettled) waitForTick();
          else vi.useRealTimers();
          apply(change);
          expect(hashed()).toEqual(read());
          if (!isSettled) later();
          expect(hashed()).toEqual(read());
        }
      }),
      { numRuns: 40 },
    );
  });

  it("was not there long enough: it is read until it was", () => {
    vi.useRealTimers();
    writeFileSync(file, weights("b"));
    hashed();
    expect(readdirSync(project)).not.toContain(".local");
    later();
    hashed();
    spoil();
    expect(hashed().sha256).toBe(wrong);
  });

  it("is not known where it has changed while it was read", () => {
    const changing: KnownHashes = {
      find: () => {
        waitForTick();
        utimesSync(file, 1, 1);
        return undefined;
      },
      remember: () => {
        throw new Error("it is remembered");
      },
    };
    hashFile(path.join(models, "m"), "1/model.onnx", changing);
  });

  it("is not worth it where it is small", () => {
    writeFileSync(file, weights("a", worthKnowing - 1));
    later();
    hashed();
    expect(readdirSync(project)).not.toContain(".local");
  });

  it("is pinned anew by npm run models where a build has made another of the same size and times", () => {
    const { atime, mtime } = statSync(file);
    relock(path.join(models, "m"));
    waitForTick();
    writeFileSync(file, weights("b"));
    utimesSync(file, atime, mtime);
    relock(path.join(models, "m"));
    expect(readFileSync(path.join(models, "m", lockFilename), "utf8")).toBe(formatLock([read()]));
  });
});

describe("what is known", () => {
  it.each<[string, string]>([
    ["cut off", '{"version":1,"files":{"/a'],
    ["of another layout", '{"version":2,"files":[]}'],
    ["no text", "\u0000\u0001"],
    ["of no hashes", '{"version":1,"files":{"/a":{"stamp":"1","sha256":"abc"}}}'],
  ])("is nothing where its file is %s, and is written anew", (_, text) => {
    mkdirSync(path.dirname(cache), { recursive: true });
    writeFileSync(cache, text);
    expect(hashed()).toEqual(read());
    spoil();
    expect(hashed().sha256).toBe(wrong);
  });

  it("is nothing more of files that are gone, and leaves nothing unfinished", () => {
    hashed();
    unlinkSync(file);
    withKnownHashes(project, (known) => hashFile(path.join(models, "m"), "tokens.bin", known));
    const text = readFileSync(cache, "utf8");
    expect(text).toContain("tokens.bin");
    expect(text).not.toContain("model.onnx");
    expect(readdirSync(path.dirname(cache))).toEqual(["hashes.json"]);
  });

  it("by two at once is known by both", () => {
    withKnownHashes(project, (known) => {
      hashFile(path.join(models, "m"), "tokens.bin", known);
      hashed();
    });
    const text = readFileSync(cache, "utf8");
    expect(text).toContain("tokens.bin");
    expect(text).toContain("model.onnx");
  });

  it("is noted also where the work fails", () => {
    expect(() =>
      withKnownHashes(project, (known) => {
        hashFile(path.join(models, "m"), "tokens.bin", known);
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(readFileSync(cache, "utf8")).toContain("tokens.bin");
  });

  it("need not be writable", () => {
    writeFileSync(path.join(project, ".local"), "");
    expect(hashed()).toEqual(read());
  });
});
