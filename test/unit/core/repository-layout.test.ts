import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  blobKey,
  entriesIn,
  entryKey,
  isInside,
  keptEntries,
  manifestKey,
  ownerKey,
  parseManifest,
  sweepPlan,
  treePrefix,
  type ManifestFile,
} from "../../../core/repository/layout.ts";
import { sha256 } from "../../../core/spec/artifacts.ts";
import { generatedFile, manifest } from "../../../core/triton/repository.ts";

describe("a manifest", () => {
  const files = [
    generatedFile("a/1/model with  spaces.py", "x"),
    generatedFile("a/config.pbtxt", "ä"),
    generatedFile("模/1/ .keep", ""),
  ];

  it("is read as it was written", () => {
    const text = manifest(files);
    expect(parseManifest(text, sha256(text))).toEqual(
      files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })),
    );
    expect(parseManifest("", sha256(""))).toEqual([]);
  });

  it("is refused where its hash is another or a line is none", () => {
    const text = manifest(files);
    expect(() => parseManifest(`${text} `, sha256(text))).toThrow("is not what its name says");
    const digest = "a".repeat(64);
    for (const line of [
      `${digest}  1  ../a`,
      `${digest}  1  /a`,
      `${digest} 1  a`,
      `x  1  a`,
      `${digest}  1  `,
    ]) {
      expect(() => parseManifest(`${line}\n`, sha256(`${line}\n`)), line).toThrow("has a line that is none");
    }
  });

  it("has paths inside the repository alone", () => {
    expect(["a", "a/b", "..a/b.", ".keep", "a b/ü"].map(isInside)).not.toContain(false);
    const outside = ["", ".", "..", "a/..", "../a", "/a", "a/", "a//b", "./a", "a\nb", "a\0b"];
    expect(outside.map(isInside)).not.toContain(true);
  });
});

describe("entries", () => {
  it("sort by time, and nothing else is one", () => {
    const [first, second] = ["a".repeat(64), "b".repeat(64)];
    const keys = [
      entryKey("gpu", new Date("2026-01-02T03:04:05.006Z"), second),
      entryKey("gpu", new Date("2025-12-31T23:59:59.999Z"), first),
    ];
    expect(keys[0]).toBe(`servers/gpu/20260102T030405006Z-${second}`);
    const others = ["servers/gpu", `servers/gpu/x-${first}`, `servers/a/b/20260102T030405006Z-${first}`];
    expect(entriesIn([...keys, ...others]).map(({ hash }) => hash)).toEqual([second, first]);
  });

  it("are kept by repository, not by time it was given", () => {
    const [a, b, c] = ["a", "b", "c"].map((letter) => letter.repeat(64));
    const given = [a, b, a, c, a].map((hash, i) => entryKey("gpu", new Date(i), hash ?? ""));
    expect(keptEntries(given, () => 2).map(({ key }) => key)).toEqual([given[4], given[3]]);
    expect(keptEntries(given, () => 0)).toEqual([]);
  });
});

/** A store that servers were given repositories of few different files in, one after the other. */
const stores = fc
  .record({
    contents: fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { maxLength: 4 }), {
      minLength: 1,
      maxLength: 6,
    }),
    given: fc.array(
      fc.record({ server: fc.constantFrom("a", "gpu", "llm"), repository: fc.nat(), hasTree: fc.boolean() }),
      { maxLength: 15 },
    ),
    keep: fc.record({ a: fc.nat(3), gpu: fc.nat(3), llm: fc.constant(Infinity) }),
    foreign: fc.uniqueArray(fc.constantFrom("blobs/notes.txt", "README", "manifests/x", "other/a"), {
      maxLength: 4,
    }),
    orphans: fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 3 }),
  })
  .map(({ contents, given, keep, foreign, orphans }) => {
    const repositories = contents.map((numbers) => {
      const files = numbers.map((n) => generatedFile(`m/1/${String(n)}`, `content ${String(n)}`));
      const text = manifest(files);
      return { files, hash: sha256(text) };
    });
    const entries = given.map(({ server, repository, hasTree }, i) => {
      const { files, hash } = repositories[repository % repositories.length] ?? { files: [], hash: "" };
      return { key: entryKey(server, new Date(i * 1000), hash), server, files, hash, hasTree };
    });
    const keys = entries.flatMap(({ key, files, hash, hasTree }) => [
      key,
      manifestKey(hash),
      ...files.map((file) => blobKey(file.sha256)),
      ...(hasTree ? files.map(({ path }) => `${treePrefix(hash)}${path}`) : []),
    ]);
    const lost = orphans.map((n) => blobKey(sha256(`content ${String(n)}`)));
    const manifests = new Map<string, readonly ManifestFile[]>(
      repositories.map(({ hash, files }) => [hash, files]),
    );
    return {
      entries,
      manifests,
      foreign,
      keys: [...new Set([ownerKey, ...keys, ...lost, ...foreign])],
      keep: (server: string) => (server === "a" ? keep.a : server === "gpu" ? keep.gpu : keep.llm),
    };
  });

describe("a sweep", () => {
  it("leaves every server its last repositories, whole, and nothing else", () => {
    fc.assert(
      fc.property(stores, ({ entries, keys, keep, manifests, foreign }) => {
        const kept = keptEntries(keys, keep);
        const gone = new Set(sweepPlan(keys, kept, manifests).flat());
        const left = keys.filter((key) => !gone.has(key));
        // Worked out another way: walk each server's history backwards.
        const needed = new Set<string>(foreign);
        for (const server of new Set(entries.map((entry) => entry.server))) {
          const hashes = new Set<string>();
          for (const entry of entries.filter((other) => other.server === server).reverse()) {
            if (hashes.has(entry.hash) || hashes.size >= keep(server)) continue;
            hashes.add(entry.hash);
            needed.add(entry.key).add(manifestKey(entry.hash)).add(ownerKey);
            for (const file of entry.files) needed.add(blobKey(file.sha256));
            for (const key of keys) if (key.startsWith(treePrefix(entry.hash))) needed.add(key);
          }
        }
        expect(new Set(left)).toEqual(needed);
      }),
    );
  });

  it("broken off anywhere, leaves no entry without its manifest and no manifest without its blobs", () => {
    fc.assert(
      fc.property(stores, fc.nat(), ({ keys, keep, manifests }, steps) => {
        const order = sweepPlan(keys, keptEntries(keys, keep), manifests).flat();
        const gone = new Set(order.slice(0, steps % (order.length + 1)));
        const left = new Set(keys.filter((key) => !gone.has(key)));
        for (const { hash } of entriesIn([...left])) expect(left).toContain(manifestKey(hash));
        for (const [hash, files] of manifests) {
          if (!left.has(manifestKey(hash))) continue;
          for (const file of files) expect(left).toContain(blobKey(file.sha256));
        }
      }),
    );
  });

  it("takes no blob while a kept manifest cannot be read", () => {
    const [hash, lost] = ["a".repeat(64), "b".repeat(64)];
    const keys = [entryKey("gpu", new Date(0), hash), manifestKey(hash), blobKey(lost), manifestKey(lost)];
    const gone = sweepPlan(
      keys,
      keptEntries(keys, () => 1),
      new Map(),
    ).flat();
    expect(gone).toEqual([manifestKey(lost)]);
  });
});
