import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { modelRepositoryArgs } from "../../components/repository/ModelRepository.ts";
import {
  modelRepositoryHandler,
  modelRepositorySchema,
} from "../../components/repository/provider/model-repository.ts";
import { FolderStore } from "../../components/repository/folder-store.ts";
import { isPublished, publish, retire, type Publication } from "../../components/repository/publish.ts";
import { S3Store } from "../../components/repository/s3-store.ts";
import type { Store } from "../../components/repository/store.ts";
import { blobKey, entryKey, manifestKey, treePrefix } from "../../core/repository/layout.ts";
import { hashFile, sha256 } from "../../core/spec/artifacts.ts";
import { generatedFile, manifest, type RepositoryFile } from "../../core/triton/repository.ts";
import { kubernetesSchema } from "../../core/spec/kubernetes.ts";
import { ObjectStore, stubCredentials } from "../support/object-store.ts";
import { projectRoot } from "../support/tools.ts";

const config = generatedFile("a/config.pbtxt", "name: a");
const script = generatedFile("a/1/model.py", "x = 1");
const keep = generatedFile("b/1/.keep", "");
const owner = "triton-platform/prod";

let clock = 0;
function publicationOf(files: readonly RepositoryFile[], fields: Partial<Publication> = {}): Publication {
  const hash = sha256(manifest(files));
  const server = fields.server ?? "gpu";
  return {
    server,
    hash,
    files,
    entry: entryKey(server, new Date(clock++), hash),
    owner,
    tree: false,
    ...fields,
  };
}

let work: string;
let s3: ObjectStore;

beforeEach(async () => {
  work = mkdtempSync(path.join(tmpdir(), "publish-"));
  s3 = await ObjectStore.start();
  stubCredentials(s3, work);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await s3.stop();
  rmSync(work, { recursive: true, force: true });
});

function s3Store(): S3Store {
  return new S3Store({ bucket: "models", prefix: "team/prod", region: "us-east-1", endpoint: s3.endpoint });
}

function fileOf(name: string, content: Buffer | string): RepositoryFile {
  const file = path.join(work, path.basename(name));
  writeFileSync(file, content);
  return { ...hashFile(work, path.basename(name)), path: name, from: { file } };
}

async function keysOf(store: Store): Promise<string[]> {
  return [...(await store.list("")).keys()].sort();
}

