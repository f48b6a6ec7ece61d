import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import * as z from "zod";
import type { Tool } from "./tools.ts";

const answer = z.union([
  /** Hexadecimal; equal for texts that mean the same message, and for no others. */
  z.strictObject({ message: z.string() }),
  z.strictObject({ error: z.string() }),
]);

/** protobuf's own text parser with Triton's ModelConfig, as one Python process for all texts of a run. */
export class ModelConfigReader {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(python: Tool) {
    if (python.program === undefined) throw new Error(`${python.name} is not installed`);
    this.#process = spawn(python.program, [path.join(import.meta.dirname, "model_config_reader.py")]);
    this.#process.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** The message that a text means, as bytes, or what protobuf has against it. One call at a time. */
  async ask(text: string): Promise<z.output<typeof answer>> {
    this.#process.stdin.write(`${JSON.stringify(text)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("the reader has ended; its errors are above");
    const document: unknown = JSON.parse(line.value);
    return answer.parse(document);
  }

  /** The same of a text that protobuf accepts. */
  async read(text: string): Promise<string> {
    const asked = await this.ask(text);
    if ("error" in asked) throw new Error(`protobuf refuses the text: ${asked.error}\n${text}`);
    return asked.message;
  }

  close(): void {
    this.#process.stdin.end();
  }
}
