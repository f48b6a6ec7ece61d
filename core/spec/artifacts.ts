import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import path from "node:path";
import yaml from "js-yaml";
import * as z from "zod";
import { present } from "../objects.ts";
import { isSettled, stampOf, worthKnowing, type KnownHashes } from "./known-hashes.ts";
import { parseYaml, type Parsed } from "./parse.ts";
import { ProblemsError, type Problem } from "./problem.ts";
import { s3ObjectSchema, type S3Object } from "./s3-object.ts";
import type { Bytes } from "./units.ts";

/** One file of a model's version folders, by content. */
export interface Artifact {
  /** Relative to the model's folder, with forward slashes: `1/model.onnx`. */
  readonly path: string;
  readonly bytes: Bytes;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** An entry of an `artifacts.lock`. */
export interface LockedArtifact extends Artifact {
  /** Where the file lies, where that is not the version folder; there may be a copy in it. */
  readonly source?: S3Object | undefined;
}

/** What is in a model's version folders, against what its `artifacts.lock` pins. */
export interface Artifacts {
  /** By path: the files on disk, and those only the lock knows (their bytes live elsewhere). */
  readonly files: readonly Artifact[];
  /** Paths whose content is not what the lock pins, or which the lock does not know. */
  readonly unlocked: readonly string[];
  /** Paths the lock pins that are not on disk. */
  readonly missing: readonly string[];
  /** Where the lock says that files lie in S3, by path. Those that are on disk too are among them. */
  readonly sources: ReadonlyMap<string, S3Object>;
}

export const lockFilename = "artifacts.lock";

/** Whether a file of a model is in one of its version folders. */
export function isVersioned({ path }: Pick<Artifact, "path">): boolean {
  return versionedPath.test(path);
}

const versionedPath = /^[1-9]\d*\//;

const lockSchema = z.strictObject({
  artifacts: z.array(
    z.strictObject({
      path: z
        .string()
        .regex(versionedPath, "this is no path in a version folder: write it like 1/model.onnx"),
      bytes: z.int().min(0),
      sha256: z.string().regex(/^[0-9a-f]{64}$/, "this is no sha256: write 64 hexadecimal digits"),
      source: s3ObjectSchema.optional(),
    }),
  ),
});

/** The text of an `artifacts.lock`: sorted by path, so that equal artifacts give equal text. */
export function formatLock(artifacts: readonly LockedArtifact[]): string {
  const sorted = [...artifacts].sort((a, b) => compare(a.path, b.path));
  const entries = sorted.map(({ path, bytes, sha256, source }) => ({
    ...{ path, bytes, sha256 },
    ...(source === undefined ? {} : { source: sourceEntry(source) }),
  }));
  return `# Written by \`npm run models\`: what the version folders hold. Not edited by hand.\n${yaml.dump({ artifacts: entries })}`;
}

/** In an order of its own, for equal texts. */
function sourceEntry({ uri, versionId, region, endpoint }: S3Object): object {
  return { uri, versionId, ...present({ region, endpoint }) };
}

/**
 * Reads a model's version folders and its lock; `file` names the lock in problems. Absent folders and an absent lock are
 * no problem here. What is neither a file nor a folder, such as a pipe, is one, and is left out.
 */
export function readArtifacts(
  directory: string,
  file: string,
  known?: KnownHashes,
): { readonly artifacts: Artifacts; readonly problems: readonly Problem[] } {
  const [regular, others] = partition(versionedFiles(directory), (name) => isRegular(directory, name));
  const unreadable = others.map((name) => neitherFileNorFolder(path.join(path.dirname(file), name)));
  const onDisk = new Map(regular.map((name) => [name, hashFile(directory, name, known)]));
  const lock = readLock(directory, file);
  if ("problems" in lock) {
    return {
      artifacts: {
        files: [...onDisk.values()],
        unlocked: [...onDisk.keys()],
        missing: [],
        sources: new Map(),
      },
      problems: [...unreadable, ...lock.problems],
    };
  }
  const locked = new Map(lock.value.map(({ path, bytes, sha256 }) => [path, { path, bytes, sha256 }]));
  const files = [...new Map([...locked, ...onDisk]).values()].sort((a, b) => compare(a.path, b.path));
  return {
    artifacts: {
      files,
      unlocked: [...onDisk.values()]
        .filter((f) => locked.get(f.path)?.sha256 !== f.sha256)
        .map((f) => f.path),
      missing: [...locked.keys()].filter((p) => !onDisk.has(p)),
      sources: new Map(
        lock.value.flatMap(({ path, source }) => (source === undefined ? [] : [[path, source] as const])),
      ),
    },
    problems: unreadable,
  };
}

/** What a model's `artifacts.lock` pins: nothing where there is none. `file` names it in problems. */
export function readLock(directory: string, file: string): Parsed<readonly LockedArtifact[]> {
  const place = path.join(directory, lockFilename);
  if (!existsSync(place)) return { value: [] };
  if (!isRegular(directory, lockFilename)) return { problems: [neitherFileNorFolder(file)] };
  const text = readFileSync(place, "utf8");
  const lock = parseYaml(lockSchema, text, file);
  if (!("problems" in lock)) return { value: lock.value.artifacts };
  // Where files are that are not here, nothing else says.
  const hint = text.includes("s3://")
    ? "have git bring back what it was (git restore), or take the entry away and run `npm run model:reference` for it"
    : "run `npm run models`, which writes this file";
  return { problems: lock.problems.map((problem) => ({ ...problem, hint })) };
}

/**
 * The lock of what lies in version folders, whose earlier lock is `locked`: what that says to lie in S3 stays pinned. Paths
 * where the folder has something else are told.
 */
export function relocked(
  onDisk: readonly Artifact[],
  locked: readonly LockedArtifact[],
): { readonly artifacts: readonly LockedArtifact[]; readonly differing: readonly LockedArtifact[] } {
  const here = new Map(onDisk.map((file) => [file.path, file]));
  const referenced = locked.filter(({ source }) => source !== undefined);
  return {
    artifacts: [...new Map([...here, ...referenced.map((file) => [file.path, file] as const)]).values()],
    differing: referenced.filter(({ path, sha256 }) => (here.get(path)?.sha256 ?? sha256) !== sha256),
  };
}

/** Every file in the numbered folders of a model, hashed, sorted by path. */
export function listArtifacts(directory: string, known?: KnownHashes): Artifact[] {
  return versionedFiles(directory).map((file) => hashFile(directory, file, known));
}

function versionedFiles(directory: string): string[] {
  return versionFolders(directory)
    .flatMap((version) => filesBelow(path.join(directory, version)).map((file) => `${version}/${file}`))
    .sort(compare);
}

/** The folders Triton reads as versions: positive integers without a leading zero. */
export function versionFolders(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => /^[1-9]\d*$/.test(name))
    .filter((name) => statSync(path.join(directory, name), { throwIfNoEntry: false })?.isDirectory() === true)
    .sort((a, b) => Number(a) - Number(b));
}

