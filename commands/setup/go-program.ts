import { mkdirSync, renameSync } from "node:fs";
import path from "node:path";
import { isExecutable } from "./find-program.ts";
import { goEnvironment, requireGo } from "./go.ts";
import type { Places } from "./places.ts";
import { runProgram, type Report } from "./run-program.ts";

/** A program that is built from the Go module proxy. The folder of its name pins every module, each with its checksum. */
export interface GoProgram {
  readonly name: string;
  readonly version: string;
  /** The oldest Go that builds it: the `go` line of its go.mod. */
  readonly oldestGo: string;
  /** Import path. */
  readonly package: string;
  /** The linker's. */
  readonly flags: string;
  /** What to do where it cannot be built. */
  readonly hint: string;
}

/** The one that was built here; no other, since what it takes and prints depends on its version. */
export function findGoProgram(program: GoProgram, places: Pick<Places, "programs">): string | undefined {
  const built = goProgramPlace(program, places);
  return isExecutable(built) ? built : undefined;
}

/** Builds it into its place. */
export async function buildGoProgram(program: GoProgram, places: Places, report: Report): Promise<void> {
  const { name, version, oldestGo, flags, hint } = program;
  const go = await requireGo(oldestGo, places, report);
  const built = goProgramPlace(program, places);
  const written = `${built}.new`;
  mkdirSync(places.programs, { recursive: true });
  await runProgram({
    command: go,
    args: ["build", "-v", "-ldflags", flags, "-o", written, program.package],
    failure: `${name} ${version} could not be built with ${go}`,
    hint,
    cwd: path.join(import.meta.dirname, name),
    env: goEnvironment,
    onLine: report,
  });
  renameSync(written, built);
}

/** Where it is, or will be. */
export function goProgramPlace({ name, version }: GoProgram, { programs }: Pick<Places, "programs">): string {
  return path.join(programs, `${name}-${version}`);
}
