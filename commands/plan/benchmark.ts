import { readFileSync } from "node:fs";
import path from "node:path";
import { measuredRates, type MeasuredRates } from "../../core/benchmark/rates.ts";
import { readBenchmark } from "../../core/benchmark/read.ts";
import { messageOf } from "../../core/errors.ts";
import type { PlatformPlan } from "../../core/platform.ts";
import { ProblemsError, refuse } from "../../core/spec/problem.ts";
import { projectRoot } from "../setup/places.ts";

/** The rates of the benchmark that a stack's config names. Throws the problems where it has none for this stack. */
export function readMeasuredRates(
  name: string,
  { servers }: Pick<PlatformPlan, "servers">,
  file: string,
): MeasuredRates {
  const place = { file, path: "triton-platform:usage.benchmark" };
  const parsed = readBenchmark(readText(name, place), name);
  if ("problems" in parsed) throw new ProblemsError(parsed.problems);
  const { value, problems } = measuredRates(parsed.value, servers, place);
  refuse(problems);
  return value;
}

function readText(name: string, place: { readonly file: string; readonly path: string }): string {
  try {
    return readFileSync(path.resolve(projectRoot, name), "utf8");
  } catch (error) {
    const reason = messageOf(error);
    const hint = "name a result of `npm run bench` that is in the repository, relative to it";
    throw new ProblemsError([{ ...place, message: `\`${name}\` cannot be read: ${reason}`, hint }]);
  }
}