/**
 * Size and sha256 of a file. One that is `known` is not read. Of what is neither a file nor a folder a ProblemsError is
 * thrown: reading a pipe might never end.
 */
export function hashFile(directory: string, file: string, known?: KnownHashes): Artifact {
  const full = path.resolve(directory, file);
  if (!isRegular(directory, file)) throw new ProblemsError([neitherFileNorFolder(full)]);
  const before = statSync(full, { bigint: true });
  const memory = before.size < worthKnowing ? undefined : known;
  const stamp = stampOf(before);
  const found = memory?.find(full, stamp);
  if (found !== undefined) return { path: file, bytes: Number(before.size), sha256: found };
  const readFrom = new Date();
  const content = readContent(full);
  // What changes while it is read is of no content that could be known.
  if (isSettled(before, readFrom) && stampOf(statSync(full, { bigint: true })) === stamp)
    memory?.remember(full, stamp, content.sha256);
  return { path: file, ...content };
}

/** Read in pieces: weights may be larger than memory. */
function readContent(full: string): Pick<Artifact, "bytes" | "sha256"> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(4 * 1024 * 1024);
  const handle = openSync(full, "r");
  let bytes = 0;
  try {
    for (let read = readSync(handle, buffer); read > 0; read = readSync(handle, buffer)) {
      hash.update(buffer.subarray(0, read));
      bytes += read;
    }
  } finally {
    closeSync(handle);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Whether something is a file, or a link to one. Something that is not there is for whoever reads it to tell. */
function isRegular(directory: string, file: string): boolean {
  const stat = statSync(path.join(directory, file), { throwIfNoEntry: false });
  return stat?.isFile() ?? true;
}

export function neitherFileNorFolder(file: string): Problem {
  const message = "this is neither a file nor a folder";
  return { file, path: "", message, hint: "take it away, or put a file in its place" };
}

function partition<T>(values: readonly T[], isWanted: (value: T) => boolean): [T[], T[]] {
  return [values.filter(isWanted), values.filter((value) => !isWanted(value))];
}

/** sha256 of a text as UTF-8, in lower-case hexadecimal. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * Every file of a folder, relative to it; links are followed, and one that leads nowhere or round in a circle ends
 * where the system says so. By-products are left out.
 */
export function filesBelow(directory: string, prefix = ""): string[] {
  return readdirSync(directory).flatMap((entry) => {
    if (isByProduct(entry)) return [];
    const name = `${prefix}${entry}`;
    const full = path.join(directory, entry);
    return statSync(full).isDirectory() ? filesBelow(full, `${name}/`) : [name];
  });
}

/** Whether a file or folder is no part of a model by its name: compiled Python and what is hidden. */
export function isByProduct(name: string): boolean {
  return name.startsWith(".") || name === "__pycache__" || name.endsWith(".pyc");
}

/** Code-unit order: the same on every machine, unlike `localeCompare`. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
