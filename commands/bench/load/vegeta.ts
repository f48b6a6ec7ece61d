import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import * as z from "zod";
import { millisecondsOf, type Call } from "../../../core/benchmark/calls.ts";
import type { Bound } from "../../../core/benchmark/load-options.ts";
import { httpRequest } from "../../../core/benchmark/payload.ts";
import { vegetaProgram } from "../../setup/load-programs.ts";
import { lastWords } from "../../setup/run-program.ts";
import { UserError } from "../../setup/user-error.ts";
import { certificateHint, type Access } from "../../stack/access.ts";
import { inferUrl } from "../targets.ts";
import { timeoutSeconds, type LoadGenerator } from "./generator.ts";

/** HTTP load of a process of its own, plain or over TLS. `program` is vegeta. */
export function vegetaGenerator(program: string): LoadGenerator {
  return {
    ...{ name: "vegeta", version: vegetaProgram.version, from: "this machine", protocols: ["http"] },
    run: ({ series, endpoint, concurrency, bound, signal }) => {
      const { headers, body } = httpRequest(series.payload);
      return attack(program, {
        url: inferUrl(endpoint.http, series.model.spec.name),
        headers: {
          ...headers,
          ...(endpoint.apiKey === undefined ? {} : { "x-api-key": endpoint.apiKey }),
        },
        body,
        ...{ callers: concurrency, bound, timeoutSeconds: timeoutSeconds(series), tls: endpoint.tls, signal },
      });
    },
  };
}

export interface Attack {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  /** Each has a connection of its own and makes one call at a time. */
  readonly callers: number;
  readonly bound: Bound;
  /** After which a caller gives up. */
  readonly timeoutSeconds: number;
  readonly tls: Access["tls"];
  readonly signal: AbortSignal;
}

/**
 * POSTs one body over and over, and returns every call that ended; nothing where it was stopped. Calls under way at the end of its
 * time are waited for. Throws where vegeta cannot run, or no call gets past the other side's certificate.
 */
export async function attack(program: string, job: Attack): Promise<readonly Call[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "triton-bench-vegeta-"));
  try {
    const body = path.join(folder, "body");
    const output = path.join(folder, "calls");
    writeFileSync(body, job.body);
    const { stderr, exitCode } = await execa(
      program,
      ["attack", "-format", "json", "-body", body, "-output", output, ...loadOf(job), ...securityOf(job.tls)],
      {
        // Read by nobody else: a target may hold an API key, which in arguments everybody would see.
        stdin: targetsOf(job),
        // Straight to the address, as every other call of the benchmark.
        env: { NO_PROXY: "*" },
        cancelSignal: job.signal,
        reject: false,
      },
    );
    if (job.signal.aborted) return [];
    if (exitCode !== 0)
      throw new UserError(
        `vegeta could not call ${job.url}:\n${lastWords(stderr)}`,
        "mend what it reports, then run the same command again",
      );
    const results = await readResults(program, output, job.signal);
    refuseCertificates(job.url, results);
    return results.flatMap((result) => callOf(result) ?? []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `-rate 0` is as fast as the callers get their answers. */
function loadOf({ callers, bound, timeoutSeconds }: Attack): string[] {
  const count = String(callers);
  return [
    ...["-rate", "0", "-workers", count, "-max-workers", count, "-connections", count],
    // Where an answer's end is seen before its connection is free, a second one would be opened.
    ...["-max-connections", count],
    ...["-timeout", `${String(timeoutSeconds)}s`],
    // Answers are read and not kept. Where a redirection leads has no business with a key.
    ...["-max-body", "0", "-redirects", "-1"],
    // As Triton's own clients speak: a balancer would take HTTP/2.
    "-http2=false",
    ...("requests" in bound ? ["-lazy"] : ["-duration", `${String(bound.seconds)}s`]),
  ];
}

function securityOf({ ca, certificate, key }: Attack["tls"]): string[] {
  return [
    ...(ca === undefined ? [] : ["-root-certs", ca]),
    ...(certificate === undefined || key === undefined ? [] : ["-cert", certificate, "-key", key]),
  ];
}

const targetsAtOnce = 100;

/** What is called, a line for each call where their number is fixed: there vegeta ends with its last line. */
function* targetsOf({ url, headers, callers, bound }: Attack): Generator<string> {
  // Go asks for gzip where nothing is said, and Triton would compress its answers.
  const header = { ...headers, "Accept-Encoding": "identity" };
  const line = `${JSON.stringify({
    method: "POST",
    url,
    header: Object.fromEntries(Object.entries(header).map(([name, value]) => [name, [value]])),
  })}\n`;
  let left = "requests" in bound ? Math.max(bound.requests, callers) : 1;
  for (; left > 0; left -= targetsAtOnce) yield line.repeat(Math.min(left, targetsAtOnce));
}

const resultSchema = z.object({
  /** HTTP's; 0 where there was no whole answer. */
  code: z.number(),
  /** When the call began. */
  timestamp: z.string(),
  /** Nanoseconds. */
  latency: z.number(),
  /** Why there was no answer, or the status line of one that is no success. */
  error: z.string(),
  /** Empty where nothing was called. */
  method: z.string(),
});

type Result = z.output<typeof resultSchema>;

async function readResults(program: string, output: string, signal: AbortSignal): Promise<Result[]> {
  const results: Result[] = [];
  const child = execa(program, ["encode", "-to", "json", output], {
    ...{ stdin: "ignore", buffer: false, cancelSignal: signal, reject: false },
  });
  for await (const line of child) results.push(parseResult(line));
  return results;
}

/** A line of `vegeta encode`. Exported for its test. */
export function parseResult(line: string): Result {
  return resultSchema.parse(JSON.parse(line));
}

/** Undefined where nothing was called: so each caller ends that finds no target left. Exported for its test. */
export function callOf({ code, timestamp, latency, error, method }: Result): Call | undefined {
  if (method === "") return undefined;
  const latencyMs = latency / 1e6;
  const call = { endedAt: millisecondsOf(timestamp) + latencyMs, latencyMs };
  if (code === 200) return call;
  if (code !== 0) return { ...call, failure: String(code) };
  return { ...call, failure: /Client\.Timeout|deadline|timed? ?out/i.test(error) ? "timeout" : "connection" };
}

/** Where no call gets past a certificate, more load says nothing. */
function refuseCertificates(url: string, results: readonly Result[]): void {
  const refused = results.find(({ error }) => /\b(tls|x509): /.test(error));
  if (refused === undefined || results.some(({ code }) => code !== 0)) return;
  throw new UserError(
    // Without the method and the address that Go puts before it.
    `${url} cannot be called: ${refused.error.replace(/^\w+ "[^"]*": /, "")}`,
    certificateHint,
  );
}
