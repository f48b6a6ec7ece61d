import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { execa } from "execa";
import yaml from "js-yaml";
import type { LocalDescription } from "../../core/local/plan.ts";
import { openHome } from "../local/home.ts";
import { findRunning } from "../local/running.ts";
import { projectRoot } from "../setup/places.ts";
import { lastWords } from "../setup/run-program.ts";
import { UserError } from "../setup/user-error.ts";
import { findFreeBlock, portsFrom, type BenchPorts } from "./ports.ts";

/** A platform that runs for the benchmark alone, beside whatever else this machine serves. */
export interface BenchPlatform {
  readonly description: LocalDescription;
  readonly ports: BenchPorts;
  /** Folder for temporary files, removed at the end. */
  readonly folder: string;
  /** What the first start took. */
  readonly startSeconds: number;
}

export interface PlatformOptions {
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
  /** Changes a copy of the models; the project's own are served where it is left out. */
  readonly changeModels?: (folder: string) => void;
}

/**
 * Starts a platform with its own state, ports and folders, hands it over, and removes it whatever happens. One at a
 * time: the commands find it by this process's environment.
 */
export async function withPlatform<T>(
  { progress, signal, changeModels }: PlatformOptions,
  use: (platform: BenchPlatform) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), "triton-bench-"));
  const before = process.env.TRITON_PLATFORM_HOME;
  process.env.TRITON_PLATFORM_HOME = path.join(folder, "home");
  try {
    const models = path.join(folder, "models");
    if (changeModels !== undefined) {
      cpSync(path.join(projectRoot, "models"), models, { recursive: true });
      changeModels(models);
    }
    const ports = portsFrom(await findFreeBlock());
    writeStack(folder, ports, changeModels === undefined ? undefined : models);
    signal.throwIfAborted();
    try {
      const startSeconds = await runCommand("start", progress);
      signal.throwIfAborted();
      const running = findRunning();
      if (running === undefined) throw new Error("started, and no description of it is there");
      return await use({ description: running.description, ports, folder, startSeconds });
    } finally {
      progress("stopping the benchmark's platform");
      await runCommand("stop", progress);
    }
  } finally {
    if (before === undefined) delete process.env.TRITON_PLATFORM_HOME;
    else process.env.TRITON_PLATFORM_HOME = before;
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeStack(folder: string, ports: BenchPorts, models: string | undefined): void {
  const { nginxPort: _, ...local } = ports;
  const { stackFile } = openHome();
  const config = {
    "triton-platform:local": { ...local, directory: path.join(folder, "platform") },
    ...(models === undefined ? {} : { "triton-platform:models": models }),
  };
  // What is set here stays; the rest comes from the committed file when the stack is opened next.
  mkdirSync(path.dirname(stackFile), { recursive: true });
  writeFileSync(stackFile, yaml.dump({ config }));
}

/** Runs one of the project's commands to its end and returns the seconds it took. */
export async function runCommand(command: string, progress: (text: string) => void): Promise<number> {
  const started = performance.now();
  // Detached, so that Ctrl-C does not reach it: a change of the platform is finished, then undone.
  const child = execa(process.execPath, [path.join(projectRoot, "commands", "run.mjs"), command], {
    cwd: projectRoot,
    detached: true,
    stdin: "ignore",
    reject: false,
    all: true,
  });
  for await (const line of child.iterable({ from: "all" })) {
    if (/ (creating|updating|removing) /.test(line)) progress(line.trim());
  }
  const { exitCode, all } = await child;
  if (exitCode !== 0) {
    throw new UserError(
      `The benchmark's platform: \`${command}\` failed:\n${lastWords(all, 8)}`,
      "run `npm start` first and mend what it reports",
    );
  }
  return (performance.now() - started) / 1000;
}
