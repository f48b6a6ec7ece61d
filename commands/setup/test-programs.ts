import { findProgram } from "./find-program.ts";

/** Programs that tests alone run; absolute paths. */
export interface TestPrograms {
  /** What they look at pages with. */
  readonly chromium: string;
  /** What brings models to a cluster's pods. */
  readonly rclone: string;
}

export function readyTestPrograms(): TestPrograms | undefined {
  const chromium = findChromium();
  const rclone = findProgram("rclone");
  return chromium === undefined || rclone === undefined ? undefined : { chromium, rclone };
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
