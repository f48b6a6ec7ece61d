import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { findGoProgram } from "../../commands/setup/go-program.ts";
import { vegetaProgram } from "../../commands/setup/load-programs.ts";
import { placesIn } from "../../commands/setup/places.ts";
import { amtoolProgram, findChromium } from "../../commands/setup/test-programs.ts";

/** Programs that only some tests need. A test without its program is skipped, and its name says so. */

export const projectRoot = path.resolve(import.meta.dirname, "..", "..");

export interface Tool {
  readonly name: string;
  /** Absolute path; undefined where the program is not installed. */
  readonly program: string | undefined;
}

/** The project's own Python, with the packages of requirements.txt. */
export const venvPython: Tool = {
  name: "the project's Python environment",
  program: firstExecutable([path.join(projectRoot, ".local", "venv", "bin", "python")]),
};
export const haproxy: Tool = { name: "haproxy", program: onPath("haproxy") };
export const openssl: Tool = { name: "openssl", program: onPath("openssl") };
export const promtool: Tool = { name: "promtool", program: onPath("promtool") };
export const amtool: Tool = { name: "amtool", program: findGoProgram(amtoolProgram, placesIn(projectRoot)) };
export const vegeta: Tool = { name: "vegeta", program: findGoProgram(vegetaProgram, placesIn(projectRoot)) };
export const chromium: Tool = { name: "chromium", program: findChromium() };

/** Name of a suite that needs a tool: where the tool is missing, the skipped suite says which. */
export function needing(tool: Tool, suite: string): string {
  return tool.program === undefined ? `${suite} (skipped: ${tool.name} is not installed)` : suite;
}

/** Runs a tool and returns what it says, or throws with it where the tool refuses. */
export function runTool(tool: Tool, args: readonly string[]): string {
  if (tool.program === undefined) throw new Error(`${tool.name} is not installed`);
  return execFileSync(tool.program, args, { encoding: "utf8", stdio: "pipe" });
}

/** Debian puts haproxy where only root's PATH looks. */
function onPath(name: string): string | undefined {
  const folders = [
    ...(process.env.PATH ?? "").split(path.delimiter),
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
  ];
  return firstExecutable(folders.filter((folder) => folder !== "").map((folder) => path.join(folder, name)));
}

function firstExecutable(files: readonly string[]): string | undefined {
  return files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
