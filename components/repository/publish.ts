import {
  blobKey,
  blobPrefix,
  entriesIn,
  entryPrefix,
  isInside,
  keptEntries,
  manifestKey,
  ownerKey,
  parseManifest,
  sweepPlan,
  treePrefix,
  type ManifestFile,
} from "../../core/repository/layout.ts";
import { sha256 } from "../../core/spec/artifacts.ts";
import type { Bytes } from "../../core/spec/units.ts";
import { manifest, type RepositoryFile } from "../../core/triton/repository.ts";
import { contentOf } from "./file-content.ts";
import { inParallel } from "./in-parallel.ts";
import { StoreError, type Store } from "./store.ts";

/** A server's repository that is to be in a store. */
export interface Publication {
  readonly server: string;
  readonly hash: string;
  /** Left out where the repository must be there already, as for a way back. */
  readonly files?: readonly RepositoryFile[] | undefined;
  /** Key that says that the server has it now. */
  readonly entry: string;
  /** The stack whose store this is. */
  readonly owner: string;
  /** Whether it is laid out as a tree too, for a Triton that reads the store itself. */
  readonly tree: boolean;
}

/** What was brought to the store; what was there already is not counted. */
export interface Published {
  readonly files: number;
  readonly bytes: Bytes;
}

/**
 * Brings a repository to a store. Only what is missing is sent, the manifest after all of its blobs: broken off at any
 * point, it leaves nothing that could be taken for whole, and goes on from there the next time.
 */
