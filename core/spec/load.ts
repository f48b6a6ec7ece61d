import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import {
  filesBelow,
  hashFile,
  lockFilename,
  readArtifacts,
  type Artifact,
  type Artifacts,
} from "./artifacts.ts";
import type { KnownHashes } from "./known-hashes.ts";
import { nameProblems } from "./model-name.ts";
import { modelSchema, type ModelSpec } from "./model.ts";
import { parseYaml } from "./parse.ts";
import { withLines } from "./positions.ts";
import { ProblemsError, suggest, type Checked, type Problem } from "./problem.ts";

/** A model as it lies in its folder: the spec, and the files its version folders hold. */
export interface Model {
  readonly spec: ModelSpec;
  /** Absolute path of the model's folder. */
  readonly directory: string;
  /** The spec's file as problems name it. */
  readonly file: string;
  readonly artifacts: Artifacts;
  /** Files that the spec names outside the version folders: labels, warm-up data, initial states and `files`. */
  readonly companions: readonly Artifact[];
}

export const specFilename = "model.yaml";

/**
 * Reads every `<folder>/<name>/model.yaml`. All problems of all files are returned together; a model whose spec
 * is not well-formed is left out of the value. Large files that are `known` are not read.
 */
export function loadModels(folder: string, known?: KnownHashes): Checked<readonly Model[]> {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    return {
      value: [],
      problems: [
        {
          file: folder,
          path: "",
          message: "there is no such folder",
          hint: "name the folder that holds one folder per model",
        },
      ],
    };
  }
  const loaded = readdirSync(folder)
    .filter((name) => !name.startsWith(".") && isFolder(path.join(folder, name)))
    .sort()
    .map((name) => readable(folder, name, () => loadModel(folder, name, known)));
  const none: Problem = {
    file: folder,
    path: "",
    message: "there is no model here",
    hint: `add a folder with a ${specFilename}`,
  };
  return {
    value: loaded.flatMap(({ value }) => (value === undefined ? [] : [value])),
    problems: loaded.length === 0 ? [none] : loaded.flatMap(({ problems }) => problems),
  };
}

/** The same problems, those of a model's spec with their lines. Reads the specs that have problems once more. */
export function locate<T extends Problem>(problems: readonly T[], models: readonly Model[]): T[] {
  const byFile = new Map(models.map((model) => [model.file, model]));
  return withLines(problems, (file) => {
    const model = byFile.get(file);
    return model && readFileSync(path.join(model.directory, specFilename), "utf8");
  });
}

/** What the file system refuses (permissions, links that lead nowhere) is a problem of the model. */
function readable(
  folder: string,
  name: string,
  load: () => Checked<Model | undefined>,
): Checked<Model | undefined> {
  try {
    return load();
  } catch (error) {
    if (error instanceof ProblemsError) return { value: undefined, problems: error.problems };
    if (!(error instanceof Error && "syscall" in error)) throw error;
    const file = path.join(path.basename(path.resolve(folder)), name);
    const hint = "mend its permissions or its link";
    return {
      value: undefined,
      problems: [{ file, path: "", message: `cannot be read: ${error.message}`, hint }],
    };
  }
}

function loadModel(folder: string, name: string, known: KnownHashes | undefined): Checked<Model | undefined> {
  const directory = path.resolve(folder, name);
  const shown = path.join(path.basename(path.resolve(folder)), name);
  const file = path.join(shown, specFilename);
  if (statSync(path.join(directory, specFilename), { throwIfNoEntry: false })?.isFile() !== true) {
    return {
      value: undefined,
      problems: [
        {
          file: shown,
          path: "",
          message: `${specFilename} is missing`,
          hint: "every folder here is a model: add the spec, or move the folder",
        },
      ],
    };
  }
  const parsed = parseYaml(modelSchema, readFileSync(path.join(directory, specFilename), "utf8"), file);
  const { artifacts, problems } = readArtifacts(directory, path.join(shown, lockFilename), known);
  if ("problems" in parsed) return { value: undefined, problems: [...parsed.problems, ...problems] };

  const spec: ModelSpec = { ...parsed.value, name };
  const companions = readCompanions(spec, directory, file, known);
  return {
    value: { spec, directory, file, artifacts, companions: companions.value },
    problems: [...nameProblems(name, shown), ...problems, ...companions.problems],
  };
}

/** Folders Triton reads such files from (core `src/constants.h`, kWarmupDataFolder and kInitialStateFolder). */
export const companionFolders = { warmup: "warmup", initialState: "initial_state" } as const;

function readCompanions(
  spec: ModelSpec,
  directory: string,
  file: string,
  known: KnownHashes | undefined,
): Checked<readonly Artifact[]> {
  const named = companionsOf(spec).map((companion) => ({
    ...companion,
    stat: statSync(path.join(directory, companion.name), { throwIfNoEntry: false }),
  }));
  const names = named.flatMap(({ name, stat }) => {
    if (stat === undefined) return [];
    return stat.isDirectory() ? filesBelow(path.join(directory, name), `${name}/`) : [name];
  });
  return {
    value: [...new Set(names)].map((name) => hashFile(directory, name, known)),
    problems: named
      .filter(({ stat, mayBeFolder }) => stat === undefined || (stat.isDirectory() && mayBeFolder !== true))
      .map(({ name, path: place }) => ({
        file,
        path: place,
        message: `there is no file \`${name}\` in the model's folder`,
        hint: suggest(path.basename(name), filesIn(path.join(directory, path.dirname(name)))),
      })),
  };
}

interface Companion {
  /** Relative to the model's folder. */
  readonly name: string;
  /** Where the spec names it. */
  readonly path: string;
  /** Triton crashes on a folder in a label file's place. */
  readonly mayBeFolder?: boolean;
}

/** Files that a spec names outside the version folders. */
function companionsOf(spec: ModelSpec): Companion[] {
  return [
    ...spec.files.map((name, i) => ({
      name: name.replace(/\/+$/, ""),
      path: `files[${String(i)}]`,
      mayBeFolder: true,
    })),
    ...spec.outputs.flatMap(({ labelFilename }, i) =>
      labelFilename === undefined
        ? []
        : [{ name: labelFilename, path: `outputs[${String(i)}].labelFilename` }],
    ),
    ...spec.warmup.flatMap(({ inputs }, i) =>
      Object.entries(inputs).flatMap(([input, { inputDataFile }]) =>
        inputDataFile === undefined
          ? []
          : [
              {
                name: `${companionFolders.warmup}/${inputDataFile}`,
                path: `warmup[${String(i)}].inputs.${input}.inputDataFile`,
              },
            ],
      ),
    ),
    ...(spec.sequenceBatching?.states ?? []).flatMap(({ initialStates }, i) =>
      initialStates.flatMap(({ dataFile }, j) =>
        dataFile === undefined
          ? []
          : [
              {
                name: `${companionFolders.initialState}/${dataFile}`,
                path: `sequenceBatching.states[${String(i)}].initialStates[${String(j)}].dataFile`,
              },
            ],
      ),
    ),
  ];
}

/** A folder, or a link; one that leads nowhere is a model that cannot be read. */
function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? true;
}

function filesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
