import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import yaml from "js-yaml";
import { z } from "zod";
import { specFilename } from "../../core/spec/load.ts";
import { httpLoad } from "./http-load.ts";
import type { BenchPlatform } from "./platform.ts";
import { race, type RaceOptions } from "./race.ts";
import { raceRows, type Section } from "./report.ts";
import { inferUrl, inputsOf, serverOf, straightTo } from "./targets.ts";

/** Models that compute; the others of the project are steps around them. */
const models = ["embedding-model", "text-classifier"];
const callers = 64;

const unbatched = (model: string): string => `${model}-unbatched`;

/** Adds a twin without batching for every model that is compared. */
export function addUnbatchedTwins(folder: string): void {
  for (const model of models) {
    const twin = path.join(folder, unbatched(model));
    cpSync(path.join(folder, model), twin, { recursive: true });
    const file = path.join(twin, specFilename);
    writeFileSync(file, withoutBatching(readFileSync(file, "utf8")));
  }
}

const specSchema = z.record(z.string(), z.unknown());

/** A spec as YAML, without its batching. */
export function withoutBatching(spec: string): string {
  const { batching: _, ...rest } = specSchema.parse(yaml.load(spec));
  return yaml.dump(rest);
}

/**
 * The same model twice in the same Triton, with and without batching, in turn. Straight to one replica: all callers meet
 * in one queue, and the balancer has no part in it.
 */
export async function batchingSections(
  { description }: BenchPlatform,
  options: RaceOptions,
): Promise<Section[]> {
  const { signal } = options;
  const sections: Section[] = [];
  for (const model of models) {
    const [base = ""] = straightTo(description, serverOf(description, model)).http;
    const body = JSON.stringify({ inputs: inputsOf(model) });
    const contestants = [
      { name: "batching off", url: inferUrl(base, unbatched(model)) },
      { name: "batching on", url: inferUrl(base, model) },
    ].map(({ name, url }) => ({
      name,
      load: (seconds: number) => httpLoad({ urls: [url], body, callers, limit: { seconds }, signal }),
    }));
    const results = await race(contestants, options);
    sections.push({
      title: `Batching, ${model} on the CPU adapter, ${String(callers)} callers with one text each`,
      notes: [],
      rows: raceRows(
        contestants.map(({ name }) => name),
        results,
        { head: "against off" },
      ),
    });
  }
  return sections;
}
