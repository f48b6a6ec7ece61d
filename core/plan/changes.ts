import { createTwoFilesPatch } from "diff";
import yaml from "js-yaml";
import { redact } from "./redact.ts";
import { replacementOf, type Replacement } from "./replacement.ts";

/** What is another in a stack's files than before. */

export interface FileChange {
  readonly path: string;
  readonly kind: "created" | "changed" | "deleted";
  /** Unified, without credentials. */
  readonly diff: string;
  readonly added: number;
  readonly removed: number;
}

/** A model on a server, by the files of the server's repository. */
export interface ModelChange {
  readonly server: string;
  readonly model: string;
  readonly kind: "created" | "changed" | "deleted";
}

export interface ObjectChange {
  /** `Deployment triton/triton-gpu` */
  readonly object: string;
  readonly kind: "created" | "changed" | "deleted";
  /** Of a changed one: what the engine does to it, as far as that is known without a cluster. */
  readonly effect?: Replacement | "rolls" | "rolls nodes";
  /** Of a changed one. */
  readonly paths: readonly PathChange[];
  /** Whether it is another only because something that it names is replaced. */
  readonly isConsequence?: true;
}

export interface PathChange {
  readonly path: string;
  /** Short, for people; undefined for nothing. */
  readonly before?: string;
  readonly after?: string;
}

type Files = ReadonlyMap<string, string>;

/**
 * Every file that is another, by path. ConfigMaps are left out: they are named by their content, which is beside them as
 * files of its own. Of what is deleted nobody reads the text.
 */
export function fileChanges(before: Files, after: Files): readonly FileChange[] {
  return pathsOf(before, after).flatMap((path): FileChange[] => {
    if (path.startsWith("manifests/configmap-")) return [];
    const [old, fresh] = [before.get(path), after.get(path)];
    if (old === fresh) return [];
    const patch = createTwoFilesPatch(path, path, old ?? "", fresh ?? "", undefined, undefined, {
      context: 3,
    });
    // The first four lines name the file, which is named beside it.
    const lines = patch
      .split("\n")
      .slice(4)
      .filter((line) => line !== "");
    return [
      {
        path,
        kind: old === undefined ? "created" : fresh === undefined ? "deleted" : "changed",
        diff: fresh === undefined ? "" : redact(lines.join("\n")),
        added: lines.filter((line) => line.startsWith("+")).length,
        removed: lines.filter((line) => line.startsWith("-")).length,
      },
    ];
  });
}

/** Every model that is another, by the manifests of the servers' repositories. */
export function modelChanges(before: Files, after: Files): readonly ModelChange[] {
  return pathsOf(before, after).flatMap((path): ModelChange[] => {
    const server = /^repositories\/([^/]+)\/manifest$/.exec(path)?.[1];
    if (server === undefined) return [];
    const [old, fresh] = [filesByModel(before.get(path)), filesByModel(after.get(path))];
    return [...new Set([...old.keys(), ...fresh.keys()])].sort().flatMap((model): ModelChange[] => {
      if (old.get(model) === fresh.get(model)) return [];
      const kind = !old.has(model) ? "created" : fresh.has(model) ? "changed" : "deleted";
      return [{ server, model, kind }];
    });
  });
}

/** Lines of a manifest (sha256, bytes, path) by the model whose they are. */
function filesByModel(manifest = ""): ReadonlyMap<string, string> {
  const models = new Map<string, string>();
  for (const line of manifest.split("\n")) {
    const model = /^\S+\s+\d+\s+([^/]+)\//.exec(line)?.[1];
    if (model !== undefined) models.set(model, `${models.get(model) ?? ""}${line}\n`);
  }
  return models;
}

