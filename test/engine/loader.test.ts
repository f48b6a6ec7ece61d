import { sha256 } from "../../core/spec/artifacts.ts";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa, execaSync } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { repositoryDelivery } from "../../core/kubernetes/loader.ts";
import { blobKey, manifestKey } from "../../core/repository/layout.ts";
import { kubernetesSchema, type RepositorySource } from "../../core/spec/kubernetes.ts";
import { generatedFile, manifest, type RepositoryFile } from "../../core/triton/repository.ts";
import { ObjectStore, type Fault } from "../support/object-store.ts";
import { needing, type Tool } from "../support/tools.ts";

const image = "docker.io/rclone/rclone:1.71.2";
const prefix = "team/prod";

function sourceOf(fields: object): RepositorySource {
  return kubernetesSchema.parse({ repository: fields }).repository;
}

/** A repository's files in a folder as `npm run publish` writes it. */
class Source {
  readonly hash: string;
  readonly text: string;

  constructor(
    readonly files: readonly RepositoryFile[],
    text = manifest(files),
  ) {
    this.text = text;
    this.hash = sha256(text);
  }

  /** What the store holds, by key. */
  get contents(): Map<string, Buffer> {
    return new Map([
      [manifestKey(this.hash), Buffer.from(this.text)],
      ...this.files.map(({ sha256, from }): [string, Buffer] => [
        blobKey(sha256),
        Buffer.from("content" in from ? from.content : ""),
      ]),
    ]);
  }

  writeTo(folder: string): void {
    for (const [key, content] of this.contents) {
      mkdirSync(path.dirname(path.join(folder, key)), { recursive: true });
      writeFileSync(path.join(folder, key), content);
    }
  }

  putInto(store: ObjectStore, prefix: string): void {
    for (const [key, content] of this.contents) store.objects.set(`${prefix}/${key}`, content);
  }
}

function tool(name: string): Tool {
  const { stdout } = execaSync("sh", ["-c", `command -v ${name}`], { reject: false });
  return { name, program: stdout === "" ? undefined : stdout };
}

const rclone = tool("rclone");
const busybox = tool("busybox");
const dash: Tool = { name: "dash", program: "/bin/sh" };
const missing = [rclone, busybox].filter(({ program }) => program === undefined);
const missingTool = missing[0] ?? rclone;

