import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import yaml from "js-yaml";
import { projectRoot } from "../setup/places.ts";
import { fileOf, readStackConfig, readStackFile, type StackConfig, type StackFile } from "../stack/config.ts";
import { projectSeenFrom } from "../stack/project-folder.ts";

/**
 * Where Pulumi keeps what belongs to this machine's stack: its state, the passphrase that encrypts it, and its config
 * with the keys set here. All of it is ignored by git, since each machine has its own passphrase.
 */
export interface LocalHome {
  /** Folder of the file backend. */
  readonly state: string;
  /** File that names the folder of the platform that runs; absent where none does. */
  readonly runningFile: string;
  /** Pulumi's project folder for the local stack: Pulumi.yaml and the stack's own config. */
  readonly workDir: string;
  readonly stackFile: string;
  /** What every Pulumi process for this stack needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
}

export const stackName = "local";

/** Makes what is missing; what is there is left alone, but for config that changed in the committed file. */
export function openHome(): LocalHome {
  // Tests run a platform of their own beside the one of the checkout.
  const home = process.env.TRITON_PLATFORM_HOME ?? path.join(projectRoot, ".local");
  const state = path.join(home, "state");
  const passphrase = path.join(home, "passphrase");
  const workDir = path.join(home, "pulumi");
  mkdirSync(state, { recursive: true });
  mkdirSync(workDir, { recursive: true });
  makePassphrase(passphrase);
  // It would win over the file, and is another stack's.
  delete process.env.PULUMI_CONFIG_PASSPHRASE;
  writeIfChanged(path.join(workDir, "Pulumi.yaml"), projectSeenFrom(workDir));
  return {
    state,
    runningFile: path.join(home, "running"),
    workDir,
    stackFile: updateStackFile(workDir),
    env: {
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: passphrase,
      PULUMI_SKIP_UPDATE_CHECK: "true",
    },
  };
}

/** Made once; of two first commands at the same time, one makes it. */
function makePassphrase(file: string): void {
  try {
    writeFileSync(file, randomBytes(32).toString("base64url"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (!existsSync(file)) throw error;
  }
}

/** The machine's config of its stack. Throws all problems at once. */
export function readLocalConfig({ stackFile }: LocalHome): StackConfig {
  return readStackConfig(stackFile, fileOf(stackName));
}

/** The machine's stack file follows the committed one, and keeps what was set here. */
function updateStackFile(workDir: string): string {
  const name = fileOf(stackName);
  const stackFile = path.join(workDir, name);
  const baseFile = path.join(workDir, "committed.yaml");
  const committed = readStackFile(path.join(projectRoot, name));
  const merged = mergeStackFiles(readStackFile(baseFile), committed, readStackFile(stackFile));
  writeIfChanged(stackFile, yaml.dump(merged));
  writeIfChanged(baseFile, yaml.dump(committed));
  return stackFile;
}

/**
 * What was committed now, plus what this machine changed since the last time: `base` is the committed file of then.
 * Keys the machine set or changed stay as they are; keys it only had from the committed file follow it.
 */
export function mergeStackFiles(base: StackFile, committed: StackFile, machine: StackFile): StackFile {
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  const own = Object.entries(machine.config ?? {}).filter(([key, value]) => !same(value, base.config?.[key]));
  return { ...machine, config: { ...committed.config, ...Object.fromEntries(own) } };
}

function writeIfChanged(file: string, text: string): void {
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text, { mode: 0o600 });
}
