import { parseYaml, type Parsed } from "../spec/parse.ts";
import { benchmarkSchema, type Benchmark } from "./result.ts";

/** A result from the text of its file, or all that is wrong with it; `file` names it in problems. */
export function readBenchmark(text: string, file: string): Parsed<Benchmark> {
  // JSON is YAML, and is reported with lines then; one that is broken is told where.
  return parseYaml(benchmarkSchema, text, file);
}
