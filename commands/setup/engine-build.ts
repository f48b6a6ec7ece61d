import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Fetch } from "./engine-download.ts";
import { goEnvironment, requireGo } from "./go.ts";
import { runProgram } from "./run-program.ts";

/** The oldest Go that builds the engine: the `go` line of engine/go.mod. */
export const oldestGo = "1.25.11";

const enginePackage = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";

/** go.mod and go.sum pin every module of the build, each with its checksum. */
const moduleFolder = fileURLToPath(new URL("engine/", import.meta.url));

/**
 * Builds the engine from the Go module proxy: some minutes once, and what a killed build has compiled is not compiled
 * again. Only the CLI comes of it; a release also has language hosts, which inline programs do without.
 */
export async function buildEngine({ version, bin, places, report }: Fetch): Promise<void> {
  const go = await requireGo(oldestGo, places, report);
  const run = (args: readonly string[], onLine: (line: string) => void): Promise<string> =>
    runProgram({
      command: go,
      args,
      failure: `pulumi ${version} could not be built with ${go}`,
      hint: "mend what Go reports (module proxy, network, disk space: about 4 GB are needed), then run the same command again",
      cwd: moduleFolder,
      env: goEnvironment,
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
