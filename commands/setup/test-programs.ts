import { findProgram } from "./find-program.ts";
import { findGoProgram, type GoProgram } from "./go-program.ts";
import { vegetaProgram } from "./load-programs.ts";
import type { Places } from "./places.ts";

/** Programs that tests run beside those of the platform; absolute paths. */
export interface TestPrograms {
  /** What they look at pages with. */
  readonly chromium: string;
  /** What brings models to a cluster's pods. */
  readonly rclone: string;
  /** What judges Alertmanager's configs. */
  readonly amtool: string;
  /** What makes load over HTTP. */
  readonly vegeta: string;
}

export function readyTestPrograms(places: Places): TestPrograms | undefined {
  const chromium = findChromium();
  const rclone = findProgram("rclone");
  const amtool = findGoProgram(amtoolProgram, places);
  const vegeta = findGoProgram(vegetaProgram, places);
  if (chromium === undefined || rclone === undefined || amtool === undefined || vegeta === undefined)
    return undefined;
  return { chromium, rclone, amtool, vegeta };
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

/** Those of them that are built here. */
export function missingTestBuilds(places: Places): readonly GoProgram[] {
  return [amtoolProgram, vegetaProgram].filter((program) => findGoProgram(program, places) === undefined);
}

/** Alertmanager's, for its configs. Debian 12 has 0.25, which knows no `url_file` of a webhook. */
export const amtoolProgram: GoProgram = {
  name: "amtool",
  version: "0.35.0",
  oldestGo: "1.26.0",
  package: "github.com/prometheus/alertmanager/cmd/amtool",
  flags: "-s -w",
  hint: "mend what Go reports (module proxy, network, disk space), then run the same command again",
};