describe.skipIf(missing.length > 0)(needing(missingTool, "the loader"), () => {
  let work: string;
  let models: string;
  let store: ObjectStore;

  beforeEach(async () => {
    work = mkdtempSync(path.join(tmpdir(), "loader-"));
    models = path.join(work, "models");
    mkdirSync(models);
    store = await ObjectStore.start();
  });

  afterEach(async () => {
    await store.stop();
    rmSync(work, { recursive: true, force: true });
  });

  /** A PATH on which busybox is every program but rclone. */
  function busyboxPath(): string {
    const bin = path.join(work, "bin");
    mkdirSync(bin, { recursive: true });
    for (const name of programs) {
      if (!existsSync(path.join(bin, name))) symlinkSync(busybox.program ?? "", path.join(bin, name));
    }
    if (!existsSync(path.join(bin, "rclone"))) symlinkSync(rclone.program ?? "", path.join(bin, "rclone"));
    return bin;
  }

  function command(
    shell: Tool,
    source: RepositorySource,
    hash: string,
    from?: string,
  ): { file: string; args: string[]; options: { env: Record<string, string>; extendEnv: false } } {
    const [container] = repositoryDelivery(source, hash, image, {}).initContainers;
    const [, ...args] = container?.command ?? [];
    const env = Object.fromEntries((container?.env ?? []).map(({ name, value = "" }) => [name, value]));
    const isBusybox = shell === busybox;
    return {
      file: isBusybox ? path.join(busyboxPath(), "sh") : (shell.program ?? ""),
      args,
      options: {
        env: {
          ...env,
          MODELS: models,
          PATH: isBusybox ? busyboxPath() : (process.env.PATH ?? ""),
          ...(from === undefined ? {} : { SOURCE: from }),
          ...(source.source === "s3" ? { AWS_SHARED_CREDENTIALS_FILE: store.credentialsIn(work) } : {}),
        },
        extendEnv: false,
      },
    };
  }

  async function load(
    { hash }: Pick<Source, "hash">,
    { shell = dash, folder }: { shell?: Tool; folder?: string } = {},
  ): Promise<{ code: number | undefined; text: string }> {
    const claim = sourceOf({ source: "persistentVolumeClaim", claimName: "c" });
    const { file, args, options } =
      folder === undefined ? command(shell, objectStore(), hash) : command(shell, claim, hash, folder);
    const { exitCode, all } = await execa(file, args, { ...options, reject: false, all: true });
    return { code: exitCode, text: all };
  }

  function objectStore(): RepositorySource {
    return sourceOf({ source: "s3", bucket: store.bucket, prefix, endpoint: store.endpoint });
  }

  /** Files of the laid out repository by path, with their content. */
  function laidOut(hash: string): Record<string, string> {
    const folder = path.join(models, "repository", hash);
    return Object.fromEntries(
      readdirSync(folder, { recursive: true, encoding: "utf8" })
        .filter((name) => statSync(path.join(folder, name)).isFile())
        .map((name) => [name, readFileSync(path.join(folder, name), "utf8")]),
    );
  }

  function expected({ files }: Source): Record<string, string> {
    return Object.fromEntries(
      files.map(({ path: name, from }) => [name, "content" in from ? from.content : ""]),
    );
  }

  const odd = new Source([
    generatedFile("a/1/.keep", ""),
    generatedFile("a/1/model with  two spaces .py", "x = 1\n"),
    generatedFile("a/1/-n", "dash"),
    generatedFile("a/1/back\\slash 'quote' $HOME `x`", "odd"),
    generatedFile("a/config.pbtxt", "name: a"),
    generatedFile("ünï/1/模型.onnx", "x = 1\n"),
    generatedFile("loose", "at the top"),
  ]);

  const shells = [dash, ...(busybox.program === undefined ? [] : [busybox])];

  it.each(shells)(
    "brings a folder's repository under $name, whatever its paths are called",
    async (shell) => {
      const folder = path.join(work, "a source");
      odd.writeTo(folder);
      const { code, text } = await load(odd, { shell, folder });
      expect(code, text).toBe(0);
      expect(laidOut(odd.hash)).toEqual(expected(odd));
      expect(text).toMatch(/fetching 6 of 6 files/);
      expect(text).toMatch(/ is ready: 7 files, 36 bytes, \d+ s/);
    },
  );

  it.each(shells)("brings 100 files and a big one from S3 under $name", async (shell) => {
    const big = "0123456789abcdef".repeat((64 * 1024 * 1024) / 16) + "!";
    const source = new Source([
      ...Array.from({ length: 100 }, (_, i) =>
        generatedFile(`m${String(i)}/config.pbtxt`, `name: ${String(i)}`),
      ),
      generatedFile("weights/1/model.bin", big),
    ]);
    source.putInto(store, prefix);
    const { code, text } = await load(source, { shell });
    expect(code, text).toBe(0);
    const there = laidOut(source.hash);
    expect(Object.keys(there)).toHaveLength(101);
    expect(there["m99/config.pbtxt"]).toBe("name: 99");
    expect(there["weights/1/model.bin"] === big).toBe(true);
    // In several streams.
    const bigKey = `${prefix}/${blobKey(source.files[100]?.sha256 ?? "")}`;
    expect(store.keysOf("get").filter((key) => key === bigKey).length).toBeGreaterThan(1);
  });

  it("goes on after a kill: what came whole is not fetched again", async () => {
    const source = new Source(
      Array.from({ length: 6 }, (_, i) => generatedFile(`m/1/${String(i)}`, `content ${String(i)}`)),
    );
    source.putInto(store, prefix);
    const late = `${prefix}/${blobKey(source.files[5]?.sha256 ?? "")}`;
    store.fault = ({ key, operation }) =>
      key === late && operation === "get" ? { kind: "silent" } : undefined;
    const { file, args, options } = command(dash, objectStore(), source.hash);
    const first = execa(file, args, { ...options, reject: false });
    const blobs = path.join(models, "blobs");
    await expect
      .poll(() => existsSync(blobs) && readdirSync(blobs).filter((name) => !name.includes(".")).length >= 5)
      .toBe(true);
    first.kill("SIGTERM");
    expect((await first).exitCode).toBe(143);
    expect(existsSync(path.join(models, "repository", source.hash))).toBe(false);

    store.fault = () => undefined;
    store.requests.length = 0;
    const { code, text } = await load(source);
    expect(code, text).toBe(0);
    expect(laidOut(source.hash)).toEqual(expected(source));
    expect(new Set(store.keysOf("get"))).toEqual(new Set([`${prefix}/${manifestKey(source.hash)}`, late]));
  });

  it("fetches again what lies there with another content", async () => {
    odd.putInto(store, prefix);
    const wrong = odd.files[4]?.sha256 ?? "";
    mkdirSync(path.join(models, "blobs"));
    writeFileSync(path.join(models, "blobs", wrong), "name: b");
    const { code, text } = await load(odd);
    expect(code, text).toBe(0);
    expect(laidOut(odd.hash)).toEqual(expected(odd));
    expect(text).toContain(`blobs/${wrong}: its content is another`);
  });

  it.each<[string, Fault]>([
    ["an error of the store", { kind: "status", status: 500, code: "InternalError" }],
    ["a body that breaks off", { kind: "truncated" }],
    ["a byte that is wrong", { kind: "corrupt" }],
  ])("outlives %s", async (_, fault) => {
    odd.putInto(store, prefix);
    let left = 2;
    store.fault = ({ operation, key }) =>
      operation === "get" && key.includes("/blobs/") && left-- > 0 ? fault : undefined;
    const { code, text } = await load(odd);
    expect(code, text).toBe(0);
    expect(left).toBeLessThan(0);
    expect(laidOut(odd.hash)).toEqual(expected(odd));
  });

  it("refuses a blob that stays another than its name says", async () => {
    odd.putInto(store, prefix);
    const sha256 = odd.files[4]?.sha256 ?? "";
    store.objects.set(`${prefix}/${blobKey(sha256)}`, Buffer.from("name: b"));
    const { code, text } = await load(odd);
    expect(code).toBe(1);
    expect(text).toContain(
      `1 of the blobs of ${odd.hash} are not in s3:models/team/prod, or not what their names say: ${blobKey(sha256)}`,
    );
    expect(existsSync(path.join(models, "repository", odd.hash))).toBe(false);
  });

  it("says what to do where the manifest is missing, damaged or leads out of its folder", async () => {
    const absent = await load(odd);
    expect(absent.code).toBe(1);
    expect(absent.text).toContain(`there is no manifests/${odd.hash} in s3:models/team/prod`);
    expect(absent.text).toContain("publish it first");

    store.objects.set(`${prefix}/${manifestKey(odd.hash)}`, Buffer.from("another"));
    const damaged = await load(odd);
    expect(damaged.code).toBe(1);
    expect(damaged.text).toMatch(/is damaged: its sha256 is [0-9a-f]{64}/);

    for (const name of ["../../out", "/etc/out", "a/../../out", "a//b", "a/./b", "..", ""]) {
      const file = { ...generatedFile("x", "content"), path: name };
      const source = new Source([file]);
      const folder = path.join(work, "outside");
      source.writeTo(folder);
      const { code, text } = await load(source, { folder });
      expect(code, name).toBe(1);
      expect(text).toContain("names a file that is none");
    }
    expect(readdirSync(work)).not.toContain("out");
  });

  it("says what to do where the store refuses", async () => {
    odd.putInto(store, prefix);
    store.fault = () => ({ kind: "status", status: 403, code: "AccessDenied" });
    const { code, text } = await load(odd);
    expect(code).toBe(1);
    expect(text).toContain("s3:models/team/prod denies access to this pod's credentials");
    expect(text).toContain("s3:GetObject");
  });

  it("reads a folder of which it owns nothing", async () => {
    const folder = path.join(work, "source");
    odd.writeTo(folder);
    for (const file of odd.files) chmodSync(path.join(folder, blobKey(file.sha256)), 0o444);
    const again = [await load(odd, { folder }), await load(odd, { folder })];
    expect(again.map(({ code }) => code)).toEqual([0, 0]);
    expect(laidOut(odd.hash)).toEqual(expected(odd));
  });
});

const programs = [
  ...["sh", "awk", "cut", "date", "echo", "grep", "head", "ln", "mkdir", "mv", "nproc", "printf"],
  ...["rm", "sha256sum", "sort", "tail", "test", "tr", "wc", "xargs"],
];
