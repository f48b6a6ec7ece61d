import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import yaml from "js-yaml";
import * as z from "zod";
import { specFilename } from "../../core/spec/load.ts";

/** Name of a model's copy that does not batch. */
export function twinOf(model: string): string {
  return `${model}-unbatched`;
}

/** Adds to a folder of models the copy of one without batching. */
export function addTwin(folder: string, model: string): void {
  const twin = path.join(folder, twinOf(model));
  cpSync(path.join(folder, model), twin, { recursive: true });
  const file = path.join(twin, specFilename);
  writeFileSync(file, withoutBatching(readFileSync(file, "utf8")));
}

/** A spec's YAML without its batching. */
export function withoutBatching(text: string): string {
  const spec = z.record(z.string(), z.unknown()).parse(yaml.load(text));
  return yaml.dump(Object.fromEntries(Object.entries(spec).filter(([key]) => key !== "batching")));
}
