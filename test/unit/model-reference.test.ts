import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../commands/model-reference.ts";
import { relock } from "../../commands/local/build.ts";
import { formatLock, lockFilename, type LockedArtifact } from "../../core/spec/artifacts.ts";
import { ProblemsError } from "../../core/spec/problem.ts";
import { runCommand, type CommandResult } from "../support/command.ts";
import { artifactOf } from "../support/models.ts";
import { ObjectStore, stubCredentials } from "../support/object-store.ts";

const content = Buffer.alloc(3 * 1024 ** 2, "weights ");
const digest = createHash("sha256").update(content);
const checksum = digest.copy().digest("base64");
const sha256 = digest.digest("hex");
const uri = "s3://weights/team/model.plan";
const small = artifactOf("1/model.py", "x = 1");

let work = "";
let model = "";
let s3: ObjectStore;

beforeEach(async () => {
  work = mkdtempSync(path.join(tmpdir(), "reference-"));
  model = path.join(work, "models", "llm");
  mkdirSync(path.join(model, "1"), { recursive: true });
  writeFileSync(path.join(model, "1", "model.py"), "x = 1");
  writeFileSync(path.join(model, lockFilename), formatLock([small]));
  s3 = await ObjectStore.start();
  s3.versions.set(
    "weights/team/model.plan",
    new Map([
      ["v1", { content: Buffer.from("older") }],
      ["v2", { content }],
    ]),
  );
  stubCredentials(s3, work);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await s3.stop();
  rmSync(work, { recursive: true, force: true });
});

function reference(...args: string[]): Promise<CommandResult> {
  return runCommand(main, ...args, "--endpoint", s3.endpoint, "--models", path.join(work, "models"));
}

function entry(fields: Partial<LockedArtifact> = {}): LockedArtifact {
  return {
    ...{ path: "1/model.plan", bytes: content.length, sha256 },
    source: { uri, versionId: "v2", endpoint: s3.endpoint },
    ...fields,
  };
}

function lock(): string {
  return readFileSync(path.join(model, lockFilename), "utf8");
}

describe("npm run model:reference", () => {
  it("pins the newest version beside what is pinned, its content read once", async () => {
    const { code, stdout, stderr } = await reference("llm", "1/model.plan", uri);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(`llm: 1/model.plan is ${uri}, version v2, 3 MiB, sha256 ${sha256}`);
    expect(stderr).toContain(`Reading ${uri} once for its sha256`);
    expect(lock()).toBe(formatLock([small, entry()]));
    expect(s3.keysOf("get")).toHaveLength(1);
  });

  it("pins the version that is named, in the entry's place, with its region", async () => {
    await reference("llm", "1/model.plan", uri);
    const { code } = await reference(
      "llm",
      "1/model.plan",
      uri,
      "--version-id",
      "v1",
      "--region",
      "eu-west-1",
    );
    expect(code).toBe(0);
    const source = { uri, versionId: "v1", region: "eu-west-1", endpoint: s3.endpoint };
    expect(lock()).toBe(formatLock([small, { ...artifactOf("1/model.plan", "older"), source }]));
  });

  it("takes S3's sha256 where it is of the whole object, and not where it is of its parts", async () => {
    const object = s3.versions.get("weights/team/model.plan");
    object?.set("v2", { content, checksum });
    await reference("llm", "1/model.plan", uri);
    expect(lock()).toBe(formatLock([small, entry()]));
    expect(s3.keysOf("get")).toEqual([]);
    object?.set("v2", { content, checksum: `${Buffer.alloc(32).toString("base64")}-2` });
    await reference("llm", "1/model.plan", uri);
    expect(lock()).toBe(formatLock([small, entry()]));
    expect(s3.keysOf("get")).toHaveLength(1);
  });

  it("says where the file on disk is another one", async () => {
    writeFileSync(path.join(model, "1", "model.plan"), "another");
    expect((await reference("llm", "1/model.plan", uri)).stdout).toContain(
      "1/model.plan is another one here",
    );
    writeFileSync(path.join(model, "1", "model.plan"), content);
    expect((await reference("llm", "1/model.plan", uri)).stdout).not.toContain("another one");
  });

  it.each<[string, string[], () => void, RegExp]>([
    [
      "too little",
      ["llm", "1/model.plan"],
      () => undefined,
      /A model, a path and a URI are needed\n.*--version-id/s,
    ],
    ["an unknown model", ["lm", "1/model.plan", uri], () => undefined, /There is no model `lm`[^]*llm/],
    [
      "a path outside",
      ["llm", "model.plan", uri],
      () => undefined,
      /no path in a version folder\n.*1\/model.plan/,
    ],
    ["a path that leads out", ["llm", "1/../../x", uri], () => undefined, /no path in a version folder/],
    ["no object", ["llm", "1/model.plan", "weights/x"], () => undefined, /s3:\/\/bucket\/folder\/model.plan/],
    [
      "a bucket that keeps no versions",
      ["llm", "1/model.plan", uri],
      () => s3.versions.set("weights/team/model.plan", new Map([["", { content }]])),
      /The bucket weights keeps no versions.*\n.*put-bucket-versioning --bucket weights/,
    ],
    [
      "a bucket whose versioning is suspended",
      ["llm", "1/model.plan", uri],
      () => s3.versions.set("weights/team/model.plan", new Map([["null", { content }]])),
      /keeps no versions/,
    ],
    [
      "a version that is not there",
      ["llm", "1/model.plan", uri, "--version-id", "v9"],
      () => undefined,
      /version v9 .*there is no such version/,
    ],
    [
      "what may not be read",
      ["llm", "1/model.plan", uri],
      () => {
        s3.fault = () => ({ kind: "status", status: 403, code: "AccessDenied" });
      },
      /access is denied.*\n.*s3:GetObjectVersion/,
    ],
  ])("refuses %s, and leaves the lock as it is", async (_, args, spoil, message) => {
    spoil();
    const { code, stderr } = await reference(...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
    expect(lock()).toBe(formatLock([small]));
  });
});

describe("npm run models", () => {
  beforeEach(() => {
    writeFileSync(path.join(model, lockFilename), formatLock([small, entry()]));
  });

  it("keeps what lies in S3, whether it is on disk too or not", () => {
    expect(relock(model)).toEqual({ isNew: false, differing: [] });
    writeFileSync(path.join(model, "1", "model.plan"), content);
    writeFileSync(path.join(model, "1", "model.py"), "x = 2");
    expect(relock(model)).toEqual({ isNew: true, differing: [] });
    expect(lock()).toBe(formatLock([artifactOf("1/model.py", "x = 2"), entry()]));
  });

  it("keeps it where the folder has another one, and says so", () => {
    writeFileSync(path.join(model, "1", "model.plan"), "another");
    expect(relock(model)).toEqual({ isNew: false, differing: [entry()] });
    expect(lock()).toBe(formatLock([small, entry()]));
  });

  it("does not write over a damaged lock that says where files lie", () => {
    const damaged = lock().replace("versionId", "version");
    writeFileSync(path.join(model, lockFilename), damaged);
    expect(() => relock(model)).toThrow(ProblemsError);
    expect(lock()).toBe(damaged);
    writeFileSync(path.join(model, lockFilename), "artifacts: [{ path: 1/model.py }]");
    expect(relock(model).isNew).toBe(true);
    expect(existsSync(path.join(model, "1", "model.plan"))).toBe(false);
  });
});
