import { findProgram } from "./find-program.ts";
import { UserError } from "./user-error.ts";

/** Programs besides Triton that the local target runs; absolute paths. */
export interface Programs {
  readonly haproxy: string;
  readonly prometheus: string;
  readonly promtool: string;
}

export function readyPrograms(): Programs | undefined {
  const haproxy = findProgram("haproxy");
  const prometheus = findProgram("prometheus");
  const promtool = findProgram("promtool");
  if (haproxy === undefined || prometheus === undefined || promtool === undefined) return undefined;
  return { haproxy, prometheus, promtool };
}

export function missingPrograms(): readonly string[] {
  return ["haproxy", "prometheus", "promtool"].filter((name) => findProgram(name) === undefined);
}

export function requirePrograms(): Programs {
  const programs = readyPrograms();
  if (programs !== undefined) return programs;
  throw new UserError(
    `Not on PATH: ${missingPrograms().join(", ")}`,
    "install haproxy and prometheus (promtool is part of it) with your package manager, or put their programs on PATH",
  );
}
