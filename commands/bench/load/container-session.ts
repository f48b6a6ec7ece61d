import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import process from "node:process";
import {
  parseAnswer,
  questionOf,
  replicaScript,
  splitAnswers,
} from "../../../core/benchmark/replica-shell.ts";
import { lastWords } from "../../setup/run-program.ts";

/** How long an answer may take, the way to the container included: Docker may be at the other end of SSH. */
const timeoutMs = 10_000;
/** From the end of its input until a session that does not end is killed. */
const endMs = 5_000;

/**
 * A shell in a replica's container that is asked over HTTP (core/benchmark/replica-shell.ts), for the time of a benchmark. It
 * is over when the container is, or when it has been silent for too long.
 */
export class ContainerSession {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  /** Who waits for the next answers, in the order they asked. */
  readonly #waiting: { readonly resolve: (answer: string) => void; readonly reject: (why: Error) => void }[] =
    [];
  #received = "";
  #said = "";
  #isOver = false;

  /** `command` runs the program in the container that follows it: `docker exec …`, `kubectl exec …`. */
  constructor(command: readonly string[]) {
    const [program, ...args] = [...command, "bash", "-c", replicaScript];
    // Ctrl-C on a terminal reaches its whole process group: this one ends with its input.
    this.#child = spawn(program, args, { detached: true });
    const { stdin, stdout, stderr } = this.#child;
    // Why it does not listen any more is said at its end.
    stdin.on("error", () => undefined);
    stdout.setEncoding("utf8").on("data", (chunk: string) => {
      const { whole, rest } = splitAnswers(this.#received + chunk);
      this.#received = rest;
      for (const answer of whole) this.#waiting.shift()?.resolve(answer);
    });
    stderr.setEncoding("utf8").on("data", (chunk: string) => {
      this.#said = `${this.#said}${chunk}`.slice(-4_000);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", ({ message }) => {
        this.#giveUp(message);
        resolve();
      });
      this.#child.on("close", () => {
        this.#giveUp(lastWords(this.#said) || `${program} has ended`);
        resolve();
      });
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The body of what the container answers; throws where that is no success. */
  async get(port: number, path: string): Promise<string> {
    if (this.#isOver) throw new Error("its container is gone");
    const timer = setTimeout(() => {
      this.#giveUp(`no answer for ${String(timeoutMs / 1000)} s`);
      this.#kill();
    }, timeoutMs);
    const text = await new Promise<string>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(questionOf(port, path));
    }).finally(() => {
      clearTimeout(timer);
    });
    const answer = parseAnswer(text);
    if (answer?.status === 200) return answer.body;
    const why = answer === undefined ? lastWords(this.#said, 1) : `it answers ${String(answer.status)}`;
    throw new Error(`port ${String(port)}, ${path}: ${why === "" ? "no answer" : why}`);
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => {
      this.#kill();
    }, endMs);
    await this.#ended;
    clearTimeout(timer);
  }

  /** With what it has started itself, as for a login: that is in its process group. */
  #kill(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch {
      // All of it has ended by itself.
    }
  }

  /** Answers nothing any more. */
  #giveUp(why: string): void {
    this.#isOver = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(why));
  }
}
