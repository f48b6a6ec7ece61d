import path from "node:path";
import { execa } from "execa";
import * as z from "zod";
import type { Endpoints } from "../../core/description.ts";
import type { InputSpec, ModelSpec } from "../../core/spec/model.ts";
import { projectRoot } from "../setup/places.ts";
import { UserError } from "../setup/user-error.ts";
import type { Access } from "../stack/access.ts";

const resultSchema = z.array(
  z.object({
    server: z.string(),
    model: z.string(),
    protocol: z.enum(["http", "grpc"]),
    /** Wall time of the call. */
    milliseconds: z.number(),
    error: z.string().nullable(),
  }),
);

export type SmokeResult = z.output<typeof resultSchema>[number];

/** What is called, and where. */
export interface SmokeCase {
  /** Name of the server group. */
  readonly server: string;
  readonly spec: Pick<ModelSpec, "name" | "inputs" | "maxBatchSize">;
}

/** One small call per model over HTTP and gRPC, through the balancer, with Triton's own client. */
export async function smoke(
  python: string,
  { http, grpc }: Pick<Endpoints, "http" | "grpc">,
  cases: readonly SmokeCase[],
  { apiKey, tls }: Access = { tls: {} },
): Promise<SmokeResult[]> {
  const { protocol, host } = new URL(http);
  // On standard input: a key has no place in a process list.
  const job = {
    http: host,
    grpc,
    tls: protocol === "https:" ? tls : null,
    apiKey,
    cases: cases.map(({ server, spec }) => ({ model: spec.name, server, inputs: smokeInputs(spec) })),
  };
  const { stdout, stderr, exitCode } = await execa(
    python,
    [path.join(projectRoot, "commands", "local", "smoke.py")],
    { input: JSON.stringify(job), reject: false },
  );
  if (exitCode !== 0)
    throw new UserError(
      `The smoke test could not run:\n${stderr}`,
      "see that the addresses are host:port, and that certificates and keys are PEM files",
    );
  return resultSchema.parse(JSON.parse(stdout));
}

/** One row of plain values for every input, the optional ones too: they keep a call that costs money small. */
export function smokeInputs(spec: Pick<ModelSpec, "inputs" | "maxBatchSize">): object[] {
  return spec.inputs.map((input) => {
    const shape = [...(spec.maxBatchSize > 0 ? [1] : []), ...input.dims.map((dim) => (dim === -1 ? 1 : dim))];
    const size = shape.reduce((product, dim) => product * dim, 1);
    return {
      name: input.name,
      datatype: wireType(input),
      shape,
      data: Array.from({ length: size }, () => value(input)),
    };
  });
}

function wireType({ dataType }: InputSpec): string {
  return dataType === "STRING" ? "BYTES" : dataType;
}

function value({ dataType }: InputSpec): string | number | boolean {
  if (dataType === "STRING") return "The quick brown fox jumps over the lazy dog";
  return dataType === "BOOL" ? true : 1;
}
