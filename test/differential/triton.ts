import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import * as z from "zod";
import type { Triton } from "../../commands/setup/triton.ts";
import { loopback } from "../../components/local/ports.ts";
import { removeSharedMemory } from "../../components/local/shared-memory.ts";
import { freePorts } from "../support/platform.ts";

/** A model as it lies in the repository: the path of each file below the model's folder, and its content. */
export interface ModelFolder {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
}

export type LoadResult =
  | { readonly outcome: "loaded" }
  | { readonly outcome: "refused"; readonly error: string }
  /** The server died of it, and did so again with this model alone. */
  | { readonly outcome: "crashed"; readonly error: string }
  /** It neither loaded nor failed within `loadTimeout`, and did not with this model alone. */
  | { readonly outcome: "hung"; readonly error: string };

export interface TritonOptions {
  readonly triton: Pick<Triton, "executable" | "directory" | "libraryPath" | "python">;
  /** Loaded from the start and kept: what ensembles are made of. */
  readonly steps?: readonly ModelFolder[];
  /** Flags beyond those that every run needs. */
  readonly flags?: readonly string[];
  /** Seconds until a load that has not ended is taken for hung (default: 30). */
  readonly loadTimeout?: number;
  /** Loads at a time (default: 16): most of a load is waiting. */
  readonly parallel?: number;
}

/**
 * The real tritonserver in explicit mode, asked to load many models at a time. A model that was on its way when the
 * server died, or that did not come back, is loaded again by a second server, alone: that shows whether it was this one.
 */
export class RealTriton {
  readonly #many: Servers;
  readonly #single: Servers;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: TritonOptions) {
    this.#many = new Servers(options);
    this.#single = new Servers({ ...options, parallel: 1 });
  }

  /** Loads a model, and unloads it again where that worked. The name must be new to this server. */
  async load(model: ModelFolder): Promise<LoadResult> {
    const result = await this.#many.load(model);
    return result.outcome === "crashed" || result.outcome === "hung" ? this.#loadAlone(model) : result;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#many.stop(), this.#single.stop()]);
  }

  #loadAlone(model: ModelFolder): Promise<LoadResult> {
    const turn = this.#queue.then(() => this.#single.load(model));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

/** One server after the other: a next one is started when a model comes and the last one takes no more. */
class Servers {
  readonly #options: TritonOptions;
  readonly #started: Promise<Server>[] = [];
  #stopped = false;

  constructor(options: TritonOptions) {
    this.#options = options;
  }