/** Every object of the Kubernetes API that is another, with the paths that are. */
export function objectChanges(before: Files, after: Files): readonly ObjectChange[] {
  return pathsOf(before, after)
    .filter((path) => path.startsWith("manifests/"))
    .flatMap((path): ObjectChange[] => {
      const [old, fresh] = [before.get(path), after.get(path)];
      if (old === fresh) return [];
      const [oldObject, freshObject] = [load(old), load(fresh)];
      const object = nameOf(freshObject ?? oldObject);
      if (oldObject === undefined) return [{ object, kind: "created", paths: [] }];
      if (freshObject === undefined) return [{ object, kind: "deleted", paths: [] }];
      const paths = pathChanges(oldObject, freshObject, "");
      return [{ object, kind: "changed", effect: effectOf(object, paths), paths }];
    });
}

function effectOf(object: string, paths: readonly PathChange[]): NonNullable<ObjectChange["effect"]> {
  const kind = object.slice(0, object.indexOf(" "));
  const replacement = replacementOf(
    kind,
    paths.map(({ path }) => path),
  );
  const isRolled = kind === "Deployment" && paths.some(({ path }) => path.startsWith("spec.template."));
  return replacement === "in place" && isRolled ? "rolls" : replacement;
}

function pathsOf(before: Files, after: Files): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort();
}

type Json = unknown;

function load(text: string | undefined): Json {
  return text === undefined ? undefined : yaml.load(text);
}

function nameOf(object: Json): string {
  const kind = child(object, "kind");
  const metadata = child(object, "metadata");
  const namespace = child(metadata, "namespace");
  const name = child(metadata, "name");
  return `${wordOf(kind)} ${namespace === undefined ? "" : `${wordOf(namespace)}/`}${wordOf(name)}`;
}

function wordOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function child(value: Json, key: string): Json {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function isRecord(value: Json): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Paths at which two values differ. Lists of named things are compared by name, lists of others as sets. */
export function pathChanges(before: Json, after: Json, path: string): readonly PathChange[] {
  if (same(before, after)) return [];
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) => pathChanges(before[key], after[key], path === "" ? key : `${path}.${key}`));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const [old, fresh] = [byName(before), byName(after)];
    if (old !== undefined && fresh !== undefined) {
      const names = [...new Set([...old.keys(), ...fresh.keys()])].sort();
      return names.flatMap((name) => pathChanges(old.get(name), fresh.get(name), `${path}[${name}]`));
    }
    const gone = before.filter((item) => !after.some((other) => same(item, other)));
    const added = after.filter((item) => !before.some((other) => same(item, other)));
    const was: Json = gone[0];
    const is: Json = added[0];
    // One that is another, rather than one less and one more.
    if (gone.length === 1 && added.length === 1 && isRecord(was) && isRecord(is))
      return pathChanges(was, is, `${path}[${String(after.indexOf(is))}]`);
    // The same things in another order.
    if (gone.length === 0 && added.length === 0)
      return [{ path, before: "in another order", after: "in another order" }];
    return [change(path, gone.length === 0 ? undefined : gone, added.length === 0 ? undefined : added)];
  }
  return [change(path, before, after)];
}

function change(path: string, before: Json, after: Json): PathChange {
  return {
    path,
    ...(before === undefined ? {} : { before: short(path, before) }),
    ...(after === undefined ? {} : { after: short(path, after) }),
  };
}

const longest = 100;

/** A value in a line, without credentials. */
function short(path: string, value: Json): string {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const text = items.map(wordOf).join(" ");
  const name = /\[([^\]]*)\]\.value$/.exec(path)?.[1] ?? path.slice(path.lastIndexOf(".") + 1);
  const line = redact(`${name}: ${text.replaceAll("\n", "⏎")}`).slice(name.length + 2);
  // Nobody compares 64 digits.
  const clean = line.replaceAll(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, "$1…");
  return clean.length > longest ? `${clean.slice(0, longest)}…` : clean;
}

/** Things of a list by their names; undefined where one has none, or two have the same. */
function byName(list: readonly Json[]): ReadonlyMap<string, Json> | undefined {
  const names = list.map((item) => child(item, "name") ?? child(item, "key") ?? child(item, "Sid"));
  const isNamed = names.every((name) => typeof name === "string") && new Set(names).size === names.length;
  return isNamed && list.length > 0 ? new Map(list.map((item, i) => [String(names[i]), item])) : undefined;
}

function same(a: Json, b: Json): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
