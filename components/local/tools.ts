import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import path from "node:path";
import type { LocalTools } from "../../core/local/plan.ts";
import { ProblemsError, type Problem } from "../../core/spec/problem.ts";

/** Where the project's Python environment lies, whatever folder a stack runs in. */
export function venvDirectory(project: string): string {
  return path.join(project, ".local", "venv");
}

/** Folder of the tritonserver wheel inside a Python environment; undefined where it is not installed. */
export function tritonDirectory(venv: string): string | undefined {
  const lib = path.join(venv, "lib");
  const versions = existsSync(lib) ? readdirSync(lib).filter((name) => name.startsWith("python3.")) : [];
  return versions
    .map((version) => path.join(lib, version, "site-packages", "pytriton", "tritonserver"))
    .find((candidate) => existsSync(candidate));
}

/** Debian puts haproxy where only root's PATH looks. */
const systemFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The programs the local target runs, as they are installed. What is missing is one error that names all of it. */
export function findLocalTools(project: string): LocalTools {
  const venv = venvDirectory(project);
  const folders = [...(process.env.PATH ?? "").split(path.delimiter), ...systemFolders];
  const find = (program: string): string | undefined =>
    folders.map((folder) => path.join(folder, program)).find(isExecutable);
  const found = {
    python: path.join(venv, "bin", "python"),
    triton: tritonDirectory(venv),
    haproxy: find("haproxy"),
    prometheus: find("prometheus"),
    promtool: find("promtool"),
  };
  const { python, triton, haproxy, prometheus, promtool } = found;
  if (
    isExecutable(python) &&
    triton !== undefined &&
    haproxy !== undefined &&
    prometheus !== undefined &&
    promtool !== undefined
  ) {
    return { python, triton, haproxy, prometheus, promtool };
  }
  const missing = Object.entries({ ...found, python: isExecutable(python) ? python : undefined }).filter(
    ([, place]) => place === undefined,
  );
  throw new ProblemsError(
    missing.map(([name]): Problem => ({
      file: "this machine",
      path: name,
      message: "not installed",
      hint: "run `npm start`, which installs what is missing",
    })),
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
