import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import yaml from "js-yaml";
import { z } from "zod";
import { specFilename } from "../../core/spec/load.ts";

/** A copy of a model under another name, with another batching. */
export type Variant = "unbatched" | "unlimited";

export function twinOf(model: string, variant: Variant): string {
  return `${model}-${variant}`;
}

/** Adds a twin of a model to a folder of models. */
export function addTwin(folder: string, model: string, variant: Variant): void {
  const twin = path.join(folder, twinOf(model, variant));
  cpSync(path.join(folder, model), twin, { recursive: true });
  const file = path.join(twin, specFilename);
  writeFileSync(file, variantOf(readFileSync(file, "utf8"), variant));
}

const specSchema = z.looseObject({ batching: z.record(z.string(), z.unknown()).optional() });
const queuePolicy = ["maxQueueSize", "timeout"];

/** A spec's YAML without its batching, or with batching and without limits of the queue. */
export function variantOf(text: string, variant: Variant): string {
  const spec = specSchema.parse(yaml.load(text));
  const { batching } = spec;
  const rest = Object.entries(spec).filter(([key]) => key !== "batching");
  const limitless = Object.entries(batching ?? {}).filter(([key]) => !queuePolicy.includes(key));
  const changed = variant === "unbatched" ? {} : { batching: Object.fromEntries(limitless) };
  return yaml.dump({ ...Object.fromEntries(rest), ...changed });
}
