import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { hashFile, lockFilename, readArtifacts, type Artifact, type Artifacts } from "./artifacts.ts";
import { modelSchema, type ModelSpec } from "./model.ts";
import { parseYaml } from "./parse.ts";
import { suggest, type Checked, type Problem } from "./problem.ts";

/** A model as it lies in its folder: the spec, and the files its version folders hold. */
export interface Model {
  readonly spec: ModelSpec;
  /** Absolute path of the model's folder. */
  readonly directory: string;
  /** The spec's file as problems name it. */
  readonly file: string;
  readonly artifacts: Artifacts;
  /** Label files of the outputs, relative to the model's folder. */
  readonly labels: readonly Artifact[];
}

export const specFilename = "model.yaml";

/** What Triton accepts as a directory of a model and every target as part of a name. */
const modelName = /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/;

/**
 * Reads every `<folder>/<name>/model.yaml`. All problems of all files are returned together; a model whose spec
 * is not well-formed is left out of the value.
 */
export function loadModels(folder: string): Checked<readonly Model[]> {
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
  const loaded = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map((entry) => entry.name)
    .sort()
    .map((name) => loadModel(folder, name));
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

function loadModel(folder: string, name: string): Checked<Model | undefined> {
  const directory = path.resolve(folder, name);
  const shown = path.join(path.basename(path.resolve(folder)), name);
  const file = path.join(shown, specFilename);
  if (!existsSync(path.join(directory, specFilename))) {
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
  const { artifacts, problems } = readArtifacts(directory, path.join(shown, lockFilename));
  if ("problems" in parsed) return { value: undefined, problems: [...parsed.problems, ...problems] };

  const spec: ModelSpec = { ...parsed.value, name };
  const labels = readLabels(spec, directory, file);
  return {
    value: { spec, directory, file, artifacts, labels: labels.value },
    problems: [...nameProblems(name, shown), ...problems, ...labels.problems],
  };
}

function nameProblems(name: string, shown: string): Problem[] {
  return modelName.test(name)
    ? []
    : [
        {
          file: shown,
          path: "",
          message: `\`${name}\` is no name for a model`,
          hint: "use lower-case letters, digits, `-`, `.` and `_`, starting and ending with a letter or digit",
        },
      ];
}

function readLabels(spec: ModelSpec, directory: string, file: string): Checked<readonly Artifact[]> {
  const present: Artifact[] = [];
  const problems: Problem[] = [];
  spec.outputs.forEach(({ labelFilename }, i) => {
    if (labelFilename === undefined || present.some((label) => label.path === labelFilename)) return;
    if (existsSync(path.join(directory, labelFilename))) present.push(hashFile(directory, labelFilename));
    else {
      problems.push({
        file,
        path: `outputs[${String(i)}].labelFilename`,
        message: `there is no file \`${labelFilename}\` in the model's folder`,
        hint: suggest(labelFilename, readdirSync(directory)),
      });
    }
  });
  return { value: present, problems };
}
