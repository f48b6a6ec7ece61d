import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import yaml from "js-yaml";
import * as z from "zod";
import { readProject } from "../../commands/stack/config.ts";
import { projectRoot } from "./tools.ts";

const stackFileSchema = z.looseObject({ config: z.record(z.string(), z.unknown()).default({}) });

/** What an operation came to: what it said, and how many resources it did what to. */
export interface Operation {
  readonly code: number;
  /** Standard output and error, in the order they came. */
  readonly text: string;
}

/**
 * A stack of a test's own under the real CLI, language host and providers, as users run it: `pulumi up`. Its state is in
 * a folder that goes with it.
 */
export class TestStack {
  readonly directory = mkdtempSync(path.join(tmpdir(), "tp-stack-"));
  readonly #env: Readonly<Record<string, string>>;

  private constructor(env: Readonly<Record<string, string>>) {
    this.#env = {
      PULUMI_BACKEND_URL: `file://${this.state}`,
      PULUMI_CONFIG_PASSPHRASE: "of a test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      // Providers of the toolchain are found by PATH, and nothing is to be downloaded.
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      ...env,
    };
  }

  /** `env`: what the program and its providers see besides this process's environment. */
  static async create(
    config: Readonly<Record<string, unknown>>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<TestStack> {
    const stack = new TestStack(env);
    mkdirSync(stack.state);
    const project = readProject();
    const providers = project.plugins.providers.map((plugin) => ({
      ...plugin,
      path: path.join(projectRoot, plugin.path),
    }));
    const main = path.relative(stack.directory, path.join(projectRoot, project.main));
    stack.#write("Pulumi.yaml", { ...project, main, plugins: { providers } });
    await stack.#succeed(["stack", "init", stackName]);
    stack.configure(config);
    return stack;
  }

  /** Folder of the file backend: what the engine keeps. */
  get state(): string {
    return path.join(this.directory, "state");
  }

  /** Sets keys of the stack's config, as its committed file would have them. */
  configure(values: Readonly<Record<string, unknown>>): void {
    const file = path.join(this.directory, stackFile);
    const document = stackFileSchema.parse(yaml.load(readFileSync(file, "utf8")) ?? {});
    this.#write(stackFile, { ...document, config: { ...document.config, ...values } });
  }

  async setSecret(key: string, value: string): Promise<void> {
    await this.#succeed(["config", "set", "--secret", key], value);
  }

  up(...args: string[]): Promise<Operation> {
    return this.#pulumi([...upArguments, ...args]);
  }

  /** Runs `up` until `work` has ended, then breaks it off as Ctrl-C does. */
  async upDuring(work: () => Promise<unknown>): Promise<Operation> {
    const end = new AbortController();
    const running = this.#pulumi(upArguments, "", end.signal);
    try {
      await work();
    } finally {
      end.abort();
    }
    return running;
  }

  preview(...args: string[]): Promise<Operation> {
    return this.#pulumi(["preview", "--non-interactive", ...args]);
  }

  destroy(): Promise<Operation> {
    return this.#pulumi(["destroy", "--yes", "--skip-preview", "--non-interactive"]);
  }

  /** Removes the stack's folder; what the stack made must be destroyed before. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #write(name: string, document: unknown): void {
    writeFileSync(path.join(this.directory, name), yaml.dump(document));
  }

  async #succeed(args: readonly string[], input = ""): Promise<void> {
    const { code, text } = await this.#pulumi(args, input);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")}: ${text}`);
  }

  async #pulumi(args: readonly string[], input = "", end?: AbortSignal): Promise<Operation> {
    const running = execa("pulumi", args, {
      cwd: this.directory,
      env: this.#env,
      input,
      all: true,
      reject: false,
    });
    end?.addEventListener("abort", () => running.kill("SIGINT"));
    const { all, exitCode } = await running;
    return { code: exitCode ?? -1, text: all };
  }
}

const upArguments = ["up", "--yes", "--skip-preview", "--non-interactive"];
const stackName = "test";
const stackFile = `Pulumi.${stackName}.yaml`;
