import { existsSync, mkdtempSync, readdirSync, readFileSync, cpSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import { withKnownHashes } from "../../components/hash-cache.ts";
import {
  formatLock,
  listArtifacts,
  lockFilename,
  readArtifacts,
  readLock,
  relocked,
  type LockedArtifact,
} from "../../core/spec/artifacts.ts";
import { ProblemsError } from "../../core/spec/problem.ts";
import { projectRoot } from "../setup/places.ts";
import { UserError } from "../setup/user-error.ts";

/** The script that makes a model's artifacts: `python build.py --out <folder>` writes its version folders there. */
export const buildScript = "build.py";

/** Runs a model's build script and puts what it writes into the model's folder. */
export async function buildModel(directory: string, python: string): Promise<void> {
  const out = mkdtempSync(path.join(tmpdir(), "triton-platform-build-"));
  try {
    const { exitCode, all } = await execa(python, [path.join(directory, buildScript), "--out", out], {
      all: true,
      reject: false,
      env: { PYTHONDONTWRITEBYTECODE: "1" },
    });
    if (exitCode !== 0)
      throw new UserError(
        `${path.basename(directory)} could not be built:\n${all}`,
        `mend ${path.join(directory, buildScript)}`,
      );
    cpSync(out, directory, { recursive: true });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/**
 * Writes what the version folders hold into `artifacts.lock`: `isNew` where that changed it. Files that it says to lie in
 * S3 stay pinned as they are; `differing` are those that have another content in the folder.
 */
export function relock(directory: string): {
  readonly isNew: boolean;
  readonly differing: readonly LockedArtifact[];
} {
  const file = path.join(directory, lockFilename);
  const locked = readLock(directory, file);
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  if ("problems" in locked && before.includes("s3://")) throw new ProblemsError(locked.problems);
  const found = withKnownHashes(projectRoot, (known) => listArtifacts(directory, known));
  const { artifacts, differing } = relocked(found, "problems" in locked ? [] : locked.value);
  const text = formatLock(artifacts);
  const isNew = artifacts.length > 0 && before !== text;
  if (isNew) writeFileSync(file, text);
  return { isNew, differing };
}

/** Builds the models that have a build script and lack an artifact the lock pins, or any at all. */
export async function buildMissing(folder: string, python: string): Promise<void> {
  for (const directory of modelFolders(folder)) {
    if (!existsSync(path.join(directory, buildScript))) continue;
    const { artifacts } = withKnownHashes(projectRoot, (known) =>
      readArtifacts(directory, lockFilename, known),
    );
    const { files, missing, sources } = artifacts;
    if (files.length > 0 && missing.every((name) => sources.has(name))) continue;
    console.log(`  building ${path.basename(directory)} …`);
    await buildModel(directory, python);
  }
}

/** Absolute paths of the models' folders. */
export function modelFolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map((entry) => path.join(folder, entry.name))
    .sort();
}
