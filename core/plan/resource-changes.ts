import yaml from "js-yaml";
import * as z from "zod";
import { awsReplacementOf } from "./aws-replacement.ts";
import { pathChanges, type ObjectChange, type PathChange } from "./changes.ts";
import { isLater, latersIn, type Later } from "./later.ts";
import { resourcesFolder, type ResourceFile } from "./resources.ts";

/** What is another in a stack's resources of AWS than before, and what follows from it. */

type Files = ReadonlyMap<string, string>;

/**
 * Every resource that is another, by its file, with the paths that are. Where one is replaced, what names it gets another
 * name, and may be replaced for that in turn: those are among the changes too.
 */
export function resourceChanges(before: Files, after: Files): readonly ObjectChange[] {
  const [old, fresh] = [resourcesIn(before), resourcesIn(after)];
  const kept = [...fresh].flatMap(([path, resource]) => {
    const was = old.get(path);
    if (was === undefined) return [];
    const paths = changedPaths(was, resource);
    return [{ resource, paths, own: paths.length }];
  });
  const changed = withConsequences(kept)
    .filter(({ paths }) => paths.length > 0)
    .map(({ resource, paths, own }): ObjectChange => {
      const effect = effectOf(resource, paths);
      const change = { object: labelOf(resource), kind: "changed", effect, paths } as const;
      return own > 0 ? change : { ...change, isConsequence: true };
    });
  const only = (these: ReadonlyMap<string, ResourceFile>, others: ReadonlyMap<string, ResourceFile>) =>
    [...these].filter(([path]) => !others.has(path)).map(([, resource]) => labelOf(resource));
  const created = only(fresh, old).map((object): ObjectChange => ({ object, kind: "created", paths: [] }));
  const deleted = only(old, fresh).map((object): ObjectChange => ({ object, kind: "deleted", paths: [] }));
  return [...changed, ...created, ...deleted].sort((a, b) => (a.object < b.object ? -1 : 1));
}

interface Kept {
  readonly resource: ResourceFile;
  readonly paths: readonly PathChange[];
  /** How many of the paths, from the first on, are changes of its own. */
  readonly own: number;
}

/** With the paths whose values are another's that changes, until nothing more follows. */
function withConsequences(kept: readonly Kept[]): readonly Kept[] {
  const isAnother = newValues(kept);
  const next = kept.map(({ resource, paths, own }) => {
    const known = new Set(paths.map(({ path }) => path));
    const following = namings(resource.inputs, "").flatMap(({ path, texts }): PathChange[] => {
      const others = texts.filter((text) => latersIn(text).some(isAnother));
      return known.has(path) || others.length === 0
        ? []
        : [{ path, before: others.join(" "), after: "another" }];
    });
    return { resource, paths: [...paths, ...following], own };
  });
  const isStable = next.every(({ paths }, i) => paths.length === kept[i]?.paths.length);
  return isStable ? next : withConsequences(next);
}

/** Whether a value will be another: all of what is replaced, and the version of a launch template that changes. */
function newValues(kept: readonly Kept[]): (value: Later) => boolean {
  const those = (wanted: (each: Kept) => boolean): ReadonlySet<string> =>
    new Set(kept.filter(wanted).map(({ resource: { name } }) => name));
  const replaced = those(({ resource, paths }) => effectOf(resource, paths) === "replaced");
  const changed = those(({ paths }) => paths.length > 0);
  return ({ what, owner }) => replaced.has(owner) || (what === "latestVersion" && changed.has(owner));
}

interface Naming {
  readonly path: string;
  /** One, or those of a list. */
  readonly texts: readonly string[];
}

/** Texts in inputs that are of other resources, with their places; those in a list have the list's. */
function namings(value: unknown, path: string): readonly Naming[] {
  if (typeof value === "string") return isLater(value) ? [{ path, texts: [value] }] : [];
  if (typeof value !== "object" || value === null) return [];
  if (!Array.isArray(value))
    return Object.entries(value).flatMap(([key, item]) =>
      namings(item, path === "" ? key : `${path}.${key}`),
    );
  const texts = value.flatMap((item) => namings(item, path)).flatMap((naming) => naming.texts);
  return texts.length === 0 ? [] : [{ path, texts }];
}

/** Beside those that Pulumi is told to leave alone. */
function changedPaths(old: ResourceFile, fresh: ResourceFile): readonly PathChange[] {
  const ignored = fresh.ignoreChanges ?? [];
  return [
    ...pathChanges({ protect: old.protect }, { protect: fresh.protect }, ""),
    ...pathChanges(old.inputs, fresh.inputs, ""),
  ].filter(({ path }) => !ignored.some((prefix) => path === prefix || path.startsWith(`${prefix}.`)));
}

function effectOf({ type }: ResourceFile, paths: readonly PathChange[]): NonNullable<ObjectChange["effect"]> {
  // Whether Pulumi protects it is Pulumi's own.
  const own = paths.map(({ path }) => path).filter((path) => path !== "protect");
  if (own.length === 0) return "in place";
  const replacement = awsReplacementOf(type, own);
  const isRolled = type === "aws:eks/nodeGroup:NodeGroup" && own.some((path) => rolling.has(path));
  return replacement === "in place" && isRolled ? "rolls nodes" : replacement;
}

/** Source: EKS API, UpdateNodegroupVersion: what new nodes come for, the old ones drained. */
const rolling: ReadonlySet<string> = new Set(["launchTemplate.version", "releaseVersion", "version"]);

function labelOf({ type, name }: ResourceFile): string {
  return `${type.slice(type.lastIndexOf(":") + 1)} ${name}`;
}

const fileSchema: z.ZodType<ResourceFile> = z.object({
  ...{ type: z.string(), name: z.string() },
  protect: z.literal(true).exactOptional(),
  ignoreChanges: z.array(z.string()).exactOptional(),
  inputs: z.record(z.string(), z.unknown()),
});

function resourcesIn(files: Files): ReadonlyMap<string, ResourceFile> {
  return new Map(
    [...files]
      .filter(([path]) => path.startsWith(resourcesFolder))
      .map(([path, text]) => [path, fileSchema.parse(yaml.load(text))]),
  );
}
