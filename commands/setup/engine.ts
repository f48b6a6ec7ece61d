import { statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import process from "node:process";
import * as z from "zod";
import { downloadEngine } from "./engine-download.ts";
import { buildEngine } from "./engine-build.ts";
import { findPrograms, isExecutable } from "./find-program.ts";
import type { Places } from "./places.ts";
import { askProgram, type Report } from "./run-program.ts";
import { readState, writeState } from "./state.ts";
import { UserError } from "./user-error.ts";
import { compareVersions, formatVersion, parseVersion, type Version } from "./version.ts";

/** The CLI that is fetched where there is none; engine/go.mod pins the same one. */
export const engineVersion = "3.258.0";

/** The oldest CLI on PATH that is used instead. */
export const oldestEngine = "3.200.0";

/** The Pulumi CLI, which is the engine. */
export interface Engine {
  /** Absolute path of `pulumi`. */
  readonly executable: string;
  readonly version: string;
  /** The folder over `bin/pulumi`, as `PulumiCommand.get({root})` takes it; undefined where it lies otherwise. */
  readonly root: string | undefined;
  /** What a process needs in its environment to run the same `pulumi`, as the Automation API does. */
  readonly env: Readonly<Record<"PATH" | "PULUMI_SKIP_UPDATE_CHECK", string>>;
}

/** Why a `pulumi` that is there is not used; undefined where it is. */
export function engineProblem(answer: string | undefined): string | undefined {
  const version = parseVersion(answer ?? "");
  const oldest = parseVersion(oldestEngine);
  const newest = parseVersion(engineVersion);
  if (version === undefined || oldest === undefined || newest === undefined)
    return "does not tell its version";
  if (compareVersions(version, oldest) < 0) return `is ${formatVersion(version)}, older than ${oldestEngine}`;
  if (version[0] > newest[0])
    return `is ${formatVersion(version)}, of a newer major version than ${engineVersion}`;
  return undefined;
}

/** Where npm's `pulumi` launcher and the Automation API keep a version of the CLI: one copy serves all. */
export function engineFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const home = env.PULUMI_HOME;
  return path.join(
    home === undefined || home === "" ? path.join(homedir(), ".pulumi") : home,
    "versions",
    engineVersion,
  );
}

const stateSchema = z.object({
  executable: z.string(),
  version: z.string(),
  /** Size and time of change: another `pulumi` in the same place is asked again. */
  fingerprint: z.string(),
  /** What PATH names first: one that is installed later is preferred. */
  onPath: z.string().nullable(),
});

/** The engine that was found last time, where it is unchanged; no process is started. */
export function readyEngine(places: Places): Engine | undefined {
  const state = readState(places.engineState, stateSchema);
  if (state === undefined) return undefined;
  const { executable, version, onPath } = state;
  const known = executable === onPath || executable === cachedEngine();
  const unchanged = onPath === firstOnPath() && fingerprint(executable) === state.fingerprint;
  return known && unchanged ? engineAt(executable, version) : undefined;
}

/** Finds the engine: on PATH, in the launcher's cache, by download, or else by building it. */
export async function prepareEngine(places: Places, report: Report): Promise<Engine> {
  const onPath = firstOnPath();
  const remember = (executable: string, version: Version): Engine => {
    const engine = engineAt(executable, formatVersion(version));
    writeState(places.engineState, {
      executable,
      version: engine.version,
      fingerprint: fingerprint(executable),
      onPath,
    });
    return engine;
  };

  const cached = cachedEngine();
  for (const executable of [onPath, cached]) {
    if (executable === null || !isExecutable(executable)) continue;
    const version = await askVersion(executable, report);
    if (version !== undefined) return remember(executable, version);
  }

  const bin = path.dirname(cached);
  const failures: string[] = [];
  for (const fetch of [downloadEngine, buildEngine]) {
    try {
      await fetch({ version: engineVersion, bin, places, report });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push(`${error.message}\n  → ${error.hint}`);
      report(firstLine(error.message));
      continue;
    }
    const version = await askVersion(cached, report);
    if (version !== undefined) return remember(cached, version);
    failures.push(`${cached} was installed and does not run`);
  }
  throw new UserError(
    `The Pulumi CLI could not be brought here.\n${failures.join("\n")}`,
    `or install it yourself (https://www.pulumi.com/docs/install), ${oldestEngine} or newer, and put it on PATH`,
  );
}

async function askVersion(executable: string, report: Report): Promise<Version | undefined> {
  const answer = await askProgram(executable, ["version"], { env: { PULUMI_SKIP_UPDATE_CHECK: "true" } });
  const problem = engineProblem(answer);
  if (problem === undefined) return parseVersion(answer ?? "");
  report(`${executable} ${problem}`);
  return undefined;
}

function engineAt(executable: string, version: string): Engine {
  const bin = path.dirname(executable);
  return {
    executable,
    version,
    root: path.basename(bin) === "bin" ? path.dirname(bin) : undefined,
    env: { PATH: [bin, process.env.PATH ?? ""].join(path.delimiter), PULUMI_SKIP_UPDATE_CHECK: "true" },
  };
}

/** The first `pulumi` on PATH that is no npm launcher: that would only download what is wanted here. */
function firstOnPath(): string | null {
  return findPrograms("pulumi").find((file) => !file.includes(`${path.sep}node_modules${path.sep}`)) ?? null;
}

function cachedEngine(): string {
  return path.join(engineFolder(), "bin", "pulumi");
}

function fingerprint(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "" : `${String(found.size)}-${String(found.mtimeMs)}`;
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? text;
}
