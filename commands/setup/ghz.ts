import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { isExecutable } from "./find-program.ts";
import { goEnvironment, requireGo } from "./go.ts";
import { withLock } from "./lock.mjs";
import { placesIn, projectRoot } from "./places.ts";
import { runProgram, type Report } from "./run-program.ts";
import { runSteps } from "./steps.ts";

/** The load generator for gRPC, as ghz/go.mod pins it. */
export const ghzVersion = "0.121.0";

/** The `go` line of ghz/go.mod. */
const oldestGo = "1.25.11";

const ghzPackage = "github.com/bojand/ghz/cmd/ghz";
const moduleFolder = fileURLToPath(new URL("ghz/", import.meta.url));

/** Its program, built from the Go module proxy where that has not been done: a minute, once. */
export async function setUpGhz(root = projectRoot): Promise<string> {
  const { programs } = placesIn(root);
  const program = path.join(programs, `ghz-${ghzVersion}`, "ghz");
  if (isExecutable(program)) return program;
  return withLock("ghz", root, async () => {
    if (!isExecutable(program)) {
      const title = `ghz ${ghzVersion}, which makes the load over gRPC`;
      await runSteps([{ title, run: (report) => buildGhz(program, root, report) }]);
    }
    return program;
  });
}

async function buildGhz(program: string, root: string, report: Report): Promise<void> {
  const go = await requireGo(oldestGo, placesIn(root), report);
  const bin = path.dirname(program);
  mkdirSync(bin, { recursive: true });
  const folder = mkdtempSync(path.join(bin, ".build-"));
  try {
    const built = path.join(folder, "ghz");
    await runProgram({
      command: go,
      args: ["build", "-v", "-ldflags", `-s -w -X main.version=v${ghzVersion}`, "-o", built, ghzPackage],
      failure: `ghz ${ghzVersion} could not be built with ${go}`,
      hint: "mend what Go reports (module proxy, network, disk space), or measure HTTP alone: --protocol http",
      cwd: moduleFolder,
      env: goEnvironment,
      onLine: report,
    });
    renameSync(built, program);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
