import { httpLoad } from "./http-load.ts";
import type { BenchPlatform } from "./platform.ts";
import { race, type LoadPrograms, type RaceOptions } from "./race.ts";
import { raceRows, type Section } from "./report.ts";
import { inferUrl, inputsOf, serverOf, straightTo } from "./targets.ts";
import { addTwin, twinOf } from "./twins.ts";

/** Models that compute; the others of the project are steps around them. */
const models = ["embedding-model", "text-classifier"];
const callers = 64;

export function addBatchingTwins(folder: string): void {
  for (const model of models) addTwin(folder, model);
}

/**
 * The same model with and without batching in the same Triton, in turn. Straight to one replica: all callers meet in one queue, and
 * the balancer has no part in it.
 */
export async function batchingSections(
  { description }: BenchPlatform,
  { vegeta }: Pick<LoadPrograms, "vegeta">,
  options: RaceOptions,
): Promise<Section[]> {
  const { signal } = options;
  const sections: Section[] = [];
  for (const model of models) {
    const [base = ""] = straightTo(description, serverOf(description, model)).http;
    const body = JSON.stringify({ inputs: inputsOf(model) });
    const contestants = [
      { name: "batching off", served: twinOf(model) },
      { name: "batching as in its spec", served: model },
    ].map(({ name, served }) => ({
      name,
      load: (seconds: number) =>
        httpLoad({ vegeta, urls: [inferUrl(base, served)], body, callers, limit: { seconds }, signal }),
    }));
    const results = await race(contestants, options);
    const names = contestants.map(({ name }) => name);
    sections.push({
      title: `Batching, ${model} on the CPU adapter, ${String(callers)} callers with one text each`,
      notes: [],
      rows: raceRows(names, results, "against off"),
    });
  }
  return sections;
}
