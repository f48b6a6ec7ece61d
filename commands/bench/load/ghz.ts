import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import * as z from "zod";
import { millisecondsOf, type Call } from "../../../core/benchmark/calls.ts";
import { grpcRequest, inferenceProto } from "../../../core/benchmark/payload.ts";
import { ghzProgram } from "../../setup/load-programs.ts";
import { lastWords } from "../../setup/run-program.ts";
import { UserError } from "../../setup/user-error.ts";
import { routingHeaders, timeoutSeconds, type LoadGenerator, type LoadJob } from "./generator.ts";

/** Callers on one connection, as many as Triton's C++ client has on one (TRITON_CLIENT_GRPC_CHANNEL_MAX_SHARE_COUNT). */
const callersPerConnection = 6;

/** gRPC load of a process of its own. `program` is ghz. */
export function ghzGenerator(program: string): LoadGenerator {
  return {
    ...{ name: "ghz", version: ghzProgram.version, from: "this machine", protocols: ["grpc"] },
    run: (job) => run(program, job),
  };
}

async function run(program: string, job: LoadJob): Promise<readonly Call[]> {
  // For its owner alone: the metadata may hold an API key, which in arguments everybody would see.
  const folder = mkdtempSync(path.join(tmpdir(), "triton-bench-ghz-"));
  try {
    const request = path.join(folder, "request.bin");
    const metadata = path.join(folder, "metadata.json");
    const output = path.join(folder, "calls.json");
    const { series, endpoint } = job;
    writeFileSync(request, grpcRequest(series.model.spec.name, series.payload));
    writeFileSync(
      metadata,
      JSON.stringify({
        ...routingHeaders(series),
        ...(endpoint.apiKey === undefined ? {} : { "x-api-key": endpoint.apiKey }),
      }),
      { mode: 0o600 },
    );
    const { stderr, exitCode } = await execa(
      program,
      [
        ...["--proto", fileURLToPath(inferenceProto), "--call", "inference.GRPCInferenceService/ModelInfer"],
        ...["--binary-file", request, "--metadata-file", metadata],
        ...securityOf(endpoint),
        ...loadOf(job),
        ...["--format", "json", "--output", output, endpoint.grpc],
      ],
      { cancelSignal: job.signal, reject: false, stdin: "ignore" },
    );
    if (job.signal.aborted) return [];
    if (exitCode !== 0)
      throw new UserError(
        `ghz could not call ${endpoint.grpc}:\n${lastWords(stderr)}`,
        "see that the address answers (npm run smoke)",
      );
    return parseGhz(readFileSync(output, "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function securityOf({ isEncrypted, tls: { ca, certificate, key } }: LoadJob["endpoint"]): string[] {
  if (!isEncrypted) return ["--insecure"];
  return [
    ...(ca === undefined ? [] : ["--cacert", ca]),
    ...(certificate === undefined || key === undefined ? [] : ["--cert", certificate, "--key", key]),
  ];
}

function loadOf({ series, concurrency, bound }: LoadJob): string[] {
  return [
    ...["--concurrency", String(concurrency)],
    ...["--connections", String(Math.ceil(concurrency / callersPerConnection))],
    ...["--timeout", `${String(timeoutSeconds(series))}s`],
    ...("requests" in bound
      ? ["--total", String(Math.max(bound.requests, concurrency))]
      : // Calls that are under way at the end are nobody's fault.
        ["--duration", `${String(bound.seconds)}s`, "--duration-stop", "ignore"]),
  ];
}

const reportSchema = z.object({
  details: z
    .array(
      z.object({
        /** When the call ended. */
        timestamp: z.string(),
        /** Nanoseconds. */
        latency: z.number(),
        /** Name of the gRPC status, as in `DeadlineExceeded`. */
        status: z.string(),
      }),
    )
    .nullish(),
});

/** The calls of ghz's JSON report. Exported for its test. */
export function parseGhz(text: string): Call[] {
  return (reportSchema.parse(JSON.parse(text)).details ?? []).map(({ timestamp, latency, status }) => ({
    endedAt: millisecondsOf(timestamp),
    latencyMs: latency / 1e6,
    ...(status === "OK" ? {} : { failure: constantCase(status) }),
  }));
}

/** `DeadlineExceeded` as gRPC itself writes it: `DEADLINE_EXCEEDED`. */
function constantCase(status: string): string {
  return status.replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase();
}
