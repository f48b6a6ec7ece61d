import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import process from "node:process";

/** Where daemons lie that are not on every user's PATH, as Debian's haproxy. */
const systemFolders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Every executable file of that name on PATH, then in the system's folders; no process is started. */
export function findPrograms(name: string, searchPath = process.env.PATH ?? ""): readonly string[] {
  const folders = [...searchPath.split(path.delimiter), ...systemFolders].filter((folder) =>
    path.isAbsolute(folder),
  );
  return [...new Set(folders)].map((folder) => path.join(folder, name)).filter(isExecutable);
}

export function findProgram(name: string, searchPath?: string): string | undefined {
  return findPrograms(name, searchPath)[0];
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
