import type { Call } from "../../../core/benchmark/calls.ts";
import type { PlannedSeries } from "../../../core/benchmark/load-plan.ts";
import { perfAnalyzerData } from "../../../core/benchmark/payload.ts";
import { lastWords } from "../../setup/run-program.ts";
import { UserError } from "../../setup/user-error.ts";
import { timeoutSeconds, type LoadGenerator, type LoadJob } from "./generator.ts";
import type { Ended } from "./kubectl.ts";

/** Where perf_analyzer runs: on this machine, or in a pod. */
export interface Shell {
  /** As a result says where its load came from. */
  readonly place: string;
  /** Runs a program in a folder of its own. */
  readonly run: (
    command: readonly string[],
    options: { readonly input?: string; readonly signal: AbortSignal },
  ) => Promise<Ended>;
}

/** perf_analyzer as it is on the shell's PATH; undefined where it is not, or does not run. */
export async function findPerfAnalyzer(
  shell: Shell,
  { apiKeyFile, signal }: { readonly apiKeyFile?: string; readonly signal: AbortSignal },
): Promise<LoadGenerator | undefined> {
  const { exitCode, stdout, stderr } = await shell.run(["perf_analyzer", "--version"], { signal });
  if (exitCode !== 0 && !`${stdout}${stderr}`.includes("Perf Analyzer Version")) return undefined;
  const version = /Perf Analyzer Version (\S+)/.exec(`${stdout}${stderr}`)?.[1] ?? "unknown";
  return {
    ...{ name: "perf_analyzer", version, from: shell.place, protocols: ["http", "grpc"] },
    run: (job) => run(shell, job, apiKeyFile),
  };
}

/**
 * Why perf_analyzer cannot measure a series; undefined where it can. Of an ensemble it wants the statistics of every step from
 * before and after, and fails where the balancer asks another replica the second time.
 */
export function perfAnalyzerLimit({ model }: PlannedSeries, replicas: number): string | undefined {
  return model.spec.ensemble !== undefined && replicas > 1
    ? "perf_analyzer cannot measure an ensemble behind a balancer with several replicas"
    : undefined;
}

/** How it tells of the first call that failed. */
const failedCall = /Thread \[\d+\] had error: (.*)/;

async function run(shell: Shell, job: LoadJob, apiKeyFile: string | undefined): Promise<readonly Call[]> {
  const { series, signal } = job;
  const data = JSON.stringify(perfAnalyzerData(series.payload, series.model.spec.maxBatchSize > 0));
  const patience = AbortSignal.timeout(patienceSeconds(job) * 1000);
  const ended = await shell.run(["sh", "-c", scriptOf(apiKeyFile), "sh", ...argumentsOf(job)], {
    input: data,
    signal: AbortSignal.any([signal, patience]),
  });
  if (signal.aborted) return [];
  // Seen once in hundreds of runs: it waited for ever, and did nothing.
  if (patience.aborted)
    throw new UserError(
      `perf_analyzer did not end in ${String(patienceSeconds(job))} s while it measured ${series.model.spec.name}`,
      "run the benchmark again, or measure with --generator bundled",
    );
  const said = `${ended.stdout}\n${ended.stderr}`;
  const calls = parseExport(ended.stdout);
  const failure = failedCall.exec(said)?.[1];
  // It ends at the first call that fails, without a count of those before.
  if (failure !== undefined)
    return [...calls, { endedAt: Date.now(), latencyMs: 0, failure: failureName(failure) }];
  if (calls.length === 0)
    throw new UserError(
      `perf_analyzer could not measure ${series.model.spec.name}:\n${lastWords(said)}`,
      "mend what it reports, or measure with --generator bundled",
    );
  return calls;
}

/** How long it may take: twice its time, a last call and its start; for a number of calls nobody knows, half an hour. */
function patienceSeconds({ series, bound }: LoadJob): number {
  return ("seconds" in bound ? bound.seconds * 2 : 1_800) + timeoutSeconds(series) + 30;
}

/**
 * Requests are read from standard input, the raw times of every call are written to standard output, and nothing else of the
 * export, which holds all inputs and outputs too. A key is read where perf_analyzer runs; its own list of processes is the only
 * one that has it then.
 */