describe.each<[string, () => Store]>([
  ["a folder", () => new FolderStore(path.join(work, "store"))],
  ["S3", s3Store],
])("a repository in %s", (_, storeOf) => {
  it("is blobs, a manifest and an entry; equal content is there once", async () => {
    const store = storeOf();
    const twin = { ...config, path: "b/config.pbtxt" };
    const publication = publicationOf([script, config, keep, twin]);
    expect(await publish(store, publication)).toEqual({ files: 3, bytes: 12 });
    expect(await keysOf(store)).toEqual(
      [
        "owner",
        publication.entry,
        manifestKey(publication.hash),
        ...[config, script, keep].map((file) => blobKey(file.sha256)),
      ].sort(),
    );
    expect(await store.read(blobKey(config.sha256))).toBe("name: a");
    expect(await store.read(manifestKey(publication.hash))).toBe(manifest(publication.files ?? []));
    expect(await isPublished(store, publication)).toBe(true);
  });

  it("is sent once; of a changed one only what changed", async () => {
    const store = storeOf();
    await publish(store, publicationOf([script, config]));
    expect((await publish(store, publicationOf([script, config]))).files).toBe(0);
    const changed = generatedFile("a/config.pbtxt", "name: b");
    expect(await publish(store, publicationOf([script, changed]))).toEqual({ files: 1, bytes: 7 });
  });

  it("has no manifest where a file has changed since it was planned, or is not there; then goes on", async () => {
    const store = storeOf();
    const weights = fileOf("a/1/weights.bin", "as planned");
    const { file } = { file: path.join(work, "weights.bin") };
    const publication = publicationOf([config, weights]);
    writeFileSync(file, "or not so.");
    await expect(publish(store, publication)).rejects.toThrow(/a\/1\/weights.bin has changed since/);
    rmSync(file);
    await expect(publish(store, publication)).rejects.toThrow(/neither in the store nor on this machine/);
    expect(await isPublished(store, publication)).toBe(false);
    expect(await keysOf(store)).toEqual([blobKey(config.sha256), "owner"].sort());
    writeFileSync(file, "as planned");
    expect((await publish(store, publication)).files).toBe(1);
    // What is there need not be on this machine.
    rmSync(file);
    expect((await publish(store, publicationOf([config, weights]))).files).toBe(0);
  });

  it("is sent again where a blob has another size, or its manifest another content", async () => {
    const store = storeOf();
    const publication = publicationOf([config]);
    await publish(store, publication);
    await store.write(blobKey(config.sha256), "half");
    expect(await isPublished(store, publication)).toBe(false);
    expect((await publish(store, publication)).files).toBe(1);
    await store.write(manifestKey(publication.hash), "half");
    expect(await isPublished(store, publication)).toBe(false);
    await publish(store, publication);
    expect(await isPublished(store, publication)).toBe(true);
  });

  it("is laid out as a tree where Triton is to read it, whatever its paths are called", async () => {
    const store = storeOf();
    const odd = generatedFile("ü b/1/模 +&.bin", "odd");
    const publication = publicationOf([config, odd], { tree: true });
    await publish(store, publication);
    expect(await store.read(`${treePrefix(publication.hash)}ü b/1/模 +&.bin`)).toBe("odd");
    expect(await isPublished(store, publication)).toBe(true);
    await store.remove(`${treePrefix(publication.hash)}a/config.pbtxt`);
    expect(await isPublished(store, publication)).toBe(false);
  });

  it("that a server goes back to is not sent, and must be there", async () => {
    const store = storeOf();
    const old = publicationOf([script, config]);
    await publish(store, old);
    await publish(store, publicationOf([config]));
    const back = publicationOf([script, config], { files: undefined });
    expect((await publish(store, back)).files).toBe(0);
    expect(await keysOf(store)).toContain(back.entry);

    const unknown = { ...back, hash: "f".repeat(64) };
    await expect(publish(store, unknown)).rejects.toThrow(
      new RegExp(`gpu cannot go back to f+: .*manifests/f+ is not there\\n.*newest first: ${back.hash}, `),
    );
    await store.remove(blobKey(script.sha256));
    await expect(publish(store, back)).rejects.toThrow(/1 of its files are not, as a\/1\/model.py/);
  });

  it("stays among the last ones when its server gets another, and then goes with what only it needs", async () => {
    const store = storeOf();
    const versions = [1, 2, 3].map((n) =>
      publicationOf([script, generatedFile("a/config.pbtxt", `version ${String(n)}`)]),
    );
    const [first, second, third] = versions;
    if (first === undefined || second === undefined || third === undefined) throw new Error("three");
    const other = publicationOf([keep], { server: "llm" });
    for (const each of [...versions, other]) await publish(store, each);
    // As the engine does it: each old one after the whole update.
    await retire(store, { ...first, retain: 1 });
    expect(await isPublished(store, first)).toBe(false);
    expect(await isPublished(store, second)).toBe(true);
    expect(await isPublished(store, third)).toBe(true);
    expect(await isPublished(store, other)).toBe(true);
    expect(await keysOf(store)).not.toContain(blobKey(first.files?.[1]?.sha256 ?? ""));

    await retire(store, { ...third, retain: 1 });
    expect(await keysOf(store)).toEqual(
      ["owner", other.entry, manifestKey(other.hash), blobKey(keep.sha256)].sort(),
    );
    await retire(store, { ...other, retain: 1 });
    expect(await keysOf(store)).toEqual([]);
  });

  it("that is served again outlives the removal of its earlier self", async () => {
    const store = storeOf();
    const first = publicationOf([config]);
    const failed = publicationOf([script]);
    const again = publicationOf([config]);
    for (const each of [first, failed, again]) await publish(store, each);
    for (const each of [first, failed]) await retire(store, { ...each, retain: 0 });
    expect(await isPublished(store, again)).toBe(true);
    expect(await isPublished(store, failed)).toBe(false);
  });

  it("is refused in another stack's store, and swept by no other stack", async () => {
    const store = storeOf();
    const mine = publicationOf([config]);
    await publish(store, mine);
    const theirs = { ...publicationOf([script]), owner: "triton-platform/dev" };
    await expect(publish(store, theirs)).rejects.toThrow(
      /belongs to the stack triton-platform\/prod, and this is triton-platform\/dev\n.*prefix/,
    );
    await retire(store, { ...mine, owner: "triton-platform/dev", retain: 0 });
    expect(await isPublished(store, mine)).toBe(true);
  });

  it("has no path that leads out of it", async () => {
    const outside = publicationOf([{ ...config, path: "../a" }]);
    await expect(publish(storeOf(), outside)).rejects.toThrow('"../a" is no path in a repository');
  });
});

