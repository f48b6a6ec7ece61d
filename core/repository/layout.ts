import { compare, sha256 } from "../spec/artifacts.ts";
import type { Bytes } from "../spec/units.ts";

/**
 * Where model repositories lie in a store, an object store's prefix or a folder, that belongs to one stack. All keys are
 * relative to it:
 *
 *     owner                        the stack whose store this is
 *     blobs/<sha256>               a file's content; sha256 spreads by itself, so there is no fan-out
 *     manifests/<hash>             a repository: core/triton/repository.ts `manifest`; its sha256 is the hash
 *     trees/<hash>/<path>          the same laid out, where Triton reads the store itself
 *     servers/<server>/<time>-<hash>   that a server was given this repository, and when; empty
 *
 * Blobs come first, then trees, then the manifest, then the server's entry: a manifest that is there has all its blobs.
 * What is removed goes the other way round.
 */

export const ownerKey = "owner";
export const blobPrefix = "blobs/";
export const entryPrefix = "servers/";

export function blobKey(digest: string): string {
  return `${blobPrefix}${digest}`;
}

export function manifestKey(hash: string): string {
  return `manifests/${hash}`;
}

/** With a slash at its end. */
export function treePrefix(hash: string): string {
  return `trees/${hash}/`;
}

/** That `server` was given the repository `hash` at this time: keys sort by time, to the millisecond. */
export function entryKey(server: string, time: Date, hash: string): string {
  return `${entryPrefix}${server}/${time.toISOString().replace(/[-:.]/g, "")}-${hash}`;
}

export interface Entry {
  readonly key: string;
  readonly server: string;
  readonly hash: string;
}

/** The servers' entries among keys, the newest first. */
export function entriesIn(keys: readonly string[]): Entry[] {
  const pattern = /^servers\/([^/]+)\/\d{8}T\d{9}Z-([0-9a-f]{64})$/;
  return keys
    .flatMap((key): Entry[] => {
      const [, server, hash] = pattern.exec(key) ?? [];
      return server === undefined || hash === undefined ? [] : [{ key, server, hash }];
    })
    .sort((a, b) => compare(b.key, a.key));
}

/** One line of a manifest. */
export interface ManifestFile {
  /** Relative to the repository, with forward slashes; never leads out of it. */
  readonly path: string;
  readonly bytes: Bytes;
  readonly sha256: string;
}

/** Reads a manifest, or throws where its text has another hash or one of its lines is none. */
export function parseManifest(text: string, hash: string): ManifestFile[] {
  if (sha256(text) !== hash) throw new Error(`the content of ${manifestKey(hash)} is not what its name says`);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [, digest, bytes, path] = /^([0-9a-f]{64}) {2}(\d+) {2}(.+)$/.exec(line) ?? [];
      if (digest === undefined || path === undefined || !isInside(path))
        throw new Error(`${manifestKey(hash)} has a line that is none: ${line}`);
      return { path, bytes: Number(bytes), sha256: digest };
    });
}

/** Whether a file of this path lies inside the repository, and a manifest's line can hold it. */
export function isInside(path: string): boolean {
  return (
    !/[\n\r\0]/.test(path) && path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}

/** Of each server, the entries of its last repositories, each once: as many as `keep` says, the newest first. */
export function keptEntries(keys: readonly string[], keep: (server: string) => number): Entry[] {
  const kept = new Map<string, Map<string, Entry>>();
  for (const entry of entriesIn(keys)) {
    const own = kept.get(entry.server) ?? new Map<string, Entry>();
    kept.set(entry.server, own);
    if (own.size < keep(entry.server) && !own.has(entry.hash)) own.set(entry.hash, entry);
  }
  return [...kept.values()].flatMap((own) => [...own.values()]);
}

/**
 * What may go from a store so that each server has the repositories of `kept`: keys in groups, to be removed one group
 * after the other. A sweep that is broken off leaves no manifest without its blobs. `manifests` are those of the kept
 * repositories by hash; where one could not be read, all blobs stay. Keys that are not of this layout stay.
 */
export function sweepPlan(
  keys: readonly string[],
  kept: readonly Entry[],
  manifests: ReadonlyMap<string, readonly ManifestFile[]>,
): readonly (readonly string[])[] {
  const entries = new Set(kept.map(({ key }) => key));
  const hashes = new Set(kept.map(({ hash }) => hash));
  const isKnown = [...hashes].every((hash) => manifests.has(hash));
  const blobs = new Set([...hashes].flatMap((hash) => manifests.get(hash) ?? []).map((file) => file.sha256));
  const gone = (pattern: RegExp, needed: ReadonlySet<string>): string[] =>
    keys.filter((key) => {
      const name = pattern.exec(key)?.[1];
      return name !== undefined && !needed.has(name);
    });
  return [
    entriesIn(keys).flatMap(({ key }) => (entries.has(key) ? [] : [key])),
    gone(/^manifests\/([0-9a-f]{64})$/, hashes),
    gone(/^trees\/([0-9a-f]{64})\//, hashes),
    isKnown ? gone(/^blobs\/([0-9a-f]{64})$/, blobs) : [],
    kept.length === 0 ? keys.filter((key) => key === ownerKey) : [],
  ];
}
