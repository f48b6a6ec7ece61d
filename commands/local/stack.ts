import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import {
  CommandError,
  ConcurrentUpdateError,
  LocalWorkspace,
  PulumiCommand,
  type EngineEvent,
  type Stack,
} from "@pulumi/pulumi/automation/index.js";
import * as z from "zod";
import type { Engine } from "../setup/set-up.ts";
import { UserError } from "../setup/user-error.ts";
import { stackName, type LocalHome } from "./home.ts";

/** The local stack under the real engine; the program runs inside this process, so no language host is needed. */
export async function openStack(home: LocalHome, engine: Engine): Promise<Stack> {
  // The Automation API finds the CLI by PATH where it has no folder of its own.
  process.env.PATH = engine.env.PATH;
  releaseDeadLocks(home.state);
  const pulumiCommand = await PulumiCommand.get(engine.root === undefined ? {} : { root: engine.root });
  return LocalWorkspace.createOrSelectStack(
    {
      stackName,
      projectName: "triton-platform",
      program: async () => {
        const { default: program } = await import("../../index.ts");
        return program();
      },
    },
    { workDir: home.workDir, envVars: { ...home.env, ...engine.env }, pulumiCommand },
  );
}

const lockSchema = z.object({ pid: z.number(), hostname: z.string() });

/** A command that was killed leaves its lock on the stack; nobody else can release it. */
function releaseDeadLocks(state: string): void {
  const locks = path.join(state, ".pulumi", "locks");
  if (!existsSync(locks)) return;
  for (const name of readdirSync(locks, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".json")) continue;
    const file = path.join(locks, name);
    const lock = lockSchema.safeParse(JSON.parse(readFileSync(file, "utf8"))).data;
    if (lock?.hostname === hostname() && !existsSync(path.join("/proc", String(lock.pid)))) rmSync(file);
  }
}

/**
 * Keeps this process alive through Ctrl-C while the engine, which gets the signal too, finishes what is under way: the
 * program and its answers live here.
 */
export async function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  const wait = (): void => {
    console.error("Stopping after what is under way …");
  };
  process.on("SIGINT", wait);
  try {
    return await work();
  } finally {
    process.off("SIGINT", wait);
  }
}

/** Shows one line for each resource that is made, changed or removed, and keeps what went wrong. */
export class Progress {
  readonly #errors = new Set<string>();
  readonly #started = new Map<string, number>();
  #changes = 0;

  constructor(private readonly show: (line: string) => void) {}

  get changes(): number {
    return this.#changes;
  }

  readonly onEvent = (event: EngineEvent): void => {
    const before = event.resourcePreEvent?.metadata;
    if (before !== undefined && isChange(before.op) && !isOwn(before.type)) {
      this.#started.set(before.urn, Date.now());
      this.show(`  ${doing[before.op] ?? before.op} ${nameOf(before.urn)} …`);
    }
    const after = event.resOutputsEvent?.metadata;
    const started = after && this.#started.get(after.urn);
    if (after !== undefined && started !== undefined && isChange(after.op)) {
      this.#changes += 1;
      const seconds = (Date.now() - started) / 1000;
      if (seconds >= 1) this.show(`  ${nameOf(after.urn)}: done (${seconds.toFixed(1)} s)`);
    }
    const diagnostic = event.diagnosticEvent;
    if (diagnostic?.severity === "error") this.#errors.add(plain(diagnostic.message));
  };

  /** The engine's errors as one, without its own "update failed". */
  #failure(what: string): UserError {
    const errors = [...this.#errors].filter((text) => !/^(update|preview) failed$/.test(text));
    return new UserError(
      `${what}:\n${errors.join("\n")}`,
      "what was running and is not named here keeps running; mend this and run the same command again (logs: npm run logs)",
    );
  }

  /** The error a command ends with: the engine's own words where it has any, else what was thrown. */
  explain(what: string, thrown: unknown): unknown {
    if (thrown instanceof ConcurrentUpdateError) {
      return new UserError(
        "Another command is working on this stack, or one was killed while it did",
        "wait for it; where there is none: npm run pulumi -- cancel --yes",
      );
    }
    if (this.#errors.size > 0) return this.#failure(what);
    if (!(thrown instanceof CommandError)) return thrown;
    const lines = thrown.message.split("\n").filter((line) => /^\s*(stderr: )?error: /.test(line));
    return lines.length === 0
      ? thrown
      : new UserError(
          `${what}:\n${[...new Set(lines)].join("\n")}`,
          "mend this and run the same command again",
        );
  }
}

const doing: Readonly<Record<string, string>> = {
  create: "creating",
  "create-replacement": "creating",
  update: "updating",
  delete: "removing",
  "delete-replaced": "removing old",
};

function isChange(operation: string): boolean {
  return operation in doing;
}

/** The stack and the component are no things of this machine. */
function isOwn(type: string): boolean {
  return !type.startsWith("localhost:");
}

/** `local-gpu-0` without the component's prefix. */
function nameOf(urn: string): string {
  return (urn.split("::").pop() ?? urn).replace(/^local-/, "");
}

/** Messages carry colour marks of the engine, as `<{%reset%}>`. */
function plain(message: string): string {
  return message.replace(/<\{%[^%]*%\}>/g, "").trim();
}
