import path from "node:path";
import { execa } from "execa";
import * as z from "zod";
import { projectRoot } from "../setup/places.ts";
import { lastWords } from "../setup/run-program.ts";
import { UserError } from "../setup/user-error.ts";
import type { Limit } from "./http-load.ts";
import type { Load } from "./statistics.ts";

export interface GrpcJob {
  /** The project's Python, which has Triton's client. */
  readonly python: string;
  /** `host:port`. */
  readonly target: string;
  readonly model: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly inputs: readonly object[];
  /** Calls at one time, all over one connection. */
  readonly callers: number;
  readonly limit: Limit;
  readonly signal: AbortSignal;
}

const resultSchema = z.object({
  calls: z.array(z.tuple([z.number(), z.number()])),
  errors: z.number(),
});

/** Calls a model over gRPC with Triton's own client, in a process of its own. */
export async function grpcLoad({ python, limit, signal, ...job }: GrpcJob): Promise<Load> {
  const { stdout, stderr, exitCode } = await execa(
    python,
    [path.join(projectRoot, "commands", "bench", "grpc_load.py")],
    { input: JSON.stringify({ ...job, ...limit }), cancelSignal: signal, reject: false },
  );
  signal.throwIfAborted();
  if (exitCode !== 0) {
    throw new UserError(
      `The gRPC load could not run:\n${lastWords(stderr)}`,
      "run `npm start` once, then again",
    );
  }
  const { calls, errors } = resultSchema.parse(JSON.parse(stdout));
  return { calls: calls.map(([at, milliseconds]) => ({ at, milliseconds })), errors };
}
