import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Checked, Problem } from "../../core/spec/problem.ts";

/** Triton's file that describes a model, in the model's folder. */
export const configFilename = "config.pbtxt";

/** A config that is there already, and the model's other files. */
export interface Source {
  /** The name of a config that has none itself: its folder's, or its file's. */
  readonly name: string;
  /** Path of the config, as problems name it. */
  readonly config: string;
  /** The model's folder; undefined where only a config was named. */
  readonly directory?: string;
}

/**
 * What to import, from repositories (folders of model folders), model folders and pbtxt files. A folder of a repository
 * without a config is a problem, but for hidden ones.
 */
export function findSources(places: readonly string[]): Checked<readonly Source[]> {
  const found = places.map(findIn);
  return {
    value: found.flatMap(({ value }) => value),
    problems: found.flatMap(({ problems }) => problems),
  };
}

function findIn(place: string): Checked<readonly Source[]> {
  const stat = statSync(place, { throwIfNoEntry: false });
  if (stat === undefined) return refused(place, "there is no such file or folder", "name what to import");
  if (!stat.isDirectory()) return { value: [fileSource(place)], problems: [] };
  if (existsSync(path.join(place, configFilename))) return { value: [folderSource(place)], problems: [] };

  const folders = readdirSync(place)
    .filter((name) => !name.startsWith(".") && isDirectory(path.join(place, name)))
    .sort()
    .map((name) => path.join(place, name));
  const models = folders.filter((folder) => existsSync(path.join(folder, configFilename)));
  if (models.length === 0) {
    return refused(
      place,
      `there is no ${configFilename} in it, nor in a folder in it`,
      "name a repository, a model folder or pbtxt files",
    );
  }
  const others = folders.filter((folder) => !models.includes(folder));
  return {
    value: models.map(folderSource),
    problems: others.flatMap(
      (folder) =>
        refused(folder, `there is no ${configFilename} in it`, "write a spec for it: npm run model:new")
          .problems,
    ),
  };
}

function folderSource(directory: string): Source {
  const name = path.basename(path.resolve(directory));
  return { name, config: path.join(directory, configFilename), directory };
}

function fileSource(file: string): Source {
  const { name, base, dir } = path.parse(path.resolve(file));
  return { name: base === configFilename ? path.basename(dir) : name, config: file };
}

/** Also of what a link leads to: repositories are often made of links. */
function isDirectory(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}

function refused(file: string, message: string, hint: string): { value: []; problems: Problem[] } {
  return { value: [], problems: [{ file, path: "", message, hint }] };
}
