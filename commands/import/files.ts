import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { messageOf } from "../../core/errors.ts";
import {
  isByProduct,
  lockFilename,
  neitherFileNorFolder,
  versionFolders,
} from "../../core/spec/artifacts.ts";
import { companionFolders, specFilename } from "../../core/spec/load.ts";
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
  /** Hidden files and folders with something in them, which are no part of a model here. */
  readonly hidden: readonly string[];
  /** Files that cannot be read. */
  readonly problems: readonly Problem[];
}

/** The version folders, label files, and the data of warm-ups and initial states of a model; links are followed. */
export function listModelFiles(directory: string, spec: ModelSpec): ModelFiles {
  const all = readdirSync(directory);
  const names = all.filter((name) => !isByProduct(name));
  const known = new Set([...versionFolders(directory), ...Object.values(companionFolders)]);
  const folders = names.filter((name) => known.has(name));
  const labels = spec.outputs.flatMap(({ labelFilename }) =>
    labelFilename === undefined ? [] : [labelFilename],
  );
  // A label file that is not there is reported by whoever reads the imported model.
  const present = labels.filter((label) => existsSync(path.join(directory, label)));
  const tops = new Set([...folders, ...present.map((label) => label.split("/")[0])]);
  const unnamed = names.filter((name) => !tops.has(name) && !isForPeople(name));
  const found: Found = { files: [], hidden: all.filter((name) => isHidden(directory, name)), problems: [] };
  for (const name of new Set([...folders, ...present, ...unnamed])) {
    collect(directory, name, found, [realpathSync(directory)]);
  }
  // Labels may lie in a version folder.
  const files = [...new Map(found.files.map((file) => [file.path, file])).values()];
  return { files, unnamed, hidden: found.hidden, problems: found.problems };
}

interface Found {
  readonly files: ModelFile[];
  readonly hidden: string[];
  readonly problems: Problem[];
}

/** What describes the model, and what is only there to be read. */
function isForPeople(name: string): boolean {
  return (
    [configFilename, specFilename, lockFilename].includes(name) ||
    /^(readme|license|notice|changelog)\b|\.md$/i.test(name)
  );
}

/** Adds a file, or all files of a folder. `above` are the real paths of the folders around it, against circles. */
function collect(directory: string, name: string, found: Found, above: readonly string[]): void {
  const full = path.join(directory, name);
  const problem = (message: string, hint: string): void => {
    found.problems.push({ file: full, path: "", message, hint });
  };
  try {
    const stat = statSync(full);
    if (stat.isFile()) {
      found.files.push({ path: name, bytes: stat.size });
      return;
    }
    if (!stat.isDirectory()) {
      found.problems.push(neitherFileNorFolder(full));
      return;
    }
    const real = realpathSync(full);
    if (above.includes(real)) {
      problem("this link leads back to a folder around it", "take it away");
      return;
    }
    const inner = readdirSync(full).sort();
    found.hidden.push(...inner.filter((each) => isHidden(full, each)).map((each) => `${name}/${each}`));
    for (const each of inner.filter((one) => !isByProduct(one)))
      collect(directory, `${name}/${each}`, found, [...above, real]);
  } catch (error) {
    const why = messageOf(error);
    problem(`this cannot be read: ${why}`, "mend the link or its permissions");
  }
}

/** An empty file, such as .keep, is only there for its folder. */
function isHidden(directory: string, name: string): boolean {
  return name.startsWith(".") && statSync(path.join(directory, name), { throwIfNoEntry: false })?.size !== 0;
}
