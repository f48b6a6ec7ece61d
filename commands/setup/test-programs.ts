import { mkdirSync, renameSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram, isExecutable } from "./find-program.ts";
import { goEnvironment, requireGo } from "./go.ts";
import type { Places } from "./places.ts";
import { runProgram, type Report } from "./run-program.ts";

/** Programs that tests alone run; absolute paths. */
export interface TestPrograms {
  /** What they look at pages with. */
  readonly chromium: string;
  /** What brings models to a cluster's pods. */
  readonly rclone: string;
  /** What judges Alertmanager's configs. */
  readonly amtool: string;
}

export function readyTestPrograms(places: Places): TestPrograms | undefined {
  const chromium = findChromium();
  const rclone = findProgram("rclone");
  const amtool = findAmtool(places);
  if (chromium === undefined || rclone === undefined || amtool === undefined) return undefined;
  return { chromium, rclone, amtool };
}

/** By Debian's name, then by those of others. */
export function findChromium(): string | undefined {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  return names.map((name) => findProgram(name)).find((program) => program !== undefined);
}

/** Debian's packages of those that are missing. */
export function missingTestPackages(): readonly string[] {
  return [
    ...(findChromium() === undefined ? ["chromium"] : []),
    ...(findProgram("rclone") === undefined ? ["rclone"] : []),
  ];
}

/** Of Alertmanager; amtool/go.mod pins the same. Debian 12 has 0.25, which knows no `url_file` of a webhook. */
export const alertmanagerVersion = "0.35.0";

/** The oldest Go that builds it: the `go` line of amtool/go.mod. */
export const amtoolGo = "1.26.0";

/** go.mod and go.sum pin every module of the build, each with its checksum. */
const amtoolModule = fileURLToPath(new URL("amtool/", import.meta.url));

/** The one that was built here; no other, since what it takes depends on its version. */
export function findAmtool({ programs }: Pick<Places, "programs">): string | undefined {
  const built = path.join(programs, `amtool-${alertmanagerVersion}`);
  return isExecutable(built) ? built : undefined;
}

/** Builds it from the Go module proxy. */
export async function buildAmtool(places: Places, report: Report): Promise<void> {
  const go = await requireGo(amtoolGo, places, report);
  const built = path.join(places.programs, `amtool-${alertmanagerVersion}`);
  const written = `${built}.new`;
  mkdirSync(places.programs, { recursive: true });
  await runProgram({
    command: go,
    args: [
      ...["build", "-v", "-ldflags", "-s -w", "-o", written],
      "github.com/prometheus/alertmanager/cmd/amtool",
    ],
    failure: `amtool ${alertmanagerVersion} could not be built with ${go}`,
    hint: "mend what Go reports (module proxy, network, disk space), then run the same command again",
    cwd: amtoolModule,
    env: goEnvironment,
    onLine: report,
  });
  renameSync(written, built);
}