export async function publish(
  store: Store,
  publication: Publication,
  onBytes: (bytes: Bytes) => void = () => undefined,
): Promise<Published> {
  await claim(store, publication.owner);
  const { hash, files, entry, tree } = publication;
  const text = files === undefined ? await manifestThere(store, publication) : manifestOf(files, hash);
  const wanted = parseManifest(text, hash);
  const missing = await missingBlobs(store, wanted);
  if (missing.length > 0 && files === undefined) throw incomplete(store, hash, missing);
  const sources = new Map(files?.map((file) => [file.sha256, file]));
  await inParallel(missing, async ({ sha256 }) => {
    const file = sources.get(sha256);
    if (file !== undefined) await bring(store, file, onBytes);
  });
  if (tree) await plant(store, hash, wanted);
  if (files !== undefined) await store.write(manifestKey(hash), text);
  await store.write(entry, "");
  return { files: missing.length, bytes: missing.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Whether a published repository is still there with all its files. */
export async function isPublished(
  store: Store,
  { hash, tree }: Pick<Publication, "hash" | "tree">,
): Promise<boolean> {
  const text = await store.read(manifestKey(hash));
  if (text === undefined || sha256(text) !== hash) return false;
  const wanted = parseManifest(text, hash);
  if ((await missingBlobs(store, wanted)).length > 0) return false;
  return !tree || (await missingInTree(store, hash, wanted)).length === 0;
}

/** A server's repository that the engine removes, and how many earlier ones its server keeps. */
export interface Retirement extends Pick<Publication, "server" | "entry" | "owner"> {
  readonly retain: number;
}

/**
 * Lets go of a repository that its server does not have any more, and sweeps the store. It and `retain` others before
 * the server's current one stay for a way back. Where the current one itself is let go of, the server is no more, and
 * nothing of it stays.
 *
 * The engine removes the old repository only when the whole update has succeeded, so no sweep runs while pods may still
 * fetch what a rollout leaves or goes back to. What it does not tell: a repository whose update failed counts among the
 * others like one that served, and an entry that a killed run left before the engine had recorded it is in the way of a
 * destroy that comes next: what is then left of the store, `owner` too, is to be removed by hand.
 */
export async function retire(store: Store, { server, entry, owner, retain }: Retirement): Promise<void> {
  const there = await store.read(ownerKey);
  if (there !== owner) return;
  const keys = [...(await store.list("")).keys()];
  const current = entriesIn(keys).find((candidate) => candidate.server === server);
  const ownKeep = current === undefined || current.key === entry ? 0 : retain + 1;
  await sweep(store, keys, (other) => (other === server ? ownKeep : Infinity));
}

/** Removes all that is not needed by the last repositories of each server: as many as `keep` says, the current one too. */
export async function sweep(
  store: Store,
  keys: readonly string[],
  keep: (server: string) => number,
): Promise<void> {
  const kept = keptEntries(keys, keep);
  const manifests = new Map<string, readonly ManifestFile[]>();
  await inParallel([...new Set(kept.map(({ hash }) => hash))], async (hash) => {
    const text = await store.read(manifestKey(hash));
    if (text !== undefined && sha256(text) === hash) manifests.set(hash, parseManifest(text, hash));
  });
  for (const group of sweepPlan(keys, kept, manifests)) await inParallel(group, (key) => store.remove(key));
}

/** A store belongs to one stack: sweeps of another would take what they do not know of. */
async function claim(store: Store, owner: string): Promise<void> {
  const there = await store.read(ownerKey);
  if (there === owner) return;
  if (there === undefined) {
    await store.write(ownerKey, owner);
    return;
  }
  throw new StoreError(
    `${store.name()} belongs to the stack ${there}, and this is ${owner}`,
    `give each stack a place of its own (triton-platform:kubernetes.repository.prefix, or another folder); where that stack is gone, remove ${store.name(ownerKey)}`,
  );
}

/** The stack has another name now. */
export async function rename(store: Store, before: string, now: string): Promise<void> {
  if ((await store.read(ownerKey)) === before) await store.write(ownerKey, now);
}

function manifestOf(files: readonly RepositoryFile[], hash: string): string {
  const outside = files.find(({ path }) => !isInside(path));
  if (outside !== undefined)
    throw new StoreError(
      `${JSON.stringify(outside.path)} is no path in a repository`,
      "give the file another name, without line breaks, `.` or `..`",
    );
  const text = manifest(files);
  if (sha256(text) !== hash) throw new Error(`the files of this repository do not make the hash ${hash}`);
  return text;
}

async function manifestThere(store: Store, { hash, server }: Publication): Promise<string> {
  const text = await store.read(manifestKey(hash));
  if (text !== undefined && sha256(text) === hash) return text;
  const known = entriesIn([...(await store.list(`${entryPrefix}${server}/`)).keys()]);
  const others = [...new Set(known.map((entry) => entry.hash))].filter((other) => other !== hash);
  throw new StoreError(
    `${server} cannot go back to ${hash}: ${store.name(manifestKey(hash))} is ${text === undefined ? "not there" : "damaged"}`,
    others.length === 0
      ? "take the server's rollback out of the stack's config: no repository of it is there"
      : `its repositories that are there, the newest first: ${others.join(", ")}`,
  );
}

function incomplete(store: Store, hash: string, missing: readonly ManifestFile[]): StoreError {
  return new StoreError(
    `${store.name(manifestKey(hash))} is there, but ${String(missing.length)} of its files are not, as ${missing[0]?.path ?? ""}`,
    "publish it from the commit it was made of (git revert), or go back to another one",
  );
}

/** Each content once; one of another size is no whole one. */
async function missingBlobs(store: Store, wanted: readonly ManifestFile[]): Promise<ManifestFile[]> {
  const there = await store.list(blobPrefix);
  const missing = wanted.filter(({ sha256, bytes }) => there.get(blobKey(sha256)) !== bytes);
  return [...new Map(missing.map((file) => [file.sha256, file])).values()];
}

/** Lays out what is missing of a repository's tree, by copies that the store makes itself. */
async function plant(store: Store, hash: string, wanted: readonly ManifestFile[]): Promise<void> {
  await inParallel(await missingInTree(store, hash, wanted), ({ path, sha256, bytes }) =>
    store.copy(blobKey(sha256), `${treePrefix(hash)}${path}`, bytes),
  );
}

async function missingInTree(
  store: Store,
  hash: string,
  wanted: readonly ManifestFile[],
): Promise<ManifestFile[]> {
  const there = await store.list(treePrefix(hash));
  return wanted.filter(({ path, bytes }) => there.get(`${treePrefix(hash)}${path}`) !== bytes);
}

/** What lies in S3 comes without passing through here where that can be. */
async function bring(store: Store, file: RepositoryFile, onBytes: (bytes: Bytes) => void): Promise<void> {
  const key = blobKey(file.sha256);
  if ("s3" in file.from && (await store.take(file.from.s3, key, file))) onBytes(file.bytes);
  else await store.upload(key, counted(contentOf(file), onBytes), file.bytes);
}

async function* counted(
  content: AsyncIterable<Buffer>,
  onBytes: (bytes: Bytes) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of content) {
    onBytes(chunk.length);
    yield chunk;
  }
}
