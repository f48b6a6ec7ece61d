import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execa } from "execa";
import * as z from "zod";
import type { Call } from "../../../core/benchmark/calls.ts";
import type { PlannedSeries } from "../../../core/benchmark/load-plan.ts";
import { jsonRequest } from "../../../core/benchmark/payload.ts";
import { findPrograms } from "../../setup/find-program.ts";
import { askProgram, lastWords } from "../../setup/run-program.ts";
import { UserError } from "../../setup/user-error.ts";
import { compareVersions, parseVersion } from "../../setup/version.ts";
import type { StackEndpoint } from "../../stack/endpoint.ts";
import { inferUrl } from "../targets.ts";
import { routingHeaders, timeoutSeconds, type LoadGenerator, type LoadJob } from "./generator.ts";

/** The release whose config file and records are meant here, and the oldest that has them. */
export const aiperfVersion = "0.13.0";

/** Python and its packages take their time. */
const versionTimeoutMs = 60_000;

/** NVIDIA's AIPerf as it is on PATH. Throws where it is not, is too old, or cannot measure what is asked for. */
export async function aiperfHere(
  all: readonly PlannedSeries[],
  endpoint: StackEndpoint,
): Promise<LoadGenerator> {
  for (const series of all) {
    const limit = aiperfLimit(series);
    if (limit !== undefined)
      throw new UserError(
        `AIPerf cannot measure ${series.model.spec.name}: ${limit}`,
        "leave out --generator, or name what it measures: --model <one with `upstream`> --protocol http",
      );
  }
  if (endpoint.tls.certificate !== undefined)
    throw new UserError("AIPerf has no client certificate", "leave out --generator, or give an API key");
  if (/\$\{|\{[{%#]/.test(endpoint.apiKey ?? ""))
    throw new UserError(
      "AIPerf would take the API key for a template, since it has `${`, `{{`, `{%` or `{#`",
      "leave out --generator, or give another key",
    );
  for (const program of findPrograms("aiperf")) {
    const said = await askProgram(program, ["--version"], { timeoutMs: versionTimeoutMs });
    const version = said?.split("\n").at(-1) ?? "";
    if (!isSufficient(version)) continue;
    return {
      ...{ name: "aiperf", version, from: "this machine", protocols: ["http"] },
      run: (job) => run(program, job),
    };
  }
  throw new UserError(
    `There is no AIPerf ${aiperfVersion} or newer on PATH`,
    `pipx install aiperf==${aiperfVersion} (Python 3.11 to 3.13, 1.2 GB); or leave out --generator`,
  );
}

function isSufficient(version: string): boolean {
  const [found, oldest] = [version, aiperfVersion].map(parseVersion);
  return found !== undefined && oldest !== undefined && compareVersions(found, oldest) >= 0;
}

/** Why AIPerf cannot measure a series; undefined where it can. */
function aiperfLimit({ model, protocol, payload }: PlannedSeries): string | undefined {
  if (model.spec.upstream === undefined) return "it is no model that calls an LLM's API";
  if (protocol !== "http") return "it speaks HTTP alone";
  if (answerOf(model.spec) === undefined) return "the model has no output of type STRING";
  const binary = payload.inputs.find(({ datatype }) => datatype === "FP16" || datatype === "BF16");
  return binary === undefined ? undefined : `it sends JSON, which has no ${binary.datatype}`;
}

/** The output that is the answer's text. */
function answerOf({ outputs }: PlannedSeries["model"]["spec"]): string | undefined {
  return outputs.find(({ dataType }) => dataType === "STRING")?.name;
}

async function run(program: string, job: LoadJob): Promise<readonly Call[]> {
  // For its owner alone, since the config may hold an API key; and without links, by which AIPerf reads no template.
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "triton-bench-aiperf-")));
  try {
    const at = (name: string): string => path.join(folder, name);
    const { isEncrypted, tls } = job.endpoint;
    mkdirSync(at("tokenizer"));
    for (const [name, content] of Object.entries(tokenizer))
      writeFileSync(at(path.join("tokenizer", name)), JSON.stringify(content));
    writeFileSync(at("body"), `{% raw %}${JSON.stringify(jsonRequest(job.series.payload))}{% endraw %}`);
    writeFileSync(at("config.yaml"), JSON.stringify(configOf(job, at)), { mode: 0o600 });
    const { all, exitCode } = await execa(
      program,
      ["profile", "--config", at("config.yaml"), "--ui", "none"],
      {
        cwd: folder,
        // What Python's ssl reads; the usual authorities where it is left out.
        env: isEncrypted && tls.ca !== undefined ? { SSL_CERT_FILE: tls.ca } : {},
        ...{ cancelSignal: job.signal, reject: false, stdin: "ignore", all: true },
      },
    );
    if (job.signal.aborted) return [];
    const calls = recordsIn(at("artifacts"));
    if (calls.length > 0) return calls;
    throw new UserError(
      `AIPerf could not measure ${job.series.model.spec.name} (exit code ${String(exitCode)}):\n${lastWords(all)}`,
      "mend what it reports, or leave out --generator",
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * A tokenizer of words, for tokens that nobody reads: AIPerf does not begin without one, and each of its own, `builtin` too,
 * is fetched from the Internet.
 */
const tokenizer = {
  "tokenizer.json": {
    version: "1.0",
    added_tokens: [],
    pre_tokenizer: { type: "WhitespaceSplit" },
    model: { type: "WordLevel", vocab: { "[UNK]": 0 }, unk_token: "[UNK]" },
  },
  "tokenizer_config.json": { tokenizer_class: "PreTrainedTokenizerFast", unk_token: "[UNK]" },
};

/** AIPerf's own config, as JSON, which is YAML too. The request is the same every time, as other generators send it. */
function configOf({ series, endpoint, concurrency, bound }: LoadJob, at: (name: string) => string): object {
  const { spec } = series.model;
  const timeout = timeoutSeconds(series);
  return {
    schemaVersion: "2.0",
    benchmark: {
      model: spec.name,
      endpoint: {
        urls: [inferUrl(endpoint.http, spec.name)],
        type: "template",
        timeout,
        headers: {
          ...routingHeaders(series),
          ...(endpoint.apiKey === undefined ? {} : { "x-api-key": endpoint.apiKey }),
        },
        template: {
          body: at("body"),
          response_field: `outputs[?name=='${answerOf(spec) ?? ""}'].data | [0][0]`,
        },
      },
      tokenizer: { name: at("tokenizer") },
      // Never sent: the template has no place for it.
      dataset: { type: "file", format: "single_turn", records: [{ text: spec.name }] },
      serverMetrics: { enabled: false },
      gpuTelemetry: { enabled: false },
      artifacts: { dir: at("artifacts"), summary: false, records: ["jsonl"] },
      profiling: {
        ...{ type: "concurrency", concurrency },
        ...("requests" in bound
          ? { requests: Math.max(bound.requests, concurrency) }
          : { duration: bound.seconds, gracePeriod: timeout }),
      },
    },
  };
}

/** Of every call that ended; none where AIPerf came to none. */
function recordsIn(folder: string): Call[] {
  let text = "";
  try {
    text = readFileSync(path.join(folder, "profile_export.jsonl"), "utf8");
  } catch {
    return [];
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parseRecord);
}

/** `code` is HTTP's, where there was an answer; `type` names the answer's status, or the exception. */
const errorSchema = z.object({ code: z.number().nullish(), type: z.string().nullish() });

const recordSchema = z.object({
  metadata: z.object({
    /** Nanoseconds since 1970: more than a number keeps, and known to a quarter of a microsecond. */
    request_start_ns: z.number(),
    request_end_ns: z.number(),
  }),
  /** Of a call that failed there is none. */
  metrics: z.object({ request_latency: z.object({ value: z.number() }).optional() }),
  error: errorSchema.nullish(),
});

/** A line of AIPerf's `profile_export.jsonl`. Exported for its test. */
export function parseRecord(line: string): Call {
  const { metadata, metrics, error } = recordSchema.parse(JSON.parse(line));
  const { request_start_ns: began, request_end_ns: ended } = metadata;
  const call = { endedAt: ended / 1e6, latencyMs: metrics.request_latency?.value ?? (ended - began) / 1e6 };
  if (error === undefined || error === null) return call;
  return { ...call, failure: failureName(error) };
}

function failureName({ code, type }: z.output<typeof errorSchema>): string {
  if (/timeout/i.test(type ?? "")) return "timeout";
  if (/connect|disconnect|socket|OSError/i.test(type ?? "")) return "connection";
  return typeof code === "number" ? String(code) : "error";
}
