import { existsSync, mkdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { messageOf } from "../../core/errors.ts";
import {
  formatLock,
  isVersioned,
  lockFilename,
  readLock,
  relocked,
  type Artifact,
  type LockedArtifact,
} from "../../core/spec/artifacts.ts";
import { specFilename } from "../../core/spec/load.ts";
import { nameProblems } from "../../core/spec/model-name.ts";
import type { Problem } from "../../core/spec/problem.ts";
import { formatBytes, type Bytes } from "../../core/spec/units.ts";
import { sizeProblems, templateVariables } from "../../core/triton/config-text.ts";
import { importConfigPbtxt, type ImportedModel } from "../../core/triton/config-to-spec.ts";
import { copyFile, hashFile } from "../files/copy.ts";
import { replaceFile, replaceFolder, sweep } from "../files/replace.ts";
import type { Report } from "../setup/run-program.ts";
import { listModelFiles, type ModelFile, type ModelFiles } from "./files.ts";
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
  /** Its numbered folders, those that were copied or were there. */
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
  read: Read,
  source: Source,
  options: ImportOptions,
  report: Report,
): Promise<Imported | Refused> {
  const { name } = read.spec;
  const target = path.join(options.out, name);
  sweep(target);
  const inPlace = source.directory !== undefined && isSame(source.directory, target);
  const problems = targetProblems(source, target, inPlace, options);
  if (problems.length > 0) return { problems };

  const model = { ...read, bytes: 0, versions: [], notes: [...nameNotes(source, name), ...read.notes] };
  if (source.directory === undefined || (options.configOnly && !inPlace)) {
    mkdirSync(target, { recursive: true });
    writeSpec(target, target, model.document);
    return model;
  }
  const listed = listModelFiles(source.directory, read.spec);
  if (listed.problems.length > 0) return { problems: listed.problems };
  const complete = withFiles(model, listed, source.directory);
  if (inPlace) return describeFolder(target, complete, listed, options, report);
  return importFolder(source.directory, target, complete, listed, report);
}

/** The model with the files that its spec has to name, and what its owner should know of them. */
function withFiles(model: Imported, { files, unnamed, hidden }: ModelFiles, directory: string): Imported {
  return {
    ...model,
    document: { ...model.document, ...(unnamed.length === 0 ? {} : { files: unnamed }) },
    versions: [...new Set(files.filter(isVersioned).map((file) => file.path.split("/")[0] ?? ""))],
    notes: [...model.notes, ...unnamedNotes(unnamed, directory), ...hiddenNotes(hidden, directory)],
  };
}

/** Writes the spec and the lock of a model whose files are where they should be. */
async function describeFolder(
  target: string,
  model: Imported,
  { files }: ModelFiles,
  { configOnly }: ImportOptions,
  report: Report,
): Promise<Imported | Refused> {
  const artifacts: Artifact[] = [];
  const progress = progressOf(model, report);
  for (const file of configOnly ? [] : files.filter(isVersioned)) {
    const content = await hashFile(path.join(target, file.path), progress(file));
    artifacts.push({ path: file.path, ...content });
  }
  const locked = readLock(target, path.join(target, lockFilename));
  if ("problems" in locked) return { problems: locked.problems };
  // What lies in S3 is not in the folder, and stays pinned.
  if (!configOnly) writeLock(target, relocked(artifacts, locked.value).artifacts);
  writeSpec(target, target, model.document);
  return model;
}

/** Copies a model's folder beside its place and puts it there when it is complete. */
async function importFolder(
  from: string,
  target: string,
  model: Imported,
  { files }: ModelFiles,
  report: Report,
): Promise<Imported> {
  return replaceFolder(target, async (unfinished) => {
    const artifacts: Artifact[] = [];
    const progress = progressOf(model, report);
    for (const file of files) {
      const [source, copy] = [path.join(from, file.path), path.join(unfinished, file.path)];
      artifacts.push({ path: file.path, ...(await copyFile(source, copy, progress(file))) });
    }
    writeLock(unfinished, artifacts.filter(isVersioned));
    writeSpec(unfinished, target, model.document);
    return { ...model, bytes: artifacts.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
}

/** Tells which file is being read, and how much was read of all. */
function progressOf({ spec }: ImportedModel, report: Report) {
  let done = 0;
  return (file: ModelFile) =>
    (bytes: Bytes): void => {
      done += bytes;
      report(`${spec.name}: ${file.path}, ${formatBytes(done)}`);
    };
}

/** Writes a spec into a folder; `home` is where it is to lie in the end. */
function writeSpec(folder: string, home: string, document: object): void {
  replaceFile(path.join(folder, specFilename), specText(document, home));
}

interface Read extends ImportedModel {
  readonly notes: readonly Problem[];
}

function readConfig({ config, name }: Source): Read | Refused {
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
    const why = messageOf(error);
    return problem(`this cannot be read: ${why}`, "mend its permissions");
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const imported = importConfigPbtxt(text, name, config);
    return "problems" in imported ? imported : { ...imported, notes: templateNotes(text, config) };
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
    message: "the config does not say what this is for; `files` names it, so that servers get it",
    hint: "take it out of there if no server needs it",
  }));
}

function hiddenNotes(names: readonly string[], from: string): Problem[] {
  if (names.length === 0) return [];
  const message = `hidden files are no part of a model here, and no server gets them: ${firstNames(names)}`;
  return [{ file: from, path: "", message, hint: "rename those that the model reads, then import it again" }];
}

/** Values in quotes may hold the variables of a template as plain text. */
function templateNotes(text: string, config: string): Problem[] {
  const variables = templateVariables(text);
  if (variables.length === 0) return [];
  const message = `these variables of a template are not filled in: ${firstNames(variables)}`;
  return [{ file: config, path: "", message, hint: "fill them in, here or in model.yaml" }];
}

function firstNames(names: readonly string[]): string {
  const most = 10;
  const more = names.length > most ? ` and ${String(names.length - most)} more` : "";
  return `${names.slice(0, most).join(", ")}${more}`;
}

function writeLock(directory: string, artifacts: readonly LockedArtifact[]): void {
  if (artifacts.length > 0) replaceFile(path.join(directory, lockFilename), formatLock(artifacts));
}

function isSame(one: string, other: string): boolean {
  return existsSync(other) && realpathSync(one) === realpathSync(other);
}

function isInside(inner: string, outer: string): boolean {
  const relative = path.relative(realpathSync(outer), realpathSync(inner));
  return !relative.startsWith("..") && !path.isAbsolute(relative);
}