function scriptOf(apiKeyFile: string | undefined): string {
  const key = apiKeyFile === undefined ? "" : ` -H "x-api-key:$(cat ${apiKeyFile})"`;
  return [
    "child=; folder=$(mktemp -d) || exit",
    // A shell that is stopped takes what it runs with it.
    `trap '[ -z "$child" ] || kill "$child" 2> /dev/null; rm -rf "$folder"' EXIT`,
    "trap 'exit 143' INT TERM",
    'cat > "$folder/input.json" || exit',
    `perf_analyzer "$@"${key} --input-data "$folder/input.json" --profile-export-file "$folder/calls.json" >&2 &`,
    'child=$!; wait "$child"; code=$?; child=',
    `[ ! -f "$folder/calls.json" ] || LC_ALL=C grep -aoE '${timesPattern}' "$folder/calls.json"`,
    "exit $code",
  ].join("\n");
}

/** A quote inside a text of the export is escaped, so that no input or output looks like this. */
const timesPattern = '"timestamp":[0-9]+|"response_timestamps":\\[[0-9,]*\\]';

/** Windows that perf_analyzer wants to be alike, and compares from the third on. */
const windows = 3;

function argumentsOf({ series, endpoint, concurrency, bound }: LoadJob): string[] {
  const { protocol, batchSize, model } = series;
  const { isEncrypted, tls } = endpoint;
  return [
    // With its version, it takes its own statistics of any replica for right; without, those of two are none.
    ...["-m", model.spec.name, "-x", model.version, "-i", protocol],
    ...["-u", protocol === "http" ? endpoint.http.replace(/\/$/, "") : endpoint.grpc],
    ...(model.spec.maxBatchSize > 0 ? ["-b", String(batchSize)] : []),
    ...["-H", `x-triton-server:${model.server}`],
    ...(isEncrypted ? securityOf(protocol, tls) : []),
    // Threads of their own for all callers; without an end of the range it has 16 at most.
    ...["--sync", "--concurrency-range", `${String(concurrency)}:${String(concurrency)}:1`],
    ...("requests" in bound
      ? ["--request-count", String(Math.max(bound.requests, concurrency))]
      : [
          // How stable a point is tell its repeats: any three windows will do.
          ...["--measurement-interval", String(Math.ceil((bound.seconds * 1000) / windows))],
          ...["--max-trials", String(windows), "--stability-percentage", "999999"],
        ]),
  ];
}

function securityOf(
  protocol: "http" | "grpc",
  { ca, certificate, key }: LoadJob["endpoint"]["tls"],
): string[] {
  const option = (name: string, file: string | undefined): string[] =>
    file === undefined ? [] : [name, file];
  return protocol === "grpc"
    ? [
        "--ssl-grpc-use-ssl",
        ...option("--ssl-grpc-root-certifications-file", ca),
        ...option("--ssl-grpc-certificate-chain-file", certificate),
        ...option("--ssl-grpc-private-key-file", key),
      ]
    : [
        ...option("--ssl-https-ca-certificates-file", ca),
        ...option("--ssl-https-client-certificate-file", certificate),
        ...option("--ssl-https-private-key-file", key),
      ];
}

/** The calls of an export, or of what `timesPattern` leaves of it. Exported for its test. */
export function parseExport(text: string): Call[] {
  const calls: Call[] = [];
  let begun: bigint | undefined;
  for (const [, start, ends] of text.matchAll(/"timestamp":(\d+)|"response_timestamps":\[([\d,]*)\]/g)) {
    if (start !== undefined) begun = BigInt(start);
    else if (begun !== undefined) {
      const last = ends?.split(",").at(-1) ?? "";
      // Nanoseconds since 1970 are more than a number keeps.
      if (last !== "") {
        const end = BigInt(last);
        calls.push({
          endedAt: Number(end / 1000n) / 1000,
          latencyMs: Number(end - begun) / 1e6,
        });
      }
      begun = undefined;
    }
  }
  return calls;
}

/** perf_analyzer tells Triton's or the client's own words, and no status. */
function failureName(words: string): string {
  if (/deadline|timed? ?out/i.test(words)) return "timeout";
  if (/connect|unavailable|socket|curl/i.test(words)) return "connection";
  const status = /\[?HTTP (\d{3})\]?|response code: ?(\d{3})/i.exec(words);
  return status?.[1] ?? status?.[2] ?? "error";
}
