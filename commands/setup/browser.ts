import { findProgram } from "./find-program.ts";

/** What tests look at pages with. */
export interface Browser {
  /** Absolute path. */
  readonly chromium: string;
}

/** Debian's name of it, and the package's; then what others call it. */
export const browserPackage = "chromium";
const names = [browserPackage, "chromium-browser", "google-chrome"];

export function readyBrowser(): Browser | undefined {
  const chromium = names.map((name) => findProgram(name)).find((program) => program !== undefined);
  return chromium === undefined ? undefined : { chromium };
}
