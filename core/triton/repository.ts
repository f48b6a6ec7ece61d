import { compare, sha256, type Artifact } from "../spec/artifacts.ts";
import type { Model } from "../spec/load.ts";
import type { Problem } from "../spec/problem.ts";
import { downloadCommand, type S3Object } from "../spec/s3-object.ts";
import { resolveBackend, type ResolvedBackend } from "./backends.ts";
import { renderConfigPbtxt } from "./config-from-spec.ts";
import type { Bytes } from "../spec/units.ts";

/** One file of a model repository: its place, its content's identity, and where the content is. */
export interface RepositoryFile {
  /** Relative to the repository, with forward slashes: `embedding-model/1/model.onnx`. */
  readonly path: string;
  readonly bytes: Bytes;
  readonly sha256: string;
  /** Text that was generated, the absolute path of a file that already is, or an object that lies in S3. */
  readonly from: { readonly content: string } | { readonly file: string } | { readonly s3: S3Object };
}

/** A server group's repository, named by its content. */
export interface Repository {
  /** Sorted by path. */
  readonly files: readonly RepositoryFile[];
  /** sha256 over paths and contents alone: the same files give the same hash wherever and whenever they were made. */
  readonly hash: string;
}

/**
 * Lays out Triton's model repository for these models: per model config.pbtxt, its companions and the served versions.
 * `added` are files a target puts beside them.
 */
export function buildRepository(models: readonly Model[], added: readonly RepositoryFile[] = []): Repository {
  const files = [...models.flatMap(modelFiles), ...added].sort((a, b) => compare(a.path, b.path));
  return { files, hash: sha256(manifest(files)) };
}

/** The manifest's text: one line per file, `sha256  bytes  path`. */
export function manifest(files: readonly Pick<RepositoryFile, "path" | "bytes" | "sha256">[]): string {
  return files.map((file) => `${file.sha256}  ${String(file.bytes)}  ${file.path}\n`).join("");
}

/** A generated file of a repository. */
export function generatedFile(path: string, content: string): RepositoryFile {
  return { path, bytes: Buffer.byteLength(content), sha256: sha256(content), from: { content } };
}

/** The config.pbtxt of every model that was generated, for people. */
export function generatedTexts({ files }: Repository): { readonly path: string; readonly content: string }[] {
  return files.flatMap(({ path, from }) =>
    "content" in from && path.endsWith("/config.pbtxt") ? [{ path, content: from.content }] : [],
  );
}

/** Whether nothing is read from a version folder: an ensemble's, or that of a backend without an artifact. */
export function needsNoFiles({ spec, artifacts }: Model): boolean {
  if (spec.ensemble !== undefined) return true;
  if (artifacts.files.length > 0) return false;
  const { backend, artifact } = resolveBackend(spec, artifacts);
  return backend !== undefined && artifact === undefined;
}

/** The versions a server loads under the spec's policy, ascending. */
export function servedVersions(model: Model): number[] {
  // Triton still wants a version folder.
  if (needsNoFiles(model)) return [1];
  const { spec, artifacts } = model;
  const present = [...new Set(artifacts.files.map((file) => Number(file.path.split("/")[0])))].sort(
    (a, b) => a - b,
  );
  const policy = spec.versions ?? { latest: 1 };
  if ("latest" in policy) return present.slice(-policy.latest);
  const wanted = "specific" in policy ? policy.specific : present;
  return present.filter((version) => wanted.includes(version));
}

/** The files of the versions that a server loads. */
export function servedFiles(model: Model): readonly Artifact[] {
  const versions = new Set(servedVersions(model).map(String));
  return model.artifacts.files.filter((file) => versions.has(file.path.split("/")[0] ?? ""));
}

/** Which backend runs a model, by its spec and what a server sees of its files. */
export function backendOf(model: Model): ResolvedBackend {
  return resolveBackend(model.spec, { files: servedFiles(model) });
}

/** The same model of the files in its folder alone, for what has no way to S3. */
export function withoutSources(model: Model): Model {
  return { ...model, artifacts: { ...model.artifacts, sources: new Map() } };
}

/** What of a model that is to be served is in S3 alone: each a problem where it is read from the folder. */
export function absentProblems(model: Model): Problem[] {
  const { missing, sources } = model.artifacts;
  const absent = new Set(missing);
  return servedFiles(model).flatMap(({ path }) => {
    const source = sources.get(path);
    if (source === undefined || !absent.has(path)) return [];
    return {
      file: model.file,
      path: "",
      message: `${path} is missing: it lies in ${source.uri}, and not in the folder`,
      hint: `bring it here: ${downloadCommand(source, `${model.directory}/${path}`)}`,
    };
  });
}

function modelFiles(model: Model): RepositoryFile[] {
  const { spec, directory, companions, artifacts } = model;
  const inFolder = (file: Artifact): RepositoryFile => ({
    path: `${spec.name}/${file.path}`,
    bytes: file.bytes,
    sha256: file.sha256,
    from: { file: `${directory}/${file.path}` },
  });
  return [
    generatedFile(`${spec.name}/config.pbtxt`, renderConfigPbtxt(spec)),
    // Object stores and manifests know no empty folders.
    ...(needsNoFiles(model) ? [generatedFile(`${spec.name}/1/.keep`, "")] : []),
    ...companions.map(inFolder),
    ...servedFiles(model).map((file) => {
      const source = artifacts.unlocked.includes(file.path) ? undefined : artifacts.sources.get(file.path);
      return source === undefined ? inFolder(file) : { ...inFolder(file), from: { s3: source } };
    }),
  ];
}