  async load(model: ModelFolder): Promise<LoadResult> {
    if (this.#stopped) throw new Error("the servers are stopped");
    const last = this.#started.at(-1);
    const server = await last;
    if (server !== undefined && !server.retired) return server.load(model);
    // Whoever sees it first starts the next one; the others find it.
    if (this.#started.at(-1) === last) this.#started.push(Server.start(this.#options));
    return this.load(model);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const server of await Promise.allSettled(this.#started)) {
      if (server.status === "fulfilled") await server.value.stop();
    }
  }
}

/** One process, with a folder and shared memory of its own. */
class Server {
  readonly #folder: string;
  readonly #url: string;
  readonly #process: ReturnType<typeof spawn>;
  readonly #loadTimeout: number;
  readonly #lines: string[] = [];
  readonly #refusals = new Map<string, string>();
  /** Models of which a version has been unloaded. */
  readonly #gone = new Set<string>();
  #loads = 0;
  #dead = false;
  /** Whether it takes no more models: it is dead, or one that hangs holds a thread of it for ever. */
  retired = false;

  static async start(options: TritonOptions): Promise<Server> {
    const folder = mkdtempSync(path.join(tmpdir(), "triton-differential-"));
    const [port = 0] = await freePorts(1, 2);
    const server = new Server(folder, port, options);
    try {
      await server.#ready();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  private constructor(folder: string, port: number, options: TritonOptions) {
    this.#folder = folder;
    this.#url = `http://${loopback}:${String(port)}/v2`;
    this.#loadTimeout = (options.loadTimeout ?? 30) * 1000;
    mkdirSync(this.#repository);
    for (const step of options.steps ?? []) this.#write(step);
    this.#process = spawn(options, { folder, port, repository: this.#repository });
    this.#process.once("exit", () => {
      this.retired = true;
      this.#dead = true;
    });
    void this.#follow();
  }

  async load(model: ModelFolder): Promise<LoadResult> {
    this.#write(model);
    this.#loads += 1;
    try {
      const answer = await this.#post(`/repository/models/${model.name}/load`);
      if (!answer.ok) return { outcome: "refused", error: await this.#refusal(model, await answer.text()) };
      await this.#post(`/repository/models/${model.name}/unload`);
      await this.#unloaded(model);
      return { outcome: "loaded" };
    } catch (error) {
      this.retired = true;
      const hung = error instanceof Error && error.name === "TimeoutError";
      return { outcome: hung ? "hung" : "crashed", error: this.#lastWords() };
    } finally {
      rmSync(path.join(this.#repository, model.name), { recursive: true, force: true });
      this.#loads -= 1;
      if (this.retired && this.#loads === 0) await this.stop();
    }
  }

  /** The end of its log. */
  #lastWords(): string {
    return this.#lines.slice(-25).join("\n");
  }

  /** Nothing is left of it. Killed, since a server that is told to stop waits for every stub in turn. */
  async stop(): Promise<void> {
    this.retired = true;
    this.#process.kill("SIGKILL");
    await killStubs(this.#folder);
    await this.#process;
    await removeSharedMemory(path.basename(this.#folder));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #repository(): string {
    return path.join(this.#folder, "models");
  }

  /** Reads what the server writes, to the end. */
  async #follow(): Promise<void> {
    for await (const line of this.#process.iterable({ from: "all" })) {
      this.#lines.push(line);
      if (this.#lines.length > 200) this.#lines.shift();
      const [, name, reason] = /Poll failed for model directory '(.*?)': (.*)"$/.exec(line) ?? [];
      if (name !== undefined && reason !== undefined) this.#refusals.set(name, reason);
      const [, gone] = /"successfully unloaded '(.*?)' version/.exec(line) ?? [];
      if (gone !== undefined) this.#gone.add(gone);
    }
  }

  /** Waits until a model is gone: the server unloads it in the background, and can die of that too. */
  async #unloaded({ name }: ModelFolder): Promise<void> {
    const deadline = Date.now() + this.#loadTimeout;
    while (!this.#gone.has(name)) {
      if (this.#dead) throw new Error("the server died while it unloaded a model");
      if (Date.now() > deadline) throw new DOMException("the model is not unloaded", "TimeoutError");
      await delay(20);
    }
  }

  /**
   * Why a model was refused. Where its config was refused before anything was loaded, the answer does not say it; the
   * log does, in a line that was written before the answer but comes another way.
   */
  async #refusal({ name }: ModelFolder, answer: string): Promise<string> {
    const error = messageOf(answer);
    if (!error.endsWith("failed to poll from model repository")) return error;
    const deadline = Date.now() + 2_000;
    while (!this.#refusals.has(name) && !this.#dead && Date.now() < deadline) await delay(5);
    return this.#refusals.get(name) ?? error;
  }

  #write({ name, files }: ModelFolder): void {
    for (const [file, content] of Object.entries(files)) {
      const full = path.join(this.#repository, name, file);
      mkdirSync(path.dirname(full), { recursive: true });
      writeFileSync(full, content);
    }
  }

  #post(route: string): Promise<Response> {
    return fetch(`${this.#url}${route}`, {
      method: "POST",
      body: "{}",
      signal: AbortSignal.timeout(this.#loadTimeout),
    });
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!this.#dead && Date.now() < deadline) {
      const answer = await fetch(`${this.#url}/health/ready`).catch(() => undefined);
      if (answer?.ok === true) return;
      await delay(50);
    }
    throw new Error(`tritonserver does not start:\n${this.#lastWords()}`);
  }
}

interface Place {
  readonly folder: string;
  /** HTTP; metrics are at the next one. */
  readonly port: number;
  readonly repository: string;
}

function spawn({ triton, steps = [], flags = [], parallel = 16 }: TritonOptions, place: Place) {
  const { folder, port, repository } = place;
  return execa(
    triton.executable,
    [
      `--model-repository=${repository}`,
      "--model-control-mode=explicit",
      ...steps.map(({ name }) => `--load-model=${name}`),
      // As the platform starts it (core/triton/server-flags.ts).
      "--disable-auto-complete-config",
      "--cache-config=local,size=1048576",
      `--backend-directory=${path.join(triton.directory, "backends")}`,
      `--cache-directory=${path.join(triton.directory, "caches")}`,
      `--backend-config=python,shm-region-prefix-name=${path.basename(folder)}`,
      "--allow-grpc=false",
      `--metrics-address=${loopback}`,
      `--metrics-port=${String(port + 1)}`,
      "--allow-gpu-metrics=false",
      `--http-address=${loopback}`,
      `--http-port=${String(port)}`,
      // A load holds its HTTP thread, and every other connection of that thread, to the end.
      `--http-thread-count=${String(parallel * 4)}`,
      `--model-load-thread-count=${String(parallel)}`,
      ...flags,
    ],
    {
      env: {
        LD_LIBRARY_PATH: triton.libraryPath,
        PATH: `${triton.python.bin}:/usr/local/bin:/usr/bin:/bin`,
        PYTHONDONTWRITEBYTECODE: "1",
        // Each stub imports numpy, whose BLAS starts a thread per core.
        OPENBLAS_NUM_THREADS: "1",
      },
      stdin: "ignore",
      all: true,
      buffer: false,
      reject: false,
    },
  );
}

const errorSchema = z.object({ error: z.string() });

/** What Triton says; its body where that is none of its JSON answers. */
function messageOf(body: string): string {
  try {
    return errorSchema.parse(JSON.parse(body)).error;
  } catch {
    return body;
  }
}

/**
 * Ends the Python stubs of a killed server. They would end by themselves, but one that is about to end when its server
 * dies waits for itself for ever (python_backend's pb_stub.cc: main joins the health thread, which waits for the GIL).
 */
async function killStubs(folder: string): Promise<void> {
  for (let left = stubsOf(folder); left.length > 0; left = stubsOf(folder)) {
    for (const pid of left) kill(pid);
    await delay(20);
  }
}

/** A stub's arguments name the model's file, which lies in the server's folder. */
function stubsOf(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [program = "", ...args] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return program.endsWith("triton_python_backend_stub") && args.some((arg) => arg.startsWith(folder));
      } catch {
        // It has ended between the two looks.
        return false;
      }
    })
    .map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