describe("a folder", () => {
  it("is empty when the last repository has gone", async () => {
    const folder = path.join(work, "store");
    const publication = publicationOf([config], { tree: true });
    await publish(new FolderStore(folder), publication);
    await retire(new FolderStore(folder), { ...publication, retain: 3 });
    expect(readdirSync(folder)).toEqual([]);
  });

  it("does not take what a killed run left for a blob", async () => {
    const folder = path.join(work, "store");
    const half = path.join(folder, `${blobKey(config.sha256)}.unfinished`);
    mkdirSync(path.dirname(half), { recursive: true });
    writeFileSync(half, "name:");
    await publish(new FolderStore(folder), publicationOf([config]));
    expect(readFileSync(path.join(folder, blobKey(config.sha256)), "utf8")).toBe("name: a");
    expect(statSync(half, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe("a repository as the engine records it", () => {
  it("has no path of this machine, and is found from any folder", async () => {
    const file = path.join(projectRoot, "package.json");
    const weights = { ...hashFile(projectRoot, "package.json"), path: "a/1/weights.bin", from: { file } };
    const s3File: RepositoryFile = {
      ...{ path: "a/1/z.bin", bytes: 3, sha256: sha256("big") },
      from: { s3: { uri: "s3://weights/big", versionId: "v", region: undefined, endpoint: s3.endpoint } },
    };
    s3.versions.set("weights/big", new Map([["v", { content: Buffer.from("big") }]]));
    const files = [config, weights, s3File];
    const server = { replicas: 1, resources: {}, allowDowntime: false };
    const { repository } = kubernetesSchema.parse({
      repository: { source: "s3", bucket: "models", prefix: "team/prod", endpoint: s3.endpoint },
    });
    if (repository.source !== "s3") throw new Error("the config says s3");
    const plan = { name: "gpu", repository: { files, hash: sha256(manifest(files)) }, config: server };
    const inputs = modelRepositorySchema.parse({ ...modelRepositoryArgs(repository, plan), owner });
    expect(inputs.files?.map(({ from }) => from)).toEqual([
      config.from,
      { file: "package.json" },
      s3File.from,
    ]);

    await modelRepositoryHandler.create(inputs, modelRepositoryHandler.id(inputs));
    expect(await modelRepositoryHandler.exists(inputs)).toBe(true);
    expect(await keysOf(s3Store())).toContain(blobKey(weights.sha256));
    expect(await s3Store().read(blobKey(s3File.sha256))).toBe("big");
  });
});

describe("a file that lies in S3", () => {
  const content = Buffer.from("0123456789".repeat(10));
  const bucket = "weights";
  const key = "teams/a b/模.plan";

  /** As it is pinned; `id` is a version that the bucket has. */
  function weightsOf(
    id: string,
    endpoint: string | undefined,
    fields: Partial<RepositoryFile> = {},
  ): RepositoryFile {
    return {
      path: "a/1/model.plan",
      bytes: content.length,
      sha256: sha256(content.toString()),
      from: { s3: { uri: `s3://${bucket}/${key}`, versionId: id, region: "eu-west-1", endpoint } },
      ...fields,
    };
  }

  beforeEach(() => {
    const versions = [
      ["v1+/=%41", { content: Buffer.from("an older one") }],
      ["v2", { content }],
      ["v3", { content: Buffer.from("a newer one") }],
    ] as const;
    s3.versions.set(`${bucket}/${key}`, new Map(versions));
  });

  it("is copied by S3 itself, in exactly its version, and once", async () => {
    const weights = weightsOf("v2", s3.endpoint);
    const told: number[] = [];
    const published = await publish(s3Store(), publicationOf([config, weights]), (bytes) => told.push(bytes));
    expect(published).toEqual({ files: 2, bytes: 107 });
    expect(told.sort()).toEqual([100, 7]);
    expect(s3.objects.get(`team/prod/${blobKey(weights.sha256)}`)?.equals(content)).toBe(true);
    expect(s3.keysOf("copy")).toHaveLength(1);
    // Never through this machine.
    expect(s3.keysOf("get").filter((name) => name.includes("plan"))).toEqual([]);

    // Its owner deletes it: what was published stays, and is not looked for.
    s3.versions.clear();
    expect((await publish(s3Store(), publicationOf([config, weights]))).files).toBe(0);
    expect(await isPublished(s3Store(), publicationOf([config, weights]))).toBe(true);
  });

  it("has its version in the copy's name, whatever that has in it", async () => {
    const old = weightsOf("v1+/=%41", s3.endpoint, { bytes: 12, sha256: sha256("an older one") });
    await publish(s3Store(), publicationOf([old]));
    expect(await s3Store().read(blobKey(old.sha256))).toBe("an older one");
  });

  it("is copied in parts where it is larger than S3 copies at once, and aborted where a part fails", async () => {
    const place = { bucket: "models", prefix: "team/prod", region: "us-east-1", endpoint: s3.endpoint };
    const store = new S3Store(place, { atOnce: 99, part: 40 });
    const weights = weightsOf("v2", s3.endpoint);
    s3.fault = ({ operation }) =>
      operation === "copyPart" && s3.copiedRanges.length === 2
        ? { kind: "status", status: 403, code: "AccessDenied" }
        : undefined;
    await expect(publish(store, publicationOf([weights]))).rejects.toThrow(
      /cannot be copied from s3:\/\/weights\/teams.*\n.*s3:GetObjectVersion there/,
    );
    expect(s3.openUploads).toBe(0);
    s3.fault = () => undefined;
    s3.copiedRanges.length = 0;
    await publish(store, publicationOf([weights]));
    expect([...s3.copiedRanges].sort()).toEqual(["bytes=0-39", "bytes=40-79", "bytes=80-99"]);
    expect(s3.objects.get(`team/prod/${blobKey(weights.sha256)}`)?.equals(content)).toBe(true);
    const exact = new S3Store(place, { atOnce: 100, part: 40 });
    s3.objects.clear();
    await publish(exact, publicationOf([weights]));
    expect(s3.keysOf("copy")).toHaveLength(1);
  });

  describe.each<[string, () => Store]>([
    ["a folder", () => new FolderStore(path.join(work, "store"))],
    [
      "another S3",
      () =>
        new S3Store({ bucket: "models", prefix: "team/prod", region: "us-east-1", endpoint: other.endpoint }),
    ],
  ])("and is to be in %s", (_, storeOf) => {
    it("streams through, goes on where a connection breaks, and is verified", async () => {
      const weights = weightsOf("v2", s3.endpoint);
      let breaks = 0;
      s3.fault = ({ operation }) => (operation === "get" && breaks++ < 2 ? { kind: "truncated" } : undefined);
      await publish(storeOf(), publicationOf([weights]));
      expect(breaks).toBe(3);
      expect(await storeOf().read(blobKey(weights.sha256))).toBe(content.toString());

      const store = storeOf();
      await store.remove(blobKey(weights.sha256));
      s3.fault = ({ operation }) => (operation === "get" ? { kind: "corrupt" } : undefined);
      await expect(publish(store, publicationOf([weights]))).rejects.toThrow(
        /a\/1\/model.plan is to be s3:.*version v2, which has another sha256.*\n.*model:reference/,
      );
      expect([...(await store.list("blobs/")).keys()]).toEqual([]);
    });
  });

  let other: ObjectStore;
  beforeEach(async () => {
    other = await ObjectStore.start();
  });
  afterEach(() => other.stop());

  it.each<[string, Partial<RepositoryFile>, () => void, RegExp]>([
    [
      "is not there any more",
      {},
      () => s3.versions.get(`${bucket}/${key}`)?.delete("v2"),
      /^s3:\/\/weights\/teams\/a b\/模.plan, version v2 \(http.*\): there is no such version.*\n.*deleted it.*model:reference/,
    ],
    [
      "has no bucket any more",
      {},
      () => {
        s3.versions.clear();
      },
      /no such object or bucket/,
    ],
    [
      "may not be read",
      {},
      () => {
        s3.fault = ({ operation }) =>
          operation === "head" ? { kind: "status", status: 403, code: "AccessDenied" } : undefined;
      },
      /version v2 .*: access is denied.*\n.*s3:GetObjectVersion/,
    ],
    [
      "has another size",
      { bytes: 99 },
      () => undefined,
      /version v2: it has 100 bytes, and artifacts.lock pins 99\n.*model:reference/,
    ],
    [
      "has another sha256, as S3 knows",
      {},
      () => {
        const checksum = Buffer.from("f".repeat(64), "hex").toString("base64");
        s3.versions.get(`${bucket}/${key}`)?.set("v2", { content, checksum });
      },
      /S3 has the sha256 f{64}, and artifacts.lock pins/,
    ],
  ])("is refused with a mend where it %s", async (_, fields, spoil, message) => {
    spoil();
    const weights = weightsOf("v2", s3.endpoint, fields);
    for (const store of [s3Store(), new FolderStore(path.join(work, "store"))]) {
      const publication = publicationOf([config, weights]);
      const error: unknown = await publish(store, publication).catch((reason: unknown) => reason);
      if (!(error instanceof Error)) throw new Error("no error");
      expect(error.message).toMatch(message);
      expect(error.stack).toBe(error.message);
      expect(await keysOf(store)).not.toContain(manifestKey(publication.hash));
      expect(await keysOf(store)).not.toContain(blobKey(weights.sha256));
    }
  });
});

describe("S3", () => {
  const big = Buffer.alloc(20 * 1024 ** 2, "0123456789");

  it("gets a big file in parts, and none of it where the file has changed", async () => {
    const weights = fileOf("a/1/weights.bin", big);
    await publish(s3Store(), publicationOf([weights]));
    expect(s3.keysOf("uploadPart")).toHaveLength(3);
    expect(s3.objects.get(`team/prod/${blobKey(weights.sha256)}`)?.equals(big)).toBe(true);

    s3.objects.clear();
    writeFileSync(path.join(work, "weights.bin"), Buffer.alloc(big.length, "x"));
    await expect(publish(s3Store(), publicationOf([weights]))).rejects.toThrow(/has changed since/);
    expect([...s3.objects.keys()]).toEqual(["team/prod/owner"]);
    expect(s3.openUploads).toBe(0);
  });

  it("is asked again after errors of its own", async () => {
    let left = 3;
    s3.fault = () => (left-- > 0 ? { kind: "status", status: 500, code: "InternalError" } : undefined);
    const publication = publicationOf([config]);
    await publish(s3Store(), publication);
    expect(left).toBeLessThan(0);
    expect(await isPublished(s3Store(), publication)).toBe(true);
  });

  it("holds all pages of a long list", async () => {
    const files = Array.from({ length: 120 }, (_, i) => generatedFile(`m/1/${String(i)}`, String(i)));
    await publish(s3Store(), publicationOf(files));
    expect((await publish(s3Store(), publicationOf(files))).files).toBe(0);
  });

  it.each<[string, RegExp, () => void]>([
    [
      "access is denied",
      /^s3:\/\/models\/team\/prod\/owner \(http.*\): access is denied to this machine's credentials\n {2}→ they need s3:ListBucket/,
      () => {
        s3.fault = () => ({ kind: "status", status: 403, code: "AccessDenied" });
      },
    ],
    [
      "the keys are wrong",
      /does not take this machine's credentials/,
      () => {
        writeFileSync(
          path.join(work, "credentials"),
          "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n",
        );
      },
    ],
    [
      "there are no keys",
      /this machine has no AWS credentials\n.*aws sso login/,
      () => {
        rmSync(path.join(work, "credentials"));
      },
    ],
  ])("says what to mend where %s", async (_, message, spoil) => {
    spoil();
    const error: unknown = await publish(s3Store(), publicationOf([config])).catch(
      (reason: unknown) => reason,
    );
    if (!(error instanceof Error)) throw new Error("no error");
    expect(error.message).toMatch(message);
    expect(error.stack).toBe(error.message);
  });

  it("says what to mend where the bucket or the store is not there", async () => {
    const place = { bucket: "other", prefix: "p", region: "eu-west-1", endpoint: s3.endpoint };
    await expect(publish(new S3Store(place), publicationOf([config]))).rejects.toThrow(
      "there is no bucket other",
    );
    // Nothing is left to remove there.
    await retire(new S3Store(place), { ...publicationOf([config]), retain: 0 });
    const { endpoint } = s3;
    await s3.stop();
    await expect(
      publish(new S3Store({ ...place, bucket: "models" }), publicationOf([config])),
    ).rejects.toThrow(`${endpoint} cannot be reached`);
    s3 = await ObjectStore.start();
  });
});
