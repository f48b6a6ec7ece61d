import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import type { Tool } from "./tools.ts";

const int = z.int();
/** proto3's JSON writes 64-bit integers as text. */
const int64 = z.string().transform(Number);
const tensor = { name: z.string(), data_type: z.string(), dims: z.array(int64) };

/** What the tests compare of Triton's ModelConfig, as protobuf's JSON gives it. Fields that are not set have defaults. */
const modelConfig = z.object({
  name: z.string(),
  platform: z.string(),
  backend: z.string(),
  max_batch_size: int,
  version_policy: z.union([
    z.strictObject({ latest: z.object({ num_versions: int }) }),
    z.strictObject({ all: z.object({}) }),
    z.strictObject({ specific: z.object({ versions: z.array(int64) }) }),
  ]),
  input: z.array(z.object({ ...tensor, optional: z.boolean() })),
  output: z.array(z.object({ ...tensor, label_filename: z.string() })),
  dynamic_batching: z
    .object({
      preferred_batch_size: z.array(int),
      max_queue_delay_microseconds: int64,
      preserve_ordering: z.boolean(),
      default_queue_policy: z
        .object({
          timeout_action: z.string(),
          default_timeout_microseconds: int64,
          max_queue_size: int,
        })
        .optional(),
    })
    .optional(),
  ensemble_scheduling: z
    .object({
      step: z.array(
        z.object({
          model_name: z.string(),
          model_version: int64,
          input_map: z.record(z.string(), z.string()),
          output_map: z.record(z.string(), z.string()),
        }),
      ),
    })
    .optional(),
  instance_group: z.array(z.object({ count: int, kind: z.string(), gpus: z.array(int) })),
  parameters: z.record(z.string(), z.object({ string_value: z.string() })),
  model_warmup: z.array(
    z.object({
      name: z.string(),
      batch_size: int,
      count: int,
      inputs: z.record(
        z.string(),
        z.object({
          data_type: z.string(),
          dims: z.array(int64),
          zero_data: z.boolean().optional(),
          random_data: z.boolean().optional(),
        }),
      ),
    }),
  ),
  response_cache: z.object({ enable: z.boolean() }).optional(),
});

export type ModelConfig = z.output<typeof modelConfig>;

const answer = z.union([
  z.strictObject({ config: modelConfig }),
  z.strictObject({ error: z.string() }).transform(({ error }) => {
    throw new Error(`protobuf refuses the text: ${error}`);
  }),
]);

/** protobuf's text parser with Triton's ModelConfig, as one Python process for all texts of a run. */
export class ModelConfigReader {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  constructor(python: Tool) {
    if (python.program === undefined) throw new Error(`${python.name} is not installed`);
    this.#process = spawn(python.program, [path.join(import.meta.dirname, "model_config_reader.py")]);
    this.#process.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** The message that a config.pbtxt means to Triton. One call at a time. */
  async read(text: string): Promise<ModelConfig> {
    this.#process.stdin.write(`${JSON.stringify(text)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("the reader has ended; its errors are above");
    const document: unknown = JSON.parse(line.value);
    const parsed = answer.parse(document);
    return parsed.config;
  }

  close(): void {
    this.#process.stdin.end();
  }
}
