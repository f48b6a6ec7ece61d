import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { execa } from "execa";
import yaml from "js-yaml";
import * as z from "zod";
import type { LocalDescription } from "../../core/local/plan.ts";
import { mapValues } from "../../core/objects.ts";
import { openHome, stackName } from "../local/home.ts";
import { findRunning } from "../local/running.ts";
import { projectRoot } from "../setup/places.ts";
import { lastWords } from "../setup/run-program.ts";
import { UserError } from "../setup/user-error.ts";
import { stackValues } from "../stack/config.ts";
import { findFreeBlock, portsFrom, type BenchPorts } from "./ports.ts";

/** A platform that runs for the benchmark alone, beside whatever else this machine serves. */
export interface BenchPlatform {
  readonly description: LocalDescription;
  readonly ports: BenchPorts;
  /** For temporary files; removed at the end. */
  readonly folder: string;
  /** What `npm start` took. */
  readonly startSeconds: number;
}

export interface Observer {
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface PlatformOptions extends Observer, Surroundings {
  /** Changes a copy of the models; the project's own are served where it is left out. */
  readonly changeModels?: (folder: string) => void;
  /** Whether each server group has one replica, whatever the committed stack says: several here share the same cores. */
  readonly singleReplicas?: boolean;
}

/** Where a command runs, if not in this checkout and this process's environment. */
export interface Surroundings {
  readonly checkout?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly onLine?: (line: string) => void;
}

/**
 * Starts a platform with its own state, ports and folders, hands it over, and removes it whatever happens. One at a
 * time: the commands find it by this process's environment.
 */
export async function withPlatform<T>(
  { changeModels, singleReplicas = false, ...options }: PlatformOptions,
  use: (platform: BenchPlatform) => Promise<T>,
): Promise<T> {
  const { progress, signal } = options;
  const folder = mkdtempSync(path.join(tmpdir(), "triton-bench-"));
  const before = process.env.TRITON_PLATFORM_HOME;
  process.env.TRITON_PLATFORM_HOME = path.join(folder, "home");
  try {
    const models = changeModels === undefined ? undefined : path.join(folder, "models");
    if (models !== undefined) {
      cpSync(path.join(projectRoot, "models"), models, { recursive: true });
      changeModels?.(models);
    }
    const ports = portsFrom(await findFreeBlock());
    writeStack(folder, ports, {
      ...(models === undefined ? {} : { "triton-platform:models": models }),
      ...(singleReplicas ? { [serversKey]: withSingleReplicas() } : {}),
    });
    signal.throwIfAborted();
    try {
      progress("starting a platform for the benchmark");
      const startSeconds = await runCommand("start", options);
      signal.throwIfAborted();
      const running = findRunning();
      if (running === undefined) throw new Error("the platform has started and left no description");
      return await use({ description: running.description, ports, folder, startSeconds });
    } finally {
      progress("stopping the benchmark's platform");
      await runCommand("stop", options);
    }
  } finally {
    if (before === undefined) delete process.env.TRITON_PLATFORM_HOME;
    else process.env.TRITON_PLATFORM_HOME = before;
    rmSync(folder, { recursive: true, force: true });
  }
}

const serversKey = "triton-platform:servers";

function withSingleReplicas(): Record<string, unknown> {
  const servers = z.record(z.string(), z.looseObject({})).parse(stackValues(stackName)[serversKey]);
  return mapValues(servers, (server) => ({ ...server, replicas: 1 }));
}

/** What is set here stays; the rest comes from the committed file whenever the stack is opened. */
function writeStack(folder: string, { platform }: BenchPorts, own: Readonly<Record<string, unknown>>): void {
  const config = {
    "triton-platform:local": {
      ...platform,
      directory: path.join(folder, "platform"),
      // What is on one machine and not on the other is no part of what is measured.
      grafana: { enabled: false },
    },
    ...own,
  };
  writeFileSync(openHome().stackFile, yaml.dump({ config }));
}

/** Runs one of the project's commands to its end and returns the seconds it took. */
export async function runCommand(
  command: "start" | "stop",
  { progress, checkout = projectRoot, env, onLine }: Pick<PlatformOptions, "progress" | keyof Surroundings>,
): Promise<number> {
  const started = performance.now();
  // Detached, so that Ctrl-C does not reach it: a change of the platform is finished, then undone.
  const child = execa(process.execPath, [path.join(checkout, "commands", "run.mjs"), command], {
    cwd: checkout,
    ...(env === undefined ? {} : { env: { ...env } }),
    detached: true,
    stdin: "ignore",
    reject: false,
    all: true,
  });
  for await (const line of child.iterable({ from: "all" })) {
    onLine?.(line);
    if (/^ {2}(creating|updating|removing) |^(✔|❯|›) |^Installing /.test(line)) progress(line.trim());
  }
  const { exitCode, all } = await child;
  if (exitCode !== 0) {
    throw new UserError(
      `The benchmark's platform: \`${command}\` failed:\n${lastWords(all, 8)}`,
      "run `npm start` by itself and mend what it reports",
    );
  }
  return (performance.now() - started) / 1000;
}
