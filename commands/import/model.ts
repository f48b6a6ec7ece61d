import { existsSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { formatLock, listArtifacts, lockFilename, type Artifact } from "../../core/spec/artifacts.ts";
import { specFilename } from "../../core/spec/load.ts";
import { nameProblems } from "../../core/spec/model-name.ts";
import type { Problem } from "../../core/spec/problem.ts";
import { formatBytes, type Bytes } from "../../core/spec/units.ts";
import { sizeProblems } from "../../core/triton/config-text.ts";
import { importConfigPbtxt, type ImportedModel } from "../../core/triton/config-to-spec.ts";
import type { Report } from "../setup/run-program.ts";
import { copyFile, listModelFiles } from "./files.ts";
import { replaceFile, replaceFolder } from "./replace.ts";
import { configFilename, type Source } from "./sources.ts";
import { specText } from "./spec-file.ts";

export interface ImportOptions {
  /** The models folder. */
  readonly out: string;
  /** Leaves version folders, labels and data where they are. */
  readonly configOnly: boolean;
  /** Replaces what is there. */
  readonly force: boolean;
}

interface Refused {
  readonly problems: readonly Problem[];
}

/** A model that is in the models folder now. */
export interface Imported extends ImportedModel {
  /** Of the files that were copied. */
  readonly bytes: Bytes;
  /** Numbered folders that were copied. */
  readonly versions: readonly string[];
  /** What its owner should know, though nothing was lost from its config. */
  readonly notes: readonly Problem[];
}

/** Brings a model into the models folder, as a whole or not at all. `earlier` are those that came before it. */
export async function importModel(
  source: Source,
  options: ImportOptions,
  earlier: readonly Imported[],
  report: Report,
): Promise<Imported | Refused> {
  const read = readConfig(source);
  if ("problems" in read) return read;
  const named = [...nameProblems(read.spec.name, source.config), ...twinProblems(read, source, earlier)];
  if (named.length > 0) return { problems: named };
  try {
    return await bringIn(read, source, options, report);
  } catch (error) {
    // No space, no permission: what the system has against it.
    if (!(error instanceof Error && "code" in error)) throw error;
    const hint = "mend that, then import it again: nothing of it was left";
    return { problems: [{ file: source.config, path: "", message: `not imported: ${error.message}`, hint }] };
  }
}

async function bringIn(
  read: ImportedModel,
  source: Source,
  options: ImportOptions,
  report: Report,
): Promise<Imported | Refused> {
  const { name } = read.spec;
  const target = path.join(options.out, name);
  const inPlace = source.directory !== undefined && isSame(source.directory, target);
  const problems = targetProblems(source, target, inPlace, options);
  if (problems.length > 0) return { problems };

  const notes = nameNotes(source, name);
  if (source.directory === undefined || options.configOnly || inPlace) {
    mkdirSync(target, { recursive: true });
    if (inPlace && !options.configOnly) writeLock(target, listArtifacts(target));
    replaceFile(path.join(target, specFilename), specText(read.document, target));
    return { ...read, bytes: 0, versions: [], notes };
  }
  return importFolder(source.directory, target, read, notes, report);
}

/** Copies a model's folder beside its place and puts it there when it is complete. */
async function importFolder(
  from: string,
  target: string,
  model: ImportedModel,
  notes: readonly Problem[],
  report: Report,
): Promise<Imported | Refused> {
  const { files, unnamed, problems } = listModelFiles(from, model.spec);
  if (problems.length > 0) return { problems };
  return replaceFolder(target, async (unfinished) => {
    const artifacts: Artifact[] = [];
    let copied = 0;
    for (const file of files) {
      artifacts.push(
        await copyFile(file, from, unfinished, (bytes) => {
          copied += bytes;
          report(`${model.spec.name}: ${file.path}, ${formatBytes(copied)}`);
        }),
      );
    }
    const versioned = artifacts.filter((artifact) => /^[1-9]\d*\//.test(artifact.path));
    writeLock(unfinished, versioned);
    const document = { ...model.document, ...(unnamed.length === 0 ? {} : { files: unnamed }) };
    writeFileSync(path.join(unfinished, specFilename), specText(document, target));
    return {
      ...model,
      document,
      bytes: copied,
      versions: [...new Set(versioned.map((artifact) => artifact.path.split("/")[0] ?? ""))],
      notes: [...notes, ...unnamedNotes(unnamed, from)],
    };
  });
}

function readConfig({ config, name }: Source): ImportedModel | Refused {
  const problem = (message: string, hint: string) => ({
    problems: [{ file: config, path: "", message, hint }],
  });
  let bytes: Buffer;
  try {
    const stat = statSync(config);
    if (!stat.isFile()) return problem("this is no file", `put ${configFilename} in its place`);
    const size = sizeProblems(stat.size, config);
    if (size.length > 0) return { problems: size };
    bytes = readFileSync(config);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return problem(`this cannot be read: ${why}`, "mend its permissions");
  }
  try {
    return importConfigPbtxt(new TextDecoder("utf-8", { fatal: true }).decode(bytes), name, config);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return problem("this is no text in UTF-8", "save it as UTF-8: protobuf knows no other");
  }
}

function twinProblems({ spec }: ImportedModel, { config }: Source, earlier: readonly Imported[]): Problem[] {
  if (!earlier.some((other) => other.spec.name === spec.name)) return [];
  const message = `another model that is imported is named \`${spec.name}\` too`;
  return [{ file: config, path: "name", message, hint: "import one of them, or rename one" }];
}

function targetProblems(
  source: Source,
  target: string,
  inPlace: boolean,
  { configOnly, force }: ImportOptions,
): Problem[] {
  const addsOnly = source.directory === undefined || configOnly || inPlace;
  const taken = addsOnly ? path.join(target, specFilename) : target;
  if (!force && existsSync(taken)) {
    const hint = addsOnly
      ? "--force writes a new one over it"
      : "--force takes the folder away and puts the imported model in its place";
    return [{ file: source.config, path: "", message: `${taken} is there already`, hint }];
  }
  if (!addsOnly && existsSync(target) && isInside(source.directory ?? "", target)) {
    const message = `${target} would be replaced, and what is imported is in it`;
    return [{ file: source.config, path: "", message, hint: "name another folder with --out" }];
  }
  return [];
}

function nameNotes({ config, directory, name }: Source, own: string): Problem[] {
  if (directory === undefined || own === name) return [];
  const message = `the folder is named \`${name}\`, and the model \`${own}\``;
  return [
    { file: config, path: "name", message, hint: `Triton refuses that; it was imported as \`${own}\`` },
  ];
}

function unnamedNotes(names: readonly string[], from: string): Problem[] {
  return names.map((name) => ({
    file: path.join(from, name),
    path: "",
    message: "the config does not say what this is for; it came along, and `files` names it",
    hint: "take it out of there if no server needs it",
  }));
}

function writeLock(directory: string, artifacts: readonly Artifact[]): void {
  if (artifacts.length > 0) replaceFile(path.join(directory, lockFilename), formatLock(artifacts));
}

function isSame(one: string, other: string): boolean {
  return existsSync(other) && realpathSync(one) === realpathSync(other);
}

function isInside(inner: string, outer: string): boolean {
  const relative = path.relative(realpathSync(outer), realpathSync(inner));
  return !relative.startsWith("..") && !path.isAbsolute(relative);
}
