import { createHash } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
} from "node:fs";
import path from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Artifact } from "../../core/spec/artifacts.ts";
import type { ModelSpec } from "../../core/spec/model.ts";
import type { Problem } from "../../core/spec/problem.ts";
import type { Bytes } from "../../core/spec/units.ts";
import { configFilename } from "./sources.ts";

/** A file that belongs to a model. */
export interface ModelFile {
  /** Relative to the model's folder, with forward slashes. */
  readonly path: string;
  readonly bytes: Bytes;
}

export interface ModelFiles {
  readonly files: readonly ModelFile[];
  /** Files and folders whose use no config tells: the spec has to name them as `files`. */
  readonly unnamed: readonly string[];
  /** Files that cannot be read. */
  readonly problems: readonly Problem[];
}

/** Folders beside the version folders that Triton reads (core `src/constants.h`). */
const dataFolders = ["warmup", "initial_state"];

/** The version folders, label files, and the data of warm-ups and initial states of a model; links are followed. */
export function listModelFiles(directory: string, spec: ModelSpec): ModelFiles {
  const names = readdirSync(directory).filter(isVisible);
  const folders = names.filter((name) => isVersion(directory, name) || dataFolders.includes(name));
  const labels = spec.outputs.flatMap(({ labelFilename }) =>
    labelFilename === undefined ? [] : [labelFilename],
  );
  // A label file that is not there is reported by whoever reads the imported model.
  const present = labels.filter((label) => existsSync(path.join(directory, label)));
  const tops = new Set([...folders, ...present.map((label) => label.split("/")[0])]);
  const unnamed = names.filter((name) => !tops.has(name) && !isForPeople(name));
  const found: ModelFile[] = [];
  const problems: Problem[] = [];
  for (const name of new Set([...folders, ...present, ...unnamed])) {
    collect(directory, name, found, problems, [realpathSync(directory)]);
  }
  // Labels may lie in a version folder.
  return { files: [...new Map(found.map((file) => [file.path, file])).values()], unnamed, problems };
}

/** A folder that Triton reads as a version, or a link to one. */
function isVersion(directory: string, name: string): boolean {
  return (
    /^[1-9]\d*$/.test(name) &&
    statSync(path.join(directory, name), { throwIfNoEntry: false })?.isDirectory() === true
  );
}

/** The config itself, and what is only there to be read. */
function isForPeople(name: string): boolean {
  return name === configFilename || /^(readme|license|notice|changelog)\b|\.md$/i.test(name);
}

/** Adds a file, or all files of a folder. `above` are the real paths of the folders around it, against circles. */
function collect(
  directory: string,
  name: string,
  found: ModelFile[],
  problems: Problem[],
  above: readonly string[],
): void {
  const full = path.join(directory, name);
  const problem = (message: string, hint: string): void => {
    problems.push({ file: full, path: "", message, hint });
  };
  try {
    const stat = statSync(full);
    if (stat.isFile()) {
      found.push({ path: name, bytes: stat.size });
      return;
    }
    if (!stat.isDirectory()) {
      problem("this is neither a file nor a folder", "take it away, or put a file in its place");
      return;
    }
    const real = realpathSync(full);
    if (above.includes(real)) {
      problem("this link leads back to a folder around it", "take it away");
      return;
    }
    for (const inner of readdirSync(full).filter(isVisible).sort()) {
      collect(directory, `${name}/${inner}`, found, problems, [...above, real]);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    problem(`this cannot be read: ${why}`, "mend the link or its permissions");
  }
}

/** Compiled Python and hidden files are by-products, as for artifacts.lock. */
function isVisible(name: string): boolean {
  return !name.startsWith(".") && name !== "__pycache__" && !name.endsWith(".pyc");
}

/** Copies a file and hashes it on the way. `onBytes` is told how many bytes were added. */
export async function copyFile(
  file: ModelFile,
  from: string,
  to: string,
  onBytes: (bytes: Bytes) => void,
): Promise<Artifact> {
  const target = path.join(to, file.path);
  mkdirSync(path.dirname(target), { recursive: true });
  const hash = createHash("sha256");
  let bytes = 0;
  const tap = new Transform({
    transform: (chunk: Buffer, _, done) => {
      hash.update(chunk);
      bytes += chunk.length;
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
  const source = path.join(from, file.path);
  await pipeline(
    createReadStream(source, { highWaterMark: 1024 ** 2 }),
    tap,
    createWriteStream(target, { mode: statSync(source).mode }),
  );
  return { path: file.path, bytes, sha256: hash.digest("hex") };
}
