import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import yaml from "js-yaml";
import * as z from "zod";
import { inParallel } from "../../components/repository/in-parallel.ts";
import type { StateResource } from "../../core/ephemeral/leftovers.ts";
import { locksIn } from "../../core/ephemeral/lock.ts";
import { shortName } from "../../core/ephemeral/stack.ts";
import type { TaggedStack } from "../../core/ephemeral/sweep.ts";
import { findProgram } from "../setup/find-program.ts";
import { UserError } from "../setup/user-error.ts";
import { fileOf } from "../stack/config.ts";
import { projectSeenFrom, type ProviderFolder } from "../stack/project-folder.ts";
import type { Backend, OperationOptions, Outcome } from "./backend.ts";

export interface PulumiOptions {
  /** Secrets provider of new stacks: `awskms://…`, `passphrase`. Default: the backend's own. */
  readonly secretsProvider?: string | undefined;
  /** Told each line that an operation says. */
  readonly onLine?: (line: string) => void;
  /** Another program than the project's, and providers beside its own. */
  readonly main?: string | undefined;
  readonly providers?: readonly ProviderFolder[] | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

const stacksSchema = z.array(z.object({ name: z.string() }));
const tagsSchema = z.record(z.string(), z.string());
const stateSchema = z.object({
  deployment: z
    .object({
      resources: z
        .array(
          z.object({
            type: z.string().optional(),
            id: z.string().optional(),
            protect: z.boolean().optional(),
            outputs: z.record(z.string(), z.unknown()).optional(),
          }),
        )
        .optional(),
    })
    .nullish(),
});

/**
 * The backend that Pulumi is logged in to (PULUMI_BACKEND_URL, or `pulumi login`), by its CLI. Stack files are in a folder of
 * its own, so that none is in the checkout; states hold all that a destroy needs.
 */
export class PulumiBackend implements Backend {
  /** Where stack files are. */
  readonly folder = mkdtempSync(path.join(tmpdir(), "triton-platform-bench-"));
  readonly #program: string;
  readonly #pids: number[] = [];

  constructor(private readonly options: PulumiOptions = {}) {
    const program = findProgram("pulumi");
    if (program === undefined)
      throw new UserError(
        "Pulumi's CLI is not on PATH",
        "install it: https://www.pulumi.com/docs/install, then log in to your backend (`pulumi login`)",
      );
    this.#program = program;
    writeFileSync(path.join(this.folder, "Pulumi.yaml"), projectSeenFrom(this.folder, options));
  }

  get processes(): readonly number[] {
    return this.#pids;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  async tagged(tag: string): Promise<readonly TaggedStack[]> {
    const stacks = await this.#json(stacksSchema, ["stack", "ls", "--json", "--tag", tag]);
    const found: TaggedStack[] = [];
    await inParallel(stacks, async ({ name }) => {
      found.push({ stack: name, tags: await this.tags(name) });
    });
    return found.sort((a, b) => a.stack.localeCompare(b.stack));
  }

  tags(stack: string): Promise<Readonly<Record<string, string>>> {
    return this.#json(tagsSchema, ["stack", "tag", "ls", "--json", "--stack", stack]);
  }

  async setTag(stack: string, key: string, value: string): Promise<void> {
    await this.#say(["stack", "tag", "set", key, value, "--stack", stack]);
  }

  async create(
    stack: string,
    config: Readonly<Record<string, unknown>>,
    secrets: Readonly<Record<string, string>>,
  ): Promise<void> {
    const file = path.join(this.folder, fileOf(shortName(stack)));
    writeFileSync(file, yaml.dump({ config }), { mode: 0o600 });
    const { secretsProvider } = this.options;
    const provider = secretsProvider === undefined ? [] : ["--secrets-provider", secretsProvider];
    await this.#say(["stack", "init", stack, "--no-select", ...provider]);
    try {
      for (const [key, value] of Object.entries(secrets))
        await this.#say(["config", "set", "--secret", key, "--stack", stack], value);
    } catch (error) {
      await this.remove(stack);
      throw error;
    }
  }

  up(stack: string, options: OperationOptions = {}): Promise<Outcome> {
    return this.#operate(["up", "--skip-preview"], stack, options);
  }

  refresh(stack: string, options: OperationOptions = {}): Promise<Outcome> {
    return this.#operate(["refresh", "--skip-preview", "--clear-pending-creates"], stack, options);
  }

  destroy(stack: string, options: OperationOptions = {}): Promise<Outcome> {
    return this.#operate(["destroy", "--skip-preview", "--continue-on-error"], stack, options);
  }

  async cancel(stack: string): Promise<void> {
    await this.#say(["cancel", "--yes", "--stack", stack]);
  }

  async resources(stack: string): Promise<readonly StateResource[]> {
    const { deployment } = await this.#json(stateSchema, ["stack", "export", "--stack", stack]);
    return deployment?.resources ?? [];
  }

  async allResources(): Promise<readonly StateResource[]> {
    const stacks = await this.#json(stacksSchema, [
      "stack",
      "ls",
      "--all",
      "--json",
      "--fully-qualify-stack-names",
    ]);
    const all: StateResource[] = [];
    await inParallel(stacks, async ({ name }) => {
      all.push(...(await this.resources(name)));
    });
    return all;
  }

  async remove(stack: string): Promise<void> {
    await this.#say(["stack", "rm", "--yes", "--preserve-config", "--stack", stack]);
  }

  async #operate(
    [command = "", ...flags]: readonly string[],
    stack: string,
    { signal, dropUnreachable = false }: OperationOptions,
  ): Promise<Outcome> {
    const args = [command, "--yes", "--non-interactive", "--suppress-outputs", ...flags, "--stack", stack];
    const running = this.#start(args, {
      // Source: pulumi-kubernetes, the provider's `deleteUnreachable`.
      ...(dropUnreachable ? { PULUMI_K8S_DELETE_UNREACHABLE: "true" } : {}),
    });
    // It ends what AWS is at, which may take minutes, and writes its state.
    const stop = (): void => {
      running.kill("SIGINT");
    };
    signal?.addEventListener("abort", stop);
    if (signal?.aborted === true) stop();
    try {
      for await (const line of running.iterable({ from: "all" })) this.options.onLine?.(line);
    } catch {
      // It failed; the result says how.
    } finally {
      signal?.removeEventListener("abort", stop);
    }
    const { exitCode, all } = await running;
    return exitCode === 0 ? { ok: true } : { ok: false, text: all, locks: locksIn(all) };
  }

  async #json<S extends z.ZodType>(schema: S, args: readonly string[]): Promise<z.output<S>> {
    return schema.parse(JSON.parse(await this.#say(args)));
  }

  async #say(args: readonly string[], input = ""): Promise<string> {
    const running = this.#start([...args, "--non-interactive"], {}, input);
    const { exitCode, stdout, all } = await running;
    if (exitCode === 0) return stdout;
    throw new UserError(
      `pulumi ${args.slice(0, 3).join(" ")}: ${all.trim()}`,
      "mend that and run the same command again; which backend is used: `pulumi whoami --verbose`",
    );
  }

  #start(args: readonly string[], env: Readonly<Record<string, string>>, input = "") {
    const running = execa(this.#program, args, {
      cwd: this.folder,
      env: { PULUMI_SKIP_UPDATE_CHECK: "true", ...this.options.env, ...env },
      input,
      all: true,
      reject: false,
      // Ctrl-C is for this process alone to hear: it decides what the engine is to end.
      detached: true,
    } as const);
    if (running.pid !== undefined) this.#pids.push(running.pid);
    return running;
  }
}
