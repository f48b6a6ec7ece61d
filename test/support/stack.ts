import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import yaml from "js-yaml";
import * as z from "zod";
import { projectSeenFrom } from "../../commands/stack/project-folder.ts";
import { projectRoot } from "./tools.ts";

const stackFileSchema = z.looseObject({ config: z.record(z.string(), z.unknown()).default({}) });

/** What an operation came to: what it said, and how many resources it did what to. */
export interface Operation {
  readonly code: number;
  /** Standard output and error, in the order they came. */
  readonly text: string;
}

export interface TestStackOptions {
  /** Name of the stack. Default: test. */
  readonly name?: string;
  /** Providers beside the project's own: folders with an executable `pulumi-resource-…`. */
  readonly providers?: readonly { readonly name: string; readonly path: string }[];
  /** Another program than the project's: an absolute path. */
  readonly main?: string;
}

/**
 * A stack of a test's own under the real CLI, language host and providers, as users run it: `pulumi up`. Its state is in
 * a folder that goes with it.
 */
export class TestStack {
  /** Of every command for this stack: its state, its passphrase, and where its files are. */
  readonly env: Readonly<Record<string, string>>;

  private constructor(
    readonly directory: string,
    readonly name: string,
    private readonly given: Readonly<Record<string, string>>,
  ) {
    this.env = {
      TRITON_PLATFORM_STACKS: directory,
      PULUMI_BACKEND_URL: `file://${this.state}`,
      PULUMI_CONFIG_PASSPHRASE: "of a test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      // Providers of the toolchain are found by PATH, and nothing is to be downloaded.
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      ...given,
    };
  }

  /** `env`: what the program and its providers see besides this process's environment. */
  static async create(
    config: Readonly<Record<string, unknown>>,
    env: Readonly<Record<string, string>> = {},
    options: TestStackOptions = {},
  ): Promise<TestStack> {
    const directory = mkdtempSync(path.join(tmpdir(), "tp-stack-"));
    const stack = new TestStack(directory, options.name ?? "test", env);
    mkdirSync(stack.state);
    const { main, providers } = options;
    const project = projectSeenFrom(directory, { main, providers });
    writeFileSync(path.join(directory, "Pulumi.yaml"), project);
    await stack.#init(config);
    return stack;
  }

  /** Another stack of the same project and backend, which may refer to this one. */
  async beside(name: string, config: Readonly<Record<string, unknown>>): Promise<TestStack> {
    const stack = new TestStack(this.directory, name, this.given);
    await stack.#init(config);
    return stack;
  }

  /** Folder of the file backend: what the engine keeps. */
  get state(): string {
    return path.join(this.directory, "state");
  }

  /** Sets keys of the stack's config, as its committed file would have them. */
  configure(values: Readonly<Record<string, unknown>>): void {
    const file = path.join(this.directory, this.#file);
    const document = stackFileSchema.parse(yaml.load(readFileSync(file, "utf8")) ?? {});
    this.#write(this.#file, { ...document, config: { ...document.config, ...values } });
  }

  get #file(): string {
    return `Pulumi.${this.name}.yaml`;
  }

  async #init(config: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#succeed(["stack", "init", this.name]);
    this.configure(config);
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
    return this.#pulumi([...destroyArguments, "--skip-preview"]);
  }

  /** As people do it: the preview comes first, and finds what is protected before anything goes. */
  destroyAfterPreview(): Promise<Operation> {
    return this.#pulumi(destroyArguments);
  }

  /** `npm run <command> -- --stack <this one> <args>`; `through`: what the command begins with. */
  async command(
    command: string,
    args: readonly string[] = [],
    through: readonly string[] = [],
  ): Promise<Operation> {
    const run = [process.execPath, path.join(projectRoot, "commands", "run.mjs"), command];
    const option = command === "bench" ? "--target" : "--stack";
    const { all, exitCode } = await execa("env", [...through, ...run, option, this.name, ...args], {
      cwd: projectRoot,
      env: this.env,
      all: true,
      reject: false,
    });
    return { code: exitCode ?? -1, text: all };
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
    const [command = ""] = args;
    // Stacks beside each other share a folder, and so what is selected in it.
    const ofStack = command === "stack" ? [] : ["--stack", this.name];
    const running = execa("pulumi", [...args, ...ofStack], {
      cwd: this.directory,
      env: this.env,
      input,
      all: true,
      reject: false,
    });
    end?.addEventListener("abort", () => running.kill("SIGINT"));
    const { all, exitCode } = await running;
    return { code: exitCode ?? -1, text: all };
  }
}

const destroyArguments = ["destroy", "--yes", "--non-interactive"];
const upArguments = ["up", "--yes", "--skip-preview", "--non-interactive"];
